// The small pure parts: results, errors, history, pool.

#include <gtest/gtest.h>

#include "supervisor/jobs/job_errors.h"
#include "supervisor/jobs/job_history.h"
#include "supervisor/jobs/result_rules.h"

namespace emprops::jobs::test {
namespace {

struct RuleCase {
    const char* given;
    const char* completed;  // nullptr: a failure with this code and message
    const char* code = "";
    const char* message = "";
    bool retryable = true;
};

TEST(ResultRules, WhatTheHubGetsForWhatAConnectorSaid) {
    const RuleCase cases[] = {
        {R"({"a":1.10,"s":18446744073709551616})", R"({"a":1.10,"s":18446744073709551616})"},
        {"{}", R"({"status":"success"})"},
        {" { \t} ", R"({"status":"success"})"},
        {"", R"({"status":"success"})"},
        {"[1,2]", R"({"status":"success","output":[1,2]})"},
        {"\"text\"", R"({"status":"success","output":"text"})"},
        {R"({"status":"error","message":"x"})", R"({"status":"error","message":"x"})"},
        {R"({"output":{"status":"failed"}})", R"({"output":{"status":"failed"}})"},
        {R"({"list":[{"status":"failed"}]})", R"({"list":[{"status":"failed"}]})"},
        {R"({"text":"the word \"failed\" alone"})", R"({"text":"the word \"failed\" alone"})"},
        {R"({"state":"failed"})", R"({"state":"failed"})"},
        {R"({"status":"failed"})", nullptr, "service_error",
         "the connector reported status \"failed\" without an error"},
        {R"({"error":"no GPU","status": "failed"})", nullptr, "service_error", "no GPU"},
        {R"({"status":"failed","error":{"code":"out_of_memory","message":"8 GiB","retryable":false}})",
         nullptr, "out_of_memory", "8 GiB", false},
        {R"({"status":"failed","error":{"message":"m","inner":{"message":"x","code":"y"}}})", nullptr,
         "service_error", "m"},
        {R"({"a":[{"message":"x"}],"status":"failed","error":"e","z":{"message":"y"}})", nullptr,
         "service_error", "e"},
    };
    for (const RuleCase& one : cases) {
        const auto judged = judge_result({one.given});
        if (one.completed != nullptr) {
            ASSERT_TRUE(std::holds_alternative<Completed>(judged)) << one.given;
            EXPECT_EQ(std::get<Completed>(judged).result.text(), one.completed);
        } else {
            ASSERT_TRUE(std::holds_alternative<Failed>(judged)) << one.given;
            EXPECT_EQ(std::get<Failed>(judged).error.code, one.code) << one.given;
            EXPECT_EQ(std::get<Failed>(judged).error.message, one.message) << one.given;
            EXPECT_EQ(std::get<Failed>(judged).error.retryable, one.retryable) << one.given;
        }
    }
}

TEST(JobHistory, CountsAttemptsAndDeathsAndForgetsTheLeastRecentlyTouched) {
    JobHistory history(2);
    EXPECT_EQ(history.begin_attempt("a"), 1);
    EXPECT_EQ(history.begin_attempt("a"), 2);
    history.undo_attempt("a");
    EXPECT_EQ(history.begin_attempt("a"), 2);
    EXPECT_EQ(history.add_death("b", "killed", 2), 1u);
    EXPECT_EQ(history.poison("b"), nullptr);
    EXPECT_EQ(history.add_death("b", "killed again", 2), 2u);
    ASSERT_NE(history.poison("b"), nullptr);
    EXPECT_EQ(history.poison("b")->last_death, "killed again");
    EXPECT_EQ(history.poisoned(), 1u);
    history.begin_attempt("c");  // "a" is the oldest
    EXPECT_EQ(history.size(), 2u);
    EXPECT_EQ(history.begin_attempt("a"), 1);
    EXPECT_EQ(history.poison("b"), nullptr) << "forgotten: bounded memory";
}

TEST(JobHistory, ALimitOfZeroMeansNothingIsPoison) {
    JobHistory history(8);
    for (int i = 0; i < 5; ++i)
        history.add_death("a", "x", 0);
    EXPECT_EQ(history.poison("a"), nullptr);
    history.attempts_at_least("a", 7);
    EXPECT_EQ(history.begin_attempt("a"), 8);
    history.forget("a");
    EXPECT_EQ(history.size(), 0u);
    history.forget("a");
    history.undo_attempt("a");
    EXPECT_EQ(history.begin_attempt("a"), 1);
}

TEST(JobErrors, QuoteTheLastLineThatSaysSomethingAndNotTooMuchOfIt) {
    process::DeathReport report;
    report.exit_code = 1;
    report.pid = 7;
    EXPECT_EQ(died_error({"a", 0, 1}, report).message.find("stderr"), std::string::npos);
    report.stderr_tail = {"first", "Traceback: " + std::string(288, 'x') + "ééé", "", "  "};
    const std::string message = died_error({"a", 0, 1}, report).message;
    EXPECT_NE(message.find("Traceback"), std::string::npos);
    EXPECT_LT(message.size(), 500u);
    EXPECT_NO_THROW(ipc::Json(message).dump()) << "cut between letters, not inside one";
    EXPECT_EQ(died_error({"a", 0, 1}, report).details.at("exit_code"), 1);
}

}  // namespace
}  // namespace emprops::jobs::test
