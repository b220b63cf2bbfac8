#pragma once
// The steady clock without the time in which this process did not run: a paused container, a frozen control group,
// a stopped process, a machine with nothing left for us. Such time is charged to nobody: a deadline that passed
// meanwhile has not passed. Pure; Clock (clock.h) owns the one of the process.
//
// While somebody watches, two looks at the clock are at most `rest` apart as long as we run. A gap that is much
// longer was no running time, whoever looks first after it.

#include <chrono>
#include <utility>

#include "ipc/time/clock.h"

namespace emprops {

class RunningTime {
  public:
    using Steady = std::chrono::steady_clock::time_point;
    using Duration = Clock::duration;

    /// Gaps that exceed `rest` by less than this happen on a busy machine, and count.
    static constexpr std::chrono::milliseconds shortest_pause{1000};

    /// From now on somebody looks at least every `rest`.
    void watch(Steady steady, Duration rest) {
        at(steady);
        rest_ = rest;
        ++watchers_;
    }
    void unwatch() { --watchers_; }

    /// The running time at this moment of the steady clock, which is not before the last one.
    TimePoint at(Steady steady) {
        if (watchers_ > 0 && steady - last_ > rest_ + shortest_pause) {
            lost_ += steady - last_ - rest_;
            untold_ += steady - last_ - rest_;
        }
        last_ = steady;
        return TimePoint((steady - lost_).time_since_epoch());
    }
    /// In which we did not run, in all: two equal answers mean that we ran between them.
    Duration lost() const { return lost_; }
    /// Likewise, since this was asked for the last time.
    Duration take_untold() { return std::exchange(untold_, Duration::zero()); }

  private:
    Steady last_{};
    Duration rest_{};
    Duration lost_{};
    Duration untold_{};
    int watchers_ = 0;
};

}  // namespace emprops
