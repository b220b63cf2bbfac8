#pragma once
// The life of one supervised process as far as time and rules are concerned: start deadline, signs of life,
// leaving, the stop ladder. Pure; owned by the Processes of its Life.

#include <cstdint>
#include <optional>
#include <string>

#include "config/settings.h"
#include "supervisor/base/note.h"
#include "supervisor/base/time.h"
#include "supervisor/process/life/actions.h"
#include "supervisor/process/life/readiness.h"
#include "supervisor/process/life/start_clock.h"
#include "supervisor/process/life/stop_ladder.h"
#include "supervisor/process/types.h"

namespace emprops::process {

/// What holds for a process from its spawn to its end, whatever the settings become meanwhile.
struct RunRules {
    std::string name;      ///< as in LifeOptions
    std::string log_name;  ///< likewise
    Readiness readiness;
    StartLimits limits;  ///< from the spawn to being up
    config::StopLadder stop;
};

class Run {
  public:
    enum class Phase { starting, up, leaving, stopping, exited };

    Run(std::uint64_t generation, RunRules rules, TimePoint now);

    std::uint64_t generation() const { return generation_; }
    Phase phase() const { return phase_; }
    bool was_up() const { return up_at_.has_value(); }
    /// On its way out already: nothing that it says or does not say changes that.
    bool ending() const { return phase_ == Phase::stopping || phase_ == Phase::exited; }
    TimePoint spawned_at() const { return spawned_at_; }
    /// Its spawn while it is not up.
    TimePoint up_at() const { return up_at_.value_or(spawned_at_); }
    Ms up_for(TimePoint now) const { return up_at_ ? between(*up_at_, now) : Ms{0}; }
    int jobs() const { return jobs_; }
    std::uint64_t jobs_given() const { return jobs_given_; }
    /// Why we end it. A process that cannot be told to leave has no reason to end before its ladder begins.
    std::optional<StopReason> stop_reason() const;
    const std::string& stop_text() const { return text_; }
    const SignsOfLife& signs() const { return signs_; }
    /// It outlives even SIGKILL, for so long that waiting is useless.
    bool hopeless(TimePoint now) const { return phase_ == Phase::stopping && ladder_->hopeless(now); }
    State state() const;
    /// Completes the name, without a full stop: the state and what led to it.
    std::string why(TimePoint now) const;

    /// `pings`: it says that it answers them.
    void up(bool pings, TimePoint now, Actions& out);
    void job_given() { ++jobs_, ++jobs_given_; }
    void job_ended(TimePoint now, Actions& out) { set_jobs(jobs_ > 0 ? jobs_ - 1 : 0, now, out); }
    /// How many jobs need it now, where others count them.
    void set_jobs(int jobs, TimePoint now, Actions& out);
    void pong(std::uint64_t id) { signs_.pong(id); }
    void answered(const PageAnswer& answer, TimePoint now, Actions& out);
    /// It said why it cannot start, and has a moment to exit.
    void init_failed(bool retryable, const std::string& text, TimePoint now, Actions& out);
    /// It works on becoming ready.
    void preparing(const ipc::Preparing& said, TimePoint now, Actions& out);
    /// What its `ready` says cannot be taken: it is stopped, and trying again would be useless.
    void refused(const std::string& text, TimePoint now, Actions& out);
    /// The process can do nothing useful any more ("it closed its stdout"); it has a moment to exit, then is
    /// stopped.
    void expect_exit(const std::string& why, TimePoint now);
    /// No new jobs; running ones finish before `deadline` (none: whenever), then the stop ladder. Of two
    /// reasons the one with a deadline counts: somebody waits for it.
    void leave(StopReason reason, const std::string& text, std::optional<TimePoint> deadline, TimePoint now,
               Actions& out);
    /// The stop ladder, now. Nothing happens when it is already on it.
    void stop(StopReason reason, const std::string& text, TimePoint now, Actions& out);
    /// The exit was seen; its output is still being read.
    void exit_seen(Actions& out);
    /// Adds to the report of its death what is known here.
    void fill(DeathReport& report, TimePoint now) const;
    /// What keeps it from running, as seen now: completes "it is"; empty: it runs.
    void set_stopped(const std::string& text, Actions& out);
    /// `stdin_backlog`: bytes wait for its stdin, so a ping could not reach it yet.
    void tick(TimePoint now, bool stdin_backlog, Actions& out);
    std::optional<TimePoint> next_wakeup() const;

  private:
    bool told() const { return speaks(rules_.readiness); }
    std::string jobs_text() const { return std::to_string(jobs_) + " job(s)"; }
    void say(Note::Level level, const std::string& text, Actions& out) const;
    void withdraw(Actions& out);
    void begin_stop(StopReason reason, const std::string& text, TimePoint now, Actions& out);
    void climb(TimePoint now, Actions& out);

    std::uint64_t generation_;
    RunRules rules_;
    SignsOfLife signs_;
    StartClock start_;
    Phase phase_ = Phase::starting;
    TimePoint spawned_at_;
    std::optional<TimePoint> up_at_;
    bool announced_ = false;
    int jobs_ = 0;
    std::uint64_t jobs_given_ = 0;
    std::optional<StopReason> reason_;
    std::string text_;
    std::optional<TimePoint> leave_deadline_;
    std::optional<TimePoint> exit_deadline_;
    std::string exit_why_;
    std::string stopped_;      // what keeps it from running
    std::string start_error_;  // what it said of itself while it started
    bool useless_ = false;     // likewise: trying again would not help
    std::optional<LadderRun> ladder_;
};

}  // namespace emprops::process
