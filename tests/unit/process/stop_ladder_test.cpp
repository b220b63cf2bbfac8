#include "supervisor/process/life/stop_ladder.h"

#include <gtest/gtest.h>

#include <vector>

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

TEST(StopLadder, PeopleHearThatSigkillDoesNotHelpAndThenOnceAMinute) {
    TimePoint now{};
    LadderRun run(config::StopLadder{0ms, 0ms, 1s}, now);
    std::vector<Ms> reports;
    for (; now < TimePoint{} + 150s; now += 100ms) {
        while (run.advance(now)) {
            if (run.take_report(now)) reports.push_back(between(TimePoint{}, now));
        }
        EXPECT_EQ(run.hopeless(now), now >= TimePoint{} + 4s) << "SIGKILL after 1 s, 3 s without effect";
    }
    EXPECT_EQ(reports, (std::vector<Ms>{1s, 61s, 121s}));
}

}  // namespace
}  // namespace emprops::process
