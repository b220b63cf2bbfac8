// When the real connector gives its slot back: once nothing of the job needs the GPU any more, before its files are
// fetched; not while the prompt may have to run again, and never for a job that fails.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/comfyui_connector.h"
#include "tests/support/comfyui_double.h"
#include "tests/support/comfyui_outcome.h"
#include "tests/support/connector_peer.h"

namespace emprops::test {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;

const std::string png("\x89PNG\r\n\x1a\n", 8);

Json one_image() {
    return {{"2", {{"images", {{{"filename", "a.png"}, {"subfolder", ""}, {"type", "output"}}}}}}};
}

/// A run of which this node comes out of the cache.
ComfyScript cached(const char* node) {
    ComfyScript script = good_script(one_image());
    script.history["status"]["messages"][1][1]["nodes"] = {node};
    return script;
}

/// A node that sends so many of two pictures over the WebSocket.
ComfyScript pictures(int sent) {
    ComfyScript script = good_script(Json::object());
    std::vector<ComfyScript::Message> all(script.messages.begin(), script.messages.begin() + 6);
    for (int i = 0; i < sent; ++i) {
        const Json step = {{"prompt_id", "$ID"}, {"node", "2"}, {"value", i}, {"max", 2}};
        all.push_back({20ms, Json{{"type", "progress"}, {"data", step}}.dump(), {}});
        all.push_back({20ms, {}, std::string("\0\0\0\1\0\0\0\2", 8) + png});
    }
    all.push_back(script.messages.back());
    script.messages = std::move(all);
    return script;
}
Json picture_graph() {
    return {{"1", {{"class_type", "EmptyImage"}, {"inputs", Json::object()}}},
            {"2", {{"class_type", "SaveImageWebsocket"}, {"inputs", {{"images", {"1", 0}}}}}}};
}

struct Release : testing::Test {
    /// What the supervisor hears of a job: "sent sent released result".
    std::string order(const Json& payload, Json settings = Json::object()) {
        ComfyConnector connector(comfy.url(), std::move(settings), work.path().string());
        EXPECT_TRUE(connector.wait_available());
        EXPECT_TRUE(wait_until([&] { return comfy.sockets() == 1; }));
        connector.give("job", payload);
        const Json outcome = connector.outcome("job");
        std::string heard;
        for (const Json& each : connector.seen) {
            const std::string type = each.value("type", "");
            if (type == "service_request") heard += "sent ";
            if (type == "released") heard += "released ";
        }
        return heard + code(outcome);
    }

    TempDir work;
    ComfyDouble comfy;
};

TEST_F(Release, ComesAtThePromptsEndBeforeTheFiles) {
    comfy.answer("GET /view", {503, "not yet", "text/plain", {}, 1000});
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    ASSERT_TRUE(connector.next("released"));
    comfy.answer_itself();
    EXPECT_EQ(code(connector.outcome("job")), "result");
}

TEST_F(Release, ComesWhereOnlyWhatPutOutNoFileWasCached) {
    comfy.add_script(cached("1"));
    EXPECT_EQ(order(graph()), "sent released result");
}

TEST_F(Release, ComesAfterTheSecondRunForWantOfMemory) {
    comfy.add_script(script_of(load_recording("16-out-of-memory").at(0), 20ms));
    comfy.add_script(good_script(one_image()));
    EXPECT_EQ(order(graph()), "sent sent released result");
}

TEST_F(Release, ComesAfterTheRunForPicturesThatWereMissing) {
    comfy.add_script(pictures(1));
    comfy.add_script(pictures(2));
    EXPECT_EQ(order(picture_graph()), "sent sent released result");
}

TEST_F(Release, ComesAfterALostPromptWasSentAgain) {
    ComfyScript lost = endless_script();
    lost.forget_at = 100ms;
    comfy.add_script(lost);
    comfy.add_script(good_script(one_image()));
    EXPECT_EQ(order(graph(), {{"no_progress_timeout", "20s"}}), "sent sent released result");
}

TEST_F(Release, DoesNotComeWhileFilesOutOfTheCacheMayHaveToBeMadeAgain) {
    comfy.add_script(cached("2"));
    EXPECT_EQ(order(graph()), "sent result");
    comfy.remove_file("output//a.png");
    comfy.add_script(cached("2"));
    EXPECT_EQ(order({{"workflow", graph()}, {"outputs", {{"temp", true}}}}), "sent sent released result");
}

TEST_F(Release, WithFilesThatWentAfterItLeavesAnotherRunToTheNextAttempt) {
    for (int i = 0; i < 2; ++i)
        comfy.add_script(cached("1"));  // the node that saves ran
    comfy.remove_file("output//a.png");
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    const Json first = connector.outcome("job");
    EXPECT_EQ(error_class(first), "files_vanished");
    EXPECT_TRUE(first["error"]["retryable"]);
    EXPECT_EQ(comfy.posts().size(), 1u);
    connector.give("job", graph());
    EXPECT_EQ(error_class(connector.outcome("job")), "files_gone") << "and to that one only";
    EXPECT_EQ(comfy.posts().size(), 2u);
}

TEST_F(Release, DoesNotComeForThePromptOfAnEarlierAttempt) {
    comfy.add_script(good_script(one_image()));
    EXPECT_EQ(order(graph()), "sent released result");
    EXPECT_EQ(order(graph()), "result");
}

TEST_F(Release, DoesNotComeForAJobThatFails) {
    comfy.add_script(script_of(load_recording("09-execution-error").at(0), 20ms));
    EXPECT_EQ(order(graph()), "sent service_error");
}

TEST_F(Release, ComesForWhatIsDeliveredOfARunThatFailedInPart) {
    comfy.add_script(partly_failing_script(one_image()));
    EXPECT_EQ(order({{"workflow", graph()}, {"allow_partial", true}}), "sent released result");
}

TEST(ComfyUiStart, AWorkerThatTakesNoFilesIsToldWhatItLacks) {
    const Json hello{{"type", "hello"}, {"protocol_versions", {1}}, {"connector", "comfyui"}};
    ConnectorPeer connector(connector_program("comfyui"), Json::object(), hello);
    const Json failed = connector.next("init_failed");
    EXPECT_THAT(failed.dump(), testing::HasSubstr("its `hello` has no `files`"));
    EXPECT_FALSE(failed["error"]["retryable"]);
    ASSERT_TRUE(connector.wait());
}

}  // namespace
}  // namespace emprops::test
