#include "ipc/time/clock.h"

#include <mutex>

#include "ipc/time/running_time.h"

namespace emprops {
namespace {

/// One lock for the look at the steady clock and for what follows from it: no thread sees the end of a pause before
/// the pause is known.
struct {
    std::mutex mutex;
    RunningTime time;
} shared;

template <class Use>
auto with_time(Use use) {
    const std::lock_guard lock(shared.mutex);
    return use(shared.time, std::chrono::steady_clock::now());
}

}  // namespace

TimePoint Clock::now() {
    return with_time([](RunningTime& time, RunningTime::Steady steady) { return time.at(steady); });
}

Clock::duration Clock::lost() {
    return with_time([](RunningTime& time, RunningTime::Steady steady) {
        time.at(steady);
        return time.lost();
    });
}

ClockWatch::ClockWatch() {
    with_time([](RunningTime& time, RunningTime::Steady steady) { time.watch(steady, rest); });
}

ClockWatch::~ClockWatch() {
    with_time([](RunningTime& time, RunningTime::Steady) { time.unwatch(); });
}

Clock::duration ClockWatch::take_untold() {
    return with_time([](RunningTime& time, RunningTime::Steady steady) {
        time.at(steady);
        return time.take_untold();
    });
}

}  // namespace emprops
