// The real connector against the double: what a job gets, and what it costs ComfyUI.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "connectors/comfyui/text/outputs.h"
#include "connectors/comfyui/text/prompt_id.h"
#include "connectors/comfyui/text/web.h"
#include "connectors/comfyui/transfer/inputs.h"
#include "ipc/web/base64.h"
#include "tests/support/comfyui_connector.h"
#include "tests/support/comfyui_double.h"

namespace emprops::test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::SizeIs;

Json graph() {
    return Json::parse(load_workflow("empty_save"));
}
Json image(const std::string& name, const std::string& type = "output") {
    return {{"filename", name}, {"subfolder", ""}, {"type", type}};
}
std::string code(const Json& outcome) {
    return outcome.contains("error") ? outcome["error"].value("code", "") : "";
}
std::string message(const Json& outcome) {
    return outcome.contains("error") ? outcome["error"].value("message", "") : outcome.dump();
}

TEST(ComfyUiStart, TheConfiguredConcurrencyStaysInForceWhenCapabilitiesAreToldLater) {
    ComfyDouble comfy;
    ComfyConnector connector(comfy.url(), Json::object(), {}, 0, {}, 2);
    const auto ready = connector.next("ready");
    ASSERT_TRUE(ready);
    EXPECT_EQ(ready->value("concurrency", 0), 2);
    const auto later = connector.next("capabilities");
    ASSERT_TRUE(later);
    EXPECT_EQ(later->value("concurrency", 0), 2);
}

TEST(ComfyUiJob, ReturnsImagesVideoAudioAndTextsOfEveryKey) {
    ComfyDouble comfy;
    comfy.set_file("output//a.png", "png bytes");
    comfy.add_script(good_script(
        {{"2", {{"images", {image("a.png"), image("a.png"), image("t.png", "temp")}}, {"animated", {true}}}},
         {"5",
          {{"gifs",
            {{{"filename", "v.mp4"},
              {"subfolder", "x"},
              {"type", "output"},
              {"format", "video/h264-mp4"}}}}}},
         {"6", {{"audio", {image("s.flac")}}, {"text", {"a caption"}}}}}));
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job-1", graph());
    const Json outcome = connector.outcome("job-1");
    ASSERT_EQ(outcome["type"], "result") << outcome;
    const Json& output = outcome["result"]["output"];
    EXPECT_EQ(outcome["result"]["status"], "success");
    ASSERT_THAT(output["files"], SizeIs(3)) << output;
    EXPECT_EQ(output["files"][0]["data"], web::base64_encode("png bytes"));
    EXPECT_EQ(output["files"][0]["size"], 9);
    EXPECT_EQ(output["files"][0]["sha256"],
              "d013614dc14a37ee20fe92005737ab7d3427e7e93580ad56ef8a42205e7f7a4e");
    EXPECT_EQ(output["files"][1]["mime_type"], "video/mp4");
    EXPECT_EQ(output["files"][2]["kind"], "audio");
    EXPECT_EQ(output["texts"][0]["text"], "a caption");
    EXPECT_EQ(output["temp_files_left_out"], 1);
    EXPECT_EQ(output["prompt_id"], comfy.posts().at(0)["prompt_id"]);
    EXPECT_TRUE(output["timing"].contains("queued") && output["timing"].contains("execute"));
}

TEST(ComfyUiJob, SendsTheGraphByteForByteWithExactSeeds) {
    ComfyDouble comfy;
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    const std::string text =
        R"({"9" : {"class_type":"KSampler","inputs":{"seed":18446744073709551615,"cfg":1.10,"text":"NaN \u00e9"}}})";
    connector.give_text("job-1", "{\"workflow\":" + text + ",\"extra_data\":{\"extra_pnginfo\":{\"a\":1}}}");
    ASSERT_EQ(connector.outcome("job-1")["type"], "result");
    EXPECT_THAT(comfy.post_texts().at(0), HasSubstr("\"prompt\":" + text));
    EXPECT_EQ(comfy.posts().at(0)["extra_data"]["extra_pnginfo"]["a"], 1);
    EXPECT_EQ(comfy.posts().at(0)["extra_data"]["emprops"]["job_id"], "job-1");
}

