// The state machine in simulated time, where the recordings do not lead: its usual ways.

#include "tests/unit/comfyui/simulated_comfy.h"

namespace emprops::comfyui {
namespace {

using simulated::Comfy;
using simulated::good_entry;

TEST(Run, APromptThatMovesFromQueueToHistoryBetweenTheLooksIsNotLost) {
    Comfy comfy;
    comfy.running("p0");
    comfy.go(Ms{10'000});
    // History empty, queue empty, history filled: the third look finds it.
    comfyui::Run& run = comfy.run;
    comfy.queue = Queue{};
    TimePoint now = comfy.now + Ms{10'000};
    ASSERT_TRUE(std::holds_alternative<AskHistory>(run.next(now)));
    run.on_history(NoEntry{}, now);
    ASSERT_TRUE(std::holds_alternative<AskQueue>(run.next(now)));
    run.on_queue(Queue{}, now);
    ASSERT_TRUE(std::holds_alternative<AskHistory>(run.next(now)));
    run.on_history(Entry{good_entry}, now);
    EXPECT_TRUE(std::holds_alternative<Finish>(run.next(now)));
    EXPECT_EQ(run.outcome().kind, Outcome::Kind::succeeded);
}

TEST(Run, AnOldServersOwnIdIsFollowed) {
    Comfy comfy;
    comfy.post_answer = Accepted{"server-made", Json::object()};
    comfy.on_post = [&] { comfy.running("server-made"); };
    comfy.go(Ms{5'000});
    comfy.history["server-made"] = good_entry;
    comfy.go(Ms{20'000});
    EXPECT_EQ(comfy.run.outcome().kind, Outcome::Kind::succeeded);
    EXPECT_EQ(comfy.log, "post p0;");
}

TEST(Run, AnEarlierSuccessOfTheSameJobIsTakenAndAnEarlierFailureIsNot) {
    Comfy taken;
    taken.history["p0"] = good_entry;
    taken.go(Ms{1'000});
    EXPECT_EQ(taken.run.outcome().kind, Outcome::Kind::succeeded);
    EXPECT_EQ(taken.log, "");
    Comfy again;
    again.history["p0"] = {{"outputs", Json::object()}, {"status", {{"status_str", "error"}}}};
    again.on_post = [&] { again.history["p1"] = good_entry; };
    again.go(Ms{20'000});
    EXPECT_EQ(again.log, "post p1;");
    EXPECT_EQ(again.run.outcome().kind, Outcome::Kind::succeeded);
}

TEST(Run, AResumedJobGoesOnWithTheNotedSubmissionAndTakesItsFailureToo) {
    RunRules rules;
    rules.resume = true;
    rules.resume_from = 1;
    Comfy comfy(rules);
    comfy.history["p1"] = Json::parse(R"({"outputs":{},"status":{"status_str":"error","messages":[
        ["execution_error",{"prompt_id":"p1","exception_type":"ValueError"}]]}})");
    comfy.go(Ms{1'000});
    EXPECT_EQ(comfy.run.outcome().kind, Outcome::Kind::node_failed);
    EXPECT_EQ(comfy.log, "");
}

TEST(Run, ALostPostIsLookedForBeforeItIsSentAgain) {
    Comfy comfy;
    comfy.post_answer = Unreachable{"timed out", true};
    comfy.go(Ms{2'000});
    EXPECT_EQ(comfy.log, "post p0;");  // still looking
    comfy.post_answer.reset();
    comfy.on_post = [&] { comfy.history["p0"] = good_entry; };
    comfy.go(Ms{60'000});
    EXPECT_EQ(comfy.log, "post p0;post p0;");
    EXPECT_EQ(comfy.run.outcome().kind, Outcome::Kind::succeeded);
}

TEST(Run, WaitingBehindOthersHasALimitAndTakesOnlyItsOwnPromptBack) {
    RunRules rules;
    rules.limits.queue_wait = Ms{60'000};
    Comfy comfy(rules);
    comfy.on_post = [&] { comfy.pending("p0", true); };
    comfy.go(Ms{61'000});
    comfy.queue = Queue{{{"other", 0, {}, {}}}, {}};
    comfy.go(Ms{70'000});
    EXPECT_TRUE(comfy.finished);
    EXPECT_EQ(comfy.run.outcome().failure.code, "timeout");
    EXPECT_THAT(comfy.log, testing::StartsWith("post p0;delete p0;"));
    EXPECT_EQ(comfy.log.find("interrupt"), std::string::npos);
}

TEST(Run, PromptsThatWaitWhileNothingRunsMeanASilentWorker) {
    RunRules rules;
    rules.limits.start = Ms{30'000};
    Comfy comfy(rules);
    comfy.on_post = [&] { comfy.pending("p0", false); };
    comfy.go(Ms{100'000});
    EXPECT_EQ(comfy.run.outcome().failure.code, "service_unavailable");
    EXPECT_THAT(comfy.log, testing::HasSubstr("restart;"));
    EXPECT_TRUE(comfy.run.outcome().abandoned);
}

TEST(Run, SilenceWithoutASocketIsNoLackOfProgressButTheTotalLimitHolds) {
    RunRules rules;
    rules.limits.no_progress = Ms{10'000};
    rules.limits.total = Ms{100'000};
    Comfy comfy(rules);
    comfy.on_post = [&] { comfy.running("p0"); };
    comfy.go(Ms{90'000});
    EXPECT_EQ(comfy.log, "post p0;");
    comfy.go(Ms{200'000});
    EXPECT_EQ(comfy.run.outcome().failure.details["class"], "total_timeout");
}

TEST(Run, ADeafSocketIsReconnected) {
    Comfy comfy;
    comfy.run.on_socket(true, comfy.now);
    comfy.on_post = [&] { comfy.running("p0"); };
    comfy.go(Ms{70'000});
    EXPECT_EQ(comfy.log, "post p0;reconnect;");
}

TEST(Run, AnotherPromptsEventsDoNotCount) {
    Comfy comfy;
    comfy.run.on_socket(true, comfy.now);
    comfy.on_post = [&] { comfy.running("p0"); };
    comfy.go(Ms{1'000});
    comfy.run.on_event({"other", Ended{}}, comfy.now);
    EXPECT_TRUE(std::holds_alternative<Wait>(comfy.run.next(comfy.now)));
    comfy.run.on_event({"p0", Ended{}}, comfy.now);
    EXPECT_TRUE(std::holds_alternative<AskHistory>(comfy.run.next(comfy.now)));
}

TEST(Run, ACancelBeforeAnythingWasSentAsksNothing) {
    Comfy comfy;
    comfy.run.cancel(comfy.now);
    comfy.go(Ms{1'000});
    EXPECT_TRUE(comfy.finished);
    EXPECT_EQ(comfy.run.outcome().kind, Outcome::Kind::cancelled);
    EXPECT_EQ(comfy.log, "");
}

TEST(Run, ACancelOfARunningPromptInterruptsItAndVerifies) {
    Comfy comfy;
    comfy.on_post = [&] { comfy.running("p0"); };
    comfy.go(Ms{1'000});
    comfy.run.cancel(comfy.now);
    comfy.go(Ms{1'500});
    EXPECT_FALSE(comfy.finished);
    comfy.queue = Queue{};
    comfy.go(Ms{3'000});
    EXPECT_EQ(comfy.log, "post p0;delete p0;interrupt p0;");
    EXPECT_EQ(comfy.run.outcome().kind, Outcome::Kind::cancelled);
    EXPECT_FALSE(comfy.run.outcome().abandoned);
}

TEST(Run, WhereTheServerHasJobsACancelIsOneRequestForWaitingAndRunningPrompts) {
    for (const bool runs : {true, false}) {
        Comfy comfy;
        comfy.jobs_api = true;
        comfy.on_post = [&] { runs ? comfy.running("p0") : comfy.pending("p0", true); };
        comfy.go(Ms{1'000});
        comfy.run.cancel(comfy.now);
        comfy.go(Ms{1'100});
        EXPECT_FALSE(comfy.finished);
        comfy.queue = Queue{};
        comfy.go(Ms{3'000});
        EXPECT_EQ(comfy.log, "post p0;cancel p0;");
        EXPECT_EQ(comfy.run.outcome().kind, Outcome::Kind::cancelled);
        EXPECT_FALSE(comfy.run.outcome().abandoned);
    }
}

TEST(Run, AServerThatIsGoneForTooLongFailsTheJob) {
    Comfy comfy;
    comfy.on_post = [&] { comfy.running("p0"); };
    comfy.go(Ms{1'000});
    comfy.down = true;
    comfy.go(Ms{400'000});
    EXPECT_EQ(comfy.run.outcome().failure.code, "service_unavailable");
}

TEST(Queue, PendingIsSortedByNumberNotByHeapOrder) {
    const Queue queue = read_queue(Json::parse(
        R"({"queue_running":[[1,"r",{},{},[]]],"queue_pending":[[50,"c"],[-53,"a"],[52.0,"d"],[50,"b"]]})"));
    std::string order;
    for (const auto& item : queue.pending)
        order += item.prompt_id;
    EXPECT_EQ(order, "abcd");
}

}  // namespace
}  // namespace emprops::comfyui
