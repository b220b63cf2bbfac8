// Time in which we did not run is not running time, whoever looks at the clock first afterwards.

#include "ipc/time/running_time.h"

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <type_traits>

namespace emprops {
namespace {

using namespace std::chrono_literals;

struct RunningTimeTest : testing::Test {
    RunningTime time;
    RunningTime::Steady steady = RunningTime::Steady(1000s);

    /// The running time at the end of the gap, as a point of the steady clock: the two never mix by themselves.
    RunningTime::Steady after(RunningTime::Duration gap) {
        return RunningTime::Steady(time.at(steady += gap).time_since_epoch());
    }
    void watched() { time.watch(steady, 500ms); }
};

TEST_F(RunningTimeTest, ItIsTheSteadyClockWhileSomebodyLooksOften) {
    watched();
    for (int i = 0; i < 100; ++i)
        EXPECT_EQ(after(500ms), steady);
    EXPECT_EQ(time.lost(), 0s);
}

TEST_F(RunningTimeTest, AGapIsNoRunningTimeButForTheRestThatWasMeant) {
    watched();
    const auto before = after(300ms);
    EXPECT_EQ(after(10s), before + 500ms);
    EXPECT_EQ(after(200ms), before + 700ms) << "and from there it goes on as ever";
    EXPECT_EQ(time.lost(), 9500ms);
}

TEST_F(RunningTimeTest, ABusyMachineIsNoPause) {
    watched();
    EXPECT_EQ(after(500ms + RunningTime::shortest_pause), steady);
    EXPECT_NE(after(501ms + RunningTime::shortest_pause), steady);
}

TEST_F(RunningTimeTest, APauseIsSurelyFoundWhenItLastsForTwoSeconds) {
    time.watch(steady, ClockWatch::rest);
    EXPECT_NE(after(2001ms), steady);
}

TEST(Beat, IsTheNextMomentThatAllWithThisIntervalShare) {
    const TimePoint start{90s};
    EXPECT_EQ(next_beat(start + 1ms, 500ms), start + 500ms);
    EXPECT_EQ(next_beat(start + 499ms, 500ms), start + 500ms);
    EXPECT_EQ(next_beat(start, 500ms), start + 500ms)
        << "never now: what is done at a beat asks for the next one";
    for (const auto first : {3ms, 250ms, 999ms}) {  // whenever they began
        EXPECT_EQ(next_beat(start + first, 2s), start + 2s);
        EXPECT_EQ(next_beat(next_beat(start + first, 1s), 1s), start + 2s);
    }
}

TEST_F(RunningTimeTest, PausesAddUpAndAreToldOnce) {
    watched();
    after(10s);
    after(100ms);
    after(20s);
    EXPECT_EQ(time.take_untold(), 29s);
    EXPECT_EQ(time.take_untold(), 0s);
    after(3s);
    EXPECT_EQ(time.take_untold(), 2500ms);
    EXPECT_EQ(time.lost(), 31500ms);
}

TEST_F(RunningTimeTest, NobodyWatchesSoAGapMeansNothing) {
    EXPECT_EQ(after(1h), steady);
    watched();
    const auto shown = after(1h);
    const auto lost = steady - shown;
    time.unwatch();
    const auto later = after(1h);
    EXPECT_EQ(later, steady - lost) << "what is lost stays lost: time does not jump";
}

TEST_F(RunningTimeTest, WhatHappenedBeforeTheWatchIsNoPause) {
    after(0s);
    steady += 1h;
    watched();
    EXPECT_EQ(after(100ms), steady);
}

TEST_F(RunningTimeTest, ASecondWatcherDoesNotHideAPauseFromTheFirst) {
    watched();
    steady += 10s;
    watched();
    EXPECT_EQ(time.lost(), 9500ms);
}

TEST_F(RunningTimeTest, ALookOfAnotherThreadIsALookOfAll) {
    watched();
    for (int i = 0; i < 10; ++i)
        after(1500ms);  // the watcher is late, and yet somebody looked: this process ran
    EXPECT_EQ(time.lost(), 0s);
}

TEST_F(RunningTimeTest, OneOfTwoWatchersMayGo) {
    watched();
    watched();
    time.unwatch();
    EXPECT_NE(after(10s), steady);
}

// Mixing them does not compile: a steady_timer would wait in the wrong time after a pause.
template <class To, class From>
constexpr bool mixes = std::is_convertible_v<From, To> || std::is_assignable_v<To&, From>;
static_assert(!mixes<TimePoint, RunningTime::Steady> && !mixes<RunningTime::Steady, TimePoint>);

TEST(Clock, AConditionWaitsForItsPoints) {
    std::mutex mutex;
    std::condition_variable never;
    std::unique_lock lock(mutex);
    const TimePoint until = Clock::now() + 1ms;
    while (Clock::now() < until)
        never.wait_until(lock, until);
    EXPECT_GE(Clock::now(), until);
}

}  // namespace
}  // namespace emprops
