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
              rules, {{"1", "KSampler", "KSampler", {}}, {"2", "SaveImage", "SaveImage", {"1"}}},
              [](int n) { return "p" + std::to_string(n); }, now) {}

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
            } else if (std::holds_alternative<AskRecent>(action)) {
                log += ask_recent ? "recent;" : "";
                Json entries = Json::object();
                for (const auto& [id, entry] : history) {
                    entries[id] = entry;
                }
                run.on_recent(Recent{entries}, now);
            } else if (std::holds_alternative<AskQueue>(action)) {
                run.on_queue(down || queue_down ? QueueAnswer{Unreachable{"down"}} : QueueAnswer{queue}, now);
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
    bool down = false, queue_down = false, finished = false, ask_recent = false;
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

TEST(Run, AServerThatIsGoneForTooLongFailsTheJob) {
    Comfy comfy;
    comfy.on_post = [&] { comfy.running("p0"); };
    comfy.go(Ms{1'000});
    comfy.down = true;
    comfy.go(Ms{400'000});
    EXPECT_EQ(comfy.run.outcome().failure.code, "service_unavailable");
}

// ---- silence (a dead worker thread)

Event executing(const std::string& id) {
    return {id, Executing{"1"}};
}

TEST(Run, ReconnectsAndTheirRemindersAreNoSignsOfLife) {
    Comfy comfy;
    comfy.run.on_socket(true, comfy.now);
    comfy.on_post = [&] { comfy.running("p0"); };
    // The shell reconnects when asked, and ComfyUI then names the running node without an id.
    for (int i = 1; i < 300 && !comfy.finished; ++i) {
        comfy.go(Ms{i * 5'000});
        if (comfy.log.size() >= 10 && comfy.log.compare(comfy.log.size() - 10, 10, "reconnect;") == 0) {
            comfy.log += " ";
            comfy.run.on_socket(false, comfy.now);
            comfy.run.on_socket(true, comfy.now);
            comfy.run.on_event(executing(""), comfy.now);
        }
    }
    EXPECT_TRUE(comfy.finished);
    EXPECT_EQ(comfy.run.outcome().failure.details["class"], "no_progress");
    EXPECT_THAT(comfy.log, testing::HasSubstr("restart;"));
    // Further and further apart: 1, 2, 4, 8 minutes.
    EXPECT_EQ(std::count(comfy.log.begin(), comfy.log.end(), 'c'), 2 * 4) << comfy.log;
}

TEST(Run, TimeWithoutASocketIsNotCountedAsSilence) {
    RunRules rules;
    rules.limits.no_progress = Ms{100'000};
    Comfy comfy(rules);
    comfy.run.on_socket(true, comfy.now);
    comfy.on_post = [&] { comfy.running("p0"); };
    comfy.go(Ms{50'000});
    comfy.run.on_socket(false, comfy.now);
    comfy.go(Ms{250'000});
    comfy.run.on_socket(true, comfy.now);
    comfy.go(Ms{290'000});
    EXPECT_FALSE(comfy.finished) << comfy.log;
    comfy.go(Ms{330'000});
    EXPECT_EQ(comfy.run.outcome().failure.details["class"], "no_progress");
}

TEST(Run, EventsOfAPromptThatAnotherInstanceSentGoToItsSocketAndSilenceSaysNothing) {
    RunRules rules;
    rules.limits.no_progress = Ms{100'000};
    rules.mark = {"s", "comfyui", 1, "j", "h"};
    rules.resume = true;
    Comfy comfy(rules);
    OwnMark other = rules.mark;
    other.instance = 0;
    comfy.queue = Queue{{{"p0", 0, {}, mark_json(other, 0)}}, {}};
    comfy.run.on_socket(true, comfy.now);
    comfy.go(Ms{400'000});
    EXPECT_FALSE(comfy.finished);
    EXPECT_EQ(comfy.log, "");
}

TEST(Run, APromptOverItsTotalTimeThatSaysNothingAndDoesNotStopMakesTheServerSuspicious) {
    RunRules rules;
    rules.limits.total = Ms{100'000};
    Comfy comfy(rules);  // no socket at all
    comfy.on_post = [&] { comfy.running("p0"); };
    comfy.go(Ms{200'000});
    EXPECT_EQ(comfy.run.outcome().failure.details["class"], "total_timeout");
    EXPECT_TRUE(comfy.run.outcome().abandoned);
    EXPECT_THAT(comfy.log, testing::HasSubstr("restart;"));
}

TEST(Run, AForeignPromptThatRunsForEverMakesTheServerSuspiciousButOurOwnDoesNot) {
    for (const bool ours : {false, true}) {
        RunRules rules;
        rules.mark = {"s", "comfyui", 0, "j", "h"};
        rules.limits.queue_wait = Ms{10'000'000};
        Comfy comfy(rules);
        comfy.on_post = [&] {
            comfy.pending("p0", true);
            if (ours) comfy.queue.running[0].mark = {{"space", "s"}, {"job_id", "other"}};
        };
        comfy.go(Ms{1'260'000});
        EXPECT_EQ(comfy.finished, !ours);
        EXPECT_EQ(comfy.log.find("restart;") != std::string::npos, !ours) << comfy.log;
        if (!ours) {
            EXPECT_EQ(comfy.run.outcome().failure.code, "service_unavailable");
        }
    }
}

// ---- one run, not two

Json entry_of(const Json& outputs, const std::vector<std::string>& cached) {
    return {{"outputs", outputs},
            {"status",
             {{"status_str", "success"},
              {"messages",
               Json::array({Json::array({"execution_cached", {{"prompt_id", "p0"}, {"nodes", cached}}})})}}}};
}

TEST(Run, AJobWhoseOutputsShowNothingRunsOnce) {
    Comfy comfy;
    comfy.on_post = [&] { comfy.history["p0"] = entry_of(Json::object(), {"1"}); };
    comfy.go(Ms{20'000});
    EXPECT_EQ(comfy.log, "post p0;");
    EXPECT_EQ(comfy.run.outcome().kind, Outcome::Kind::succeeded);
}

TEST(Run, ARunThatWasCachedWholeAndNamesNothingIsRunAgainWithoutTheCache) {
    Comfy comfy;
    comfy.on_post = [&] {
        comfy.history["p0"] = entry_of(Json::object(), {"1", "2"});
        comfy.history["p1"] = comfy.log.find("post p1") != std::string::npos ? good_entry : Json();
        if (comfy.history["p1"].is_null()) comfy.history.erase("p1");
    };
    comfy.go(Ms{20'000});
    EXPECT_EQ(comfy.log, "post p0;free;post p1;");
}

TEST(Run, FilesThatAreGoneAreMadeAgainOnlyIfTheyCouldBeOldOnes) {
    Comfy fresh;
    fresh.on_post = [&] { fresh.history["p0"] = good_entry; };
    fresh.go(Ms{20'000});
    EXPECT_FALSE(fresh.run.files_gone(fresh.now));
    Comfy cached;
    cached.on_post = [&] { cached.history["p0"] = entry_of(good_entry["outputs"], {"1"}); };
    cached.go(Ms{20'000});
    EXPECT_TRUE(cached.run.files_gone(cached.now));
    EXPECT_FALSE(cached.run.files_gone(cached.now));
    Comfy earlier;
    earlier.history["p0"] = good_entry;
    earlier.go(Ms{1'000});
    EXPECT_TRUE(earlier.run.files_gone(earlier.now));
}

// ---- waits have ends

TEST(Run, AQueueThatNeverAnswersEndsTheJobAlthoughTheHistoryDoes) {
    Comfy comfy;
    comfy.queue_down = true;
    comfy.go(Ms{400'000});
    EXPECT_TRUE(comfy.finished);
    EXPECT_EQ(comfy.run.outcome().failure.code, "service_unavailable");
}

TEST(Run, TheTotalTimeCountsBeforeTheFirstSendToo) {
    RunRules rules;
    rules.limits.total = Ms{50'000};
    Comfy comfy(rules);
    comfy.post_answer = Unreachable{"refused", false};
    comfy.go(Ms{60'000});
    EXPECT_EQ(comfy.run.outcome().failure.details["class"], "total_timeout");
    EXPECT_FALSE(comfy.run.outcome().abandoned);
}

TEST(Run, AnAnnouncedEndThatNeverGetsIntoTheHistoryIsNotWaitedForWithoutLimit) {
    RunRules rules;
    rules.limits.no_progress = Ms{100'000};
    Comfy comfy(rules);
    comfy.run.on_socket(true, comfy.now);
    comfy.on_post = [&] { comfy.running("p0"); };
    comfy.go(Ms{5'000});
    comfy.run.on_event({"p0", Succeeded{}}, comfy.now);
    comfy.go(Ms{200'000});
    EXPECT_TRUE(comfy.finished);
}

// ---- whose prompt is it

RunRules marked(bool resume) {
    RunRules rules;
    rules.mark = {"s", "comfyui", 0, "j", "h"};
    rules.resume = resume;
    return rules;
}

TEST(Run, AnOldServersOwnIdIsFoundByTheMarkAfterALostAnswer) {
    Comfy comfy(marked(false));
    comfy.post_answer = Unreachable{"timed out", true};
    comfy.on_post = [&] {
        comfy.queue = Queue{{{"server-made", 0, {"2"}, mark_json(marked(false).mark, 0)}}, {}};
    };
    comfy.go(Ms{10'000});
    EXPECT_EQ(comfy.log, "post p0;");
    comfy.queue = Queue{};
    comfy.history["server-made"] = good_entry;
    comfy.go(Ms{20'000});
    EXPECT_EQ(comfy.run.outcome().kind, Outcome::Kind::succeeded);
    EXPECT_EQ(comfy.run.outcome().prompt_id, "server-made");
    EXPECT_EQ(comfy.log, "post p0;");
}

TEST(Run, AnOldServersOwnIdIsFoundInTheHistoryAfterALostAnswer) {
    Comfy comfy(marked(false));
    comfy.post_answer = Unreachable{"timed out", true};
    comfy.on_post = [&] {
        Json entry = good_entry;
        entry["prompt"] = {0,
                           "server-made",
                           Json::object(),
                           {{"emprops", mark_json(marked(false).mark, 0)}},
                           Json::array({"2"})};
        comfy.history["server-made"] = entry;
    };
    comfy.go(Ms{60'000});
    EXPECT_EQ(comfy.log, "post p0;");
    EXPECT_EQ(comfy.run.outcome().kind, Outcome::Kind::succeeded);
}

TEST(Run, AnotherPayloadOfTheSameJobIdIsAnotherJob) {
    OwnMark other = marked(false).mark;
    other.payload = "x";
    EXPECT_FALSE(submission_of(mark_json(other, 0), marked(false).mark));
    EXPECT_EQ(submission_of(mark_json(other, 3), other), 3);
}

TEST(Run, AResumeWithoutANoteFindsTheHighestLiveSubmission) {
    Comfy comfy(marked(true));
    comfy.running("p7");
    comfy.history["p0"] = good_entry;  // of an earlier assignment
    comfy.go(Ms{5'000});
    EXPECT_EQ(comfy.log, "");
    EXPECT_EQ(comfy.run.prompt_id(), "p7");
}

TEST(Run, AResumeWithoutANoteDoesNotTakeAnOldFailureForItsOwn) {
    Comfy comfy(marked(true));
    comfy.history["p1"] = Json::parse(R"({"outputs":{},"status":{"status_str":"error","messages":[
        ["execution_error",{"prompt_id":"p1","exception_type":"ValueError"}]]}})");
    comfy.on_post = [&] { comfy.history["p2"] = good_entry; };
    comfy.go(Ms{20'000});
    EXPECT_EQ(comfy.log, "post p2;");
    EXPECT_EQ(comfy.run.outcome().kind, Outcome::Kind::succeeded);
}

TEST(Run, AResumeWithANoteDoesNotLookAtOlderSubmissions) {
    RunRules rules = marked(true);
    rules.resume_from = 2;
    Comfy comfy(rules);
    comfy.history["p1"] = good_entry;
    comfy.on_post = [&] { comfy.history["p2"] = good_entry; };
    comfy.go(Ms{20'000});
    EXPECT_EQ(comfy.log, "post p2;");
}

TEST(Run, ACancelWhileAResumedJobsPromptIsLookedForTakesTheRightOneBack) {
    Comfy comfy(marked(true));
    comfy.running("p3");
    comfy.run.cancel(comfy.now);
    comfy.go(Ms{1'000});
    EXPECT_THAT(comfy.log, testing::HasSubstr("interrupt p3;"));
    comfy.queue = Queue{};
    comfy.go(Ms{5'000});
    EXPECT_EQ(comfy.run.outcome().kind, Outcome::Kind::cancelled);
    Comfy away(marked(true));
    away.down = true;
    away.run.cancel(away.now);
    away.go(Ms{20'000});
    EXPECT_EQ(away.run.outcome().kind, Outcome::Kind::cancelled);
    EXPECT_TRUE(away.run.outcome().abandoned);
    EXPECT_EQ(away.run.outcome().unwanted.size(), 17u);  // whichever it was
}

// ---- doubtful POSTs

TEST(Run, AGatewaysAnswerToThePostLeavesDoubt) {
    for (const long status : {502L, 503L, 504L, 429L, 408L}) {
        Comfy comfy;
        comfy.post_answer = ServerError{status, "upstream"};
        comfy.on_post = [&] { comfy.running("p0"); };
        comfy.go(Ms{3'000});
        comfy.history["p0"] = good_entry;
        comfy.go(Ms{20'000});
        EXPECT_EQ(comfy.log, "post p0;") << status;
        EXPECT_EQ(comfy.run.outcome().kind, Outcome::Kind::succeeded) << status;
    }
}

TEST(Run, ACancelAfterALostAnswerIsWatchedSinceThePromptMayStillTurnUp) {
    Comfy comfy;
    comfy.post_answer = Unreachable{"timed out", true};
    comfy.go(Ms{1'000});
    comfy.run.cancel(comfy.now);
    comfy.go(Ms{20'000});
    EXPECT_EQ(comfy.run.outcome().kind, Outcome::Kind::cancelled);
    EXPECT_TRUE(comfy.run.outcome().abandoned);
    EXPECT_TRUE(comfy.run.outcome().doubtful);
    EXPECT_EQ(comfy.run.outcome().unwanted, std::vector<std::string>{"p0"});
}

TEST(Run, ALostAnswerIsNotedUnlessAllOutputsAreKnownToRun) {
    for (const bool known : {true, false}) {
        Comfy comfy;
        comfy.post_answer = Unreachable{"timed out", true};
        comfy.on_post = [&] {
            comfy.running("p0");
            if (known) comfy.queue.running[0].outputs = {"2"};
        };
        comfy.go(Ms{3'000});
        comfy.history["p0"] = good_entry;
        comfy.go(Ms{20'000});
        EXPECT_EQ(comfy.run.outcome().notes.empty(), known);
    }
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
    EXPECT_FALSE(health.on_suspicion({"fault", true, ""})->available);
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
    Health health;
    health.on_probe("");
    health.on_suspicion({"silent", false, "x"});
    EXPECT_FALSE(health.on_queue(running("x")));
    EXPECT_TRUE(health.on_queue(running("y"))->available);
    health.on_suspicion({"nothing runs", false, ""});
    EXPECT_FALSE(health.on_queue(running("")));
    EXPECT_TRUE(health.on_queue(running("y"))->available);
    health.on_suspicion({"fault", true, ""});
    EXPECT_FALSE(health.on_queue(running("y")));
}

class OrphansTest : public testing::Test {
  protected:
    std::vector<Orphan> look(const Queue& queue, int after_s) {
        now += std::chrono::seconds{after_s};
        return orphans.look(
            queue, "s", 0, [&](const QueueItem& item) { return item.prompt_id == has_job; }, now);
    }
    Json mark(int instance = 0) const { return {{"space", "s"}, {"instance", instance}, {"job_id", "j"}}; }
    Orphans orphans{Ms{90'000}, Ms{300'000}};
    TimePoint now{};
    std::string has_job;
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
    EXPECT_EQ(look(queue, 10).size(), 1u);
    EXPECT_FALSE(orphans.stuck(now));
    look(queue, 300);
    EXPECT_TRUE(orphans.stuck(now));
    EXPECT_FALSE(orphans.stuck(now));  // said once
    look(Queue{}, 1);
    EXPECT_EQ(orphans.lingering(), "");
    EXPECT_FALSE(orphans.any_unwanted());
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

}  // namespace
}  // namespace emprops::comfyui
