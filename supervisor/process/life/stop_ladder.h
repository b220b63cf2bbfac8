#pragma once
// The stop ladder in motion: `drain`, `shutdown` and end of stdin; SIGTERM to the process group; SIGKILL to
// it; each with the time that config::StopLadder grants. Pure; time is a parameter.

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

  private:
    config::StopLadder policy_;
    Step step_ = Step::shutdown;
    TimePoint deadline_;
};

}  // namespace emprops::process
