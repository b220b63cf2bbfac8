// What comes of a prompt that is over: a Judge alone.

#include "connectors/comfyui/run/judge.h"
#include "tests/unit/comfyui/run_parts.h"

namespace emprops::comfyui {
namespace {

using namespace parts;

struct JudgeTest : testing::Test {
    static bool is_again(const Judge::Verdict& verdict) {
        return std::holds_alternative<Judge::Again>(verdict);
    }
    RunRules rules;
    Outcome outcome;
    Submission submission{0, "p0"};
    Judge judge{rules, graph(), outcome};
};

TEST_F(JudgeTest, OutOfMemoryIsCuredOnceAndNotWhereTheJobIsCancelled) {
    const Entry full = error_entry("torch.cuda.OutOfMemoryError");
    EXPECT_FALSE(is_again(judge.ended(submission, full, true, false)));
    EXPECT_TRUE(std::get<Judge::Again>(judge.ended(submission, full, false, false)).free_memory);
    const auto second = judge.ended(submission, full, false, false);
    EXPECT_EQ(std::get<Judge::End>(second).kind, Outcome::Kind::node_failed);
}

TEST_F(JudgeTest, AllFromTheCacheAndNothingNamedIsRunOnceMore) {
    Submission cached{0, "p0"};
    cached.told.on_event({"p0", Cached{{"1", "2"}}}, graph(), at(0));
    EXPECT_TRUE(is_again(judge.ended(cached, entry(Json::object()), false, false)));
    EXPECT_FALSE(is_again(judge.ended(cached, entry(Json::object()), false, false)));
    EXPECT_TRUE(cached.origin.maybe_old);
}

TEST_F(JudgeTest, APromptThatVanishedIsSentAgainAsOftenAsTheRulesSay) {
    const auto first = judge.vanished(submission, false);
    EXPECT_FALSE(std::get<Judge::Again>(first).free_memory);
    EXPECT_EQ(judge.resubmissions(), 1);
    judge.vanished(submission, false);
    EXPECT_EQ(outcome.failure.code, "lost");
    EXPECT_EQ(outcome.deaths, 0);
}

TEST_F(JudgeTest, WhatRanAsComfyuiEndedTwiceIsPoisonUnlessTheMachineIsSick) {
    submission.place.begun();
    submission.place.on_gone();
    EXPECT_TRUE(is_again(judge.vanished(submission, false)));
    judge.vanished(submission, false);
    EXPECT_EQ(outcome.failure.code, "poison");
    EXPECT_EQ(outcome.deaths, 2);
    rules.machine_is_sick = true;
    judge.vanished(submission, false);
    EXPECT_EQ(outcome.failure.code, "lost");
}

TEST_F(JudgeTest, WhatTheEventsToldIsAResultWhereTheHistoryWasCleared) {
    submission.told.on_event({"p0", Executed{"2", {{"images", {1}}}}}, graph(), at(0));
    submission.told.on_event({"p0", Succeeded{}}, graph(), at(0));
    const auto verdict = judge.vanished(submission, false);
    EXPECT_EQ(std::get<Judge::End>(verdict).kind, Outcome::Kind::succeeded);
    EXPECT_EQ(outcome.outputs, Json::parse(R"({"2":{"images":[1]}})"));
}

TEST_F(JudgeTest, FilesThatAreGoneAreMadeAnewOnceAndOnlyIfTheyMayBeOld) {
    outcome.kind = Outcome::Kind::succeeded;
    EXPECT_FALSE(judge.files_gone());
    outcome.origin.maybe_old = true;
    EXPECT_TRUE(judge.files_gone()->free_memory);
    EXPECT_FALSE(judge.files_gone());
}

TEST_F(JudgeTest, AFaultOfTheGpuAsksForARestart) {
    const Entry fault =
        entry(Json::object(), "error",
              Json::array({Json::array({"execution_error",
                                        {{"prompt_id", "p0"},
                                         {"exception_type", "torch.AcceleratorError"},
                                         {"exception_message", "CUDA error: device-side assert"}}})}));
    const auto verdict = judge.ended(submission, fault, false, false);
    EXPECT_TRUE(std::get<Judge::End>(verdict).restart->fault);
}

TEST_F(JudgeTest, AnEndThatComfyUiCannotSayIsTheJobsFailureUnlessTheEventsSaidIt) {
    Entry unreadable = entry(Json::object(), "error");
    unreadable.unreadable = "HTTP 500 (internal error)";
    judge.ended(submission, unreadable, false, false);
    EXPECT_EQ(outcome.failure.details["class"], "unreadable_history");
    EXPECT_FALSE(outcome.failure.retryable);
    Submission heard{0, "p0"};
    NodeError error;
    error.exception_type = "ValueError";
    heard.told.on_event({"p0", error}, graph(), at(0));
    const auto verdict = judge.ended(heard, unreadable, false, false);
    EXPECT_EQ(std::get<Judge::End>(verdict).kind, Outcome::Kind::node_failed);
}

}  // namespace
}  // namespace emprops::comfyui
