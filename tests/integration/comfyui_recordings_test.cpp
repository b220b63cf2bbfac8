// Every recorded prompt once more, over real HTTP and WebSocket, through the real connector.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/comfyui_connector.h"
#include "tests/support/comfyui_double.h"

namespace emprops::test {
namespace {

using Json = nlohmann::json;

class ComfyUiRecording : public testing::TestWithParam<std::string> {};

/// What the recording itself says about a prompt's end.
std::string recorded_end(const RecordedPrompt& prompt) {
    if (prompt.status == 400) return "refused";
    const Json answer = Json::parse(prompt.answer, nullptr, false);
    if (answer.is_object() && answer.contains("node_errors") && !answer["node_errors"].empty())
        return "refused";
    if (prompt.vanished) return "lost";
    if (!prompt.history.is_object()) return "";
    std::string end = prompt.history["status"]["status_str"] == "success" ? "result" : "service_error";
    for (const Json& message : prompt.history["status"]["messages"]) {
        if (message[0] == "execution_interrupted") end = "comfyui.interrupted";
        if (message[0] == "execution_error" && message[1].dump().find("emory") != std::string::npos)
            end = "out_of_memory";
    }
    return end;
}

TEST_P(ComfyUiRecording, EndsAsRecorded) {
    ComfyDouble comfy;
    // A prompt that is gone is looked for before its silence counts: 20 of these intervals while it was heard.
    ComfyConnector connector(comfy.url(), {{"max_resubmissions", 0}, {"polling_interval", "50ms"}});
    ASSERT_TRUE(connector.wait_available());
    int number = 0;
    int played = 0;
    for (const RecordedPrompt& prompt : load_recording(GetParam())) {
        const std::string end = recorded_end(prompt);
        if (end.empty() || !prompt.request.is_object() || played == 12) continue;
        ++played;
        comfy.add_script(script_of(prompt, std::chrono::milliseconds(20)));
        if (end == "out_of_memory") comfy.add_script(script_of(prompt, std::chrono::milliseconds(20)));
        const std::string job = "job-" + std::to_string(number++);
        const auto posts = comfy.posts().size();
        connector.give(job, prompt.request);
        const Json outcome = connector.outcome(job);
        const bool sent = comfy.posts().size() > posts;
        const std::string got = outcome.contains("error") ? outcome["error"].value("code", "")
                                                          : outcome["type"].get<std::string>();
        if (!sent) {
            // Refused by us, as the server refused it, or as it would have ended the server's worker.
            EXPECT_TRUE(end == "refused" || end == "lost") << outcome;
            EXPECT_EQ(got, "invalid_payload");
            comfy.posts();
            break;  // its script would answer the next prompt
        }
        if (end == "refused") {
            EXPECT_TRUE(got == "invalid_payload" || got == "unsupported") << outcome;
        } else {
            EXPECT_EQ(got, end) << prompt.id << " " << outcome;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(All, ComfyUiRecording, testing::ValuesIn(recording_names()), [](const auto& info) {
    std::string name = info.param;
    std::replace(name.begin(), name.end(), '-', '_');
    return name;
});

}  // namespace
}  // namespace emprops::test
