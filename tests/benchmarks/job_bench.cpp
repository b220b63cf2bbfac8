// What does a job cost, and how long does the worker take for it? A scripted hub gives a worker one job of the simulation
// after the other; the jobs do nothing. Beside it, in turn, the floor: the least that a worker can do (floor_worker.cpp).
// bin/job_bench [ROUNDS] [JOBS] [--frames: shows what the worker sends for one job]

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/benchmarks/measure.h"
#include "tests/benchmarks/report.h"
#include "tests/benchmarks/workers.h"

namespace emprops::bench {
namespace {

std::string payload(int steps) {
    return R"({"processing_time":0,"steps":)" + std::to_string(steps) + "}";
}

void round(Report& report, Worker& worker, const std::string& name, int steps, int jobs) {
    const std::string row = name + ", " + std::to_string(steps) + (steps == 1 ? " step" : " steps");
    worker.hub.run_jobs(jobs / 10 + 5, payload(steps));
    std::vector<double> times;
    add_cpu(report, row, "job", jobs, worker.pid(), worker.connector_pid(),
            [&] { times = worker.hub.run_jobs(jobs, payload(steps)); });
    report.add(row, "assigned to complete, ms", median(times));
    report.add(row, "of 100 the slowest, ms", quantile(times, 0.99));
    add_system_calls(report, row, "system calls per job", jobs / 4, worker.pid(),
                     [&] { worker.hub.run_jobs(jobs / 4, payload(steps)); });
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
