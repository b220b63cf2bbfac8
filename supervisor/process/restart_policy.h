#pragma once
// When a connector that died is started again: exponential back-off with jitter, and a breaker that after too
// many deaths in a short time allows one trial now and then, without end. Pure; owned by one Lifecycle.

#include <deque>
#include <functional>

#include "config/settings.h"
#include "supervisor/base/time.h"

namespace emprops::process {

/// Uniform in [0, 1).
using Random = std::function<double()>;

class RestartPolicy {
  public:
    struct Decision {
        Ms delay{0};
        bool breaker_open = false;  ///< `delay` is the time to the next trial
        bool operator==(const Decision&) const = default;
    };

    RestartPolicy(const config::SupervisionSettings& settings, Random random);

    /// A process died at `now`, after having been ready for `ready_for` (zero: never).
    Decision on_death(TimePoint now, Ms ready_for);
    /// An operator intervened, or the settings changed: everything is forgotten.
    void reset();
    /// New settings; what was counted stays.
    void set_settings(const config::SupervisionSettings& settings) { settings_ = settings; }
    /// Deaths within the breaker's window that ends at `now`; for people.
    std::size_t recent_deaths(TimePoint now) const;
    /// How far back the oldest of them lies.
    Ms recent_span(TimePoint now) const;
    /// The breaker has opened and no process has been ready long enough since.
    bool on_trial() const { return on_trial_; }

  private:
    config::SupervisionSettings settings_;
    Random random_;
    std::deque<TimePoint> deaths_;
    std::uint32_t in_a_row_ = 0;
    bool on_trial_ = false;
};

}  // namespace emprops::process
