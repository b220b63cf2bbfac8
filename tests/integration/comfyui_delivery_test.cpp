// The real connector against the double: a success is what the user holds. Pictures over the WebSocket,
// prompts that failed in part, links, previews, metadata; and prompts around a death.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <future>

#include "connectors/comfyui/text/web.h"
#include "ipc/web/base64.h"
#include "tests/support/comfyui_connector.h"
#include "tests/support/comfyui_double.h"
#include "tests/support/comfyui_outcome.h"

namespace emprops::test {
namespace {

using Json = nlohmann::json;
using namespace std::chrono_literals;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const std::string png("\x89PNG\r\n\x1a\n", 8);
const std::string jpeg("\xFF\xD8\xFF\xE0", 4);

Json socket_graph(const char* type = "SaveImageWebsocket") {
    return {{"1", {{"class_type", "EmptyImage"}, {"inputs", Json::object()}}},
            {"2", {{"class_type", type}, {"inputs", {{"images", {"1", 0}}}}}}};
}
Json file(const std::string& name, const std::string& type = "output") {
    return {{"filename", name}, {"subfolder", ""}, {"type", type}};
}
Json saves(const Json& files) {
    return {{"2", {{"images", files}}}};
}
Json files(const Json& outcome) {
    return outcome.contains("result") ? outcome["result"]["output"]["files"] : Json(outcome);
}

ComfyScript::Message said(int at, const char* type, Json data) {
    data["prompt_id"] = "$ID";
    return {Ms{at}, Json{{"type", type}, {"data", std::move(data)}}.dump(), {}};
}
ComfyScript::Message picture(int at, const std::string& bytes) {
    return {Ms{at}, {}, std::string("\0\0\0\1\0\0\0\2", 8) + bytes};
}

/// Node 2 sends `sent` of `max` pictures, at 20 ms, and ends at `end` ms.
ComfyScript pictures(int sent, int max, int end = 30) {
    ComfyScript script = good_script(Json::object());
    std::vector<ComfyScript::Message> all(script.messages.begin(), script.messages.begin() + 6);
    for (int i = 0; i < sent; ++i) {
        all.push_back(said(20, "progress", {{"node", "2"}, {"value", i}, {"max", max}}));
        all.push_back(picture(20, png + std::to_string(i)));
    }
    all.push_back(said(end, "execution_success", {{"timestamp", 1030}}));
    script.messages = std::move(all);
    return script;
}

TEST(ComfyUiPictures, OfASocketOnlyNodeWithoutASocketAreRefusedBeforeItRuns) {
    ComfyDoubleOptions options;
    options.websocket = false;
    ComfyDouble comfy(options);
    ComfyConnector refused(comfy.url(), {{"connect_timeout", "1s"}});
    ASSERT_TRUE(refused.wait_available());
    refused.give("job", socket_graph());
    const Json outcome = refused.outcome("job");
    EXPECT_EQ(code(outcome), "service_unavailable");
    EXPECT_TRUE(outcome["error"]["retryable"]);
    EXPECT_EQ(error_class(outcome), "no_websocket");
    EXPECT_THAT(message(outcome), testing::AllOf(HasSubstr("SaveImageWebsocket"), HasSubstr("not sent")));
    ComfyConnector off(comfy.url(), {{"websocket", false}, {"websocket_nodes", {"MySender"}}});
    ASSERT_TRUE(off.wait_available());
    for (const char* type : {"SaveImageWebsocket", "MySender"}) {
        off.give(type, socket_graph(type));
        EXPECT_EQ(code(off.outcome(type)), "unsupported");
    }
    EXPECT_THAT(comfy.posts(), IsEmpty());
}

TEST(ComfyUiPictures, ThatDidNotAllComeMakeItRunAgainWithAGraphThatTheCacheDoesNotAnswer) {
    ComfyDouble comfy;
    comfy.add_script(pictures(2, 3));
    comfy.add_script(pictures(3, 3));
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", socket_graph());
    const Json outcome = connector.outcome("job");
    ASSERT_THAT(files(outcome), SizeIs(3)) << outcome;
    EXPECT_EQ(files(outcome)[2]["data"], web::base64_encode(png + "2"));
    EXPECT_EQ(files(outcome)[2]["type"], "websocket");
    EXPECT_THAT(notes(outcome), HasSubstr("only 2 of 3 pictures of node 2"));
    ASSERT_THAT(comfy.posts(), SizeIs(2));
    EXPECT_EQ(comfy.posts()[0]["prompt"], socket_graph());
    EXPECT_TRUE(comfy.posts()[1]["prompt"]["2"]["inputs"].contains("emprops_fresh"));
    EXPECT_EQ(comfy.posts()[1]["prompt"]["1"], socket_graph()["1"]);
}

TEST(ComfyUiPictures, ThatDoNotComeTheSecondTimeEitherAreAFailureWithTheNumbers) {
    ComfyDouble comfy;
    comfy.add_script(pictures(2, 3));
    comfy.add_script(pictures(1, 3));
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", socket_graph());
    const Json outcome = connector.outcome("job");
    EXPECT_EQ(code(outcome), "service_error");
    EXPECT_EQ(error_class(outcome), "pictures_lost");
    EXPECT_TRUE(outcome["error"]["retryable"]);
    EXPECT_THAT(message(outcome), HasSubstr("1 of 3 pictures of node 2"));
    EXPECT_THAT(comfy.posts(), SizeIs(2));
}

TEST(ComfyUiPictures, WhoseSocketWasAwayAreMadeAgainAlthoughTheHistoryIsWell) {
    ComfyDouble comfy;
    auto script = pictures(3, 3, 800);
    script.drop_sockets_at = 200ms;
    comfy.add_script(script);
    comfy.add_script(pictures(3, 3));
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", socket_graph());
    const Json outcome = connector.outcome("job");
    EXPECT_THAT(files(outcome), SizeIs(3)) << outcome;
    EXPECT_THAT(comfy.posts(), SizeIs(2));
}

TEST(ComfyUiPictures, ThatTheSocketStillHasToGiveAreWaitedForWhenTheHistoryHasTheEnd) {
    ComfyDouble comfy;
    auto script = pictures(1, 3);
    script.messages.pop_back();
    for (int i = 1; i < 3; ++i) {
        script.late.push_back(said(700 + i, "progress", {{"node", "2"}, {"value", i}, {"max", 3}}));
        script.late.push_back(picture(700 + i, png + std::to_string(i)));
    }
    comfy.add_script(script);
    ComfyConnector connector(comfy.url(), {{"polling_interval", "100ms"}});
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", socket_graph());
    const Json outcome = connector.outcome("job");
    EXPECT_THAT(files(outcome), SizeIs(3)) << outcome;
    EXPECT_THAT(comfy.posts(), SizeIs(1));
}

/// A connector is given "job" and ends by SIGKILL while the prompt runs.
void kill_a_connector_at_its_job(ComfyDouble& comfy, const TempDir& work) {
    ComfyConnector first(comfy.url(), Json::object(), work.path().string());
    ASSERT_TRUE(first.wait_available());
    first.give("job", socket_graph());
    ASSERT_TRUE(wait_until([&] { return comfy.running().size() == 1; }));
    first.child().signal(SIGKILL);
    ASSERT_TRUE(first.child().wait());
}

TEST(ComfyUiPictures, OfAJobWhoseConnectorWasKilledAreMadeAgain) {
    ComfyDouble comfy;
    TempDir work;
    const ComfyScript script = pictures(3, 3, 2500);
    comfy.add_script(script);
    comfy.add_script(pictures(3, 3));
    ASSERT_NO_FATAL_FAILURE(kill_a_connector_at_its_job(comfy, work));
    // The next one is fast enough to hear them all itself: not before they were sent to nobody.
    ASSERT_TRUE(wait_until([&] { return comfy.sent_messages() + 1 == script.messages.size(); }));
    ComfyConnector second(comfy.url(), {{"no_progress_timeout", "20s"}}, work.path().string());
    ASSERT_TRUE(second.wait_available());
    second.give("job", socket_graph(), true);
    const Json outcome = second.outcome("job");
    EXPECT_THAT(files(outcome), SizeIs(3)) << outcome;
    EXPECT_THAT(comfy.posts(), SizeIs(2));
}

TEST(ComfyUiPictures, OfAPromptThatWasOverBeforeTheNextConnectorCameAreMadeAgain) {
    ComfyDouble comfy;
    TempDir work;
    comfy.add_script(pictures(3, 3, 300));
    comfy.add_script(pictures(3, 3));
    ASSERT_NO_FATAL_FAILURE(kill_a_connector_at_its_job(comfy, work));
    ASSERT_TRUE(wait_until([&] { return comfy.running().empty(); }));
    ComfyConnector second(comfy.url(), Json::object(), work.path().string());
    ASSERT_TRUE(second.wait_available());
    second.give("job", socket_graph(), true);
    const Json outcome = second.outcome("job");
    EXPECT_THAT(files(outcome), SizeIs(3)) << outcome;
    EXPECT_THAT(comfy.posts(), SizeIs(2));
}

ComfyScript announces(const std::vector<std::string>& sent, int count) {
    Json list = Json::array();
    for (int i = 0; i < count; ++i) {
        list.push_back({{"source", "websocket"}, {"content-type", "image/jpeg"}, {"type", "output"}});
    }
    ComfyScript script = good_script(saves(list));
    for (const std::string& bytes : sent) {
        script.messages.insert(script.messages.begin() + 6, picture(20, bytes));
    }
    return script;
}

TEST(ComfyUiPictures, OfANodeThatNobodyKnowsAreFoundByTheirAnnouncementInAnyFormat) {
    ComfyDouble comfy;
    comfy.add_script(announces({jpeg + "picture"}, 1));
    comfy.add_script(announces({}, 1));
    comfy.add_script(announces({}, 1));
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    ASSERT_TRUE(wait_until([&] { return comfy.sockets() == 1; }));
    connector.give("job", socket_graph("ETN_SendImageWebSocket"));
    const Json outcome = connector.outcome("job");
    ASSERT_THAT(files(outcome), SizeIs(1)) << outcome;
    EXPECT_EQ(files(outcome)[0]["mime_type"], "image/jpeg");
    EXPECT_EQ(files(outcome)[0]["filename"], "websocket_1.jpg");
    EXPECT_THAT(outcome["result"]["output"]["texts"], IsEmpty());
    connector.give("never sent", socket_graph("ETN_SendImageWebSocket"));
    const Json lost = connector.outcome("never sent");
    EXPECT_EQ(error_class(lost), "pictures_lost");
    EXPECT_THAT(message(lost), HasSubstr("0 of 1 pictures of node 2 (ETN_SendImageWebSocket)"));
    EXPECT_THAT(comfy.posts(), SizeIs(3));
}

// ---- failed in part

ComfyScript fails_in_part() {
    return partly_failing_script(saves({file("a.png"), file("t.png", "temp")}));
}

TEST(ComfyUiPartial, FilesOfTheOtherBranchAreDeliveredOrNamed) {
    ComfyDouble comfy;
    comfy.add_script(fails_in_part());
    comfy.add_script(fails_in_part());
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("allowed", {{"workflow", graph()}, {"allow_partial", true}});
    const Json allowed = connector.outcome("allowed");
    ASSERT_THAT(files(allowed), SizeIs(1)) << allowed;
    EXPECT_THAT(notes(allowed), testing::AllOf(HasSubstr("no face found"), HasSubstr("allow_partial")));
    connector.give("plain", graph());
    const Json plain = connector.outcome("plain");
    EXPECT_EQ(code(plain), "service_error");
    ASSERT_THAT(plain["error"]["details"]["files"], SizeIs(1)) << plain;
    EXPECT_EQ(plain["error"]["details"]["files"][0]["filename"], "a.png");
    EXPECT_THAT(plain["error"]["details"]["files"][0]["url"].get<std::string>(),
                HasSubstr("/view?filename=a.png"));
    EXPECT_THAT(message(plain), HasSubstr("allow_partial"));
}

TEST(ComfyUiPartial, AStatusWordThatIsNotKnownIsNoSuccess) {
    ComfyDouble comfy;
    auto script = good_script(saves({file("a.png")}));
    script.history["status"]["status_str"] = "partial_success";
    comfy.add_script(script);
    comfy.add_script(script);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("plain", graph());
    EXPECT_THAT(message(connector.outcome("plain")), HasSubstr("\"partial_success\""));
    connector.give("allowed", {{"workflow", graph()}, {"allow_partial", true}});
    const Json allowed = connector.outcome("allowed");
    EXPECT_THAT(files(allowed), SizeIs(1)) << allowed;
    EXPECT_THAT(notes(allowed), HasSubstr("partial_success"));
}

// ---- what is delivered, and how

TEST(ComfyUiDelivery, LinksLeadToWhereClientsReachComfyUi) {
    ComfyDouble comfy;
    const Json payload = {{"workflow", graph()}, {"outputs", {{"deliver", "reference"}}}};
    const auto link = [&](Json settings) {
        ComfyConnector connector(comfy.url(), std::move(settings));
        EXPECT_TRUE(connector.wait_available());
        connector.give("job", payload);
        const Json outcome = connector.outcome("job");
        return outcome.contains("result") ? files(outcome).at(0).value("url", "") : outcome.dump();
    };
    EXPECT_EQ(link(Json::object()), comfy.url() + "/view?filename=out_1.png&subfolder=&type=output");
    EXPECT_THAT(link({{"reference_base_url", "https://comfy.example.org/x/"}}),
                testing::StartsWith("https://comfy.example.org/x/view?filename=out_1.png"));
}

TEST(ComfyUiDelivery, PreviewsAreDeliveredWithANoteWhereThereIsNothingElse) {
    ComfyDouble comfy;
    const Json previews = saves({file("t.png", "temp")});
    comfy.add_script(good_script(previews));
    comfy.add_script(good_script(previews));
    comfy.add_script(good_script({{"2", {{"images", {file("t.png", "temp")}}, {"text", {"a caption"}}}}}));
    comfy.add_script(good_script(Json::object()));
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("only", graph());
    const Json only = connector.outcome("only");
    ASSERT_THAT(files(only), SizeIs(1)) << only;
    EXPECT_THAT(notes(only), HasSubstr("outputs.temp"));
    connector.give("refused", {{"workflow", graph()}, {"outputs", {{"temp", false}}}});
    const Json refused = connector.outcome("refused");
    EXPECT_THAT(files(refused), IsEmpty());
    EXPECT_THAT(notes(refused), HasSubstr("1 previews (type temp) were left out"));
    connector.give("text", graph());
    const Json text = connector.outcome("text");
    EXPECT_THAT(files(text), IsEmpty());
    EXPECT_THAT(notes(text), HasSubstr("left out"));
    connector.give("nothing", {{"workflow", graph()}});
    EXPECT_THAT(notes(connector.outcome("nothing")), HasSubstr("put out no file and no text"));
}

TEST(ComfyUiDelivery, ATextThatNamesAFileIsOneIfComfyUiHasIt) {
    ComfyDouble comfy;
    comfy.set_file("output/3d/mesh.glb", "mesh");
    comfy.remove_file("output//not there.png");
    comfy.add_script(good_script({{"2", {{"result", {"3d/mesh.glb", "not there.png", nullptr}}}}}));
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    const Json outcome = connector.outcome("job");
    ASSERT_THAT(files(outcome), SizeIs(1)) << outcome;
    EXPECT_EQ(files(outcome)[0]["data"], web::base64_encode("mesh"));
    ASSERT_THAT(outcome["result"]["output"]["texts"], SizeIs(1));
    EXPECT_EQ(outcome["result"]["output"]["texts"][0]["text"], "not there.png");
}

TEST(ComfyUiDelivery, TheWorkerIsToldWhoseMetadataHaveToGo) {
    ComfyDouble comfy;
    comfy.set_file("output//s.flac", "fLaC");
    comfy.add_script(good_script(saves({file("s.flac")})));
    comfy.add_script(good_script(saves({file("s.flac")})));
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("stripped", {{"workflow", graph()}, {"outputs", {{"strip_metadata", true}}}});
    const Json stripped = connector.outcome("stripped");
    ASSERT_THAT(files(stripped), SizeIs(1)) << stripped;
    EXPECT_EQ(files(stripped)[0].value("strip_metadata", false), true) << stripped;
    connector.give("whole", {{"workflow", graph()}});
    const Json whole = connector.outcome("whole");
    ASSERT_THAT(files(whole), SizeIs(1)) << whole;
    EXPECT_FALSE(files(whole)[0].contains("strip_metadata"));
}

TEST(ComfyUiDelivery, AnUnknownNodeInOutputsNodesIsRefusedBeforeItRuns) {
    ComfyDouble comfy;
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", {{"workflow", graph()}, {"outputs", {{"nodes", {"77"}}}}});
    const Json outcome = connector.outcome("job");
    EXPECT_EQ(code(outcome), "invalid_payload");
    EXPECT_THAT(message(outcome), HasSubstr("\"77\""));
    EXPECT_THAT(comfy.posts(), IsEmpty());
}

// ---- around a death

TEST(ComfyUiPosted, APostThatComfyUiTakesOnlyAfterItsSenderWasKilledIsLookedFor) {
    for (const bool folder_is_lost : {false, true}) {
        std::promise<void> posted;
        ComfyDoubleOptions options;
        options.on_prompt = [&](const std::string& what, const std::string&) {
            if (what == "post") posted.set_value();
        };
        ComfyDouble comfy(options);
        TempDir work;
        auto script = good_script(saves({file("first.png")}));
        script.accept_delay = 1500ms;
        comfy.add_script(script);
        {
            ComfyConnector first(comfy.url(), Json::object(), work.path().string());
            ASSERT_TRUE(first.wait_available());
            first.give("job", graph());
            ASSERT_EQ(posted.get_future().wait_for(10s), std::future_status::ready);
            first.child().signal(SIGKILL);
            ASSERT_TRUE(first.child().wait());
        }
        // A dead supervisor's folders of jobs are removed by the next one.
        if (folder_is_lost)
            std::filesystem::remove_all(work.path() / "0" / std::to_string(std::hash<std::string>{}("job")));
        ComfyConnector second(comfy.url(), Json::object(), work.path().string());
        ASSERT_TRUE(second.wait_available());
        second.give("job", graph(), true);
        const Json outcome = second.outcome("job");
        ASSERT_THAT(files(outcome), SizeIs(1)) << outcome;
        EXPECT_EQ(files(outcome)[0]["filename"], "first.png");
        EXPECT_THAT(comfy.posts(), SizeIs(1)) << "the prompt was sent twice";
    }
}

TEST(ComfyUiPosted, WhenTheSupervisorDiesThePromptIsLeftForTheNextOne) {
    ComfyDouble comfy;
    TempDir work;
    auto script = good_script(saves({file("first.png")}));
    script.messages.back().at = 3s;
    comfy.add_script(script);
    {
        ComfyConnector first(comfy.url(), Json::object(), work.path().string());
        ASSERT_TRUE(first.wait_available());
        first.give("job", graph());
        ASSERT_TRUE(wait_until([&] { return comfy.running().size() == 1; }));
        first.child().close_stdin();
        ASSERT_TRUE(first.child().wait());
    }
    EXPECT_THAT(comfy.interrupts(), IsEmpty());
    EXPECT_THAT(comfy.deletes(), IsEmpty());
    ComfyConnector second(comfy.url(), {{"no_progress_timeout", "20s"}}, work.path().string());
    ASSERT_TRUE(second.wait_available());
    second.give("job", graph(), true);
    const Json outcome = second.outcome("job");
    ASSERT_THAT(files(outcome), SizeIs(1)) << outcome;
    EXPECT_EQ(files(outcome)[0]["filename"], "first.png");
    EXPECT_THAT(comfy.posts(), SizeIs(1));
}

TEST(ComfyUiDeath, APromptThatEndsComfyUiTwiceIsNotSentAgainAndSaidToHaveBegun) {
    ComfyDouble comfy;
    auto script = endless_script();
    script.die_at = 300ms;
    script.back_after = 1s;
    comfy.add_script(script);
    comfy.add_script(script);
    ComfyConnector connector(comfy.url(), {{"max_resubmissions", 8}});
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", graph());
    const Json outcome = connector.outcome("job");
    EXPECT_EQ(code(outcome), "poison");
    EXPECT_FALSE(outcome["error"]["retryable"]);
    EXPECT_THAT(message(outcome), HasSubstr("ended the ComfyUI process 2 times"));
    EXPECT_THAT(comfy.posts(), SizeIs(2));
    // The supervisor heard of each submission, and when ComfyUI had begun it.
    std::string heard;
    for (const Json& each : connector.seen) {
        const std::string type = each.value("type", "");
        if (type == "accepted" || type == "service_request") heard += type + " ";
    }
    EXPECT_EQ(heard, "accepted service_request accepted service_request accepted ");
    connector.give("job", graph());
    EXPECT_EQ(code(connector.outcome("job")), "poison");
    EXPECT_THAT(comfy.posts(), SizeIs(2));
}

}  // namespace
}  // namespace emprops::test
