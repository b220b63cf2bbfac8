#include "supervisor/process/escapes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/process/listening_host.h"

namespace emprops::process {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

struct EscapesBench : testing::Test {
    TimePoint now{};
    ListeningHost host;
    Escapes escapes{host, now};
};

TEST_F(EscapesBench, AfterAnEndItLooksThreeTimes) {
    escapes.child_ended("c/0/1", now);
    EXPECT_EQ(escapes.next_wakeup(), now + 50ms);
    escapes.tick(now + 49ms);
    EXPECT_THAT(host.swept, IsEmpty());
    for (const Ms later : {50ms, 250ms, 1000ms, 2000ms})
        escapes.tick(now + later);
    EXPECT_THAT(host.swept, ElementsAre("c/0/1", "c/0/1", "c/0/1"));
}

TEST_F(EscapesBench, ManyDeathsShareTheirLooks) {
    for (int i = 0; i < 20; ++i)
        escapes.child_ended("c/0/" + std::to_string(i), now + i * 10ms);
    int wakeups = 0;
    while (escapes.next_wakeup() < now + 4s) {
        escapes.tick(escapes.next_wakeup());
        ASSERT_LT(++wakeups, 30) << "60 looks, one by one";
    }
    EXPECT_EQ(host.sweeps, wakeups);
    EXPECT_EQ(host.swept.size(), 60u) << "three for each";
}

TEST_F(EscapesBench, NoLookIsLateOrMuchTooEarly) {
    escapes.child_ended("first", now);
    escapes.child_ended("soon after", now + 12ms);
    escapes.child_ended("later", now + 40ms);
    escapes.tick(now + 50ms);
    EXPECT_THAT(host.swept, ElementsAre("first", "soon after"));
    EXPECT_EQ(escapes.next_wakeup(), now + 90ms);
    escapes.tick(now + 49ms + 40ms);
    EXPECT_EQ(host.sweeps, 1) << "nothing is due";
}

TEST_F(EscapesBench, OrphansAreCollectedEveryFiveSeconds) {
    EXPECT_EQ(escapes.next_wakeup(), now + 5s);
    escapes.tick(now + 4s);
    EXPECT_EQ(host.reaped, 0);
    escapes.tick(now + 5s);
    escapes.tick(now + 9s);
    escapes.tick(now + 10s);
    EXPECT_EQ(host.reaped, 2);
}

TEST_F(EscapesBench, TheEndWaitsForWhatItFindsButNotEndlessly) {
    EXPECT_TRUE(escapes.none_left(now));
    host.found_at_the_end = 1;
    int rounds = 1;
    while (!escapes.none_left(now)) {
        EXPECT_EQ(escapes.next_wakeup(), now + 50ms);
        now += 50ms;
        escapes.tick(now);
        ASSERT_LT(++rounds, 100);
    }
    EXPECT_EQ(rounds, 20);
}

}  // namespace
}  // namespace emprops::process
