#pragma once
// The clock of every limit, in the supervisor, the SDK and the connectors: it stands still while this process does not
// run (running_time.h). One per process, for any thread; a point of time may travel between threads, and does not mix
// with those of another clock. Without a ClockWatch it is the steady clock.
//
// std::condition_variable::wait_until() takes its points, and may return early after a pause: wait in a loop.

#include <chrono>

namespace emprops {

struct Clock {
    using duration = std::chrono::steady_clock::duration;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<Clock, duration>;
    static constexpr bool is_steady = true;

    static time_point now();
    /// In which we did not run, in all: two equal answers mean that we ran between them.
    static duration lost();
};
using TimePoint = Clock::time_point;

/// The next moment at which what is to be done now and then is done: after `now`, by `interval` (above zero) at most.
/// Everything with one interval, or a multiple of it, falls on the same moments, so that a process at rest is woken
/// once for all of it.
template <class Interval>
inline Clock::time_point next_beat(Clock::time_point now, Interval interval) {
    return now + (interval - now.time_since_epoch() % interval);
}

/// While one lives, its owner looks at the clock (Clock::now()) at least every `rest`; whoever looks first after a
/// much longer gap finds the pause.
class ClockWatch {
  public:
    /// By so much a pause may seem shorter than it was.
    static constexpr std::chrono::milliseconds rest{1000};

    ClockWatch();
    ~ClockWatch();
    ClockWatch(const ClockWatch&) = delete;
    ClockWatch& operator=(const ClockWatch&) = delete;

    /// In which we did not run, since any watch was asked this for the last time.
    static Clock::duration take_untold();
};

}  // namespace emprops
