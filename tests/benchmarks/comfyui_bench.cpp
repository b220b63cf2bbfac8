// What does the worker add to a trivial ComfyUI prompt? A scripted hub gives the ComfyUI connector one prompt after the other;
// the ComfyUI double ends each at once with one file. Beside it, in turn, the floor: a bare client that sends the prompt,
// waits for its end on the WebSocket, reads the history and fetches the file. bin/comfyui_bench [ROUNDS] [PROMPTS]

#include <time.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/benchmarks/hub_script.h"
#include "tests/benchmarks/measure.h"
#include "tests/benchmarks/report.h"
#include "tests/benchmarks/wire.h"
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

/// Connections to ComfyUI that stay, one for HTTP and the WebSocket.
class BareClient {
  public:
    explicit BareClient(std::uint16_t port) : http_(connect_loopback(port)), socket_(connect_loopback(port)) {
        open_websocket(socket_, "/ws?clientId=bare", from_socket_);
    }
    ~BareClient() {
        ::close(http_);
        ::close(socket_);
    }
    BareClient(const BareClient&) = delete;

    void run(const std::string& graph) {
        const std::string answer = call("POST", "/prompt", R"({"client_id":"bare","prompt":)" + graph + "}");
        const Json sent = Json::parse(answer);
        const auto id = sent.at("prompt_id").get<std::string>();
        wait_end(id);
        const Json history = Json::parse(call("GET", "/history/" + id, ""));
        const auto& file = history.at(id).at("outputs").at("2").at("images").at(0);
        const std::string content =
            call("GET",
                 "/view?filename=" + file.at("filename").get<std::string>() + "&subfolder=&type=output", "");
        if (content.size() != file_bytes)
            throw std::runtime_error("another file came: " + content.substr(0, 200));
    }

  private:
    void wait_end(const std::string& id) {
        bool ended = false;
        while (!ended) {
            reader_.take(from_socket_, [&](std::string_view message) {
                ended = ended || (message.find("\"node\":null") != std::string_view::npos &&
                                  message.find(id) != std::string_view::npos);
            });
            if (!ended && !read_some(socket_, from_socket_, 64 * 1024))
                throw std::runtime_error("ComfyUI has closed the WebSocket");
        }
    }

    std::string call(const char* verb, const std::string& target, const std::string& body) {
        write_all(http_,
                  std::string(verb) + " " + target +
                      " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: " +
                      std::to_string(body.size()) + "\r\n\r\n" + body);
        std::string answer;
        const auto read_more = [&] {
            if (!read_some(http_, answer, 64 * 1024)) throw std::runtime_error("no answer to " + target);
        };
        while (answer.find("\r\n\r\n") == std::string::npos)
            read_more();
        const std::size_t head = answer.find("\r\n\r\n") + 4;
        const std::string length = "Content-Length: ";
        const std::size_t at = answer.find(length);
        if (at > head) throw std::runtime_error("an answer without its length to " + target + ": " + answer);
        const std::size_t size = std::stoul(answer.substr(at + length.size()));
        while (answer.size() < head + size)
            read_more();
        return answer.substr(head);
    }

    int http_, socket_;
    std::string from_socket_;
    FrameReader reader_;
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
        client.run(graph);
    const auto cpu = [] {
        timespec time{};
        ::clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
        return static_cast<double>(time.tv_sec) * 1e3 + static_cast<double>(time.tv_nsec) / 1e6;
    };
    const double begin = cpu();
    std::vector<double> times;
    for (int i = 0; i < prompts; ++i) {
        const auto sent = Clock::now();
        client.run(graph);
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
