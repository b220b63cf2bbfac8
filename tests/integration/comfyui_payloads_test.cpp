// The real connector against the double: payloads in the forms that people send, and where their files get to.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "ipc/web/base64.h"
#include "tests/support/comfyui_connector.h"
#include "tests/support/comfyui_double.h"
#include "tests/support/comfyui_outcome.h"

namespace emprops::test {
namespace {

using Json = nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

Json loads(const Json& image) {
    Json graph = Json::parse(load_workflow("load_scale_invert_save"));
    graph["1"]["inputs"]["image"] = image;
    return graph;
}

Json info_of_load_image() {
    return {{"LoadImage", {{"input", {{"required", {{"image", {{"old.png"}, {{"image_upload", true}}}}}}}}}}};
}

struct ComfyUiPayload : testing::Test {
    Json run(const Json& payload, const Json& settings = Json::object()) {
        ComfyConnector connector(comfy.url(), settings);
        EXPECT_TRUE(connector.wait_available());
        connector.give("job", payload);
        return connector.outcome("job");
    }
    std::string sent_image() const { return comfy.posts().at(0)["prompt"]["1"]["inputs"]["image"]; }
    std::string stored(std::size_t i) const {
        const auto upload = comfy.uploads().at(i);
        return upload.subfolder + "/" + upload.filename;
    }

