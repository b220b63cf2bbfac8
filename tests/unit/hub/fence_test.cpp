// The client connection and its questions, alone; and the cancels of an operator.

#include "supervisor/hub/fence.h"

#include "supervisor/hub/cancels.h"
#include "supervisor/hub/trouble.h"
#include "words.h"

namespace emprops::hub {
namespace {

struct FenceTest : MachineTest {
    Fence fence{settings, wire};

    void open() {
        fence.steer(now, true);
        fence.on_connected();
        said();
    }
    static JobStatus status(const std::string& state, const std::string& worker = "w-1") {
        return {"j1", state, worker, ""};
    }
};

TEST_F(FenceTest, ItIsOpenedWhenSomethingIsAskedAndClosedSomeTimeAfter) {
    fence.steer(now, false);
    EXPECT_THAT(said(), IsEmpty());
    EXPECT_FALSE(fence.answers());
    fence.steer(now, true);
    fence.steer(now, true);
    EXPECT_THAT(said(), ElementsAre("open watch"));
    EXPECT_TRUE(fence.answers()) << "soon";
    EXPECT_FALSE(fence.open());
    fence.on_connected();
    EXPECT_TRUE(fence.open());
    EXPECT_EQ(fence.closes_at(), now + Ms(settings.watch_linger));
    now += Ms(settings.watch_linger) - Ms(1);
    fence.steer(now, false);
    EXPECT_TRUE(fence.open());
    fence.steer(now + Ms(1), false);
    EXPECT_THAT(said(), ElementsAre("close watch"));
    EXPECT_TRUE(fence.closed());
    fence.close();
    EXPECT_THAT(said(), IsEmpty()) << "once";
}

TEST_F(FenceTest, OneThatWasLostIsOpenedAgainAndNotWaitedFor) {
    open();
    EXPECT_TRUE(fence.answers());
    fence.on_disconnected("cut");
    EXPECT_THAT(said(), ElementsAre("open watch"));
    EXPECT_FALSE(fence.answers());
    EXPECT_FALSE(fence.closed());
    fence.on_connected();
    EXPECT_TRUE(fence.answers());
}

TEST_F(FenceTest, AQuestionIsRepeatedAfterItsAnswerOrAfterLongSilence) {
    open();
    EXPECT_EQ(fence.due("j1"), std::nullopt);
    fence.ask(now, "j1");
    EXPECT_THAT(said(), ElementsAre("ask j1"));
    now += Ms(9'999);
    fence.ask(now, "j1");
    EXPECT_THAT(said(), IsEmpty());
    now += Ms(1);
    fence.ask(now, "j1");
    EXPECT_THAT(said(), ElementsAre("ask j1"));
    fence.on_answer(status("claimed"));
    EXPECT_EQ(fence.due("j1"), now + Ms(settings.hub.cancel_poll));
    now += Ms(settings.hub.cancel_poll);
    fence.ask(now, "j1");
    EXPECT_THAT(said(), ElementsAre("ask j1"));
}

TEST_F(FenceTest, SomeQuestionsDoNotWait) {
    open();
    fence.ask(now, "j1");
    fence.ask_at_once(now, "j1");
    EXPECT_THAT(said(), ElementsAre("ask j1", "ask j1"));
}

TEST_F(FenceTest, AnAnswerSaysWhenItWasAskedFor) {
    open();
    EXPECT_EQ(fence.on_answer(status("pending", ""))->asked_at, std::nullopt) << "nobody asked";
    fence.ask(now, "j1");
    EXPECT_EQ(fence.on_answer(status("pending", ""))->asked_at, now);
}

TEST_F(FenceTest, ANewConnectionForgetsTheQuestionsOfTheOldOne) {
    open();
    fence.ask(now, "j1");
    fence.on_disconnected("cut");
    EXPECT_EQ(fence.on_answer(status("claimed"))->asked_at, std::nullopt);
}

TEST_F(FenceTest, HalfAnAnswerIsNone) {
    open();
    EXPECT_FALSE(fence.on_answer(status("claimed", "")));
    EXPECT_FALSE(fence.on_answer(status("asleep")));
    EXPECT_EQ(fence.on_answer(status("processing"))->state, "claimed");
    for (const char* state : {"pending", "completed", "failed", "cancelled", "unknown"})
        EXPECT_EQ(fence.on_answer(status(state, ""))->state, state);
}

TEST_F(FenceTest, AHubThatCannotAnswerIsAskedAgainSoon) {
    open();
    fence.ask(now, "j1");
    fence.ask(now, "j2");
    fence.on_answer(status("claimed"));
    fence.on_trouble(now + Ms(1'000));
    EXPECT_EQ(fence.due("j2"), now + Ms(1'000));
    EXPECT_EQ(fence.due("j1"), now + Ms(settings.hub.cancel_poll)) << "it was answered";
}

TEST_F(FenceTest, AnsweredQuestionsAreForgotten) {
    open();
    fence.ask(now, "j1");
    fence.ask(now, "j2");
    fence.on_answer(status("completed"));
    fence.forget_answered(now + Ms(10'001));
    EXPECT_EQ(fence.due("j1"), std::nullopt);
    EXPECT_NE(fence.due("j2"), std::nullopt);
}

// ---- cancels

struct CancelsTest : MachineTest {
    Cancels cancels{true, wire};
    using Due = std::vector<std::pair<std::string, std::string>>;
};

TEST_F(CancelsTest, TheHubIsToldFirstAndItsAnswerEndsTheJob) {
    cancels.add(now, "j1", "because");
    EXPECT_EQ(cancels.unconfirmed(now), Due{});
    EXPECT_EQ(cancels.confirmed("j1", "cancelled"), std::nullopt) << "it was not told yet";
    cancels.tell();
    cancels.tell();
    EXPECT_EQ(said().size(), 1u);
    EXPECT_EQ(cancels.confirmed("j1", "claimed"), std::nullopt);
    EXPECT_EQ(cancels.confirmed("j1", "cancelled"), "because");
    EXPECT_TRUE(cancels.empty());
}

TEST_F(CancelsTest, WithoutAnAnswerTheJobIsStoppedAfterThreeSeconds) {
    cancels.add(now, "j1", "because");
    EXPECT_EQ(cancels.next_wakeup(), now + Ms(3'000));
    EXPECT_EQ(cancels.unconfirmed(now + Ms(2'999)), Due{});
    EXPECT_EQ(cancels.unconfirmed(now + Ms(3'000)), (Due{{"j1", "because"}}));
    EXPECT_EQ(cancels.unconfirmed(now + Ms(3'000)), Due{}) << "once";
    EXPECT_FALSE(cancels.empty()) << "the Hub has still to be told";
    cancels.tell();
    EXPECT_EQ(said().size(), 1u);
    EXPECT_TRUE(cancels.empty());
}

TEST_F(CancelsTest, WhatWasToldOnALostConnectionIsToldAgain) {
    cancels.add(now, "j1", "because");
    cancels.tell();
    cancels.on_watch_ended();
    cancels.tell();
    EXPECT_EQ(said().size(), 2u);
}

TEST_F(CancelsTest, WhereTheHubCannotBeToldTheJobIsStoppedAtOnce) {
    Cancels deaf(false, wire);
    deaf.add(now, "j1", "because");
    EXPECT_EQ(deaf.unconfirmed(now), (Due{{"j1", "because"}}));
    EXPECT_TRUE(deaf.empty());
}

TEST_F(CancelsTest, TheFirstReasonStays) {
    cancels.add(now, "j1", "first");
    cancels.add(now, "j1", "second");
    cancels.tell();
    EXPECT_EQ(cancels.confirmed("j1", "completed"), "first");
}

// ---- trouble

TEST(Trouble, ThePauseDoublesUpToFourSecondsAndBeginsAnewAfterHalfAMinute) {
    Trouble trouble;
    TimePoint now = TimePoint{} + std::chrono::hours(1);
    for (const int seconds : {1, 2, 4, 4}) {
        const TimePoint again = trouble.pause(now);
        EXPECT_EQ(again, now + Ms(1000 * seconds));
        EXPECT_EQ(trouble.pause(again - Ms(1)), again) << "one more error of the same moment";
        now = again;
    }
    now += Ms(30'000);
    EXPECT_EQ(trouble.pause(now), now + Ms(1'000));
}

TEST(Trouble, APersonIsToldOnceASecondOrWhenSomethingWaits) {
    Trouble trouble;
    const TimePoint now = TimePoint{} + std::chrono::hours(1);
    EXPECT_TRUE(trouble.tells(now, false));
    EXPECT_FALSE(trouble.tells(now + Ms(999), false));
    EXPECT_TRUE(trouble.tells(now + Ms(999), true));
    EXPECT_TRUE(trouble.tells(now + Ms(1'999), false));
}

}  // namespace
}  // namespace emprops::hub