TEST(ComfyUiJob, UploadsInputsIntoAFolderOfItsOwnAndPutsTheirNamesIntoTheGraph) {
    ComfyDouble comfy;
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    Json workflow = Json::parse(load_workflow("load_scale_invert_save"));
    workflow["1"]["inputs"]["image"] = {{"$input", "photo"}};
    connector.give("../evil", {{"workflow", workflow},
                               {"inputs",
                                {{"photo",
                                  {{"data", "data:image/png;base64," + web::base64_encode("picture")},
                                   {"filename", "../../p.png"}}}}}});
    ASSERT_EQ(connector.outcome("../evil")["type"], "result");
    const auto uploads = comfy.uploads();
    ASSERT_THAT(uploads, SizeIs(1));
    EXPECT_EQ(uploads[0].content, "picture");
    EXPECT_EQ(uploads[0].filename, "0-p.png");
    EXPECT_EQ(uploads[0].subfolder.find(".."), std::string::npos);
    EXPECT_EQ(comfy.posts().at(0)["prompt"]["1"]["inputs"]["image"], uploads[0].subfolder + "/0-p.png");
}

TEST(ComfyUiJob, RefusesInputUrlsToPrivateAddressesUnlessAllowed) {
    ComfyDouble comfy;
    const Json payload = {{"workflow", graph()},
                          {"inputs", {{"x", comfy.url() + "/view?filename=a.png&token=secret"}}}};
    ComfyConnector strict(comfy.url());
    ASSERT_TRUE(strict.wait_available());
    strict.give("job-1", payload);
    const Json refused = strict.outcome("job-1");
    EXPECT_EQ(code(refused), "invalid_payload");
    EXPECT_THAT(message(refused), HasSubstr("input_allow_private"));
    EXPECT_EQ(message(refused).find("secret"), std::string::npos);
    EXPECT_TRUE(comfy.posts().empty());

    ComfyConnector lenient(comfy.url(), {{"input_allow_private", true}});
    ASSERT_TRUE(lenient.wait_available());
    lenient.give("job-2", payload);
    EXPECT_EQ(lenient.outcome("job-2")["type"], "result");
    EXPECT_EQ(comfy.uploads().at(0).content, "content of a.png");
}

TEST(ComfyUiJob, AFileOverTheCapSpillsToTheNextPolicyOrNamesTheSetting) {
    ComfyDouble comfy;
    comfy.set_file("output//big.png", std::string(21u << 20, 'x'));
    const auto script = good_script({{"2", {{"images", {image("big.png")}}}}});
    comfy.add_script(script);
    comfy.add_script(script);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give(
        "job-1", {{"workflow", graph()}, {"outputs", {{"deliver", {"inline"}}, {"inline_max_bytes", 1000}}}});
    const Json failed = connector.outcome("job-1");
    EXPECT_EQ(code(failed), "result_too_large");
    EXPECT_THAT(message(failed), HasSubstr("inline_max_bytes"));
    EXPECT_THAT(message(failed), HasSubstr("22020096"));
    connector.give("job-2", graph());
    const Json spilled = connector.outcome("job-2");
    ASSERT_EQ(spilled["type"], "result") << spilled;
    const Json& file = spilled["result"]["output"]["files"][0];
    EXPECT_EQ(file["delivery"], "reference");
    EXPECT_EQ(file["size"], 22020096);
    EXPECT_EQ(file["url"], comfy.url() + "/view?filename=big.png&subfolder=&type=output");
}

TEST(ComfyUiJob, ItsFilesAreTheWorkersWithAllThatComfyUiSaysOfThem) {
    ComfyDouble comfy;
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job 1", graph());
    ASSERT_EQ(connector.outcome("job 1")["type"], "result");
    const Json& sent = connector.seen.back();
    ASSERT_THAT(sent["files"], SizeIs(1));
    const Json& file = sent["files"][0];
    EXPECT_EQ(file["name"], "out_1.png");
    EXPECT_EQ(file["mime_type"], "image/png");
    EXPECT_EQ(file["node"], "2");
    EXPECT_EQ(file["type"], "output");
    EXPECT_FALSE(file.contains("deliver")) << "where to is the worker's to say";
    EXPECT_EQ(sent["result"]["output"]["files"], Json::parse(R"([{"$file":0}])"));
    connector.give("other", {{"workflow", graph()}, {"outputs", {{"deliver", {"directory"}}}}});
    const Json refused = connector.outcome("other");
    EXPECT_EQ(code(refused), "invalid_payload");
    EXPECT_THAT(message(refused), HasSubstr("no store of this worker; a job may name inline, reference"));
}

TEST(ComfyUiJob, RefusesWhatComfyUiWouldChokeOnBeforeSendingIt) {
    ComfyDouble comfy;
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job-1", Json::parse(load_workflow("loose_node_without_inputs")));
    EXPECT_EQ(code(connector.outcome("job-1")), "invalid_payload");
    connector.give("job-2", {{"workflow", {{"nodes", Json::array()}, {"links", Json::array()}}}});
    EXPECT_THAT(message(connector.outcome("job-2")), HasSubstr("Export (API)"));
    EXPECT_TRUE(comfy.posts().empty());
}

