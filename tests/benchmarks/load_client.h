#pragma once
// A client of a hub that keeps so many jobs in flight and costs next to nothing itself: raw WebSocket, no JSON parsed. For
// the main thread of a benchmark; it throws std::runtime_error when a job fails or none ends for a minute.

#include <chrono>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/benchmarks/wire.h"

namespace emprops::bench {

struct Load {
    int jobs = 0;
    int in_flight = 1;
    std::vector<std::string> types{"simulation"};  ///< one after the other, from the first again
    std::string payload = R"({"processing_time":0,"steps":1})";
    int priority = 0;
};

struct LoadResult {
    double jobs_per_second = 0;
    double submit_to_complete_ms = 0;  ///< median
    double slowest_ms = 0;             ///< of 100
};

class LoadClient {
  public:
    explicit LoadClient(std::uint16_t port);
    ~LoadClient();
    LoadClient(const LoadClient&) = delete;

    LoadResult run(const Load& load);
    /// What came since the begin of the last run(), for people.
    const std::vector<std::string>& frames() const { return seen_; }
    bool keep_frames = false;

  private:
    using Clock = std::chrono::steady_clock;
    void submit(const Load& load);
    void on_message(std::string_view text, const Load& load);

    int fd_ = -1;
    std::string salt_, from_, to_;
    FrameReader reader_;
    int submitted_ = 0, ended_ = 0;
    std::unordered_map<std::string, Clock::time_point> open_;
    std::vector<double> times_;
    std::vector<std::string> seen_;
};

}  // namespace emprops::bench
