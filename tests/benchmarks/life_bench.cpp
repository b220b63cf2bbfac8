// What does a worker cost that has nothing to do, how soon is it there, and how soon does the hub hear of a connector's death?
// Beside it, in turn, the floor (floor_worker.cpp), which waits for all three with one poll(). bin/life_bench [ROUNDS] [CRASHES]

#include <signal.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "tests/benchmarks/embedded.h"
#include "tests/benchmarks/process_cost.h"
#include "tests/benchmarks/report.h"
#include "tests/benchmarks/workers.h"

namespace emprops::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::chrono::seconds rest_before{10}, rest_measured{10};

struct Resting {
    std::string row;
    pid_t pid;
};

template <class Rest>
void measure_rest(Report& report, const std::vector<Resting>& processes, Rest rest) {
    rest(rest_before);
    std::vector<double> cpu;
    std::vector<std::uint64_t> woken;
    for (const Resting& each : processes) {
        cpu.push_back(cpu_ms(each.pid));
        woken.push_back(wakeups(each.pid));
    }
    rest(rest_measured);
    const double seconds = std::chrono::duration<double>(rest_measured).count();
    for (std::size_t i = 0; i < processes.size(); ++i) {
        const auto& [row, pid] = processes[i];
        report.add(row, "wake-ups per second", static_cast<double>(wakeups(pid) - woken[i]) / seconds);
        report.add(row, "CPU per second, ms", (cpu_ms(pid) - cpu[i]) / seconds);
        report.add(row, "PSS, KiB", static_cast<double>(pss_kib(pid)));
        report.add(row, "peak RSS, KiB", static_cast<double>(peak_kib(pid)));
    }
}

void rest(Report& report) {
    {
        const auto worker = our_worker("disk");
        const std::vector<Resting> processes = {{"at rest: supervisor", worker->pid()},
                                                {"at rest: guardian", parent_of(worker->pid())},
                                                {"at rest: simulation connector", worker->connector_pid()}};
        measure_rest(report, processes, [&](std::chrono::milliseconds time) { worker->hub.rest(time); });
    }
    {
        const EmbeddedWorker worker;
        measure_rest(report, {{"at rest: supervisor with embedded hub", worker.pid()}},
                     [](std::chrono::milliseconds time) { std::this_thread::sleep_for(time); });
    }
    const auto floor = floor_worker();
    measure_rest(report, {{"at rest: floor", floor->pid()}},
                 [&](std::chrono::milliseconds time) { floor->hub.rest(time); });
}

/// From the fork to the hub's hearing of the job type.
void start(Report& report) {
    const auto since = [](Clock::time_point begin) {
        return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
    };
    {
        HubScript hub;
        const auto begin = Clock::now();
        const test::TestWorker worker({hub.url(), "[connectors.simulation]\n", {}, {}, {}});
        hub.wait_worker();
        report.add("start to registered", "time, ms", since(begin));
    }
    HubScript hub;
    const auto begin = Clock::now();
    const test::ChildProcess floor(floor_command(hub));
    hub.wait_worker();
    report.add("start to registered: floor", "time, ms", since(begin));
}

/// From the signal that a broken connector gets of the kernel to its job's failure at the hub.
void crash(Report& report) {
    const std::string payload = R"({"processing_time":60,"steps":60})";
    {
        HubScript hub;
        const test::TestWorker worker({hub.url(), "[connectors.simulation]\n", {}, {}, {}});
        hub.wait_worker();
        worker.wait_state("simulation", "ready");
        const pid_t connector = worker.connector("simulation").at("pid").get<pid_t>();
        report.add("crash to failed at the hub", "time, ms",
                   hub.fail_job(payload, [&] { ::kill(connector, SIGSEGV); }));
    }
    const auto floor = floor_worker();
    const pid_t connector = child_of(floor->pid());
    report.add("crash to failed at the hub: floor", "time, ms",
               floor->hub.fail_job(payload, [&] { ::kill(connector, SIGSEGV); }));
}

}  // namespace
}  // namespace emprops::bench

int main(int argc, char** argv) {
    using namespace emprops::bench;
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 3;
    const int crashes = argc > 2 ? std::atoi(argv[2]) : 10;
    Report report("A worker's life: " + std::to_string(rounds) + " rounds of rest, " +
                  std::to_string(rounds * crashes) + " starts and crashes");
    for (int i = 0; i < rounds; ++i) {
        rest(report);
        for (int j = 0; j < crashes; ++j) {
            start(report);
            crash(report);
        }
    }
    report.print();
    return 0;
}