TEST(ComfyUiJob, AMissingModelIsNamedWithItsFolderAndTheNearestOnes) {
    ComfyDouble comfy;
    comfy.set_object_info(
        {{"CheckpointLoaderSimple",
          {{"input",
            {{"required",
              {{"ckpt_name", {{"sd_xl_base_1.0.safetensors", "v1-5.ckpt"}, Json::object()}}}}}}}}});
    ComfyScript script;
    script.status = 400;
    script.answer = Json{{"error",
                          {{"type", "prompt_outputs_failed_validation"},
                           {"message", "Prompt outputs failed validation"},
                           {"details", ""},
                           {"extra_info", Json::object()}}},
                         {"node_errors",
                          {{"4",
                            {{"errors",
                              {{{"type", "value_not_in_list"},
                                {"message", "Value not in list"},
                                {"details", ""},
                                {"extra_info",
                                 {{"input_name", "ckpt_name"},
                                  {"input_config", nullptr},
                                  {"received_value", "sd_xl_base_1.O.safetensors"}}}}}},
                             {"dependent_outputs", {"9"}},
                             {"class_type", "CheckpointLoaderSimple"}}}}}}
                        .dump();
    comfy.add_script(script);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job-1", {{"4",
                              {{"class_type", "CheckpointLoaderSimple"},
                               {"inputs", {{"ckpt_name", "sd_xl_base_1.O.safetensors"}}}}}});
    const Json outcome = connector.outcome("job-1");
    EXPECT_EQ(code(outcome), "unsupported");
    EXPECT_THAT(message(outcome), HasSubstr("models/checkpoints"));
    EXPECT_THAT(message(outcome), HasSubstr("nearest: \"sd_xl_base_1.0.safetensors\""));
}

TEST(ComfyUiJob, A200WithNodeErrorsFailsAndIsWithdrawnUnlessAllowed) {
    ComfyDouble comfy;
    auto script = endless_script();
    script.answer = load_recording("08-partly-valid").at(0).answer;
    comfy.add_script(script);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job-1", graph());
    EXPECT_EQ(code(connector.outcome("job-1")), "invalid_payload");
    EXPECT_TRUE(comfy.running().empty() && comfy.pending().empty());
    auto good = good_script({{"2", {{"images", {image("a.png")}}}}});
    good.answer = script.answer;
    comfy.add_script(good);
    connector.give("job-2", {{"workflow", graph()}, {"allow_partial", true}});
    EXPECT_EQ(connector.outcome("job-2")["type"], "result");
}

TEST(ComfyUiJob, AnUploadThatFailsForAMomentIsTriedAgain) {
    ComfyDouble comfy;
    comfy.fail_uploads(1);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    Json workflow = Json::parse(load_workflow("load_scale_invert_save"));
    workflow["1"]["inputs"]["image"] = {{"$input", "photo"}};
    const Json payload = {{"workflow", workflow}, {"inputs", {{"photo", web::base64_encode("picture")}}}};
    connector.give("job-1", payload);
    EXPECT_EQ(connector.outcome("job-1")["type"], "result");
    comfy.fail_uploads(1'000'000);
    ComfyConnector impatient(comfy.url(), {{"unreachable_timeout", "1s"}});
    ASSERT_TRUE(impatient.wait_available());
    impatient.give("job-2", payload);
    const Json failed = impatient.outcome("job-2");
    EXPECT_EQ(code(failed), "service_unavailable");
    EXPECT_TRUE(failed["error"]["retryable"]);
    EXPECT_EQ(failed["error"]["details"]["class"], "unreachable");
}

TEST(ComfyUiJob, ThePreflightComesBeforeTheUploads) {
    ComfyDouble comfy;
    ComfyConnector connector(comfy.url(), {{"preflight", true}});
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", {{"workflow",
                            {{"1", {{"class_type", "EmptyImage"}, {"inputs", {{"x", {{"$input", "a"}}}}}}},
                             {"2", {{"class_type", "NoSuchNode"}, {"inputs", Json::object()}}}}},
                           {"inputs", {{"a", web::base64_encode("picture")}}}});
    EXPECT_EQ(code(connector.outcome("job")), "unsupported");
    EXPECT_TRUE(comfy.uploads().empty() && comfy.posts().empty());
}

