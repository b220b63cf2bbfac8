// What waits for one WebSocket, and what its line carries, alone.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "supervisor/hub/line_meter.h"
#include "supervisor/hub/send_queue.h"

namespace emprops::hub {
namespace {

/// The frames in the order in which they are written, in parts of two bytes.
std::vector<std::string> written(SendQueue& queue) {
    std::vector<std::string> frames;
    while (queue.begin()) {
        std::string frame;
        for (bool whole = false; !whole;) {
            const std::string part(queue.part(2));
            const bool last = queue.is_last(part);
            frame += part;
            whole = queue.took(part.size());
            EXPECT_EQ(whole, last);
        }
        frames.push_back(frame);
    }
    return frames;
}

TEST(SendQueue, FramesLeaveInOrderAndSignsOfLifeOvertakeThem) {
    SendQueue queue;
    queue.push("one", false);
    queue.push("two", false);
    queue.push("beat", true);
    queue.push("beats", true);
    EXPECT_EQ(queue.bytes(), 15u);
    EXPECT_THAT(written(queue), testing::ElementsAre("beat", "beats", "one", "two"));
    EXPECT_EQ(queue.bytes(), 0u);
}

TEST(SendQueue, AFrameThatHasBegunIsNotOvertaken) {
    SendQueue queue;
    queue.push("large", false);
    ASSERT_TRUE(queue.begin());
    queue.took(2);
    queue.push("beat", true);
    EXPECT_EQ(queue.part(100), "rge");
    EXPECT_EQ(queue.bytes(), 7u);
}

TEST(SendQueue, WhatWasLeftAtTheEndStaysKnown) {
    SendQueue queue;
    queue.push("one", false);
    queue.push("two", false);
    queue.begin();
    queue.took(1);
    queue.clear();
    EXPECT_EQ(queue.bytes(), 5u);
    EXPECT_FALSE(queue.begin());
}

struct LineMeterTest : testing::Test {
    TimePoint now = TimePoint{} + std::chrono::hours(1);
    LineMeter meter{Ms(8'000), now};
};

TEST_F(LineMeterTest, TheKernelGetsLittleWhileNothingIsKnownOfTheLine) {
    meter.wrote(1 << 20);
    meter.look(now, 64 * 1024, true);
    EXPECT_TRUE(meter.has_room());
    meter.look(now, 64 * 1024 + 1, true);
    EXPECT_FALSE(meter.has_room());
}

TEST_F(LineMeterTest, WhatWasWrittenSinceTheLastLookCountsAsHeldUntilTheNext) {
    meter.look(now, 1'000, true);
    meter.wrote(63 * 1024);
    EXPECT_TRUE(meter.has_room());
    meter.wrote(1'000);
    EXPECT_FALSE(meter.has_room());
    meter.look(now, 1'000, true);
    EXPECT_TRUE(meter.has_room());
}

TEST_F(LineMeterTest, AFastLineGetsMore) {
    for (int second = 0; second < 5; ++second) {
        meter.wrote(std::size_t{10} << 20);
        meter.look(now += Ms(1'000), 500'000, true);
    }
    EXPECT_TRUE(meter.has_room());
}

TEST_F(LineMeterTest, ALineThatMovesIsAliveAndOneThatStandsIsNot) {
    meter.wrote(1 << 20);
    std::size_t unconfirmed = 1 << 20;
    for (int second = 0; second < 60; ++second) {
        meter.look(now += Ms(1'000), unconfirmed -= 1'000, true);
        EXPECT_NE(meter.verdict(now), Liveness::Verdict::dead);
    }
    meter.look(now += Ms(4'001), unconfirmed, true);
    EXPECT_EQ(meter.verdict(now), Liveness::Verdict::ping);
    meter.look(now += Ms(4'000), unconfirmed, true);
    EXPECT_EQ(meter.verdict(now), Liveness::Verdict::dead);
}

TEST_F(LineMeterTest, WhatIsHeardIsASignOfLife) {
    now += Ms(7'999);
    meter.heard(now);
    now += Ms(7'999);
    EXPECT_NE(meter.verdict(now), Liveness::Verdict::dead);
}

}  // namespace
}  // namespace emprops::hub
