// Time in which we did not run is not running time, whoever looks at the clock first afterwards.

#include "supervisor/base/running_time.h"

#include <gtest/gtest.h>

#include <chrono>

namespace emprops {
namespace {

using namespace std::chrono_literals;

struct RunningTimeTest : testing::Test {
    RunningTime time;
    RunningTime::Steady steady = RunningTime::Steady(1000s);

    RunningTime::Steady after(RunningTime::Duration gap) { return time.at(steady += gap); }
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

TEST_F(RunningTimeTest, OneOfTwoWatchersMayGo) {
    watched();
    watched();
    time.unwatch();
    EXPECT_NE(after(10s), steady);
}

}  // namespace
}  // namespace emprops
