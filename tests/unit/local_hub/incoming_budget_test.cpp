// How much may be arriving over all connections together.

#include "supervisor/local_hub/incoming_budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::local_hub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr TimePoint start = TimePoint{} + std::chrono::hours(1);

TEST(IncomingBudget, CountsWhatEachHoldsNow) {
    IncomingBudget budget(100);
    EXPECT_THAT(budget.hold(1, 40, start), IsEmpty());
    EXPECT_THAT(budget.hold(1, 60, start), IsEmpty());
    EXPECT_THAT(budget.hold(2, 40, start), IsEmpty());
    EXPECT_EQ(budget.bytes(), 100u);
    budget.release(1);
    budget.release(1);
    EXPECT_EQ(budget.bytes(), 40u);
}

TEST(IncomingBudget, TheOneThatDoesNotFitIsGivenUp) {
    IncomingBudget budget(100);
    budget.hold(1, 60, start);
    EXPECT_THAT(budget.hold(2, 50, start), ElementsAre(2u));
    EXPECT_EQ(budget.bytes(), 60u);
    EXPECT_THAT(budget.hold(1, 101, start), ElementsAre(1u)) << "nobody is too large alone";
    EXPECT_EQ(budget.bytes(), 0u);
}

TEST(IncomingBudget, WhoHasStalledGivesWayTheLongestFirst) {
    IncomingBudget budget(100);
    budget.hold(1, 40, start);
    budget.hold(2, 40, start + Ms(1));
    EXPECT_THAT(budget.hold(3, 30, start + Ms(6'000)), ElementsAre(1u));
    EXPECT_THAT(budget.hold(3, 90, start + Ms(6'001)), ElementsAre(2u));
    EXPECT_EQ(budget.bytes(), 90u);
}

TEST(IncomingBudget, WhoGoesOnSendingIsNotStalled) {
    IncomingBudget budget(100);
    for (int second = 0; second < 60; ++second)
        budget.hold(1, 50u + static_cast<unsigned>(second) / 2, start + Ms(second * 1000));
    EXPECT_THAT(budget.hold(2, 60, start + Ms(60'000)), ElementsAre(2u));
}

}  // namespace
}  // namespace emprops::local_hub
