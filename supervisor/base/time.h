#pragma once
// Time as the cores see it: a parameter, never asked for. Shells pass Clock::now() (ipc/time), and wait with
// a Timer (timer.h): both stand still while this process does not run.

#include <chrono>
#include <optional>

#include "ipc/time/clock.h"

namespace emprops {

using Ms = std::chrono::milliseconds;

/// From one point of time to a later one; zero if it is not later.
inline Ms between(TimePoint from, TimePoint to) {
    return to > from ? std::chrono::duration_cast<Ms>(to - from) : Ms{0};
}

/// The earliest of several times at which something is due.
class Earliest {
  public:
    void add(TimePoint at) {
        if (!at_ || at < *at_) at_ = at;
    }
    void add(const std::optional<TimePoint>& at) {
        if (at) add(*at);
    }
    /// nullopt: nothing is due.
    std::optional<TimePoint> at() const { return at_; }

  private:
    std::optional<TimePoint> at_;
};

}  // namespace emprops
