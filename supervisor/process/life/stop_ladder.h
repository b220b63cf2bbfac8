#pragma once
// The stop ladder in motion: `drain`, `shutdown` and end of stdin; SIGTERM to the process group; SIGKILL to
// it; each with the time that config::StopLadder grants. Pure; time is a parameter.

#include <optional>

#include "config/settings.h"
#include "supervisor/base/time.h"

namespace emprops::process {

class LadderRun {
  public:
    enum class Step { shutdown, terminate, kill, stuck };

    /// The first step (shutdown) is due at once.
    LadderRun(const config::StopLadder& policy, TimePoint now)
        : policy_(policy), deadline_(now + policy.shutdown_grace) {}

    Step step() const { return step_; }
    /// When the process has not ended by then, the next step is due.
    TimePoint deadline() const { return deadline_; }
    /// Goes one step on if it is due. True: step() is new and has to be carried out. Past the last step it
    /// stays `stuck` and is due again each kill_grace: a process in uninterruptible sleep may still end.
    bool advance(TimePoint now);
    /// People should hear now that SIGKILL does not help: when that has just come out, and once a minute from then
    /// on, although SIGKILL goes out more often.
    bool take_report(TimePoint now);
    /// SIGKILL has been without effect for so long that waiting is useless.
    bool hopeless(TimePoint now) const;

  private:
    config::StopLadder policy_;
    Step step_ = Step::shutdown;
    TimePoint deadline_;
    std::optional<TimePoint> stuck_since_;
    std::optional<TimePoint> reported_;
};

}  // namespace emprops::process
