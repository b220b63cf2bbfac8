#pragma once
// The life of one supervised thing, a connector's instance or its companion service, as a state machine: events
// in, actions out, time as a parameter. Pure: no clock, no process, no pipe. Owned by its shell (Instance,
// Service), which carries the actions out.
//
//   stopped --start--> (port taken: waiting) --> starting --up--> ready, busy <--miss, answer--> unhealthy
//      ^                        ^                   |                |                              |
//      |                        |                   |  exit, init_failed, start_timeout, hang, asked
//      |                 delay is over              v                v                              |
//      |                        +---- backoff, breaker_open <------ death <-------------------------+
//      |                              (5 in 5 min; then a trial each 5 min)
//      +-- exit -- draining <---- stop, restart, recycle, at any time: jobs end first, then the stop ladder
//
//   failed: exit code 78, foreign protocol version, init_failed that is not retryable. Left by new settings or
//           an operator's start or restart only.
//
// What makes it "up" and keeps it so is its Readiness. Planned ends (operator, new settings, recycle) wait for
// the running jobs, count for nothing and lead to the next start at once. All others count in the breaker, a
// restart that the connector asked for among them, so that no connector can restart its service endlessly; but
// not what the dispatcher takes for a job's doing (ServiceVerdict).
//
// An overlapping restart does not show as a state: the old process stays ready or busy while a candidate starts beside
// it (processes.h).

#include <cstdint>
#include <optional>
#include <string>

#include "ipc/messages.h"
#include "supervisor/process/life/actions.h"
#include "supervisor/process/life/options.h"
#include "supervisor/process/life/processes.h"
#include "supervisor/process/life/recycle_rule.h"
#include "supervisor/process/life/retries.h"
#include "supervisor/process/life/start_gate.h"
#include "supervisor/process/types.h"

namespace emprops::process {

class Life {
  public:
    Life(LifeOptions options, Random random);
    Life(const Life&) = delete;
    Life& operator=(const Life&) = delete;

    // ---- wishes
    /// Also ends back-off, an open breaker and `failed`; nothing happens to what runs.
    Actions start(TimePoint now);
    enum class Overlapping { yes, no };
    /// Forgets failures.
    Actions restart(const std::string& text, TimePoint now, Overlapping overlapping = Overlapping::yes);
    /// A planned replacement of the serving process, as by max_jobs: forgets no failures and counts as none.
    Actions recycle(std::uint64_t generation, const std::string& text, TimePoint now);
    /// The process itself is found to be broken and asks to be replaced: at once, whatever runs; counts as a
    /// death. Ignored unless it serves.
    Actions restart_asked(const std::string& text, TimePoint now);
    /// Jobs finish first; stays stopped.
    Actions stop(const std::string& text, TimePoint now);
    /// The worker ends: stop ladder for everything, nothing is started any more.
    Actions shutdown(TimePoint now);
    /// Stop ladder for one process, now.
    Actions stop_process(std::uint64_t generation, StopReason reason, const std::string& text, TimePoint now);
    /// New settings: those for recycling hold from now on, the others for the next process. Forgets failures.
    void configure(LifeOptions options);

    // ---- what happened
    Actions port_free(TimePoint now);
    Actions port_taken(const std::string& owner, TimePoint now);
    Actions spawned(std::uint64_t generation, TimePoint now);
    Actions spawn_failed(const std::string& text, TimePoint now);
    /// It said ready.
    Actions ready(std::uint64_t generation, int protocol, const ipc::Features& features, TimePoint now);
    Actions init_failed(std::uint64_t generation, bool retryable, const std::string& text, TimePoint now);
    Actions preparing(std::uint64_t generation, const ipc::Preparing& said, TimePoint now);
    /// What its `ready` says cannot be taken: it is stopped and not tried again.
    Actions refused(std::uint64_t generation, const std::string& text, TimePoint now);
    /// The answer to AskPage.
    Actions answered(std::uint64_t generation, const PageAnswer& answer, TimePoint now);
    void job_given(std::uint64_t generation);
    /// It has sent a result: a trial of the breaker went well.
    void job_done(std::uint64_t generation);
    Actions job_ended(std::uint64_t generation, TimePoint now);
    /// Somebody else counts the jobs that need it, this many now.
    Actions jobs_running(int jobs, TimePoint now);
    void pong(std::uint64_t generation, std::uint64_t id);
    /// The process can do nothing useful any more ("it closed its stdout"); it has a moment to exit.
    void expect_exit(std::uint64_t generation, const std::string& why, TimePoint now);
    /// The exit was seen; its output is still being read.
    Actions exit_seen(std::uint64_t generation, TimePoint now);
    /// The end, after its output was read. `report.stopped_for`, `stop_text`, `was_ready` and `ready_for` are
    /// filled in here.
    Actions exited(std::uint64_t generation, DeathReport& report, TimePoint now);
    /// What the dispatcher takes its last end for (of the process `pid`), moments after it.
    Actions judged(int pid, ServiceVerdict verdict, const std::string& text, TimePoint now);
    Actions tick(const Observations& seen, TimePoint now);

    // ---- what is
    State state() const;
    /// It serves, as far as can be seen.
    bool usable() const { return state() == State::ready || state() == State::busy; }
    bool wanted() const { return wanted_; }
    bool gone() const { return processes_.empty() && !gate_.asked(); }
    std::optional<TimePoint> next_wakeup() const;
    std::optional<TimePoint> next_attempt() const { return retries_.next(); }
    /// It is not tried before this; max(): not before somebody intervenes. Nothing while it runs or starts.
    std::optional<TimePoint> back_at() const;
    bool replacing() const { return processes_.replacing(); }
    int leaving() const { return processes_.retiring(); }
    /// The process that serves, else the one that starts, else the last one on its way out.
    const Run* current() const { return processes_.current(); }
    const Run* find(std::uint64_t generation) const { return processes_.find(generation); }
    const std::optional<DeathReport>& last_death() const { return retries_.last_death(); }
    /// Completes its name, without a full stop: the state and what led to it.
    std::string why(TimePoint now) const;
    /// Of one that is up: what why() says beyond that; empty, or it begins with a separator.
    std::string remarks() const;

  private:
    /// It is to run, and nothing says that this would be useless.
    bool goes_on() const { return wanted_ && !retries_.failed(); }
    void want(bool wanted, const std::string& text);
    void spawn(Actions& out);
    void replace(StopReason reason, const std::string& text, bool overlapping, TimePoint now, Actions& out);
    void candidate_gone(const DeathReport& report, TimePoint now, Actions& out);
    void serving_gone(const DeathReport& report, TimePoint now, Actions& out);
    void after_death(const DeathReport& report, TimePoint now, Actions& out);
    bool may_recycle(TimePoint now) const;
    void check_recycle(std::uint64_t rss_bytes, TimePoint now, Actions& out);
    /// What an event means for the process that it concerns, if that is one of these.
    template <class Event>
    Actions with(std::uint64_t generation, Event event) {
        Actions out;
        if (Run* run = processes_.find(generation)) event(*run, out);
        return out;
    }
    void say(Note::Level level, const std::string& text, Actions& out) const {
        out.push_back(options_.note(level, text));
    }

    LifeOptions options_;
    Processes processes_;
    Retries retries_;
    RecycleRule recycle_;
    bool wanted_ = false;
    std::string stop_text_;  // why it is not wanted
    StartGate gate_;
};

}  // namespace emprops::process
