#pragma once
// What the supervisor is told while one file is on its way: how much of it has gone, what is waited for. Not more often
// than somebody can read, and often enough to be seen alive. One per job, on its thread; time is given to it.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "ipc/time/clock.h"

namespace emprops::courier {

class Reporter {
  public:
    using Tell = std::function<void(std::optional<double> percent, const std::string& message)>;
    using Now = std::function<TimePoint()>;

    explicit Reporter(Tell tell, Now now = Clock::now);

    /// A new step: "results: uploads 12 MiB". Told at once.
    void begin(const std::string& message, std::uint64_t total);
    /// So much of the total has gone.
    void moved(std::uint64_t done);
    /// A sentence of its own, told at once; `percent` stays as it is.
    void say(const std::string& message);
    /// Called now and then: tells the last message again if nothing was told for `longest_silence`.
    void tick();

    static constexpr std::chrono::milliseconds shortest_gap{250};
    static constexpr std::chrono::milliseconds longest_silence{4000};

  private:
    void tell();

    const Tell tell_;
    const Now now_;
    std::string message_;
    std::uint64_t total_ = 0;
    std::optional<double> percent_;
    TimePoint told_{};
};

}  // namespace emprops::courier
