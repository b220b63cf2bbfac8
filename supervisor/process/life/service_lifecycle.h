#pragma once
// The life of the companion service of one instance as a state machine: events in, actions out, time as a
// parameter. Pure: no clock, no process, no socket. Owned by its shell (service.h), which carries the actions
// out.
//
//              start, operator            port free
//     stopped -----------------> (port?) -----------> starting ------ healthy answer ------> healthy
//        ^                        ^  | taken             |                                   |    ^
//        |                  retry |  v                   | exit, start_timeout          miss |    | answer
//        |                      waiting                  |                                   v    |
//        | exit                   ^                      +---> (death) <--- exit, asked, -- unhealthy
//        |                        |                              |          health_missed
//     stopping <--- stop, restart, recycle (jobs end first)      |
//        |            or a hang: SIGTERM, SIGKILL                v
//        +--- exit of a planned restart ---> (port?)   <--- delay is over --- backoff --- 5 in 5 min ---+
//                                               ^                                                       v
//     failed: exit code 78; left by new settings or an operator.            +------ trial --- breaker_open
//
// Usable, that is: its instance may get jobs, is only `healthy`. Planned ends (operator, new settings,
// recycle) wait for the running jobs and count for nothing; all others count in the breaker, what the
// connector asked for among them, so that no connector can make its service restart endlessly. What a job did
// (ServiceVerdict) does not count: the job is stopped instead.

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "supervisor/process/life/process_run.h"
#include "supervisor/process/life/restart_policy.h"
#include "supervisor/process/service_health.h"
#include "supervisor/process/service_types.h"

namespace emprops::process {

namespace action {
struct CheckPort {  ///< answer with port_free() or port_taken()
    bool operator==(const CheckPort&) const = default;
};
struct Probe {  ///< ask whether it works, answer with probed()
    std::uint64_t generation = 0;
    bool operator==(const Probe&) const = default;
};
}  // namespace action

using ServiceAction = std::variant<action::CheckPort, action::Spawn, action::Probe, action::SignalGroup,
                                   action::ReportStuck, action::Say>;
using ServiceActions = std::vector<ServiceAction>;

struct ServiceOptions {
    std::string name;  ///< for sentences: "the service of comfyui/1"
    config::ServiceSettings settings;
    bool check_port = false;  ///< it has a port
    bool probe = false;       ///< it has a health page; else alive is healthy
    Ms drain_timeout{300'000};
};

/// One process of the service.
struct ServiceRun {
    std::uint64_t generation = 0;
    TimePoint spawned_at;
    std::optional<TimePoint> healthy_at;
    std::optional<TimePoint> next_probe;  // none while one is under way
    std::uint32_t missed = 0;
    std::string last_miss;
    std::optional<std::uint64_t> vram_used;
    std::uint64_t jobs_given = 0;
    std::optional<LadderRun> ladder;
    std::optional<TimePoint> stuck_since;  // SIGKILL had no effect
    std::optional<TimePoint> stuck_said;
    std::optional<StopReason> reason;
    std::string text;
    bool exited = false;
};

/// An end that waits for the running jobs.
struct ServiceLeave {
    StopReason reason = StopReason::restart;
    std::string text;
    std::optional<TimePoint> deadline;
};

class ServiceLifecycle {
  public:
    ServiceLifecycle(ServiceOptions options, Random random);

    // ---- wishes
    /// Also ends back-off, an open breaker and `failed`; nothing happens to what runs.
    ServiceActions start(TimePoint now);
    /// When the running jobs have ended, at most drain_timeout later. Forgets failures.
    ServiceActions restart(const std::string& text, TimePoint now);
    /// The connector asks for a restart: at once, whatever runs; counts as a death. Ignored unless it serves.
    ServiceActions restart_asked(const std::string& text, TimePoint now);
    /// Stop ladder now; stays stopped.
    ServiceActions stop(const std::string& text, TimePoint now);
    /// Stops as above, and nothing is started any more.
    ServiceActions shutdown(TimePoint now);
    /// New settings; they hold from now on, what it is started with for the next process. Forgets failures.
    void configure(ServiceOptions options);

