// One worker id for each job at a time.

#include "supervisor/redis/slots.h"

#include <gtest/gtest.h>

namespace emprops::redis {
namespace {

TEST(Slots, TheLowestThatIsFreeIsTaken) {
    Slots slots("w");
    EXPECT_EQ(slots.take(), "w-0");
    EXPECT_EQ(slots.take(), "w-1");
    slots.free("w-0");
    EXPECT_EQ(slots.take(), "w-0");
    EXPECT_EQ(slots.end(), 2u);
}

/// Redis may hold anything under these names.
TEST(Slots, WhatIsNoIdOfOursIsNotHeldAndFreesNothing) {
    Slots slots("w");
    slots.take();
    for (const char* other :
         {"w", "w-", "w-00", "w-x", "w--1", "w-1 ", "v-0", "w-10000", "w-99999999999999999999"}) {
        EXPECT_FALSE(slots.index_of(other)) << other;
        slots.hold(other);
        slots.free(other);
    }
    EXPECT_EQ(slots.taken(), 1u);
    EXPECT_EQ(slots.end(), 1u) << "nobody counts to a number that somebody has written";
}

}  // namespace
}  // namespace emprops::redis
