// What does a job cost, and how long does the worker take for it? A scripted hub gives a worker one job of the simulation
// after the other; the jobs do nothing. Beside it, in turn, the floor: the least that a worker can do (floor_worker.cpp).
// bin/job_bench [ROUNDS] [JOBS] [--frames: shows what the worker sends for one job]

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/benchmarks/process_cost.h"
#include "tests/benchmarks/report.h"
#include "tests/benchmarks/workers.h"

namespace emprops::bench {
namespace {

std::string payload(int steps) {
    return R"({"processing_time":0,"steps":)" + std::to_string(steps) + "}";
}

void round(Report& report, Worker& worker, const std::string& name, int steps, int jobs) {
    const std::string row = name + ", " + std::to_string(steps) + (steps == 1 ? " step" : " steps");
    for (int i = 0; i < jobs / 10 + 5; ++i)
        worker.hub.run_job(payload(steps));
    const double cpu = cpu_ms(worker.pid());
    const double connector_cpu = worker.connector_pid() > 0 ? cpu_ms(worker.connector_pid()) : 0;
    std::vector<double> times;
    for (int i = 0; i < jobs; ++i)
        times.push_back(worker.hub.run_job(payload(steps)));
    report.add(row, "CPU per job, ms", (cpu_ms(worker.pid()) - cpu) / jobs);
    if (worker.connector_pid() > 0)
        report.add(row, "its connector's, ms", (cpu_ms(worker.connector_pid()) - connector_cpu) / jobs);
    report.add(row, "assigned to complete, ms", median(times));
    report.add(row, "of 100 the slowest, ms", quantile(times, 0.99));
    SystemCallCount calls(worker.pid());
    for (int i = 0; i < jobs / 4; ++i)
        worker.hub.run_job(payload(steps));
    report.add(row, "system calls per job", static_cast<double>(calls.stop()) / (jobs / 4));
}

void show_frames() {
    const auto worker = our_worker("disk");
    worker->hub.run_job(payload(5));
    worker->hub.rest(std::chrono::milliseconds(100));
    for (const std::string& frame : worker->hub.frames())
        std::printf("%s\n", frame.c_str());
}

}  // namespace
}  // namespace emprops::bench

int main(int argc, char** argv) {
    using namespace emprops::bench;
    if (argc > 1 && std::strcmp(argv[1], "--frames") == 0) {
        show_frames();
        return 0;
    }
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
    const int jobs = argc > 2 ? std::atoi(argv[2]) : 200;
    Report report("A job of the simulation over a scripted hub, " + std::to_string(rounds) + " rounds of " +
                  std::to_string(jobs) + " jobs, one after the other");
    for (int i = 0; i < rounds; ++i) {
        for (const int steps : {1, 5}) {
            round(report, *our_worker("disk"), "disk", steps, jobs);
            round(report, *our_worker("process"), "process", steps, jobs);
            round(report, *floor_worker(), "floor", steps, jobs);
        }
    }
    report.print();
    return 0;
}
