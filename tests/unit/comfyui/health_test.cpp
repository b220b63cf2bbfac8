#include "connectors/comfyui/server/health.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::comfyui {
namespace {

TEST(Health, ASuspicionEndsOnlyWhenTheServerWasGoneAndIsBack) {
    Health health{Ms{300'000}};
    EXPECT_TRUE(health.on_probe("")->available);
    EXPECT_FALSE(health.on_suspicion({"fault", true, ""}, {})->available);
    EXPECT_FALSE(health.on_probe(""));  // answers, and did before: nothing changed
    EXPECT_FALSE(health.on_probe("timed out")->connected);
    EXPECT_FALSE(health.on_probe("")->available);  // slow is not gone
    EXPECT_FALSE(health.on_probe("refused", true)->connected);
    EXPECT_TRUE(health.on_probe("")->available);
    EXPECT_EQ(health.on_disk("full")->reason, "full");
}

Queue running(const std::string& id, Json mark = nullptr) {
    Queue queue;
    if (!id.empty()) queue.running.push_back({id, 0, {}, std::move(mark)});
    return queue;
}

TEST(Health, ASilentWorkerThreadIsTrustedAgainWhenTheQueueGoesOnButAFaultIsNot) {
    Health health{Ms{300'000}};
    health.on_probe("");
    health.on_suspicion({"silent", false, "x"}, {});
    EXPECT_FALSE(health.on_queue(running("x"), {}));
    EXPECT_TRUE(health.on_queue(running("y"), {})->available);
    health.on_suspicion({"nothing runs", false, ""}, {});
    EXPECT_FALSE(health.on_queue(running(""), {}));
    EXPECT_TRUE(health.on_queue(running("y"), {})->available);
    health.on_suspicion({"fault", true, ""}, {});
    EXPECT_FALSE(health.on_queue(running("y"), {}));
}

TEST(Health, ASilenceThatNoPromptCouldDisproveLapsesAndOthersDoNot) {
    const TimePoint late = TimePoint{} + Ms{300'000};
    Health health{Ms{300'000}};
    health.on_probe("");
    health.on_suspicion({"nothing runs", false, ""}, {});
    EXPECT_FALSE(health.on_queue(running(""), late - Ms{1}));
    EXPECT_TRUE(health.on_queue(running(""), late)->available);
    health.on_suspicion({"silent", false, "x"}, {});
    EXPECT_FALSE(health.on_queue(running("x"), late));
    health.on_suspicion({"fault", true, ""}, {});
    EXPECT_FALSE(health.on_queue(running(""), late));
}

TEST(ProbePace, WhileItStartsItIsLookedAtOftenAndOneThatIsGoneForGoodIsNot) {
    constexpr Ms usual{5'000};
    const TimePoint begin{};
    ProbePace pace;
    EXPECT_EQ(pace.pause(usual, begin), usual);
    pace.probed(false, begin);
    EXPECT_EQ(pace.pause(usual, begin), Ms{500});
    EXPECT_EQ(pace.pause(Ms{100}, begin), Ms{100});
    pace.probed(false, begin + Ms{299'999});
    EXPECT_EQ(pace.pause(usual, begin + Ms{299'999}), Ms{500});
    EXPECT_EQ(pace.pause(usual, begin + Ms{300'000}), usual);
    pace.probed(true, begin + Ms{400'000});
    EXPECT_EQ(pace.pause(usual, begin + Ms{400'000}), usual);
    pace.probed(false, begin + Ms{500'000});
    EXPECT_EQ(pace.pause(usual, begin + Ms{500'000}), Ms{500});
}

TEST(Health, ABlockerIsAReasonUntilItIsGone) {
    Health health{Ms{300'000}};
    health.on_probe("");
    const auto blocked = health.on_blocker("somebody else's prompt x");
    EXPECT_TRUE(blocked->connected);
    EXPECT_FALSE(blocked->available);
    EXPECT_EQ(blocked->reason, "somebody else's prompt x");
    EXPECT_FALSE(health.suspicious());
    EXPECT_TRUE(health.on_blocker("")->available);
}

class HeadWatchTest : public testing::Test {
  protected:
    void look(const Queue& queue, int at_s) { watch.look(queue, "s", now = at(at_s)); }
    static TimePoint at(int seconds) { return TimePoint{} + std::chrono::seconds{seconds}; }
    HeadWatch watch{Ms{100'000}};
    TimePoint now{};
};

TEST_F(HeadWatchTest, AForeignHeadBlocksAfterTheLimitAndIsTakenForDeadAfterThreeTimesThat) {
    look(running("x"), 0);
    look(running("x"), 99);
    EXPECT_EQ(watch.blocker(now), "");
    look(running("x"), 100);
    EXPECT_EQ(watch.blocker(now),
              "somebody else's prompt x has been the running one in ComfyUI for more than 100 s "
              "(no_progress_timeout)");
    EXPECT_FALSE(watch.dead(now));
    look(running("x"), 299);
    EXPECT_FALSE(watch.dead(now)) << "a long render is nobody's to kill";
    look(running("x"), 300);
    const auto dead = watch.dead(now);
    ASSERT_TRUE(dead);
    EXPECT_EQ(dead->running, "x");
    EXPECT_FALSE(dead->fault);
    EXPECT_FALSE(watch.dead(at(1000))) << "asked for once";
    EXPECT_NE(watch.blocker(now), "");
}

TEST_F(HeadWatchTest, TheQueueThatGoesOnStartsItAnew) {
    look(running("x"), 0);
    look(running("y"), 290);
    EXPECT_EQ(watch.blocker(now), "");
    look(running(""), 380);
    look(running("y"), 381);
    look(running("y"), 480);
    EXPECT_EQ(watch.blocker(now), "");
    look(running("y"), 681);
    EXPECT_TRUE(watch.dead(now));
    look(running("z"), 682);
    look(running("z"), 982);
    EXPECT_TRUE(watch.dead(now)) << "another one is another case";
    watch.gone();
    EXPECT_EQ(watch.blocker(now), "");
}

TEST_F(HeadWatchTest, OurOwnIsItsJobsToWatchAndAnotherWorkersIsNamed) {
    look(running("mine", {{"space", "s"}}), 0);
    look(running("mine", {{"space", "s"}}), 1000);
    EXPECT_EQ(watch.blocker(now), "");
    EXPECT_FALSE(watch.dead(now));
    const Json other = {{"space", "t"}, {"job_id", "j7"}, {"connector", "c2"}};
    look(running("theirs", other), 1000);
    look(running("theirs", other), 1100);
    EXPECT_THAT(watch.blocker(now),
                testing::StartsWith("the prompt theirs of another worker (job j7, connector c2) has been"));
    EXPECT_FALSE(watch.dead(now));
}

TEST_F(HeadWatchTest, OneThatShowsProgressBlocksButIsNotTakenForDead) {
    look(running("x"), 0);
    watch.sign("y", at(290));
    watch.sign("x", at(250));
    look(running("x"), 549);
    EXPECT_NE(watch.blocker(now), "");
    EXPECT_FALSE(watch.dead(now));
    look(running("x"), 550);
    EXPECT_TRUE(watch.dead(now));
}

TEST_F(HeadWatchTest, WhatAJobSawEarlierCounts) {
    watch.seen({"x", nullptr, at(0)});
    EXPECT_NE(watch.blocker(at(100)), "");
    look(running("x"), 110);
    EXPECT_NE(watch.blocker(now), "");
    EXPECT_TRUE(watch.dead(at(300)));
}

class OrphansTest : public testing::Test {
  protected:
    std::vector<Orphan> look(const Queue& queue, int after_s) {
        now += std::chrono::seconds{after_s};
        return orphans.look(
            queue, "s", 0, [&](const QueueItem& item) { return item.prompt_id == has_job; },
            [&](const std::string& id) { return id == waited_for; }, now);
    }
    Json mark(int instance = 0) const { return {{"space", "s"}, {"instance", instance}, {"job_id", "j"}}; }
    Orphans orphans{Ms{90'000}, Ms{300'000}};
    TimePoint now{};
    std::string has_job, waited_for;
};

TEST_F(OrphansTest, OnlyOurOwnThatNobodyWaitsForAndOnlyAfterTheGrace) {
    Queue queue = running("mine", mark());
    queue.pending = {{"foreign", 1, {}, {}}, {"other-instance", 2, {}, mark(1)}, {"wanted", 3, {}, mark()}};
    has_job = "wanted";
    EXPECT_TRUE(look(queue, 0).empty());
    EXPECT_TRUE(look(queue, 60).empty());
    has_job = "mine";  // resumed meanwhile, and dead again: its time starts anew
    EXPECT_TRUE(look(queue, 60).empty());
    has_job = "wanted";
    EXPECT_TRUE(look(queue, 1).empty());
    EXPECT_EQ(look(queue, 91), (std::vector<Orphan>{{"mine", true}}));
}

TEST_F(OrphansTest, AWithdrawnPromptThatRunsOnIsReportedAndThenSuspected) {
    orphans.unwanted("p", false, now);
    const Queue queue = running("p");
    EXPECT_EQ(look(queue, 0), (std::vector<Orphan>{{"p", true}}));
    EXPECT_EQ(orphans.lingering(), "");
    EXPECT_TRUE(look(queue, 1).empty());  // not interrupted every second
    EXPECT_EQ(orphans.lingering(), "p");
    EXPECT_EQ(look(queue, 10), (std::vector<Orphan>{{"p", true, true}}));  // people were told
    EXPECT_FALSE(orphans.stuck(now));
    look(queue, 300);
    EXPECT_TRUE(orphans.stuck(now));
    EXPECT_FALSE(orphans.stuck(now));  // said once
    look(Queue{}, 1);
    EXPECT_EQ(orphans.lingering(), "");
    EXPECT_FALSE(orphans.any_unwanted());
}

TEST_F(OrphansTest, AJobThatWaitsForAnUnwantedPromptKeepsItUnlessItWasInterrupted) {
    orphans.unwanted("p", false, now);
    waited_for = "p";
    EXPECT_TRUE(look(running("p"), 0).empty());
    waited_for = "";
    EXPECT_EQ(look(running("p"), 1).size(), 1u);
    waited_for = "p";
    EXPECT_EQ(look(running("p"), 10).size(), 1u);
}

TEST_F(OrphansTest, APostWithoutAnAnswerMayTurnUpForAMinute) {
    orphans.unwanted("p", true, now);
    EXPECT_TRUE(look(Queue{}, 30).empty());
    Queue late;
    late.pending.push_back({"p", 0, {}, {}});
    EXPECT_EQ(look(late, 20), (std::vector<Orphan>{{"p", false}}));
    look(Queue{}, 60);
    EXPECT_FALSE(orphans.any_unwanted());
}

TEST(Health, AMissingWebSocketIsSaidAndKeepsNoJobsAway) {
    Health health(Ms{60'000});
    health.on_probe("");
    const auto without = health.on_socket("WebSocket handshake: 404");
    ASSERT_TRUE(without);
    EXPECT_TRUE(without->available);
    EXPECT_THAT(without->reason, testing::AllOf(testing::HasSubstr("without ComfyUI's WebSocket"),
                                                testing::HasSubstr("WebSocket handshake: 404")));
    EXPECT_FALSE(health.on_socket("WebSocket handshake: 404")) << "said already";
    const auto away = health.on_probe("does not answer", true);
    EXPECT_EQ(away->reason, "does not answer");
    EXPECT_TRUE(health.on_probe("")->available);
    EXPECT_EQ(health.on_socket("")->reason, "");
}

}  // namespace
}  // namespace emprops::comfyui
