// How many jobs a second does the embedded hub carry, and what does each cost the process that is hub and supervisor in one?
// A client keeps enough jobs of no work and one step in flight for all slots of the simulation. Beside it, in turn, the floor
// (floor_hub.cpp). bin/hub_bench [ROUNDS] [JOBS] [--frames: shows what the client hears of one job]

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>

#include "tests/benchmarks/embedded.h"
#include "tests/benchmarks/load_client.h"
#include "tests/benchmarks/measure.h"
#include "tests/benchmarks/report.h"
#include "tests/benchmarks/workers.h"
#include "tests/support/free_ports.h"

namespace emprops::bench {
namespace {

/// More than the slots hold, so that none waits for the client.
int enough(int slots) {
    return 2 * slots + 8;
}

std::string with_slots(int slots) {
    return "[connectors.simulation]\nconcurrency = " + std::to_string(slots) + "\n";
}

void measure(Report& report, const std::string& row, LoadClient& client, pid_t hub, pid_t connector,
             Load load) {
    const int jobs = load.jobs;
    load.jobs = jobs / 10 + load.in_flight;
    client.run(load);
    load.jobs = jobs;
    LoadResult result;
    add_cpu(report, row, "job", jobs, hub, connector, [&] { result = client.run(load); });
    report.add(row, "jobs/s", result.jobs_per_second);
    report.add(row, "submit to complete, ms", result.submit_to_complete_ms);
    report.add(row, "of 100 the slowest, ms", result.slowest_ms);
    load.jobs = jobs / 4;
    add_system_calls(report, row, "system calls per job", load.jobs, hub, [&] { client.run(load); });
}

void ours(Report& report, const std::string& durability, int slots, int jobs) {
    const EmbeddedWorker worker({.durability = durability, .connectors = with_slots(slots)});
    LoadClient client(worker.port());
    const std::string row = durability + ", " + std::to_string(slots) + (slots == 1 ? " slot" : " slots");
    const pid_t connector = worker.connectors().front();
    if (slots == 1)
        measure(report, row + ", one after the other", client, worker.pid(), connector, {.jobs = jobs});
    measure(report, row, client, worker.pid(), connector, {.jobs = jobs, .in_flight = enough(slots)});
}

void floor(Report& report, int slots, int jobs) {
    const FloorHub hub(slots);
    LoadClient client(hub.port());
    const std::string row = "floor, " + std::to_string(slots) + (slots == 1 ? " slot" : " slots");
    if (slots == 1)
        measure(report, row + ", one after the other", client, hub.pid(), hub.connector_pid(),
                {.jobs = jobs});
    measure(report, row, client, hub.pid(), hub.connector_pid(), {.jobs = jobs, .in_flight = enough(slots)});
}

void show_frames() {
    const EmbeddedWorker worker;
    LoadClient client(worker.port());
    client.keep_frames = true;
    client.run({.jobs = 1});
    for (const std::string& frame : client.frames())
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
    const int jobs = argc > 2 ? std::atoi(argv[2]) : 2000;
    Report report("Jobs over the embedded hub, " + std::to_string(rounds) + " rounds of " +
                  std::to_string(jobs) + " jobs");
    for (int i = 0; i < rounds; ++i) {
        for (const int slots : {1, 8, 64}) {
            ours(report, "disk", slots, jobs);
            ours(report, "process", slots, jobs);
            floor(report, slots, jobs);
        }
    }
    report.print();
    return 0;
}
