#pragma once
// Tries again what may pass, with growing pauses, until its time is over: for files on their way to and from ComfyUI.
// One object per source or destination and job; on the job's thread, blocking. Time and pauses are given to it.

#include <functional>
#include <optional>

#include "connectors/comfyui/run/time.h"
#include "connectors/comfyui/text/failure.h"

namespace emprops::comfyui {

/// Sleeps between two tries, of which the last had this setback; true when the job was cancelled meanwhile.
using Pause = std::function<bool(Ms, const Failure& setback)>;

class Tries {
  public:
    using Now = std::function<TimePoint()>;

    /// `limit`: without success or a sign of life.
    Tries(Ms limit, Pause pause, Now now = Clock::now);

    /// Runs `attempt` until it has no setback, or one that does not pass, or the time is over. After that, each
    /// further call makes one attempt only, until one succeeds: what is away is waited for once.
    std::optional<Setback> run(const std::function<std::optional<Setback>()>& attempt);
    /// There was a sign of life: the time begins anew.
    void alive() { since_ = now_(); }

  private:
    const Ms limit_;
    const Pause pause_;
    const Now now_;
    TimePoint since_;
    bool spent_ = false;
};

}  // namespace emprops::comfyui
