// Trying again what may pass: the machine alone, with a clock of its own.

#include "connectors/stores/tries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/stores/store.h"

namespace emprops::stores {
namespace {

using testing::HasSubstr;

struct TriesTest : testing::Test {
    Tries tries(Ms limit) {
        return Tries(
            limit,
            [this](Ms time, const std::string& message) {
                now += time;
                pauses.push_back(time);
                EXPECT_FALSE(message.empty()) << "people are told what is waited for";
                return cancelled;
            },
            Pauses{}, [this] { return now; });
    }
    /// Passes `passing` times, then succeeds.
    std::optional<Setback> run(Tries& tries, int passing, Ms wait = Ms{0}) {
        attempts = 0;
        return tries.run([&, passing, wait]() -> std::optional<Setback> {
            if (++attempts > passing) return {};
            return Setback{"away", true, wait};
        });
    }

    TimePoint now{};
    std::vector<Ms> pauses;
    bool cancelled = false;
    int attempts = 0;
};

TEST_F(TriesTest, PausesGrowAndTheWholeTimeIsUsed) {
    Tries it = tries(Ms{60'000});
    const auto setback = run(it, 1000);
    ASSERT_TRUE(setback);
    EXPECT_EQ(now, TimePoint{} + Ms{60'000});
    EXPECT_THAT(pauses, testing::ElementsAre(Ms{500}, Ms{1'000}, Ms{2'000}, Ms{4'000}, Ms{8'000}, Ms{10'000},
                                             Ms{10'000}, Ms{10'000}, Ms{10'000}, Ms{4'500}));
    EXPECT_THAT(setback->message, HasSubstr("away; tried 11 times in 1 min"));
}

TEST_F(TriesTest, AMinuteAwayIsSurvived) {
    Tries it = tries(Ms{180'000});
    EXPECT_FALSE(run(it, 9));
    EXPECT_GE(now, TimePoint{} + Ms{45'000});
}

TEST_F(TriesTest, WhatDoesNotPassIsTriedOnce) {
    Tries it = tries(Ms{60'000});
    const auto setback = it.run([] { return std::optional(Setback{"no"}); });
    EXPECT_EQ(setback->message, "no");
    EXPECT_TRUE(pauses.empty());
}

TEST_F(TriesTest, WhatIsAwayIsWaitedForOnceAndThenAskedOnceEachTimeUntilItIsBack) {
    Tries it = tries(Ms{10'000});
    EXPECT_TRUE(run(it, 1000));
    EXPECT_TRUE(run(it, 1000));
    EXPECT_EQ(attempts, 1);
    EXPECT_FALSE(run(it, 0));
    EXPECT_FALSE(run(it, 3));
    EXPECT_EQ(attempts, 4);
}

TEST_F(TriesTest, TheServersWishIsHeededUnlessItIsBeyondTheLimit) {
    Tries it = tries(Ms{20'000});
    EXPECT_FALSE(run(it, 1, Ms{7'000}));
    EXPECT_EQ(pauses, std::vector<Ms>{Ms{7'000}});
    pauses.clear();
    EXPECT_TRUE(run(it, 1, Ms{3'600'000}));
    EXPECT_TRUE(pauses.empty());
}

TEST_F(TriesTest, ASignOfLifeBeginsTheTimeAnew) {
    Tries it = tries(Ms{3'000});
    attempts = 0;
    const auto setback = it.run([&]() -> std::optional<Setback> {
        if (++attempts <= 5) it.alive();
        return Setback{"cut", true};
    });
    EXPECT_TRUE(setback);
    EXPECT_GT(now, TimePoint{} + Ms{9'000});
}

TEST_F(TriesTest, PausesMayBeSpreadSoThatThoseWhoFailTogetherDoNotComeBackTogether) {
    double next = 0;
    Tries it(
        Ms{60'000},
        [this](Ms time, const std::string&) {
            now += time;
            pauses.push_back(time);
            return false;
        },
        Pauses{Ms{500}, Ms{30'000}, [&next] { return next; }}, [this] { return now; });
    EXPECT_FALSE(run(it, 1));
    next = 1;
    EXPECT_FALSE(run(it, 2));
    EXPECT_THAT(pauses, testing::ElementsAre(Ms{500}, Ms{375}, Ms{750}));
}

TEST_F(TriesTest, ACancelEndsIt) {
    Tries it = tries(Ms{60'000});
    cancelled = true;
    EXPECT_TRUE(run(it, 1000));
    EXPECT_EQ(attempts, 1);
}

}  // namespace
}  // namespace emprops::stores
