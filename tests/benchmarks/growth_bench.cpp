// Which costs grow with something that a job has nothing to do with? Jobs of no work over the embedded hub: a small worker
// (one type, one slot, one connector, an empty queue), and workers that are large in one respect. CPU and jobs per second
// are relative to the small one of the same round. bin/growth_bench [ROUNDS] [JOBS] [MILLIONS of finished jobs, 1] [only
// rows with these words]

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "tests/benchmarks/embedded.h"
#include "tests/benchmarks/large_queue.h"
#include "tests/benchmarks/load_client.h"
#include "tests/benchmarks/process_cost.h"
#include "tests/benchmarks/report.h"

namespace emprops::bench {
namespace {

struct Case {
    std::string row;
    EmbeddedOptions worker;
    Load load = {.in_flight = 10};
    bool rests = true;  ///< between two loads
};

struct Cost {
    double cpu_ms_per_job = 0, jobs_per_second = 0;
};

Cost measure(Report& report, const Case& each, int jobs) {
    const EmbeddedWorker worker(each.worker);
    LoadClient client(worker.port());
    Load load = each.load;
    load.jobs = jobs / 10 + load.in_flight + static_cast<int>(load.types.size());
    client.run(load);

    // What it does anyway (fifty connectors that die and come back) is no cost of a job, and is shown apart.
    constexpr std::chrono::seconds rest{3};
    double begin = cpu_ms(worker.pid());
    if (each.rests) std::this_thread::sleep_for(rest);
    const double at_rest =
        each.rests ? (cpu_ms(worker.pid()) - begin) / static_cast<double>(rest.count()) : 0;

    load.jobs = jobs;
    begin = cpu_ms(worker.pid());
    const LoadResult result = client.run(load);
    const double seconds = jobs / result.jobs_per_second;
    const Cost cost{(cpu_ms(worker.pid()) - begin - at_rest * seconds) / jobs, result.jobs_per_second};
    report.add(each.row, "CPU per job, ms", cost.cpu_ms_per_job);
    report.add(each.row, "jobs/s", cost.jobs_per_second);
    if (each.rests) report.add(each.row, "CPU at rest, ms/s", at_rest);
    report.add(each.row, "PSS, MiB", static_cast<double>(pss_kib(worker.pid())) / 1024);
    return cost;
}

/// Names of `count` things that begin so.
std::vector<std::string> numbered(const std::string& name, int count) {
    std::vector<std::string> names;
    for (int i = 0; i < count; ++i)
        names.push_back(name + std::to_string(i));
    return names;
}

Case many_types(int count) {
    Case each{.row = "1,000 job types", .worker = {}};
    each.load.types = numbered("type-", count);
    std::string list;
    for (const std::string& type : each.load.types)
        list += (list.empty() ? "\"" : ", \"") + type + "\"";
    each.worker.connectors = "[connectors.simulation]\njob_types = [" + list + "]\n";
    return each;
}

Case many_connectors(const std::string& row, int living, int dying) {
    Case each{.row = row, .worker = {}};
    each.worker.ready = numbered("good-", living);
    each.load.types = each.worker.ready;
    std::string& toml = each.worker.connectors;
    // All the time: they come back after a second at most, and none is given up.
    toml = "[supervision]\nbreaker_deaths = 0\nbackoff_max = \"1s\"\n";
    for (const std::string& name : each.worker.ready)
        toml += "[connectors." + name +
                "]\ncommand = [\"emprops-connector-simulation\"]\nenv = {SIMULATION_JOB_TYPE = \"" + name +
                "\"}\n";
    for (const std::string& name : numbered("bad-", dying))
        toml += "[connectors." + name + "]\ncommand = [\"false\"]\n";
    return each;
}

Case many_slots(int slots) {
    Case each{.row = "64 slots", .worker = {}};
    each.worker.connectors = "[connectors.simulation]\nconcurrency = " + std::to_string(slots) + "\n";
    each.load.in_flight = 2 * slots + 8;
    return each;
}

/// `rests`: none of its jobs is the worker's.
Case with_queue(const std::string& row, const LargeQueue& queue, bool rests) {
    Case each{.row = row, .worker = {}, .rests = rests};
    each.worker.database = queue.path();
    each.load.priority = 1;  // before those that wait
    return each;
}

}  // namespace
}  // namespace emprops::bench

int main(int argc, char** argv) {
    using namespace emprops::bench;
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 3;
    const int jobs = argc > 2 ? std::atoi(argv[2]) : 2000;
    const double millions = argc > 3 ? std::atof(argv[3]) : 1;
    const std::string only = argc > 4 ? argv[4] : "";
    Report report("Cost per job, small case = 1: " + std::to_string(rounds) + " rounds of " +
                  std::to_string(jobs) + " jobs");
    const LargeQueue finished({.finished = static_cast<int>(millions * 1'000'000)});
    const LargeQueue of_others({.pending = 10'000, .pending_type = "nobody-runs-this"});
    const LargeQueue of_ours({.pending = 10'000, .pending_type = "simulation"});
    const Case small{.row = "small", .worker = {}};
    const Case large[] = {many_types(1'000),
                          many_connectors("150 connectors", 150, 0),
                          many_connectors("200 connectors, 50 crash", 150, 50),
                          with_queue("10^6 finished jobs", finished, true),
                          with_queue("10^4 pending jobs of another type", of_others, true),
                          with_queue("10^4 pending jobs of its type", of_ours, false),
                          many_slots(64)};
    for (int i = 0; i < rounds; ++i) {
        for (const Case& each : large) {
            if (each.row.find(only) == std::string::npos) continue;
            const Cost base = measure(report, small, jobs);
            const Cost cost = measure(report, each, jobs);
            report.add(each.row, "CPU, small = 1", cost.cpu_ms_per_job / base.cpu_ms_per_job);
            report.add(each.row, "jobs/s, small = 1", cost.jobs_per_second / base.jobs_per_second);
        }
    }
    report.print();
    return 0;
}
