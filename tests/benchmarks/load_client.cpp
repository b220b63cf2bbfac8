#include "tests/benchmarks/load_client.h"

#include <poll.h>
#include <unistd.h>

#include <atomic>
#include <stdexcept>
#include <utility>

#include "tests/benchmarks/report.h"

namespace emprops::bench {
namespace {

constexpr int longest_silence_ms = 60'000;

/// Job ids are new in each database that benchmarks share.
std::string new_salt() {
    static std::atomic<int> clients = 0;
    return std::to_string(std::chrono::system_clock::now().time_since_epoch().count()) + "-" +
           std::to_string(++clients) + "-";
}

}  // namespace

LoadClient::LoadClient(std::uint16_t port) : fd_(connect_loopback(port)), salt_(new_salt()) {
    open_websocket(fd_, "/ws/client/load-" + salt_, from_);
}

LoadClient::~LoadClient() {
    ::close(fd_);
}

LoadResult LoadClient::run(const Load& load) {
    submitted_ = ended_ = 0;
    salt_ = new_salt();
    times_.clear();
    seen_.clear();
    const auto begin = Clock::now();
    while (ended_ < load.jobs) {
        while (submitted_ < load.jobs && submitted_ - ended_ < load.in_flight)
            submit(load);
        if (!to_.empty()) write_all(fd_, std::exchange(to_, {}));
        pollfd look{fd_, POLLIN, 0};
        if (::poll(&look, 1, longest_silence_ms) <= 0)
            throw std::runtime_error("no job ended for a minute; " + std::to_string(ended_) + " had");
        if (!read_some(fd_, from_, 256 * 1024)) throw std::runtime_error("the hub has closed the connection");
        reader_.take(from_, [&](std::string_view text) { on_message(text, load); });
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    return {load.jobs / seconds, median(times_), quantile(times_, 0.99)};
}

void LoadClient::submit(const Load& load) {
    const auto number = static_cast<std::size_t>(submitted_++);
    const std::string id = "load-" + salt_ + std::to_string(number);
    std::string text = R"({"type":"submit_job","message_id":")" + id + R"(","job_type":")" +
                       load.types[number % load.types.size()] + R"(","priority":)" +
                       std::to_string(load.priority) + R"(,"payload":)" + load.payload + "}";
    open_[id] = Clock::now();
    add_frame(to_, text, true);
}

void LoadClient::on_message(std::string_view text, const Load& load) {
    if (keep_frames) seen_.emplace_back(text);
    const std::string_view head = text.substr(0, 300);
    const std::string_view type = member(head, "type");
    if (type == "fail_job" || type == "error")
        throw std::runtime_error("a job failed: " + std::string(text.substr(0, 1000)));
    if (type != "complete_job") return;
    const auto job = open_.find(std::string(member(head, "job_id")));
    if (job == open_.end()) return;  // the hub may say it twice
    times_.push_back(std::chrono::duration<double, std::milli>(Clock::now() - job->second).count());
    open_.erase(job);
    ++ended_;
    if (submitted_ < load.jobs) submit(load);
}

}  // namespace emprops::bench
