// The real connector against a ComfyUI that misbehaves, and a connector that dies: every job ends once, no
// prompt runs twice without need, and nobody else's prompt is touched.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "tests/support/comfyui_connector.h"
#include "tests/support/comfyui_double.h"
#include "tests/support/comfyui_outcome.h"

namespace emprops::test {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::SizeIs;

Json one_image() {
    return {{"2", {{"images", {{{"filename", "a.png"}, {"subfolder", ""}, {"type", "output"}}}}}}};
}
ComfyScript slow(std::chrono::milliseconds by) {
    ComfyScript script = good_script(one_image());
    for (std::size_t i = 4; i < script.messages.size(); ++i) {
        script.messages[i].at += by;
    }
    return script;
}
int restart_requests(const ComfyConnector& connector) {
    return static_cast<int>(std::count_if(connector.seen.begin(), connector.seen.end(), [](const Json& m) {
        return m.value("type", "") == "restart_service";
    }));
}

TEST(ComfyUiFault, ADroppedSocketCostsNothing) {
    ComfyDouble comfy;
    auto script = slow(600ms);
    script.drop_sockets_at = 100ms;
    comfy.add_script(script);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    EXPECT_EQ(code(connector.outcome("job")), "result");
    EXPECT_THAT(comfy.posts(), SizeIs(1));
}

TEST(ComfyUiFault, WithoutAnyWebSocketTheHistoryTells) {
    ComfyDoubleOptions options;
    options.websocket = false;
    ComfyDouble comfy(options);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    EXPECT_EQ(code(connector.outcome("job")), "result");
    // Tried again and again, told once.
    const auto warnings = std::count_if(connector.seen.begin(), connector.seen.end(), [](const Json& m) {
        return m.value("type", "") == "log" && m.dump().find("polling instead") != std::string::npos;
    });
    EXPECT_EQ(warnings, 1);
}

/// That a prompt is gone is found out by questions; on a busy machine the time for progress is over before.
const Json patient = {{"no_progress_timeout", "30s"}};

TEST(ComfyUiFault, AForgottenPromptIsSentOnceMore) {
    ComfyDouble comfy;
    auto script = endless_script();
    script.forget_at = 100ms;
    comfy.add_script(script);
    ComfyConnector connector(comfy.url(), patient);
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    const Json outcome = connector.outcome("job");
    EXPECT_EQ(code(outcome), "result");
    EXPECT_THAT(outcome["result"]["output"]["notes"].dump(), HasSubstr("sent again"));
    ASSERT_THAT(comfy.posts(), SizeIs(2));
    EXPECT_NE(comfy.posts()[0]["prompt_id"], comfy.posts()[1]["prompt_id"]);
}

TEST(ComfyUiFault, APromptForgottenTwiceIsLost) {
    ComfyDouble comfy;
    auto script = endless_script();
    script.forget_at = 100ms;
    comfy.add_script(script);
    comfy.add_script(script);
    ComfyConnector connector(comfy.url(), patient);
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    EXPECT_EQ(code(connector.outcome("job")), "lost");
    EXPECT_THAT(comfy.posts(), SizeIs(2));
}

TEST(ComfyUiFault, A500AfterQueueingIsNotSentAgain) {
    ComfyDouble comfy;
    auto script = slow(300ms);
    script.status = 500;
    script.answer = "500 Internal Server Error";
    script.queued_despite_500 = true;
    comfy.add_script(script);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    EXPECT_EQ(code(connector.outcome("job")), "result");
    EXPECT_THAT(comfy.posts(), SizeIs(1));
}

TEST(ComfyUiFault, A500ThatQueuedNothingFailsAfterASecondTry) {
    ComfyDouble comfy;
    ComfyScript script;
    script.status = 500;
    script.answer = "500 Internal Server Error";
    comfy.add_script(script);
    comfy.add_script(script);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    EXPECT_EQ(code(connector.outcome("job")), "service_error");
    EXPECT_THAT(comfy.posts(), SizeIs(2));
}

TEST(ComfyUiFault, EventsMayComeBeforeTheAnswerOfThePost) {
    ComfyDouble comfy;
    auto script = good_script(one_image());
    script.answer_delay = 300ms;
    comfy.add_script(script);
    ComfyConnector connector(comfy.url(), {{"polling_interval", "30s"}});
    ASSERT_TRUE(connector.wait_available());
    ASSERT_TRUE(wait_until([&] { return comfy.sockets() == 1; }));
    connector.give("job", graph());
    // Long before the next poll: the early events were not missed.
    EXPECT_EQ(code(connector.outcome("job", 5s)), "result");
}

TEST(ComfyUiFault, AHistoryEntryThatComesLateIsWaitedFor) {
    ComfyDouble comfy;
    auto script = good_script(one_image());
    script.history_delay = 400ms;
    comfy.add_script(script);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    EXPECT_EQ(code(connector.outcome("job")), "result");
    EXPECT_THAT(comfy.posts(), SizeIs(1));
}

TEST(ComfyUiFault, AServerThatDiesMidRunGetsThePromptAgainWhenItIsBack) {
    ComfyDouble comfy;
    auto script = endless_script();
    script.die_at = 200ms;
    script.back_after = 1500ms;
    comfy.add_script(script);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    EXPECT_TRUE(connector.wait_unavailable());
    EXPECT_TRUE(connector.wait_available());
    EXPECT_EQ(code(connector.outcome("job")), "result");
    EXPECT_THAT(comfy.posts(), SizeIs(2));
}

TEST(ComfyUiFault, AServerThatStaysAwayFailsTheJobInTime) {
    ComfyDouble comfy;
    auto script = endless_script();
    script.die_at = 100ms;
    script.back_after = 1h;
    comfy.add_script(script);
    ComfyConnector connector(comfy.url(), {{"unreachable_timeout", "1s"}});
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    const Json outcome = connector.outcome("job");
    EXPECT_EQ(code(outcome), "service_unavailable");
    EXPECT_TRUE(outcome["error"]["retryable"]);
}

TEST(ComfyUiFault, OutOfMemoryIsTriedOnceMoreWithFreedMemory) {
    ComfyDouble comfy;
    const auto oom = script_of(load_recording("16-out-of-memory").at(0), 20ms);
    comfy.add_script(oom);
    comfy.add_script(good_script(one_image()));
    comfy.add_script(oom);
    comfy.add_script(oom);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job-1", graph());
    EXPECT_EQ(code(connector.outcome("job-1")), "result");
    EXPECT_EQ(comfy.frees(), 1);
    connector.give("job-2", graph());
    EXPECT_EQ(code(connector.outcome("job-2")), "out_of_memory");
    EXPECT_EQ(comfy.frees(), 2);
    EXPECT_THAT(comfy.posts(), SizeIs(4));
}

TEST(ComfyUiFault, AStickyGpuFaultAsksForARestartAndStopsJobsUntilIt) {
    ComfyDouble comfy;
    auto script = script_of(load_recording("09-execution-error").at(0), 20ms);
    Json history = Json::parse(script.history.dump());
    for (Json& entry : history["status"]["messages"]) {
        if (entry[0] == "execution_error")
            entry[1]["exception_message"] = "CUDA error: an illegal memory access was encountered";
    }
    script.history = history;
    script.messages.clear();
    comfy.add_script(script);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    const Json outcome = connector.outcome("job");
    EXPECT_EQ(code(outcome), "service_error");
    EXPECT_EQ(outcome["error"]["details"]["class"], "gpu_fault");
    EXPECT_EQ(restart_requests(connector), 1);
    const auto last_status = std::find_if(connector.seen.rbegin(), connector.seen.rend(),
                                          [](const Json& m) { return m.value("type", "") == "status"; });
    EXPECT_EQ((*last_status)["available"], false);
    comfy.die(300ms);
    EXPECT_TRUE(connector.wait_available());
}

TEST(ComfyUiFault, ASilentWorkerThreadAsksForARestart) {
    ComfyDouble comfy;
    auto script = endless_script();
    script.stuck = true;
    comfy.add_script(script);
    ComfyConnector connector(comfy.url(), {{"no_progress_timeout", "800ms"}, {"cancel_timeout", "700ms"}});
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    const Json outcome = connector.outcome("job");
    EXPECT_EQ(code(outcome), "timeout");
    EXPECT_THAT(message(outcome), HasSubstr("no_progress_timeout"));
    EXPECT_EQ(restart_requests(connector), 1);
}

TEST(ComfyUiFault, FilesThatAreGoneAreMadeAgainOnce) {
    ComfyDouble comfy;
    auto cached = good_script(one_image());  // of an earlier run
    cached.history["status"]["messages"][1][1]["nodes"] = {"2"};
    comfy.add_script(cached);
    comfy.add_script(
        good_script({{"2", {{"images", {{{"filename", "b.png"}, {"subfolder", ""}, {"type", "output"}}}}}}}));
    comfy.remove_file("output//a.png");
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    const Json outcome = connector.outcome("job");
    ASSERT_EQ(code(outcome), "result") << outcome;
    EXPECT_EQ(outcome["result"]["output"]["files"][0]["filename"], "b.png");
    std::vector<double> percents;
    for (const Json& m : connector.seen) {
        if (m.value("type", "") == "progress" && m.contains("progress") && m["progress"].is_number())
            percents.push_back(m["progress"]);
    }
    EXPECT_FALSE(percents.empty());
    EXPECT_TRUE(std::is_sorted(percents.begin(), percents.end())) << Json(percents);
    EXPECT_EQ(comfy.frees(), 1);
}

TEST(ComfyUiFault, FilesOfAFreshRunThatAreNotThereAreNotMadeAgain) {
    ComfyDouble comfy;
    comfy.add_script(good_script(one_image()));
    comfy.remove_file("output//a.png");
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    EXPECT_EQ(connector.outcome("job")["error"]["details"]["class"], "files_gone");
    EXPECT_THAT(comfy.posts(), SizeIs(1));
}

TEST(ComfyUiFault, ALoginPageInPlaceOfAFileIsNoFile) {
    ComfyDoubleOptions options;
    options.view_type = "text/html; charset=utf-8";
    ComfyDouble comfy(options);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    EXPECT_EQ(code(connector.outcome("job")), "access_denied");
}

TEST(ComfyUiFault, AFileOverMaxFileBytesIsNamedWithSizeAndSettingAndFetchedOnce) {
    ComfyDouble comfy;
    comfy.set_file("output//a.png", std::string(5000, 'x'));
    comfy.add_script(good_script(one_image()));
    ComfyConnector connector(comfy.url(), {{"max_file_bytes", 1000}});
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    const Json outcome = connector.outcome("job");
    EXPECT_EQ(code(outcome), "result_too_large");
    EXPECT_THAT(message(outcome), testing::AllOf(HasSubstr("5000"), HasSubstr("max_file_bytes")));
    EXPECT_FALSE(outcome["error"]["retryable"]);
}

TEST(ComfyUiFault, AProxyThatRefusesIsNamedAsSuch) {
    ComfyDoubleOptions options;
    options.authorization = "Bearer right";
    ComfyDouble comfy(options);
    ComfyConnector wrong(comfy.url(), {{"bearer_token", "wrong"}});
    const auto status = wrong.next("status");
    ASSERT_TRUE(status);
    EXPECT_EQ((*status)["available"], false);
    EXPECT_THAT(status->value("reason", ""), HasSubstr("bearer_token"));
    wrong.give("job", graph());
    EXPECT_EQ(code(wrong.outcome("job")), "access_denied");
    ComfyConnector right(comfy.url(), {{"bearer_token", "right"}});
    ASSERT_TRUE(right.wait_available());
    EXPECT_TRUE(wait_until([&] { return comfy.sockets() == 1; }));
    right.give("job", graph());
    EXPECT_EQ(code(right.outcome("job")), "result");
}

TEST(ComfyUiCancel, StopsTheRunningPromptById) {
    ComfyDouble comfy;
    comfy.add_script(endless_script());
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    ASSERT_TRUE(wait_until([&] { return comfy.running().size() == 1; }));
    connector.cancel("job");
    EXPECT_EQ(code(connector.outcome("job")), "cancelled");
    EXPECT_TRUE(comfy.running().empty());
    EXPECT_EQ(comfy.interrupts().at(0)["prompt_id"], comfy.posts().at(0)["prompt_id"]);
}

TEST(ComfyUiCancel, OfAWaitingPromptNeverInterruptsSomebodyElsesEvenOnOldServers) {
    ComfyDoubleOptions options;
    options.global_interrupt = true;
    ComfyDouble comfy(options);
    comfy.run_foreign("not-ours");
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    ASSERT_TRUE(wait_until([&] { return comfy.pending().size() == 1; }));
    connector.cancel("job");
    EXPECT_EQ(code(connector.outcome("job")), "cancelled");
    EXPECT_TRUE(comfy.pending().empty());
    EXPECT_TRUE(comfy.interrupts().empty());
    EXPECT_EQ(comfy.running(), std::vector<std::string>{"not-ours"});
}

TEST(ComfyUiCancel, APromptThatDoesNotLetGoIsWatchedAfterTheJob) {
    ComfyDouble comfy;
    auto script = endless_script();
    script.stuck = true;  // a long node without progress: the interrupt is noticed late, if at all
    comfy.add_script(script);
    ComfyConnector connector(comfy.url(), {{"cancel_timeout", "400ms"}});
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    ASSERT_TRUE(wait_until([&] { return comfy.running().size() == 1; }));
    connector.cancel("job");
    EXPECT_EQ(code(connector.outcome("job")), "cancelled");
    const auto sent = comfy.interrupts().size();
    EXPECT_TRUE(wait_until([&] { return comfy.interrupts().size() > sent; }));
    EXPECT_EQ(restart_requests(connector), 0);
}

/// With the server's own ids, or those that we choose.
class ComfyUiKilled : public testing::TestWithParam<bool> {};

TEST_P(ComfyUiKilled, TheNextProcessTakesOverThePromptThatRuns) {
    ComfyDoubleOptions options;
    options.own_ids = GetParam();
    ComfyDouble comfy(options);
    TempDir work;
    comfy.add_script(slow(2500ms));
    {
        ComfyConnector first(comfy.url(), Json::object(), work.path().string());
        ASSERT_TRUE(first.wait_available());
        first.give("job", graph());
        ASSERT_TRUE(wait_until([&] { return comfy.running().size() == 1; }));
        first.child().signal(SIGKILL);
        ASSERT_TRUE(first.child().wait());
    }
    ComfyConnector second(comfy.url(), {{"no_progress_timeout", "20s"}}, work.path().string());
    ASSERT_TRUE(second.wait_available());
    second.give("job", graph(), true);
    EXPECT_EQ(code(second.outcome("job")), "result");
    EXPECT_THAT(comfy.posts(), SizeIs(1));
}

INSTANTIATE_TEST_SUITE_P(ComfyUiResume, ComfyUiKilled, testing::Bool(), [](const auto& each) {
    return each.param ? "OnAServerThatMakesItsOwnIds" : "OnAServerThatTakesOurIds";
});

TEST(ComfyUiResume, AnotherPayloadUnderTheSameJobIdIsAnotherJob) {
    ComfyDouble comfy;
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    EXPECT_EQ(code(connector.outcome("job")), "result");
    connector.give("job", graph());  // the same again: its result is there already
    EXPECT_EQ(code(connector.outcome("job")), "result");
    EXPECT_THAT(comfy.posts(), SizeIs(1));
    connector.give("job", {{"workflow", graph()}});
    EXPECT_EQ(code(connector.outcome("job")), "result");
    EXPECT_THAT(comfy.posts(), SizeIs(2));
}

TEST(ComfyUiResume, AnInstanceLeavesThePromptsThatAnotherOneTookOver) {
    ComfyDouble comfy;
    TempDir work;
    comfy.add_script(slow(4s));
    {
        ComfyConnector first(comfy.url(), Json::object(), work.path().string());
        ASSERT_TRUE(first.wait_available());
        first.give("job", graph());
        ASSERT_TRUE(wait_until([&] { return comfy.running().size() == 1; }));
        first.child().signal(SIGKILL);
        ASSERT_TRUE(first.child().wait());
    }
    ComfyConnector other(comfy.url(), Json::object(), work.path().string(), 1);
    ASSERT_TRUE(other.wait_available());
    other.give("job", graph(), true);
    ASSERT_TRUE(other.next("progress"));
    ComfyConnector again(comfy.url(), {{"orphan_grace", "100ms"}}, work.path().string());
    ASSERT_TRUE(again.wait_available());
    EXPECT_EQ(code(other.outcome("job")), "result");
    EXPECT_THAT(comfy.posts(), SizeIs(1));
    EXPECT_TRUE(comfy.interrupts().empty());
}

TEST(ComfyUiFault, AnOldServersPromptIsNoOrphanBeforeThePostIsAnswered) {
    ComfyDoubleOptions options;
    options.own_ids = true;
    ComfyDouble comfy(options);
    auto script = slow(1s);
    script.answer_delay = 800ms;
    comfy.add_script(script);
    ComfyConnector connector(comfy.url(), {{"orphan_grace", "1ms"}});
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    EXPECT_EQ(code(connector.outcome("job")), "result");
    EXPECT_TRUE(comfy.interrupts().empty() && comfy.deletes().empty());
}

TEST(ComfyUiCancel, APromptThatNeverLetsGoStopsJobsAndAsksForARestart) {
    ComfyDouble comfy;
    auto script = endless_script();
    script.stuck = true;
    comfy.add_script(script);
    ComfyConnector connector(comfy.url(), {{"cancel_timeout", "300ms"}, {"stuck_timeout", "1s"}});
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    ASSERT_TRUE(wait_until([&] { return comfy.running().size() == 1; }));
    connector.cancel("job");
    EXPECT_EQ(code(connector.outcome("job")), "cancelled");
    EXPECT_TRUE(connector.wait_unavailable());
    EXPECT_TRUE(connector.next("restart_service"));
    comfy.die(300ms);
    EXPECT_TRUE(connector.wait_available());
}

TEST(ComfyUiFault, BehindSomebodyElsesLongPromptNoJobsAreTakenAndItIsLeftAloneUntilItIsTakenForDead) {
    ComfyDouble comfy;
    ComfyConnector connector(comfy.url(), {{"no_progress_timeout", "1s"}, {"orphan_grace", "300ms"}});
    ASSERT_TRUE(connector.wait_available());
    comfy.run_foreign("long-render");
    connector.give("job", graph());
    const Json outcome = connector.outcome("job");
    EXPECT_EQ(code(outcome), "service_unavailable");
    EXPECT_THAT(message(outcome), HasSubstr("somebody else's prompt long-render"));
    EXPECT_EQ(restart_requests(connector), 0);
    const auto last_status = [&] {
        Json last;
        for (const Json& each : connector.seen) {
            if (each.value("type", "") == "status") last = each;
        }
        return last;
    };
    EXPECT_EQ(last_status().at("available"), false);
    EXPECT_THAT(last_status().dump(), HasSubstr("somebody else's prompt long-render"));
    ASSERT_TRUE(connector.next("restart_service"));
    EXPECT_TRUE(comfy.interrupts().empty());
    EXPECT_EQ(comfy.running(), std::vector<std::string>{"long-render"});
    comfy.die(300ms);
    EXPECT_TRUE(connector.wait_available());
}

TEST(ComfyUiResume, APromptThatNoJobComesForIsRemovedAfterTheGraceAndOthersStay) {
    ComfyDouble comfy;
    TempDir work;
    comfy.add_script(endless_script());
    {
        ComfyConnector first(comfy.url(), Json::object(), work.path().string());
        ASSERT_TRUE(first.wait_available());
        first.give("job", graph());
        ASSERT_TRUE(wait_until([&] { return comfy.running().size() == 1; }));
        first.child().signal(SIGKILL);
        ASSERT_TRUE(first.child().wait());
    }
    TempDir elsewhere;
    ComfyConnector stranger(comfy.url(), {{"orphan_grace", "1ms"}}, elsewhere.path().string());
    ASSERT_TRUE(stranger.wait_available());
    stranger.give("other", {{"1", {{"class_type", "EmptyImage"}, {"inputs", Json::object()}}}});
    ASSERT_TRUE(wait_until([&] { return comfy.pending().size() == 1; }));
    EXPECT_THAT(comfy.running(), SizeIs(1));  // another worker's: not touched
    ComfyConnector second(comfy.url(), {{"orphan_grace", "300ms"}}, work.path().string());
    EXPECT_EQ(code(stranger.outcome("other")), "result");  // runs as soon as the orphan is gone
    EXPECT_EQ(comfy.interrupts().at(0)["prompt_id"], comfy.posts().at(0)["prompt_id"]);
}

}  // namespace
}  // namespace emprops::test
