#pragma once
// All limits of a run's waits in one list: what waits since when, how long it may, and what it means if that
// is over. There is no wait without a limit. Pure.

#include <optional>
#include <string>

#include "connectors/comfyui/run/place.h"
#include "connectors/comfyui/run/time.h"
#include "connectors/comfyui/text/failure.h"

namespace emprops::comfyui {

/// Since when a run waits for what; nullopt: it does not.
struct Waits {
    TimePoint began;                       ///< the job, or its first sending
    bool sent = false;                     ///< a prompt of the job may be in ComfyUI
    std::optional<TimePoint> unreachable;  ///< for any answer of ComfyUI
    /// Of a prompt that is in ComfyUI, and whose end was not announced: for its begin although nothing runs,
    /// behind other prompts, behind one and the same of somebody else; for a sign of life.
    std::optional<TimePoint> idle, queued, behind, silent;
};

class Patience {
  public:
    /// In the order in which they count.
    enum class Verdict { unreachable, not_sent, took_too_long, silent_worker, queued, blocked, no_progress };

    explicit Patience(const Limits& limits) : limits_(limits) {}

    /// nullopt: every wait is within its limit.
    std::optional<Verdict> verdict(const Waits& waits, TimePoint now) const;
    /// What the client is told. `problem`: the last one with ComfyUI; `head`: of `blocked`.
    Failure failure(Verdict verdict, const std::string& problem,
                    const std::optional<Place::Head>& head) const;
    /// Whether silence since then is beyond what a healthy prompt needs.
    bool is_too_silent(std::optional<TimePoint> silent, TimePoint now) const {
        return silent && since(*silent, now) >= limits_.no_progress;
    }

  private:
    Limits limits_;
};

}  // namespace emprops::comfyui
