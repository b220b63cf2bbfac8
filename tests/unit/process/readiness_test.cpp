#include "supervisor/process/life/readiness.h"

#include <gtest/gtest.h>

namespace emprops::process {
namespace {

using namespace std::chrono_literals;

struct SignsBench : testing::Test {
    TimePoint now{};
    SignsOfLife pings{SaysReady{10s, 3}, now};
    SignsOfLife page{AnswersPage{5s, 2}, now};
};

TEST_F(SignsBench, OnlyWhatSaysReadyCanBeTold) {
    EXPECT_TRUE(speaks(SaysReady{}));
    EXPECT_FALSE(speaks(AnswersPage{}));
    EXPECT_FALSE(speaks(IsAlive{}));
}

TEST_F(SignsBench, PingsBeginWhenTheProcessSaysThatItAnswersThem) {
    EXPECT_EQ(pings.next_wakeup(), std::nullopt);
    pings.start_pings(now);
    EXPECT_FALSE(pings.tick(false, now + 9'999ms).ping);
    EXPECT_EQ(pings.tick(false, now + 10s).ping, 1u);
    SignsOfLife none(SaysReady{0ms, 3}, now);
    none.start_pings(now);
    EXPECT_EQ(none.next_wakeup(), std::nullopt);
}

TEST_F(SignsBench, ThreePingsWithoutAnAnswerMeanHungAndAnyAnswerForgives) {
    pings.start_pings(now);
    for (std::uint64_t ping = 1; ping <= 3; ++ping)
        EXPECT_EQ(pings.tick(false, now += 10s).ping, ping);
    pings.pong(4);
    SignsOfLife silent = pings;
    EXPECT_TRUE(silent.tick(false, now + 10s).hangs.starts_with("no answer to 3 pings: read stdin"))
        << "that pong was an invention";
    pings.pong(1);
    EXPECT_EQ(pings.tick(false, now + 10s).ping, 4u);
}

TEST_F(SignsBench, APingBehindABacklogIsNotSentAndNotCounted) {
    pings.start_pings(now);
    for (int i = 0; i < 10; ++i) {
        const auto due = pings.tick(true, now += 10s);
        EXPECT_FALSE(due.ping);
        EXPECT_EQ(due.hangs, "");
    }
    EXPECT_EQ(pings.missed(), 0u);
    EXPECT_EQ(pings.tick(false, now + 10s).ping, 1u);
}

TEST_F(SignsBench, ThePageIsAskedAgainAnIntervalAfterItsAnswer) {
    EXPECT_TRUE(page.tick(false, now += 5s).ask_page);
    EXPECT_EQ(page.next_wakeup(), std::nullopt) << "one question at a time";
    EXPECT_FALSE(page.answered({true, "", std::uint64_t{7}}, false, now += 1s));
    EXPECT_EQ(page.next_wakeup(), now + 5s);
    EXPECT_EQ(page.vram_used(), 7u);
}

TEST_F(SignsBench, MissesCountOnlyOnceItIsUpAndAnAnswerForgivesThem) {
    for (int i = 0; i < 5; ++i)
        EXPECT_FALSE(page.answered({false, "refused", {}}, false, now));
    EXPECT_EQ(page.missed(), 0u);
    EXPECT_EQ(page.last_miss(), "refused");
    EXPECT_FALSE(page.answered({false, "refused", {}}, true, now));
    EXPECT_FALSE(page.answered({true, "", {}}, true, now));
    EXPECT_FALSE(page.answered({false, "refused", {}}, true, now));
    EXPECT_TRUE(page.answered({false, "refused", {}}, true, now));
    EXPECT_EQ(page.misses_that_mean_hung(), 2u);
}

}  // namespace
}  // namespace emprops::process
