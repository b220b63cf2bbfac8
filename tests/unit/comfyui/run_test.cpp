// The state machine in simulated time, where the recordings do not lead.

#include "connectors/comfyui/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/comfyui/health.h"

namespace emprops::comfyui {
namespace {

const Json good_entry = Json::parse(
    R"({"outputs":{"2":{"images":[{"filename":"a.png"}]}},"status":{"status_str":"success","messages":[]}})");

/// Answers what the machine asks out of a few flags, and writes down what it did.
class Comfy {
  public:
    explicit Comfy(RunRules rules = {})
        : run(
              rules, {{"1", "KSampler", "KSampler", {}}}, [](int n) { return "p" + std::to_string(n); },
              now) {}

    /// Until it finishes or wants to wait beyond `until` from the start.
    void go(Ms until) {
        for (int i = 0; i < 100'000; ++i) {
            const Action action = run.next(now);
            if (std::holds_alternative<Finish>(action)) {
                finished = true;
                return;
            }
            if (const auto* wait = std::get_if<Wait>(&action)) {
                if (wait->until > TimePoint{} + until) {
                    now = TimePoint{} + until;
                    return;
                }
                now = std::max(wait->until, now);
            } else if (const auto* send = std::get_if<SendPrompt>(&action)) {
                log += "post " + send->prompt_id + ";";
                if (on_post) on_post();
                run.on_post(
                    post_answer ? *post_answer : PostAnswer{Accepted{send->prompt_id, Json::object()}}, now);
            } else if (const auto* ask = std::get_if<AskHistory>(&action)) {
                run.on_history(down ? HistoryAnswer{Unreachable{"down"}}
                               : history.count(ask->prompt_id) > 0
                                   ? HistoryAnswer{Entry{history[ask->prompt_id]}}
                                   : HistoryAnswer{NoEntry{}},
                               now);
            } else if (std::holds_alternative<AskQueue>(action)) {
                run.on_queue(down ? QueueAnswer{Unreachable{"down"}} : QueueAnswer{queue}, now);
            } else if (const auto* stop = std::get_if<Interrupt>(&action)) {
                log += "interrupt " + stop->prompt_id + ";";
                run.on_done(true, now);
            } else if (const auto* gone = std::get_if<DeletePending>(&action)) {
                log += "delete " + gone->prompt_id + ";";
                run.on_done(true, now);
            } else if (std::holds_alternative<FreeMemory>(action)) {
                log += "free;";
                run.on_done(true, now);
            } else if (std::holds_alternative<Reconnect>(action)) {
                log += "reconnect;";
            } else if (std::holds_alternative<RestartService>(action)) {
                log += "restart;";
            }
            now += Ms{1};
        }
    }
    void running(const std::string& id) { queue = Queue{{{id, 0, {}, {}}}, {}}; }
    void pending(const std::string& id, bool behind_other) {
        queue = Queue{};
        if (behind_other) queue.running.push_back({"other", 0, {}, {}});
        queue.pending.push_back({id, 1, {}, {}});
    }

    TimePoint now{};
    Run run;
    Queue queue;
    std::map<std::string, Json> history;
    std::optional<PostAnswer> post_answer;
    std::function<void()> on_post;
    bool down = false, finished = false;
    std::string log;
};

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

TEST(Run, AResumedJobTakesTheNewestSubmissionAndItsFailureToo) {
    RunRules rules;
    rules.resume = true;
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

TEST(Health, ASuspicionEndsOnlyWhenTheServerWasGoneAndIsBack) {
    Health health;
    EXPECT_TRUE(health.on_probe("")->available);
    EXPECT_FALSE(health.on_suspicion("silent")->available);
    EXPECT_FALSE(health.on_probe(""));  // answers, and did before: nothing changed
    EXPECT_FALSE(health.on_probe("refused")->connected);
    EXPECT_TRUE(health.on_probe("")->available);
    EXPECT_EQ(health.on_disk("full")->reason, "full");
}

TEST(Health, OnlyOurOwnPromptsThatNobodyWaitsForAreOrphans) {
    Queue queue;
    queue.running.push_back({"mine", 0, {}, {{"space", "s"}, {"instance", 0}}});
    queue.pending = {{"foreign", 1, {}, {}},
                     {"other-instance", 2, {}, {{"space", "s"}, {"instance", 1}}},
                     {"wanted", 3, {}, {{"space", "s"}, {"instance", 0}}}};
    EXPECT_EQ(find_orphans(queue, "s", 0, [](const std::string& id) { return id == "wanted"; }),
              (std::vector<Orphan>{{"mine", true}}));
}

}  // namespace
}  // namespace emprops::comfyui
