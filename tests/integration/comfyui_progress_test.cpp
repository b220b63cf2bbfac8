// The real connector against the double: what people hear while a prompt runs, and how it is taken back on servers
// that can do that in one step.

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
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// The good script, of which all from the second node's end on comes `by` later.
ComfyScript slow_second_node(Ms by) {
    ComfyScript script =
        good_script({{"2", {{"images", {{{"filename", "a.png"}, {"subfolder", ""}, {"type", "output"}}}}}}});
    for (std::size_t i = 6; i < script.messages.size(); ++i) {
        script.messages[i].at += by;
    }
    return script;
}

/// Waits for a progress whose message has `words`.
bool hears(ComfyConnector& connector, const std::string& words, Ms within) {
    const auto until = std::chrono::steady_clock::now() + within;
    while (true) {
        const auto left = std::chrono::duration_cast<Ms>(until - std::chrono::steady_clock::now());
        const auto progress = left > 0ms ? connector.next("progress", left) : std::nullopt;
        if (!progress) return false;
        if (progress->value("message", "").find(words) != std::string::npos) return true;
    }
}

std::string text_frame(const std::string& node, const std::string& text) {
    return std::string("\0\0\0\3\0\0\0", 7) + static_cast<char>(node.size()) + node + text;
}

TEST(ComfyUiProgress, ANodeIsNamedWhenItBeginsAndNotWithTheNextEvent) {
    ComfyDouble comfy;
    auto script = slow_second_node(4s);
    for (std::size_t i = 0; i < 6; ++i) {
        script.messages[i].at = 0ms;  // the second node begins in one burst with all before it
    }
    comfy.add_script(script);
    ComfyConnector connector(comfy.url(), {{"polling_interval", "10s"}, {"no_progress_timeout", "20s"}});
    ASSERT_TRUE(connector.wait_available());
    ASSERT_TRUE(wait_until([&] { return comfy.sockets() == 1; }));
    connector.give("job", graph());
    EXPECT_TRUE(hears(connector, "SaveImage", 2s));
    EXPECT_EQ(code(connector.outcome("job")), "result");
}

TEST(ComfyUiProgress, WithoutASocketThereAreWordsToo) {
    ComfyDoubleOptions options;
    options.websocket = false;
    ComfyDouble comfy(options);
    comfy.add_script(slow_second_node(2s));
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    EXPECT_TRUE(hears(connector, "ComfyUI is running it (no steps heard", 2s));
    EXPECT_EQ(code(connector.outcome("job")), "result");
}

TEST(ComfyUiProgress, AComfyUiThatIsGoneIsToldWhileItIsWaitedFor) {
    ComfyDouble comfy;
    comfy.add_script(endless_script());
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    ASSERT_TRUE(wait_until([&] { return comfy.running().size() == 1; }));
    comfy.die(2s);
    EXPECT_TRUE(hears(connector, "ComfyUI does not answer: ", 2s));
    EXPECT_EQ(code(connector.outcome("job")), "result");
}

TEST(ComfyUiProgress, WhatAPaidNodeSaysIsProgressAndKeepsItAlive) {
    ComfyDouble comfy;
    auto script = slow_second_node(4s);
    const auto later = script.messages.begin() + 6;
    std::vector<ComfyScript::Message> texts;
    for (int i = 1; i < 8; ++i) {  // more often than no_progress_timeout
        texts.push_back(
            {Ms{i * 500}, {}, text_frame("2", "Status: queued\nTime elapsed: " + std::to_string(i) + "s")});
    }
    script.messages.insert(later, texts.begin(), texts.end());
    comfy.add_script(script);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    ASSERT_TRUE(wait_until([&] { return comfy.sockets() == 1; }));
    connector.give("job", graph());
    EXPECT_TRUE(hears(connector, "SaveImage: Status: queued, Time elapsed: 3s", 5s));
    EXPECT_EQ(code(connector.outcome("job")), "result");
}

TEST(ComfyUiProgress, TextsOfSomebodyElsesPromptAreNotOurs) {
    ComfyDouble comfy;
    auto script = good_script(Json::object());
    script.messages.insert(script.messages.begin(), {0ms, {}, text_frame("2", "somebody else's")});
    comfy.add_script(script);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    ASSERT_TRUE(wait_until([&] { return comfy.sockets() == 1; }));
    connector.give("job", graph());
    EXPECT_EQ(code(connector.outcome("job")), "result");
    EXPECT_THAT(Json(connector.seen).dump(), testing::Not(HasSubstr("somebody else's")));
}

