#pragma once
// The life of one connector process as far as time and rules are concerned: start deadline, pings, draining,
// the stop ladder. Pure; owned by the Lifecycle of its configured instance.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/settings.h"
#include "supervisor/base/time.h"
#include "supervisor/process/life/stop_ladder.h"
#include "supervisor/process/types.h"

namespace emprops::process {

/// What a Lifecycle asks its shell to do. `generation` names the process.
namespace action {
struct Spawn {  ///< start a process and answer with spawned() or spawn_failed()
    bool operator==(const Spawn&) const = default;
};
struct Announce {  ///< it is ready: the dispatcher may use it
    std::uint64_t generation = 0;
    bool operator==(const Announce&) const = default;
};
struct Withdraw {  ///< no new jobs for it
    std::uint64_t generation = 0;
    bool operator==(const Withdraw&) const = default;
};
struct SendPing {
    std::uint64_t generation = 0;
    std::uint64_t id = 0;
    bool operator==(const SendPing&) const = default;
};
struct SendDrain {
    std::uint64_t generation = 0;
    bool operator==(const SendDrain&) const = default;
};
struct SendShutdown {  ///< `shutdown`, then close stdin
    std::uint64_t generation = 0;
    Ms grace{0};
    bool operator==(const SendShutdown&) const = default;
};
struct SignalGroup {
    std::uint64_t generation = 0;
    int signal = 0;
    bool operator==(const SignalGroup&) const = default;
};
struct ReportStuck {  ///< SIGKILL did not end it: say so, go on waiting
    std::uint64_t generation = 0;
    bool operator==(const ReportStuck&) const = default;
};
struct Say {  ///< a log line for people
    enum class Level { info, warn, error };
    Level level = Level::info;
    std::string text;
    bool operator==(const Say&) const = default;
};
}  // namespace action

using Action =
    std::variant<action::Spawn, action::Announce, action::Withdraw, action::SendPing, action::SendDrain,
                 action::SendShutdown, action::SignalGroup, action::ReportStuck, action::Say>;
using Actions = std::vector<Action>;

/// Completes "comfyui ...": its max_rss is below what it needs anyway.
std::string rss_before_jobs_text(std::uint64_t rss_bytes, std::uint64_t max_rss);

class ProcessRun {
  public:
    enum class Phase { starting, ready, leaving, stopping, exited };

    /// `timeouts`: false for an attached connector (a person may sit in a debugger).
    ProcessRun(std::uint64_t generation, const config::SupervisionSettings& policy, bool timeouts,
               TimePoint now);

    std::uint64_t generation() const { return generation_; }
    Phase phase() const { return phase_; }
    bool was_ready() const { return ready_at_.has_value(); }
    TimePoint spawned_at() const { return spawned_at_; }
    /// Its spawn while it is not ready.
    TimePoint ready_at() const { return ready_at_.value_or(spawned_at_); }
    Ms ready_for(TimePoint now) const;
    int jobs() const { return jobs_; }
    std::uint64_t jobs_given() const { return jobs_given_; }
    std::optional<StopReason> stop_reason() const { return reason_; }
    const std::string& stop_text() const { return text_; }
    /// Since when it has outlived even SIGKILL.
    std::optional<TimePoint> stuck_since() const {
        return phase_ == Phase::exited ? std::nullopt : stuck_since_;
    }

    void ready(bool pings, TimePoint now, Actions& out);
    void job_given() { ++jobs_, ++jobs_given_; }
    void job_ended(TimePoint now, Actions& out);
    void pong(std::uint64_t id);
    /// The process can do nothing useful any more ("it closed its stdout"); it has a moment to exit, then is
    /// stopped.
    void expect_exit(const std::string& why, TimePoint now);
    /// No new jobs; running ones finish within `limit`, then the stop ladder.
    void leave(StopReason reason, const std::string& text, Ms limit, TimePoint now, Actions& out);
    /// The stop ladder, now. Nothing happens when it is already on it.
    void stop(StopReason reason, const std::string& text, TimePoint now, Actions& out);
    /// The exit was seen; its stdout is still being read.
    void exit_seen(Actions& out);
    /// `stdin_backlog`: bytes wait for its stdin, so a ping could not reach it yet.
    void tick(TimePoint now, bool stdin_backlog, Actions& out);
    std::optional<TimePoint> next_wakeup() const;

  private:
    void withdraw(Actions& out);
    void tick_pings(TimePoint now, bool stdin_backlog, Actions& out);
    void report_stuck(TimePoint now, Actions& out);

    std::uint64_t generation_;
    config::SupervisionSettings policy_;
    bool timeouts_;
    Phase phase_ = Phase::starting;
    TimePoint spawned_at_;
    std::optional<TimePoint> ready_at_;
    bool announced_ = false;
    int jobs_ = 0;
    std::uint64_t jobs_given_ = 0;
    std::optional<StopReason> reason_;
    std::string text_;
    std::optional<TimePoint> leave_deadline_;
    std::optional<TimePoint> exit_deadline_;
    std::string exit_why_;
    std::optional<LadderRun> ladder_;
    std::optional<TimePoint> stuck_since_;
    std::optional<TimePoint> stuck_said_;
    std::optional<TimePoint> next_ping_;
    std::uint64_t last_ping_ = 0;
    bool ping_unanswered_ = false;
    std::uint32_t pings_missed_ = 0;
};

}  // namespace emprops::process
