#include "supervisor/process/life/stop_ladder.h"

#include <gtest/gtest.h>

namespace emprops::process {
namespace {

using namespace std::chrono_literals;

TEST(StopLadder, EachStepHasItsTimeAndTheLastOneRepeats) {
    TimePoint now{};
    LadderRun run(config::StopLadder{}, now);
    EXPECT_EQ(run.step(), LadderRun::Step::shutdown);
    EXPECT_FALSE(run.advance(now + 9'999ms));
    EXPECT_TRUE(run.advance(now += 10s));
    EXPECT_EQ(run.step(), LadderRun::Step::terminate);
    EXPECT_FALSE(run.advance(now));
    EXPECT_TRUE(run.advance(now += 5s));
    EXPECT_EQ(run.step(), LadderRun::Step::kill);
    EXPECT_TRUE(run.advance(now += 2s));
    EXPECT_EQ(run.step(), LadderRun::Step::stuck);
    EXPECT_FALSE(run.advance(now));
    EXPECT_TRUE(run.advance(now += 2s));
    EXPECT_EQ(run.step(), LadderRun::Step::stuck);
}

TEST(StopLadder, ALateLookGivesTheNextStepItsFullTime) {
    TimePoint now{};
    LadderRun run(config::StopLadder{}, now);
    EXPECT_TRUE(run.advance(now += 1h)) << "the loop was away, the process had no chance to react";
    EXPECT_EQ(run.step(), LadderRun::Step::terminate);
    EXPECT_FALSE(run.advance(now + 4'999ms));
}

TEST(StopLadder, WithoutAnyGraceItIsStillNoBusyLoop) {
    TimePoint now{};
    LadderRun run(config::StopLadder{0ms, 0ms, 0ms}, now);
    int steps = 0;
    while (run.advance(now))
        ++steps;
    EXPECT_EQ(steps, 3);
    EXPECT_EQ(run.deadline(), now + 1s);
}

}  // namespace
}  // namespace emprops::process
