// How long does the GPU wait between two prompts? Many jobs lie in the local hub; the ComfyUI double ends each prompt
// after a tenth of a second. Measured at the double: from the end of a prompt to the begin of the next one. Rows: files
// in the result (inline), in a store that takes a second for each, inputs of 20 MB (prompts of a second then), and
// the floor, a script that sends the next prompt when it hears of the end. bin/gap_bench [ROUNDS] [PROMPTS]

#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "tests/benchmarks/bare_comfyui.h"
#include "tests/benchmarks/report.h"
#include "tests/support/comfyui_double.h"
#include "tests/support/comfyui_recording.h"
#include "tests/support/free_ports.h"
#include "tests/support/job_client.h"
#include "tests/support/worker_harness.h"

namespace emprops::bench {
namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::json;
using namespace std::chrono_literals;

constexpr std::size_t file_bytes = 1'000'000, input_bytes = 20'000'000;

/// Prompts of this length with one file, and when each began and ended.
class TimedComfy {
  public:
    TimedComfy(int prompts, std::chrono::milliseconds length) : comfy_(options()) {
        const Json file = {{"filename", "out.png"}, {"subfolder", ""}, {"type", "output"}};
        test::ComfyScript script = test::good_script({{"2", {{"images", {file}}}}});
        for (auto& message : script.messages)
            message.at = message.text.find("execution_success") != std::string::npos ? length : 0ms;
        for (int i = 0; i < prompts; ++i)
            comfy_.add_script(script);
        comfy_.set_file("output//out.png", std::string(file_bytes, 'x'));
    }
    std::string url() const { return comfy_.url(); }
    std::uint16_t port() const {
        return static_cast<std::uint16_t>(std::stoi(url().substr(url().rfind(':') + 1)));
    }
    /// From each end to the begin that follows it, in ms; the first ones are left out.
    std::vector<double> gaps() const {
        const std::lock_guard lock(mutex_);
        std::vector<double> gaps;
        for (std::size_t i = 3; i < begins_.size() && i - 1 < ends_.size(); ++i)
            gaps.push_back(std::chrono::duration<double, std::milli>(begins_[i] - ends_[i - 1]).count());
        return gaps;
    }

  private:
    test::ComfyDoubleOptions options() {
        test::ComfyDoubleOptions options;
        options.on_prompt = [this](const std::string& what, const std::string&) {
            const std::lock_guard lock(mutex_);
            if (what == "run") begins_.push_back(Clock::now());
            if (what == "end") ends_.push_back(Clock::now());
        };
        return options;
    }

    mutable std::mutex mutex_;
    std::vector<Clock::time_point> begins_, ends_;
    test::ComfyDouble comfy_;
};

void add_gaps(Report& report, const std::string& row, const std::vector<double>& gaps) {
    report.add(row, "gap, ms", median(gaps));
    report.add(row, "of 10 the longest, ms", quantile(gaps, 0.9));
    report.add(row, "the longest, ms", quantile(gaps, 1));
}

/// A row of the table: what is configured, and what is sent. `photos`: from where each prompt gets an input.
struct Row {
    std::string name, toml{}, photos{};
    std::chrono::milliseconds length{100ms};
};

Json payload(const Row& row, const std::string& graph, int number) {
    if (row.photos.empty()) return Json::parse(graph);
    Json workflow = Json::parse(test::load_workflow("load_scale_invert_save"));
    workflow["1"]["inputs"]["image"] = {{"$input", "photo"}};
    const std::string url = row.photos + "/" + std::to_string(number) + ".png";
    return {{"workflow", workflow}, {"inputs", {{"photo", {{"url", url}}}}}};
}

void ours(Report& report, const Row& row, const std::string& graph, int prompts) {
    const TimedComfy comfy(prompts, row.length);
    const test::TestHub hub;
    const test::TestWorker worker(
        {hub.url(),
         row.toml + "[connectors.comfyui.settings]\ninput_allow_private = true\nserver_url = \"" +
             comfy.url() + "\"\n",
         {},
         {},
         {}});
    worker.wait_state("comfyui", "ready");
    test::JobClient client(hub);
    std::vector<std::string> ids;
    for (int i = 0; i < prompts; ++i)
        ids.push_back(client.submit("comfyui", payload(row, graph, i)));
    for (const std::string& id : ids)
        client.completed(id, test::Ms(120'000));
    add_gaps(report, row.name, comfy.gaps());
}

void bare(Report& report, const std::string& graph, int prompts) {
    const TimedComfy comfy(prompts, 100ms);
    BareClient client(comfy.port());
    for (int i = 0; i < prompts; ++i)
        client.run_only(graph);
    add_gaps(report, "floor", comfy.gaps());
}

/// Takes every PUT, a second after it has all of it, and answers a GET with a picture of 20 MB.
class FileServer {
  public:
    FileServer()
        : port_(test::free_ports()), listener_(listen_loopback(port_)), thread_([this] { accept(); }) {}
    ~FileServer() {
        ::shutdown(listener_, SHUT_RDWR);
        thread_.join();
        for (std::thread& each : talks_)
            each.join();
        ::close(listener_);
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/in"; }

  private:
    void accept() {
        for (int fd = ::accept(listener_, nullptr, nullptr); fd >= 0;
             fd = ::accept(listener_, nullptr, nullptr))
            talks_.emplace_back([fd] {
                std::string in;
                while (take(fd, in)) {
                }
                ::close(fd);
            });
    }
    static bool take(int fd, std::string& in) {
        const auto more = [&] { return read_some(fd, in, 1 << 20); };
        while (in.find("\r\n\r\n") == std::string::npos)
            if (!more()) return false;
        const std::size_t head = in.find("\r\n\r\n") + 4;
        const std::size_t at = in.find("Content-Length: ");
        const std::size_t size = at < head ? std::stoul(in.substr(at + 16)) : 0;
        if (in.find("100-continue") < head) write_all(fd, "HTTP/1.1 100 Continue\r\n\r\n");
        while (in.size() < head + size)
            if (!more()) return false;
        const bool asked = in.starts_with("GET ");
        in.erase(0, head + size);
        if (asked) {
            static const std::string picture = "\x89PNG\r\n\x1a\n" + std::string(input_bytes - 8, 'x');
            write_all(fd, "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: " +
                              std::to_string(picture.size()) + "\r\n\r\n" + picture);
            return true;
        }
        std::this_thread::sleep_for(1s);
        write_all(fd, "HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
        return true;
    }

    const std::uint16_t port_;
    int listener_;
    std::vector<std::thread> talks_;
    std::thread thread_;
};

}  // namespace
}  // namespace emprops::bench

int main(int argc, char** argv) {
    using namespace emprops::bench;
    const int rounds = argc > 1 ? std::atoi(argv[1]) : 3;
    const int prompts = argc > 2 ? std::atoi(argv[2]) : 33;
    Report report("The GPU between two prompts, " + std::to_string(rounds) + " rounds of " +
                  std::to_string(prompts) + " prompts with a file of 1 MB");
    const std::string graph = nlohmann::json::parse(emprops::test::load_workflow("empty_save")).dump();
    for (int i = 0; i < rounds; ++i) {
        bare(report, graph, prompts);
        ours(report, {"inline"}, graph, prompts);
        FileServer server;
        ours(report,
             {"a store of 1 s",
              "[files]\ndeliver = [\"slow\"]\nat_once = 16\n[stores.slow]\ntype = \"http_put\"\nurl = \"" +
                  server.url() + "\"\n"},
             graph, prompts);
        ours(report, {"inputs of 20 MB", "", server.url(), 1s}, graph, prompts);
    }
    report.print();
    return 0;
}
