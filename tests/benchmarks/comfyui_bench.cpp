// What does the worker add to a trivial ComfyUI prompt? A scripted hub gives the ComfyUI connector one prompt after the other;
// the ComfyUI double ends each at once with one file. Beside it, in turn, the floor: a bare client that sends the prompt,
// waits for its end on the WebSocket, reads the history and fetches the file. bin/comfyui_bench [ROUNDS] [PROMPTS]

#include <time.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/benchmarks/bare_comfyui.h"
#include "tests/benchmarks/hub_script.h"
#include "tests/benchmarks/measure.h"
#include "tests/benchmarks/report.h"
#include "tests/support/comfyui_double.h"
#include "tests/support/comfyui_recording.h"
#include "tests/support/worker_harness.h"

namespace emprops::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;

constexpr const char* file_name = "out.png";
constexpr std::size_t file_bytes = 4'000;

/// Prompts that take no time and put out one small file.
class QuickComfy {
  public:
    explicit QuickComfy(int prompts) {
        const Json file = {{"filename", file_name}, {"subfolder", ""}, {"type", "output"}};
        test::ComfyScript script = test::good_script({{"2", {{"images", {file}}}}});
        for (auto& message : script.messages)
            message.at = std::chrono::milliseconds(0);
        for (int i = 0; i < prompts; ++i)
            comfy_.add_script(script);
        comfy_.set_file(std::string("output//") + file_name, std::string(file_bytes, 'x'));
    }
    std::string url() const { return comfy_.url(); }
    std::uint16_t port() const {
        return static_cast<std::uint16_t>(std::stoi(url().substr(url().rfind(':') + 1)));
    }

  private:
    test::ComfyDouble comfy_;
};

/// Columns of both rows. The last quarter is slower than the first where a cost grows with the prompts that were.
void add_times(Report& report, const std::string& row, const std::vector<double>& times) {
    const auto quarter = static_cast<std::ptrdiff_t>(times.size() / 4);
    report.add(row, "time per prompt, ms", median(times));
    report.add(row, "of 100 the slowest, ms", quantile(times, 0.99));
    report.add(
        row, "last quarter, first = 1",
        median({times.end() - quarter, times.end()}) / median({times.begin(), times.begin() + quarter}));
}

/// The median time of one prompt.
double ours(Report& report, const std::string& graph, int prompts) {
    const QuickComfy comfy(2 * prompts);
    HubScript hub("comfyui");
    const test::TestWorker worker(
        {hub.url(), "[connectors.comfyui.settings]\nserver_url = \"" + comfy.url() + "\"\n", {}, {}, {}});
    hub.wait_worker();
    worker.wait_state("comfyui", "ready");
    const pid_t supervisor = worker.supervisor_pid();
    const pid_t connector = worker.connector("comfyui").at("pid").get<pid_t>();
    hub.run_jobs(prompts / 10 + 1, graph);
    std::vector<double> times;
    add_cpu(report, "worker", "prompt", prompts, supervisor, connector,
            [&] { times = hub.run_jobs(prompts, graph); });
    add_times(report, "worker", times);
    add_system_calls(report, "worker", "connector's system calls", prompts / 4 + 1, connector,
                     [&] { hub.run_jobs(prompts / 4 + 1, graph); });
    return median(times);
}

double bare(Report& report, const std::string& graph, int prompts) {
    const QuickComfy comfy(2 * prompts);
    BareClient client(comfy.port());
    for (int i = 0; i < prompts / 10 + 1; ++i)
        client.run(graph, file_bytes);
    const auto cpu = [] {
        timespec time{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
    };
    const double begin = cpu();
    std::vector<double> times;
    for (int i = 0; i < prompts; ++i) {
        const auto sent = Clock::now();
        client.run(graph, file_bytes);
        times.push_back(std::chrono::duration<double, std::milli>(Clock::now() - sent).count());
    }
    add_times(report, "floor", times);
    report.add("floor", "CPU per prompt, ms", (cpu() - begin) / prompts);
    return median(times);
}

}  // namespace
}  // namespace emprops::bench

int main(int argc, char** argv) {
    using namespace emprops::bench;
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 5;
    const int prompts = argc > 2 ? std::atoi(argv[2]) : 200;
    Report report("A trivial ComfyUI prompt, " + std::to_string(rounds) + " rounds of " +
                  std::to_string(prompts) + " prompts, one after the other");
    // The spaces of a file for people are no part of a payload.
    const std::string graph = nlohmann::json::parse(emprops::test::load_workflow("empty_save")).dump();
    for (int i = 0; i < rounds; ++i) {
        const double time = ours(report, graph, prompts);
        report.add("worker", "time, floor = 1", time / bare(report, graph, prompts));
    }
    report.print();
    return 0;
}
