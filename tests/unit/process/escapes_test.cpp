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
