// The state machine in simulated time: dead worker threads, waits without an end, prompts that could run
// twice or belong to somebody else.

#include "tests/unit/comfyui/simulated_comfy.h"

namespace emprops::comfyui {
namespace {

using simulated::Comfy;
using simulated::good_entry;

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

TEST(Run, APromptOverItsTotalTimeIsNoReasonToRestart) {
    for (const bool up : {true, false}) {
        RunRules rules;
        rules.limits.total = Ms{100'000};
        Comfy comfy(rules);
        comfy.run.on_socket(up, comfy.now);
        comfy.on_post = [&] { comfy.running("p0"); };
        comfy.go(Ms{200'000});
        EXPECT_EQ(comfy.run.outcome().failure.details["class"], "total_timeout");
        EXPECT_TRUE(comfy.run.outcome().abandoned);
        EXPECT_THAT(comfy.log, testing::Not(testing::HasSubstr("restart;")));
    }
}

TEST(Run, BehindAForeignPromptThatRunsOnAJobIsGivenBackAndNothingIsRestartedBehindOurOwnItWaits) {
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
        comfy.log.resize(std::min(comfy.log.size(), comfy.log.find("delete p0;")));  // it does not obey
        EXPECT_EQ(comfy.log, ours ? "post p0;" : "post p0;blocked by other;");
        if (!ours) {
            const Failure& failure = comfy.run.outcome().failure;
            EXPECT_EQ(failure.code, "service_unavailable");
            EXPECT_EQ(failure.details["class"], "blocked");
            EXPECT_THAT(failure.message, testing::HasSubstr("somebody else's prompt other has been"));
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

TEST(Run, WhatIsRunAgainAfterAnOldPromptIsNotOldItself) {
    RunRules rules;
    rules.resume = true;
    rules.resume_from = 0;
    Comfy comfy(rules);
    comfy.history["p0"] = Json::parse(
        R"({"outputs":{},"status":{"status_str":"error","messages":[["execution_error",
        {"prompt_id":"p0","node_id":"1","exception_type":"torch.OutOfMemoryError"}]]}})");
    comfy.on_post = [&] { comfy.history["p1"] = good_entry; };
    comfy.go(Ms{20'000});
    EXPECT_EQ(comfy.log, "free;post p1;");
    EXPECT_EQ(comfy.run.outcome().kind, Outcome::Kind::succeeded);
    EXPECT_FALSE(comfy.run.outcome().origin.was_over);  // its pictures are to be waited for
    EXPECT_FALSE(comfy.run.outcome().origin.maybe_old);
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
    EXPECT_TRUE(earlier.run.outcome().origin.earlier);
    EXPECT_TRUE(earlier.run.files_gone(earlier.now));
    RunRules rules;
    rules.resume = true;
    rules.resume_from = 0;
    Comfy resumed(rules);  // a process that was killed while it delivered may have removed some
    resumed.history["p0"] = good_entry;
    resumed.go(Ms{1'000});
    EXPECT_FALSE(resumed.run.outcome().origin.earlier);
    EXPECT_TRUE(resumed.run.files_gone(resumed.now));
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

TEST(Run, TimeInWhichComfyUiDoesNotAnswerDoesNotEndADoubt) {
    Comfy comfy;
    comfy.post_answer = Unreachable{"timed out", true};
    comfy.on_post = [&] { comfy.down = true; };
    comfy.go(Ms{10'000});
    comfy.down = false;
    comfy.go(Ms{12'000});
    EXPECT_EQ(comfy.log, "post p0;");
    comfy.go(Ms{16'000});
    EXPECT_EQ(comfy.log, "post p0;post p0;");
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

// ---- a POST that an earlier process began

TEST(Run, APromptThatAnEarlierProcessMayHaveSentIsLookedForBeforeItIsSentAgain) {
    for (const bool noted : {true, false}) {
        RunRules rules = marked(true);
        if (noted) rules.resume_from = 0;
        Comfy late(rules);
        late.go(Ms{2'000});
        EXPECT_EQ(late.log, "") << "it may be on its way";
        late.running("p0");
        late.go(Ms{5'000});
        late.history["p0"] = good_entry;
        late.go(Ms{20'000});
        EXPECT_EQ(late.log, "") << noted;
        EXPECT_EQ(late.run.outcome().kind, Outcome::Kind::succeeded);
        Comfy never(rules);
        never.on_post = [&] { never.history["p0"] = good_entry; };
        never.go(Ms{20'000});
        EXPECT_EQ(never.log, "post p0;") << noted;
    }
}

TEST(Run, TimeInWhichComfyUiIsSilentDoesNotCountForThatEither) {
    Comfy comfy(marked(true));
    comfy.go(Ms{1'000});
    comfy.down = true;
    comfy.go(Ms{60'000});
    comfy.down = false;
    comfy.go(Ms{62'000});
    EXPECT_EQ(comfy.log, "");
    comfy.running("p0");
    comfy.go(Ms{70'000});
    EXPECT_EQ(comfy.log, "");
    EXPECT_TRUE(comfy.run.begun());
}

TEST(Run, AProcessThatSentNothingIsNotWaitedFor) {
    RunRules rules = marked(true);
    rules.may_be_sent = false;
    Comfy comfy(rules);
    comfy.on_post = [&] { comfy.history["p0"] = good_entry; };
    comfy.go(Ms{1'000});
    EXPECT_EQ(comfy.log, "post p0;");
}

TEST(Run, ACancelWhileAnEarlierPostIsLookedForIsWatched) {
    Comfy comfy(marked(true));
    comfy.go(Ms{1'000});
    comfy.run.cancel(comfy.now);
    comfy.go(Ms{20'000});
    EXPECT_EQ(comfy.run.outcome().kind, Outcome::Kind::cancelled);
    EXPECT_TRUE(comfy.run.outcome().abandoned && comfy.run.outcome().doubtful);
}

// ---- ComfyUI ends

/// ComfyUI runs every prompt that it gets for a second, and ends then.
void kills(Comfy& comfy) {
    comfy.on_post = [&] { comfy.running("p" + std::to_string(comfy.run.submission())); };
    for (int i = 1; i <= 5 && !comfy.finished; ++i) {
        comfy.go(Ms{i * 20'000 - 10'000});
        comfy.gone = true;
        comfy.go(Ms{i * 20'000 - 5'000});
        comfy.gone = false;
        comfy.queue = Queue{};
        comfy.go(Ms{i * 20'000 - 4'000});
    }
}

TEST(Run, AWorkflowThatEndsComfyUiTwiceIsNotSentAgain) {
    RunRules rules;
    rules.max_resubmissions = 8;
    Comfy comfy(rules);
    kills(comfy);
    EXPECT_EQ(comfy.log, "post p0;post p1;");
    EXPECT_EQ(comfy.run.outcome().failure.code, "poison");
    EXPECT_FALSE(comfy.run.outcome().failure.retryable);
    EXPECT_THAT(comfy.run.outcome().failure.message, testing::HasSubstr("ended the ComfyUI process 2 times"));
    EXPECT_EQ(comfy.run.outcome().deaths, 2);
}

TEST(Run, DeathsOfEarlierAttemptsCountAndASickMachineAccusesNoJob) {
    RunRules rules;
    rules.deaths_before = 1;
    Comfy comfy(rules);
    kills(comfy);
    EXPECT_EQ(comfy.log, "post p0;");
    EXPECT_EQ(comfy.run.outcome().failure.code, "poison");
    rules.machine_is_sick = true;
    Comfy sick(rules);
    kills(sick);
    EXPECT_EQ(sick.log, "post p0;");
    EXPECT_EQ(sick.run.outcome().failure.code, "lost");
    EXPECT_TRUE(sick.run.outcome().failure.retryable);
}

TEST(Run, APromptThatWasAloneInComfyUiIsBlamedAlthoughItsBeginWasNotHeard) {
    for (const bool alone : {true, false}) {
        Comfy comfy;
        const auto others = [&] {
            comfy.queue = Queue{};
            if (!alone) comfy.queue.running.push_back({"other", 0, {}, {}});
        };
        others();
        comfy.on_post = [&] { comfy.gone = true; };
        for (int i = 1; i <= 4 && !comfy.finished; ++i) {
            comfy.go(Ms{i * 20'000 - 10'000});
            comfy.gone = false;
            others();
            comfy.go(Ms{i * 20'000 - 5'000});
        }
        EXPECT_EQ(comfy.log, "post p0;post p1;");
        EXPECT_EQ(comfy.run.outcome().failure.code, alone ? "poison" : "lost");
        EXPECT_EQ(comfy.run.outcome().deaths, alone ? 2 : 0);
    }
}

TEST(Run, APromptThatOnlyWaitedWhenComfyUiEndedIsNotBlamed) {
    Comfy comfy;
    comfy.on_post = [&] { comfy.pending("p" + std::to_string(comfy.run.submission()), true); };
    for (int i = 1; i <= 3 && !comfy.finished; ++i) {
        comfy.go(Ms{i * 20'000});
        comfy.gone = true;
        comfy.go(Ms{i * 20'000 + 5'000});
        comfy.gone = false;
        comfy.queue = Queue{};
        comfy.go(Ms{i * 20'000 + 9'000});
    }
    EXPECT_EQ(comfy.run.outcome().failure.code, "lost");
    EXPECT_EQ(comfy.run.outcome().deaths, 0);
}

TEST(Run, ACancelWhileComfyUiIsGoneEndsAtOnceAndThePromptIsWatched) {
    Comfy comfy;
    comfy.on_post = [&] { comfy.running("p0"); };
    comfy.go(Ms{1'000});
    comfy.gone = true;
    comfy.run.cancel(comfy.now);
    comfy.go(Ms{2'000});
    EXPECT_TRUE(comfy.finished);
    EXPECT_EQ(comfy.run.outcome().kind, Outcome::Kind::cancelled);
    EXPECT_TRUE(comfy.run.outcome().abandoned);
}

// ---- what is a success

TEST(Run, AStatusThatIsNotPlainSuccessIsNone) {
    const Json error =
        Json::parse(R"([["execution_error",{"prompt_id":"p0","node_id":"12","exception_type":"E"}]])");
    const Json blocked =
        Json::parse(R"([["execution_error",{"prompt_id":"p0","exception_type":"ExecutionBlocked"}]])");
    const auto entry = [](const Json& status) {
        return Json{{"outputs", good_entry["outputs"]}, {"status", status}};
    };
    EXPECT_TRUE(is_success(entry({{"status_str", "success"}, {"completed", true}, {"messages", blocked}})));
    EXPECT_TRUE(is_success({{"outputs", Json::object()}}));  // an old server says nothing
    const Json bad[] = {{{"status_str", "partial_success"}, {"completed", true}},
                        {{"status_str", "success"}, {"completed", false}},
                        {{"status_str", "success"}, {"messages", error}}};
    for (const Json& status : bad) {
        EXPECT_FALSE(is_success(entry(status))) << status;
        Comfy comfy;
        comfy.on_post = [&] { comfy.history["p0"] = entry(status); };
        comfy.go(Ms{20'000});
        EXPECT_NE(comfy.run.outcome().kind, Outcome::Kind::succeeded) << status;
        EXPECT_EQ(comfy.run.outcome().outputs, good_entry["outputs"]) << "what was saved is named";
        EXPECT_EQ(comfy.log, "post p0;");
    }
}

TEST(Run, ValuesThatWereLostAreNoted) {
    Comfy comfy;
    comfy.lost_numbers = 3;
    comfy.on_post = [&] { comfy.history["p0"] = good_entry; };
    comfy.go(Ms{20'000});
    ASSERT_EQ(comfy.run.outcome().notes.size(), 1u);
    EXPECT_THAT(comfy.run.outcome().notes[0], testing::HasSubstr("3 numbers of the outputs were NaN"));
}

TEST(Run, MissingPicturesAreMadeAgainOnce) {
    Comfy comfy;
    comfy.on_post = [&] { comfy.history["p" + std::to_string(comfy.run.submission())] = good_entry; };
    comfy.go(Ms{20'000});
    EXPECT_TRUE(comfy.run.pictures_missing("2 of 3", comfy.now));
    comfy.finished = false;
    comfy.go(Ms{40'000});
    EXPECT_EQ(comfy.log, "post p0;post p1;");
    EXPECT_EQ(comfy.run.outcome().notes, std::vector<std::string>{"2 of 3"});
    EXPECT_FALSE(comfy.run.pictures_missing("2 of 3", comfy.now));
}

}  // namespace
}  // namespace emprops::comfyui
