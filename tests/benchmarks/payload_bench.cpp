// What does a large payload cost? As job_bench, with a text of so many bytes in the payload, which the hub sends twice, as the
// real one does: with the offer and with the assignment, in pieces of a million characters. bin/payload_bench [ROUNDS] [JOBS]

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/benchmarks/measure.h"
#include "tests/benchmarks/process_cost.h"
#include "tests/benchmarks/report.h"
#include "tests/benchmarks/workers.h"

namespace emprops::bench {
namespace {

struct Size {
    const char* name;
    std::size_t bytes;
};

std::string payload(std::size_t bytes) {
    return R"({"processing_time":0,"steps":1,"image":")" + std::string(bytes, 'x') + "\"}";
}

void round(Report& report, Worker& worker, const std::string& name, const Size& size, int jobs) {
    const std::string row = name + ", " + size.name;
    const std::string text = payload(size.bytes);
    const std::uint64_t idle = peak_kib(worker.pid());
    worker.hub.run_job(text);
    std::vector<double> times;
    add_cpu(report, row, "job", jobs, worker.pid(), worker.connector_pid(),
            [&] { times = worker.hub.run_jobs(jobs, text); });
    report.add(row, "assigned to complete, ms", median(times));
    const auto grown = static_cast<double>(peak_kib(worker.pid()) - idle) * 1024;
    report.add(row, "peak memory above idle, payloads", grown / static_cast<double>(text.size()));
}

}  // namespace
}  // namespace emprops::bench

int main(int argc, char** argv) {
    using namespace emprops::bench;
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
    const int jobs = argc > 2 ? std::atoi(argv[2]) : 10;
    Report report("A job with a large payload over a scripted hub, " + std::to_string(rounds) +
                  " rounds of " + std::to_string(jobs) + " jobs, one after the other");
    const Size sizes[] = {{"64 KB", 64'000}, {"1 MB", 1'000'000}, {"5 MB", 5'000'000}, {"15 MB", 15'000'000}};
    for (int i = 0; i < rounds; ++i) {
        for (const Size& size : sizes) {
            round(report, *our_worker("disk"), "disk", size, jobs);
            round(report, *floor_worker(), "floor", size, jobs);
        }
    }
    report.print();
    return 0;
}
