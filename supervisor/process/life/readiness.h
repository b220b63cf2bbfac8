#pragma once
// What makes a process "up" and keeps it so: it says `ready` and answers pings, its page answers, or it is
// simply alive. Readiness is the rule, a value; SignsOfLife is the rule at work on one process. Pure; owned
// by a Run.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>

#include "supervisor/base/time.h"

namespace emprops::process {

/// It sends `ready` on its stdout, and reads its stdin.
struct SaysReady {
    Ms ping_interval{0};       ///< if it says that it answers pings; zero: it is not pinged
    std::uint32_t missed = 3;  ///< pings in a row without an answer that mean: it hangs
    Ms prepare_timeout{0};     ///< see StartLimits
};
/// It is up with the first healthy answer of its page.
struct AnswersPage {
    Ms interval{5000};  ///< from an answer, or a miss, to the next question; while it starts, half a second
    std::uint32_t missed = 1;  ///< questions in a row without a healthy answer that mean: it hangs
};
/// It is up as soon as it runs.
struct IsAlive {};
using Readiness = std::variant<SaysReady, AnswersPage, IsAlive>;

/// Whether the process can be told anything. One that cannot is not asked to drain or to shut down, so that
/// its stop begins with SIGTERM; and when it ends while it only waits for jobs, it has died.
inline bool speaks(const Readiness& readiness) {
    return std::holds_alternative<SaysReady>(readiness);
}

/// What a page said of the process, or why it said nothing.
struct PageAnswer {
    bool healthy = false;
    std::string text;                        ///< not healthy: why; one phrase without a full stop
    std::optional<std::uint64_t> vram_used;  ///< bytes of graphics memory in use, where the page tells them
};

class SignsOfLife {
  public:
    SignsOfLife(const Readiness& readiness, TimePoint spawned_at);

    struct Due {
        std::optional<std::uint64_t> ping;  ///< send this one
        bool ask_page = false;
        std::string hangs;  ///< not empty: what it did not answer
    };
    /// From now on it is pinged.
    void start_pings(TimePoint now);
    void pong(std::uint64_t id);
    /// True: the page was silent for too long, hangs() says how long. Misses count only once it `is_up`.
    bool answered(const PageAnswer& answer, bool is_up, TimePoint now);
    /// `stdin_backlog`: bytes wait for its stdin, so that a ping could not reach it yet.
    Due tick(bool stdin_backlog, TimePoint now);
    std::optional<TimePoint> next_wakeup() const { return next_; }

    /// Questions in a row without a healthy answer.
    std::uint32_t missed() const { return missed_; }
    std::uint32_t misses_that_mean_hung() const;
    const std::string& last_miss() const { return last_miss_; }
    std::optional<std::uint64_t> vram_used() const { return vram_used_; }

  private:
    Readiness readiness_;
    std::optional<TimePoint> next_;  // of the next ping or question; none while a question is open
    std::uint64_t last_ping_ = 0;
    bool ping_unanswered_ = false;
    std::uint32_t missed_ = 0;
    std::string last_miss_;
    std::optional<std::uint64_t> vram_used_;
};

}  // namespace emprops::process