TEST(ComfyUiJob, ItsFilesLieInAFolderOfItsOwnThatIsRemovedHoweverItEnds) {
    ComfyDouble comfy;
    const TempDir folder;
    ComfyScript refused;
    refused.status = 400;
    refused.answer = R"({"error":{"type":"prompt_no_outputs","message":"no outputs"},"node_errors":{}})";
    comfy.add_script(good_script({{"2", {{"images", {image("a.png")}}}}}));
    comfy.add_script(refused);
    ComfyConnector connector(comfy.url(),
                             {{"comfyui_folder", folder.path().string()}, {"delete_delivered", true}});
    ASSERT_TRUE(connector.wait_available());
    Json workflow = Json::parse(load_workflow("load_scale_invert_save"));
    workflow["1"]["inputs"]["image"] = {{"$input", "photo"}};
    workflow["9"] = {{"class_type", "SaveImage"},
                     {"inputs", {{"images", {"1", 0}}, {"filename_prefix", "mine"}}}};
    const std::string space = comfyui::PromptNames(comfyui::prompt_scope("", "test-0a1b2c3d", "comfyui",
                                                                         connector.work_root() + "/0"))
                                  .space();
    for (const std::string job : {"succeeds", "fails"}) {
        // The double does not write into the folder: what ComfyUI would have put there is put there here.
        const std::string own = comfyui::input_subfolder(space, job);
        for (const char* kind : {"input/", "output/"}) {
            std::filesystem::create_directories(folder / (kind + own));
        }
        connector.give(job, {{"workflow", workflow}, {"inputs", {{"photo", web::base64_encode("picture")}}}});
        EXPECT_EQ(connector.outcome(job)["type"], job == "succeeds" ? "result" : "failed");
        EXPECT_EQ(comfy.posts().back()["prompt"]["9"]["inputs"]["filename_prefix"], own + "/mine");
        EXPECT_FALSE(std::filesystem::exists(folder / ("input/" + own))) << job;
        EXPECT_FALSE(std::filesystem::exists(folder / ("output/" + own))) << job;
    }
}

TEST(ComfyUiJob, DeliveredFilesAreRemovedOnceAllAreDeliveredAndOnlyThoseThatThisRunMade) {
    ComfyDouble comfy;
    const TempDir folder;
    std::filesystem::create_directories(folder / "output");
    const auto make = [&](const char* name) { std::ofstream(folder / "output" / name) << name; };
    const auto there = [&](const char* name) { return std::filesystem::exists(folder / "output" / name); };
    for (const char* name : {"made.png", "cached.png"}) {
        make(name);
    }
    const Json outputs = {{"1", {{"images", {image("cached.png")}}}},
                          {"2", {{"images", {image("made.png")}}}}};
    auto cached = good_script(outputs);
    cached.history["status"]["messages"].push_back(
        {"execution_cached", {{"nodes", {"1"}}, {"prompt_id", "$ID"}}});
    comfy.add_script(
        good_script({{"1", {{"images", {image("made.png")}}}}, {"2", {{"images", {image("gone.png")}}}}}));
    comfy.add_script(cached);
    comfy.remove_file("output//gone.png");
    ComfyConnector connector(comfy.url(), {{"comfyui_folder", folder.path().string()},
                                           {"delete_delivered", true},
                                           {"output_subfolder", false}});
    ASSERT_TRUE(connector.wait_available());
    connector.give("second file is gone", graph());
    EXPECT_EQ(connector.outcome("second file is gone")["type"], "failed");
    EXPECT_TRUE(there("made.png"));
    connector.give("one is cached", graph());
    const Json outcome = connector.outcome("one is cached");
    EXPECT_EQ(outcome["type"], "result") << outcome;
    EXPECT_FALSE(there("made.png"));
    EXPECT_TRUE(there("cached.png")) << "another job's too";
}

TEST(ComfyUiJob, PicturesOfSaveImageWebsocketAreOutputs) {
    ComfyDouble comfy;
    auto script = good_script(Json::object());
    const std::string about = R"({"prompt_id":"none","image_type":"image/png"})";
    std::string frame("\0\0\0\1\0\0\0\2", 8);  // legacy: PNG
    frame += "picture over the socket";
    script.messages.insert(script.messages.begin() + 6, {std::chrono::milliseconds{25}, {}, frame});
    comfy.add_script(script);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    ASSERT_TRUE(wait_until([&] { return comfy.sockets() == 1; }));
    connector.give("job-1",
                   {{"1", {{"class_type", "EmptyImage"}, {"inputs", Json::object()}}},
                    {"2", {{"class_type", "SaveImageWebsocket"}, {"inputs", {{"images", {"1", 0}}}}}}});
    const Json outcome = connector.outcome("job-1");
    ASSERT_EQ(outcome["type"], "result") << outcome;
    ASSERT_THAT(outcome["result"]["output"]["files"], SizeIs(1)) << outcome;
    EXPECT_EQ(outcome["result"]["output"]["files"][0]["data"], web::base64_encode("picture over the socket"));
}

}  // namespace
}  // namespace emprops::test
