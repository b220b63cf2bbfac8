// How much does a misbehaving connector delay another connector's jobs? The same jobs, one after the other,
// on a quiet worker (the floor) and while a second connector floods; the figure is the ratio of the two,
// measured in one run. Not a test: it asserts nothing. Run it on a machine without other work:
// bin/isolation_bench [JOBS]

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>

#include "tests/support/job_client.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

struct Latency {
    double p50_ms = 0;
    double p99_ms = 0;
};

Latency measure(JobClient& client, int jobs) {
    std::vector<double> times;
    for (int i = 0; i < jobs; ++i) {
        const auto begin = std::chrono::steady_clock::now();
        client.completed(client.submit("simulation", {{"processing_time", 0}, {"steps", 1}}), Ms(60'000));
        times.push_back(
            std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin).count());
    }
    std::sort(times.begin(), times.end());
    return {times[times.size() / 2], times[times.size() * 99 / 100]};
}

void compare(const char* name, const nlohmann::json& noise, int jobs) {
    TestHub hub;
    TestWorker worker({hub.url(),
                       R"(
[connectors.simulation]
env = {SIMULATION_PROCESSING_TIME = "0", SIMULATION_STEPS = "1"}
[connectors.noisy]
command = ["emprops-connector-simulation"]
env = {SIMULATION_JOB_TYPE = "noisy"}
)",
                       {},
                       {},
                       {}});
    worker.wait_state("simulation", "ready");
    worker.wait_state("noisy", "ready");
    JobClient client(hub);
    measure(client, jobs / 10 + 1);  // warm
    const auto floor = measure(client, jobs);
    JobClient noise_client(hub, {}, "client-noise");
    noise_client.submit("noisy", noise);
    const auto under = measure(client, jobs);
    std::printf(
        "%-16s quiet p50 %.2f ms p99 %.2f ms | noisy p50 %.2f ms p99 %.2f ms | ratio p50 %.2f p99 %.2f\n",
        name, floor.p50_ms, floor.p99_ms, under.p50_ms, under.p99_ms, under.p50_ms / floor.p50_ms,
        under.p99_ms / floor.p99_ms);
    std::fflush(stdout);
}

}  // namespace
}  // namespace emprops::test

int main(int argc, char** argv) {
    using emprops::test::compare;
    const int jobs = argc > 1 ? std::atoi(argv[1]) : 300;
    compare("nothing", {{"processing_time", 60}, {"steps", 6}}, jobs);
    compare("stderr flood", {{"fault", "stderr_flood"}, {"bytes", 4'000'000'000ll}}, jobs);
    compare("progress flood", {{"fault", "flood_progress"}, {"bytes", 4'000'000'000ll}}, jobs);
}
