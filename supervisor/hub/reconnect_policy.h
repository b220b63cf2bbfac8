#pragma once
// How long to wait before the next connection: exponential back-off with full jitter. Pure.

#include "config/settings.h"
#include "supervisor/base/time.h"

namespace emprops::hub {

class ReconnectPolicy {
  public:
    ReconnectPolicy(config::Duration min, config::Duration max) : min_(min), max_(max) {}

    /// The next delay: anywhere between `min` and a bound that doubles with each call up to `max`.
    /// `random_unit` is in [0, 1).
    Ms next(double random_unit);
    /// The connection held: begin anew.
    void reset() { doublings_ = 0; }

  private:
    config::Duration min_;
    config::Duration max_;
    int doublings_ = 0;
};

}  // namespace emprops::hub
