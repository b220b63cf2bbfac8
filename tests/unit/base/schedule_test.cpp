// Which of many is due: the first one, also after one of them has moved.

#include "supervisor/base/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>

namespace emprops {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr TimePoint at(int ms) {
    return TimePoint{} + Ms{ms};
}

TEST(Schedule, TheEarliestIsNextAndThoseWhoseTimeHasComeAreDueInOrder) {
    Schedule<int> schedule;
    EXPECT_EQ(schedule.next(), std::nullopt);
    schedule.set(1, at(30));
    schedule.set(2, at(10));
    schedule.set(3, at(20));
    EXPECT_EQ(schedule.next(), at(10));
    EXPECT_THAT(schedule.due(at(9)), IsEmpty());
    EXPECT_THAT(schedule.due(at(20)), ElementsAre(2, 3));
    EXPECT_THAT(schedule.due(at(20)), ElementsAre(2, 3)) << "until they are set anew";
}

TEST(Schedule, ATimeReplacesTheOneBefore) {
    Schedule<int> schedule;
    schedule.set(1, at(10));
    schedule.set(2, at(20));
    schedule.set(1, at(30));
    EXPECT_EQ(schedule.next(), at(20)) << "to later";
    schedule.set(1, at(5));
    EXPECT_EQ(schedule.next(), at(5)) << "to earlier";
    schedule.set(1, std::nullopt);
    EXPECT_EQ(schedule.next(), at(20)) << "to never";
    schedule.set(3, std::nullopt);
    schedule.set(2, at(20));
    EXPECT_THAT(schedule.due(at(100)), ElementsAre(2));
    schedule.clear();
    EXPECT_EQ(schedule.next(), std::nullopt);
}

TEST(Schedule, SaysWhatALookAtAllOfThemWouldSay) {
    std::mt19937 random(7);
    Schedule<int> schedule;
    std::map<int, std::optional<TimePoint>> all;
    for (int i = 0; i < 2000; ++i) {
        const int key = static_cast<int>(random() % 20);
        std::optional<TimePoint> time;
        if (random() % 4 != 0) time = at(static_cast<int>(random() % 50));
        schedule.set(key, time);
        all[key] = time;
        Earliest first;
        for (const auto& [each, when] : all)
            first.add(when);
        ASSERT_EQ(schedule.next(), first.at());
    }
}

}  // namespace
}  // namespace emprops