    TempDir folder;
    ComfyDouble comfy{[this] {
        ComfyDoubleOptions options;
        options.input_folder = folder.path().string();
        options.max_upload = 100'000;
        return options;
    }()};
};

TEST_F(ComfyUiPayload, AWrapperWithAListOfImagesRuns) {
    const Json outcome = run({{"id", "sync-1"},
                              {"input",
                               {{"workflow", loads("a.png")},
                                {"images",
                                 {{{"name", "a.png"}, {"image", web::base64_encode("picture")}},
                                  {{"name", "b.png"}, {"image", web::base64_encode("unused")}}}}}}});
    ASSERT_EQ(outcome["type"], "result") << outcome;
    EXPECT_EQ(comfy.uploads().at(0).content, "picture");
    EXPECT_EQ(sent_image(), stored(0));
    EXPECT_THAT(outcome["result"]["output"]["notes"].dump(),
                AllOf(HasSubstr("\\\"id\\\" was not read"), HasSubstr("b.png")));
}

TEST_F(ComfyUiPayload, AGraphAsTextRuns) {
    const Json outcome = run({{"workflow_json", Json::parse(load_workflow("empty_save")).dump()}});
    ASSERT_EQ(outcome["type"], "result") << outcome;
    EXPECT_EQ(comfy.posts().at(0)["prompt"], Json::parse(load_workflow("empty_save")));
}

TEST_F(ComfyUiPayload, TheEditorsWorkflowReachesTheNodesThatReadIt) {
    const Json editor = {{"nodes", Json::array()}, {"links", Json::array()}, {"version", 0.4}};
    ASSERT_EQ(run({{"prompt", Json::parse(load_workflow("empty_save"))}, {"workflow", editor}})["type"],
              "result");
    EXPECT_EQ(comfy.posts().at(0)["extra_data"]["extra_pnginfo"]["workflow"], editor);
    EXPECT_EQ(comfy.posts().at(0)["extra_data"]["emprops"]["job_id"], "job");
}

TEST_F(ComfyUiPayload, AFailureSaysWhatWasNotReadToo) {
    ComfyScript refused;
    refused.status = 400;
    refused.answer = R"({"error":{"type":"prompt_no_outputs","message":"no outputs"},"node_errors":{}})";
    comfy.add_script(refused);
    const Json outcome = run({{"prompt", Json::parse(load_workflow("empty_save"))}, {"webhook", "http://x"}});
    ASSERT_EQ(outcome["type"], "failed");
    EXPECT_THAT(outcome["error"]["details"]["notes"].dump(), HasSubstr("webhook"));
}

TEST_F(ComfyUiPayload, AnAddressInAnUploadFieldIsFetchedAndPlaced) {
    comfy.set_object_info(info_of_load_image());
    comfy.set_file("output//far.png", "from afar");
    const std::string url = comfy.url() + "/view?filename=far.png";
    ASSERT_EQ(run(loads(url), {{"input_allow_private", true}})["type"], "result");
    ASSERT_THAT(comfy.uploads(), SizeIs(1));
    EXPECT_EQ(comfy.uploads()[0].content, "from afar");
    EXPECT_EQ(sent_image(), stored(0));
}

TEST_F(ComfyUiPayload, ADataUrlInAnUploadFieldIsPlacedAndOneElsewhereIsLeftAlone) {
    comfy.set_object_info(info_of_load_image());
    const std::string data = "data:image/png;base64," + web::base64_encode("picture");
    Json graph = loads(data);
    graph["3"]["inputs"]["note"] = data;
    ASSERT_EQ(run(graph)["type"], "result");
    EXPECT_EQ(sent_image(), stored(0));
    EXPECT_EQ(comfy.posts().at(0)["prompt"]["3"]["inputs"]["note"], data);
}

TEST_F(ComfyUiPayload, AnAddressInAFieldObeysTheRulesOfInputs) {
    comfy.set_object_info(info_of_load_image());
    const Json outcome = run(loads(comfy.url() + "/view?filename=far.png&token=secret"));
    EXPECT_THAT(message(outcome), AllOf(HasSubstr("node \"1\", input \"image\""),
                                        HasSubstr("input_allow_private"), testing::Not(HasSubstr("secret"))));
    EXPECT_THAT(comfy.posts(), IsEmpty());
}

TEST_F(ComfyUiPayload, AComfyUiThatIsAwayIsWaitedForBeforeAnAddressIsTakenForAName) {
    comfy.set_object_info(info_of_load_image());
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    comfy.die(Ms{1500});
    connector.give("job", loads("data:image/png;base64," + web::base64_encode("picture")));
    const Json outcome = connector.outcome("job");
    ASSERT_EQ(outcome["type"], "result") << outcome;
    EXPECT_EQ(sent_image(), stored(0));
}

TEST_F(ComfyUiPayload, WhatIsPlacedIsARealFile) {
    const Json outcome = run(
        {{"workflow", loads({{"$input", "photo"}})}, {"inputs", {{"photo", web::base64_encode("picture")}}}});
    ASSERT_EQ(outcome["type"], "result") << outcome;
    const auto path = folder / sent_image();
    EXPECT_EQ(std::filesystem::symlink_status(path).type(), std::filesystem::file_type::regular);
    EXPECT_EQ(std::filesystem::canonical(path), std::filesystem::canonical(folder.path()) / sent_image());
}

TEST_F(ComfyUiPayload, ComfyUiRefusesALinkThatLeadsOutOfItsFolderAndTakesAHardLink) {
    const TempDir elsewhere;
    std::ofstream(elsewhere / "real.png") << "picture";
    std::filesystem::create_symlink(elsewhere / "real.png", folder / "soft.png");
    std::filesystem::create_hard_link(elsewhere / "real.png", folder / "hard.png");
    const Json refused = run(loads("soft.png"));
    EXPECT_EQ(refused["type"], "failed");
    EXPECT_THAT(message(refused), HasSubstr("soft.png"));
    EXPECT_EQ(run(loads("hard.png"))["type"], "result");
    EXPECT_EQ(run(loads("nowhere.png"))["type"], "failed");
}

TEST_F(ComfyUiPayload, AFileThatIsLargerThanComfyUiTakesIsNotSentAndBothSizesAreTold) {
    comfy.set_object_info(info_of_load_image());
    const std::string large = web::base64_encode(std::string(150'000, 'x'));
    for (const Json& payload :
         {Json{{"workflow", loads({{"$input", "photo"}})}, {"inputs", {{"photo", large}}}},
          Json{{"workflow", loads("a.png")}, {"images", {{{"name", "a.png"}, {"image", large}}}}},
          loads("data:image/png;base64," + large)}) {
        const Json outcome = run(payload);
        EXPECT_THAT(message(outcome),
                    AllOf(HasSubstr("150000"), HasSubstr("100000"), HasSubstr("--max-upload-size")));
    }
    EXPECT_THAT(comfy.uploads(), IsEmpty());
    EXPECT_THAT(comfy.posts(), IsEmpty());
    const std::string small = web::base64_encode(std::string(90'000, 'x'));
    EXPECT_EQ(run(loads("data:image/png;base64," + small))["type"], "result");
}

TEST(ComfyUiPayloads, AServerThatDoesNotSayWhatItTakesIsAskedByTheUpload) {
    ComfyDoubleOptions options;
    options.max_upload = 0;
    ComfyDouble comfy(options);
    ComfyConnector connector(comfy.url());
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", {{"workflow", loads({{"$input", "photo"}})},
                           {"inputs", {{"photo", web::base64_encode(std::string(150'000, 'x'))}}}});
    EXPECT_EQ(connector.outcome("job")["type"], "result");
}

}  // namespace
}  // namespace emprops::test
