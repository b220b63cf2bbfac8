// The bounds of the pipes: write queue, progress coalescer, line limiter, states of a progress bar.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "supervisor/process/pipes/line_limiter.h"
#include "supervisor/process/pipes/newest_state.h"
#include "supervisor/process/pipes/progress_coalescer.h"
#include "supervisor/process/pipes/write_queue.h"

namespace emprops::process {
namespace {

using namespace std::chrono_literals;
using testing::ElementsAre;
using testing::IsEmpty;

TEST(WriteQueue, TakesOneMessageOfAnySizeAndThenUpToItsLimit) {
    WriteQueue queue(100);
    EXPECT_TRUE(queue.fits(1'000'000));
    queue.push({std::string(90, 'a')}, true, {});
    EXPECT_TRUE(queue.fits(10));
    EXPECT_FALSE(queue.fits(11));
    queue.consume(90, {});
    EXPECT_TRUE(queue.fits(1'000'000));
}

TEST(WriteQueue, GivesLinesInOrderAndContinuesWithinALine) {
    WriteQueue queue(100);
    queue.push({"first\n"}, true, {});
    queue.push({"second\n"}, false, {});
    EXPECT_THAT(queue.next(1), ElementsAre("first\n"));
    queue.consume(2, {});
    EXPECT_THAT(queue.next(1), ElementsAre("rst\n"));
    queue.consume(4, {});
    EXPECT_THAT(queue.next(1), ElementsAre("second\n"));
    EXPECT_EQ(queue.bytes(), 7u);
    queue.consume(7, {});
    EXPECT_TRUE(queue.empty());
    EXPECT_THAT(queue.next(1), IsEmpty());
}

TEST(WriteQueue, GivesSeveralLinesAtOnceAndKnowsWhereInThemItWasLeft) {
    WriteQueue queue(100);
    for (const char* line : {"first\n", "second\n", "third\n"})
        queue.push({line}, false, {});
    EXPECT_THAT(queue.next(7), ElementsAre("first\n", "second\n"))
        << "the limit is passed by one line at most";
    queue.consume(9, {});
    EXPECT_THAT(queue.next(100), ElementsAre("ond\n", "third\n"));
    queue.drop_jobs();
    queue.consume(10, {});
    EXPECT_TRUE(queue.empty());
    EXPECT_EQ(queue.bytes(), 0u);
}

TEST(WriteQueue, DropsJobsThatWereNotBegunAndKeepsTheRest) {
    WriteQueue queue(100);
    queue.push({"begun\n"}, true, {});
    queue.push({"job\n"}, true, {});
    queue.push({"drain\n"}, false, {});
    queue.consume(1, {});
    queue.drop_jobs();
    EXPECT_THAT(queue.next(100), ElementsAre("egun\n", "drain\n"));
    queue.consume(5, {});
    EXPECT_EQ(queue.bytes(), 6u);
}

TEST(WriteQueue, ALineInPiecesIsOneLineAndMayBeLeftInAnyOfThem) {
    const std::string whole = "head{1}\ntail";
    for (std::size_t left = 0; left <= whole.size(); ++left) {
        WriteQueue queue(100);
        queue.push({"head", ipc::RawJson("{1}"), "\n"}, true, {});
        queue.push({"tail"}, false, {});
        EXPECT_EQ(queue.bytes(), whole.size());
        queue.consume(left, {});
        std::string rest;
        for (const std::string_view part : queue.next(100))
            rest += part;
        EXPECT_EQ(rest, whole.substr(left));
        EXPECT_EQ(queue.bytes(), whole.size() - left);
        queue.drop_jobs();
        EXPECT_EQ(queue.bytes(), left == 0 ? 4 : whole.size() - left) << "left at " << left;
    }
}

TEST(WriteQueue, TheWaitStartsAnewWithEachByteTaken) {
    const TimePoint start{};
    WriteQueue queue(100);
    queue.push({"line\n"}, false, start);
    queue.push({"next\n"}, false, start + 5s);
    EXPECT_EQ(queue.waiting_since(), start);
    queue.consume(0, start + 9s);
    EXPECT_EQ(queue.waiting_since(), start) << "nothing was taken";
    queue.consume(1, start + 10s);
    EXPECT_EQ(queue.waiting_since(), start + 10s);
}

TEST(ProgressCoalescer, TheFirstPassesAtOnceThenTheNewestOfEachInterval) {
    TimePoint now{};
    ProgressCoalescer coalescer(100ms);
    EXPECT_TRUE(coalescer.offer("a", "1", now));
    EXPECT_FALSE(coalescer.offer("a", "2", now + 10ms));
    EXPECT_FALSE(coalescer.offer("a", "3", now + 20ms));
    EXPECT_EQ(coalescer.next_due(), now + 100ms);
    EXPECT_TRUE(coalescer.take_due(now + 99ms).empty());
    EXPECT_EQ(coalescer.take_due(now + 100ms), std::vector<std::string>{"3"});
    EXPECT_EQ(coalescer.coalesced(), 1u);
    EXPECT_EQ(coalescer.next_due(), std::nullopt);
}

TEST(ProgressCoalescer, ALateOneReplacesWhatStillWaits) {
    TimePoint now{};
    ProgressCoalescer coalescer(100ms);
    coalescer.offer("a", "1", now);
    coalescer.offer("a", "2", now + 50ms);
    EXPECT_TRUE(coalescer.offer("a", "3", now + 150ms));
    EXPECT_TRUE(coalescer.take_due(now + 1s).empty()) << "an older one after a newer one";
}

TEST(ProgressCoalescer, JobsDoNotWaitForEachOther) {
    TimePoint now{};
    ProgressCoalescer coalescer(100ms);
    EXPECT_TRUE(coalescer.offer("a", "1", now));
    EXPECT_TRUE(coalescer.offer("b", "1", now));
}

TEST(ProgressCoalescer, WhatWaitsIsHandedOutBeforeTheResult) {
    TimePoint now{};
    ProgressCoalescer coalescer(100ms);
    coalescer.offer("a", "1", now);
    coalescer.offer("a", "99", now);
    EXPECT_EQ(coalescer.finish("a"), "99");
    EXPECT_FALSE(coalescer.finish("a"));
    EXPECT_EQ(coalescer.next_due(), std::nullopt);
}

TEST(LineLimiter, PassesItsNumberInEachSecondAndCountsTheRest) {
    LineLimiter limiter(2);
    const TimePoint now = TimePoint{} + 100s;
    EXPECT_TRUE(limiter.allow(now));
    EXPECT_TRUE(limiter.allow(now + 500ms));
    EXPECT_FALSE(limiter.allow(now + 999ms));
    EXPECT_TRUE(limiter.allow(now + 1s));
    EXPECT_EQ(limiter.take_dropped(), 1u);
    EXPECT_EQ(limiter.take_dropped(), 0u);
}

TEST(NewestState, IsPassedOnOnceInEachInterval) {
    NewestState state;
    const TimePoint now = TimePoint{} + 100s;
    EXPECT_TRUE(state.offer("1%", now));
    EXPECT_EQ(state.due(), now + NewestState::interval);
    EXPECT_FALSE(state.offer("2%", now + 1s));
    EXPECT_EQ(state.take(), "2%");
    EXPECT_TRUE(state.offer("2%", now + 3s)) << "it is drawn again";
    EXPECT_EQ(state.take(), "") << "it has not changed";
}

TEST(NewestState, OfALineThatHasEndedNothingIsPassedOn) {
    NewestState state;
    state.offer("99%", TimePoint{});
    state.end();
    EXPECT_EQ(state.take(), "");
    EXPECT_TRUE(state.offer("1%", TimePoint{})) << "the next line";
    EXPECT_EQ(state.take(), "1%");
}

TEST(NewestState, IsCutBetweenCharacters) {
    NewestState state;
    state.offer(std::string(NewestState::kept_bytes - 1, 'x') + "\u00e9", TimePoint{});
    EXPECT_EQ(state.take(), std::string(NewestState::kept_bytes - 1, 'x'));
}

}  // namespace
}  // namespace emprops::process