    // ---- what happened
    ServiceActions port_free(TimePoint now);
    ServiceActions port_taken(const std::string& owner, TimePoint now);
    ServiceActions spawned(std::uint64_t generation, TimePoint now);
    ServiceActions spawn_failed(const std::string& text, TimePoint now);
    ServiceActions probed(std::uint64_t generation, const ServiceHealth& health, TimePoint now);
    /// The exit was seen; its output is still being read.
    void exit_seen(std::uint64_t generation);
    /// The end. `report.stopped_for`, `stop_text` and `was_ready` are filled in here.
    ServiceActions exited(std::uint64_t generation, DeathReport& report, TimePoint now);
    /// What the dispatcher takes its last end for (of the process `pid`), moments after it.
    ServiceActions judged(int pid, ServiceVerdict verdict, const std::string& text, TimePoint now);
    void job_given();
    /// A job of its instance has had a result: a trial of the breaker went well.
    void job_done() { policy_.worked(); }
    /// How many jobs its instance holds.
    ServiceActions jobs_running(int jobs, TimePoint now);
    /// `rss_bytes`: of the process tree; 0: not measured.
    ServiceActions tick(std::uint64_t rss_bytes, TimePoint now);

    // ---- what is
    ServiceState state() const;
    bool usable() const { return state() == ServiceState::healthy; }
    bool wanted() const { return wish_ != Wish::stopped; }
    bool gone() const { return !run_ && !starting_; }
    std::optional<TimePoint> next_wakeup() const;
    std::optional<TimePoint> next_attempt() const { return next_attempt_; }
    /// It is not tried before this; max(): not before somebody intervenes. Nothing while it runs or starts.
    std::optional<TimePoint> back_at() const;
    std::optional<TimePoint> stuck_since() const { return run_ ? run_->stuck_since : std::nullopt; }
    std::uint32_t missed() const { return run_ ? run_->missed : 0; }
    std::optional<std::uint64_t> vram_used() const { return run_ ? run_->vram_used : std::nullopt; }
    const std::optional<DeathReport>& last_death() const { return last_death_; }
    /// Completes "its service ...", without a full stop: the state and what led to it.
    std::string why(TimePoint now) const;

  private:
    enum class Wish { run, stopped, failed };

    void begin(ServiceActions& out);
    void leave(ServiceLeave wanted, TimePoint now, ServiceActions& out);
    void end(StopReason reason, const std::string& text, TimePoint now, ServiceActions& out);
    void climb(TimePoint now, ServiceActions& out);
    void become_healthy(TimePoint now, ServiceActions& out);
    void after_death(const DeathReport& report, Ms healthy_for, TimePoint now, ServiceActions& out);
    void check_recycle(std::uint64_t rss_bytes, TimePoint now, ServiceActions& out);
    void note_needs_before_jobs(std::uint64_t rss_bytes, ServiceActions& out);
    std::string death_chain(TimePoint now) const;

    ServiceOptions options_;
    RestartPolicy policy_;
    Wish wish_ = Wish::stopped;
    bool leaving_for_good_ = false;
    bool starting_ = false;  // CheckPort or Spawn was asked for, the answer is outstanding
    std::optional<ServiceRun> run_;
    std::optional<ServiceLeave> leave_;
    int jobs_ = 0;
    std::optional<TimePoint> next_attempt_;
    bool breaker_open_ = false;
    std::string port_owner_;  // not empty: waiting
    std::string stop_text_;
    std::string failed_text_;
    std::string accusation_;        // of an open breaker: why it opened before the fifth death
    std::string before_jobs_text_;  // max_rss or max_vram is below what it needs before its first job
    std::optional<DeathReport> last_death_;
};

}  // namespace emprops::process
