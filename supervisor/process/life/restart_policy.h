#pragma once
// When a connector that died is started again: exponential back-off with jitter, and a breaker that after too
// many deaths in a short time allows one trial now and then, without end. Pure; owned by the Retries of a Life.

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

    RestartPolicy(const config::RestartSettings& settings, Random random);

    /// A process died at `now`, after having been ready for `ready_for` (zero: never).
    Decision on_death(TimePoint now, Ms ready_for);
    /// The last death was a job's doing and somebody else sees to that: it counts for nothing. What follows
    /// instead.
    Decision excuse_last_death();
    /// It is known to be of no use for now, however few its deaths are: the breaker opens.
    Decision open();
    /// It has completed a job: a trial that went well ends the trial and its history.
    void worked();
    /// An operator intervened, or the settings changed: everything is forgotten.
    void reset();
    /// New settings; what was counted stays.
    void set_settings(const config::RestartSettings& settings) { settings_ = settings; }
    /// Deaths within the breaker's window that ends at `now`; for people.
    std::size_t recent_deaths(TimePoint now) const;
    /// How far back the oldest of them lies.
    Ms recent_span(TimePoint now) const;
    /// The breaker has opened and no process has been ready long enough since.
    bool on_trial() const { return counts_.on_trial; }

  private:
    struct Counts {
        std::deque<TimePoint> deaths;
        std::uint32_t in_a_row = 0;
        bool on_trial = false;
    };
    Decision back_off(std::uint32_t step) const;

    config::RestartSettings settings_;
    Random random_;
    Counts counts_;
    Counts before_last_death_;
};

}  // namespace emprops::process
