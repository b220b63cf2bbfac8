#pragma once
// The life of one configured instance (connector, index) as a state machine: events in, actions out, time as
// a parameter. Pure: no clock, no process, no pipe. Owned by the fleet, which carries the actions out.
//
//                    start / reload / operator
//      stopped ------------------------------------> starting <-----------------------------+
//         ^                                          |      |                               |
//         | stop, all gone                     ready |      | exit, deadline, init_failed   | delay is over
//         |                                          v      v                               |
//      draining <---------- stop, restart ---------- ready  +--> (death) --> backoff -------+
//         |     (exclusive), hung, limits            |  ^          ^  |                     |
//         |                                job given |  | ended    |  | 5 in 5 min          |
//         |                                          v  |          |  +-> breaker_open -----+ trial
//         +------------- any time ----------------- busy  --------+                  each 5 min
//                                                         exit
//      failed: exit 78, foreign protocol version, init_failed that is not retryable. Left by new settings or
//              an operator's start or restart only.
//
// A death while stopping for a reason of ours that is no misbehaviour (restart, recycle) starts the next
// process at once. An overlapped restart does not show as a state: the old process stays ready/busy while a
// candidate starts beside it; the candidate's `ready` turns the old one into a retiring process, its failure
// leaves the old one serving.

#include <cstdint>
#include <list>
#include <optional>
#include <string>

#include "ipc/messages.h"
#include "supervisor/process/life/process_run.h"
#include "supervisor/process/life/restart_policy.h"
#include "supervisor/process/types.h"

namespace emprops::process {

struct LifecycleOptions {
    std::string name;  ///< for sentences: "comfyui" or "comfyui/1"
    config::SupervisionSettings policy;
    bool exclusive = false;
    bool attach = false;  ///< Spawn means: wait for somebody to connect; no timeouts, no back-off
    Ms drain_timeout{300'000};
};

/// What the shell measured for a tick.
struct Observations {
    std::uint64_t rss_bytes = 0;  ///< of the serving process tree; 0: not measured
    /// Generations with bytes waiting for their stdin: pings to them are put off.
    std::vector<std::uint64_t> stdin_backlog;
};

class Lifecycle {
  public:
    Lifecycle(LifecycleOptions options, Random random);

    // ---- wishes
    Actions start(TimePoint now);
    enum class Overlap { yes, no };
    Actions restart(StopReason reason, const std::string& text, TimePoint now,
                    Overlap overlap = Overlap::yes);
    /// A planned replacement of the serving process, as by max_jobs: it forgets no failures and counts as
    /// none.
    Actions recycle(std::uint64_t generation, const std::string& text, TimePoint now);
    /// Jobs finish first.
    Actions stop(const std::string& text, TimePoint now);
    /// The worker ends: stop ladder for everything, nothing is started any more.
    Actions shutdown(TimePoint now);
    /// Stop ladder for one process, now.
    Actions stop_process(std::uint64_t generation, StopReason reason, const std::string& text, TimePoint now);
    /// New settings; they hold for the next process. Forgets failures.
    void configure(LifecycleOptions options);

    // ---- what happened
    Actions spawned(std::uint64_t generation, TimePoint now);
    Actions spawn_failed(const std::string& text, TimePoint now);
    Actions ready(std::uint64_t generation, int protocol, const ipc::Features& features, TimePoint now);
    Actions init_failed(std::uint64_t generation, bool retryable, const std::string& text, TimePoint now);
    /// What its `ready` says cannot be taken: it is stopped and not tried again.
    Actions refused(std::uint64_t generation, const std::string& text, TimePoint now);
    void job_given(std::uint64_t generation);
    /// It has sent a result: a trial of the breaker went well.
    void job_done(std::uint64_t generation);
    Actions job_ended(std::uint64_t generation, TimePoint now);
    void pong(std::uint64_t generation, std::uint64_t id);
    Actions stdin_stalled(std::uint64_t generation, TimePoint now);
    /// The process can do nothing useful any more ("it closed its stdout"); it has a moment to exit.
    void expect_exit(std::uint64_t generation, const std::string& why, TimePoint now);
    /// The exit was seen; stdout is still being read.
    Actions exit_seen(std::uint64_t generation, TimePoint now);
    /// The end, after stdout was read. `report.stopped_for` and `was_ready` are filled in here.
    Actions exited(std::uint64_t generation, DeathReport& report, TimePoint now);
    Actions tick(const Observations& seen, TimePoint now);

    // ---- what is
    State state() const;
    bool wanted() const { return wish_ != Wish::stopped; }
    std::optional<TimePoint> next_wakeup() const;
    std::optional<TimePoint> next_attempt() const { return next_attempt_; }
    bool gone() const { return !serving_ && !candidate_ && retiring_.empty(); }
    bool replacing() const { return serving_ && candidate_; }
    int leaving() const { return static_cast<int>(retiring_.size()); }
    /// The process that serves, else the one that starts, else the last one on its way out.
    const ProcessRun* current() const;
    const ProcessRun* find(std::uint64_t generation) const;
    const std::optional<DeathReport>& last_death() const { return last_death_; }
    /// One sentence without a full stop: the state and what led to it.
    std::string why(TimePoint now) const;

  private:
    enum class Wish { run, stopped, failed };

    ProcessRun* run_of(std::uint64_t generation);
    void spawn(Actions& out);
    void replace(StopReason reason, const std::string& text, TimePoint now, Overlap overlap, Actions& out);
    void retire(std::optional<ProcessRun>& slot);
    void candidate_gone(const DeathReport& report, TimePoint now, Actions& out);
    void serving_gone(const DeathReport& report, Ms ready_for, TimePoint now, Actions& out);
    void after_death(const DeathReport& report, Ms ready_for, TimePoint now, Actions& out);
    void fail(const std::string& text, Actions& out);
    bool alone() const { return options_.exclusive || options_.attach; }
    bool may_recycle(TimePoint now) const;
    void check_recycle(const Observations& seen, TimePoint now, Actions& out);
    void note_rss_before_jobs(std::uint64_t rss_bytes, Actions& out);

    LifecycleOptions options_;
    RestartPolicy policy_;
    Wish wish_ = Wish::stopped;
    bool leaving_for_good_ = false;  // shutdown(): no start any more
    bool spawning_ = false;          // Spawn was asked for, the answer is outstanding
    std::optional<ProcessRun> serving_;
    std::optional<ProcessRun> candidate_;
    std::list<ProcessRun> retiring_;
    std::optional<TimePoint> next_attempt_;
    bool breaker_open_ = false;
    bool fatal_init_ = false;  // the starting process said that trying again is useless
    std::string init_error_;
    std::string failed_text_;
    std::string stop_text_;
    StopReason replace_reason_ = StopReason::restart;
    std::string replace_text_;
    std::string restart_problem_;  // an overlapped restart that did not work
    std::optional<TimePoint> no_recycle_before_;
    std::uint64_t rss_before_jobs_ = 0;  // above max_rss although no job came yet
    std::optional<DeathReport> last_death_;
};

}  // namespace emprops::process