TEST(ComfyUiProgress, TheSecondRunIsWeighedByTheFirst) {
    ComfyDouble comfy;
    comfy.add_script(slow_second_node(2s));
    auto second = slow_second_node(1s);
    for (std::size_t i = 2; i < second.messages.size(); ++i) {
        second.messages[i].at += 1s;
    }
    comfy.add_script(second);
    ComfyConnector connector(comfy.url(), {{"no_progress_timeout", "20s"}});
    ASSERT_TRUE(connector.wait_available());
    ASSERT_TRUE(wait_until([&] { return comfy.sockets() == 1; }));
    const auto at_second_node = [&](const std::string& job) {
        connector.give(job, graph());
        double percent = -1;
        while (const auto progress = connector.next("progress", 5s)) {
            percent = progress->value("progress", -1.0);
            if (progress->value("message", "").find("SaveImage") != std::string::npos) break;
        }
        EXPECT_EQ(code(connector.outcome(job)), "result");
        return percent;
    };
    EXPECT_NEAR(at_second_node("first"), 95.0 / 2, 2) << "two classes that were never seen";
    EXPECT_LT(at_second_node("second"), 10) << "the first node took next to nothing";
}

TEST(ComfyUiPreviews, AreAskedForWhereTheyAreWanted) {
    ComfyDouble comfy;
    for (const bool wanted : {false, true}) {
        ComfyConnector connector(comfy.url(), {{"previews", wanted}});
        ASSERT_TRUE(connector.wait_available());
        connector.give("job", graph());
        EXPECT_EQ(code(connector.outcome("job")), "result");
        EXPECT_EQ(comfy.posts().back()["extra_data"].contains("preview_method"), wanted);
        connector.give("own", {{"prompt", graph()}, {"extra_data", {{"preview_method", "none"}}}});
        EXPECT_EQ(code(connector.outcome("own")), "result");
        EXPECT_EQ(comfy.posts().back()["extra_data"]["preview_method"], "none");
    }
}

// ---- taking back in one step

struct ComfyUiJobsApi : testing::Test {
    ComfyDouble comfy{[] {
        ComfyDoubleOptions options;
        options.jobs_api = true;
        options.global_interrupt = true;  // so that any interrupt would hit whatever runs
        return options;
    }()};
    Json id(std::size_t i) const { return comfy.posts().at(i)["prompt_id"]; }
    void TearDown() override { EXPECT_THAT(comfy.interrupts(), IsEmpty()); }
};

TEST_F(ComfyUiJobsApi, StopsTheRunningPromptAndSaysWhyItWasCancelled) {
    comfy.add_script(endless_script());
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    ASSERT_TRUE(wait_until([&] { return comfy.running().size() == 1; }));
    connector.cancel("job");
    const Json outcome = connector.outcome("job");
    EXPECT_EQ(code(outcome), "cancelled");
    EXPECT_THAT(outcome["error"]["message"].get<std::string>(), HasSubstr("test"));
    EXPECT_THAT(comfy.running(), IsEmpty());
    EXPECT_THAT(comfy.job_cancels(), ElementsAre(id(0)));
    EXPECT_THAT(comfy.deletes(), IsEmpty());
}

TEST_F(ComfyUiJobsApi, TakesAWaitingPromptOutAndLeavesTheRunningOneAlone) {
    comfy.run_foreign("not-ours");
    ComfyConnector connector(comfy.url(), {{"path_prefix", ""}});
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    ASSERT_TRUE(wait_until([&] { return comfy.pending().size() == 1; }));
    connector.cancel("job");
    EXPECT_EQ(code(connector.outcome("job")), "cancelled");
    EXPECT_THAT(comfy.pending(), IsEmpty());
    EXPECT_THAT(comfy.running(), ElementsAre("not-ours"));
    EXPECT_THAT(comfy.deletes(), IsEmpty());
}

TEST_F(ComfyUiJobsApi, AlsoTakesBackAPromptThatNoJobCameFor) {
    const TempDir root;
    comfy.add_script(endless_script());
    {
        ComfyConnector connector(comfy.url(), Json::object(), root.path().string());
        ASSERT_TRUE(connector.wait_available());
        connector.give("job", graph());
        ASSERT_TRUE(wait_until([&] { return comfy.running().size() == 1; }));
        connector.child().signal(SIGKILL);
    }
    ComfyConnector next(comfy.url(), {{"orphan_grace", "200ms"}}, root.path().string());
    EXPECT_TRUE(wait_until([&] { return comfy.running().empty(); }));
    EXPECT_THAT(comfy.job_cancels(), ElementsAre(id(0)));
    EXPECT_THAT(comfy.deletes(), IsEmpty());
}

}  // namespace
}  // namespace emprops::test
