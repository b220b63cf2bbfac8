// Delivery to a real S3-compatible server: s3rver from npm. It is found as EMPROPS_S3RVER (path of its
// command) or as s3rver in PATH; without it the test is skipped and says so.
//     npm install --prefix DIR s3rver@3.7.1 && EMPROPS_S3RVER=DIR/node_modules/.bin/s3rver ctest -R
//     comfyui_s3

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "connectors/comfyui/http.h"
#include "tests/support/comfyui_connector.h"
#include "tests/support/comfyui_double.h"

namespace emprops::test {
namespace {

using Json = nlohmann::json;

std::string s3rver() {
    if (const char* given = std::getenv("EMPROPS_S3RVER")) return given;
    for (const char* folder : {"/usr/bin", "/usr/local/bin"}) {
        const auto path = std::filesystem::path(folder) / "s3rver";
        if (std::filesystem::exists(path)) return path.string();
    }
    return {};
}

class ComfyUiS3 : public testing::Test {
  protected:
    void SetUp() override {
        const std::string program = s3rver();
        if (program.empty()) GTEST_SKIP() << "no s3rver; see the head of this file";
        ChildOptions options;
        options.argv = {program, "-d", folder.path().string(), "-a",     "127.0.0.1",
                        "-p",    "0",  "--configure-bucket",   "results"};
        server = std::make_unique<ChildProcess>(std::move(options));
        const auto line = server->read_until("listening on", Ms(30'000));
        ASSERT_TRUE(line) << server->stderr_text();
        endpoint = "http://127.0.0.1:" + line->substr(line->rfind(':') + 1);
    }
    Json settings(const std::string& secret) const {
        return {{"deliver", {"s3"}},       {"s3_endpoint", endpoint},
                {"s3_bucket", "results"},  {"s3_access_key", "S3RVER"},
                {"s3_secret_key", secret}, {"s3_key_template", "{job_id}/{sha256}-{filename}"}};
    }
    TempDir folder;
    std::unique_ptr<ChildProcess> server;
    std::string endpoint;
};

TEST_F(ComfyUiS3, StoresTheFileUnderTheKeyOfTheTemplate) {
    ComfyDouble comfy;
    comfy.set_file("output//out_1.png", std::string("bytes\0of a picture", 18));
    ComfyConnector connector(comfy.url(), settings("S3RVER"));
    ASSERT_TRUE(connector.wait_available());
    connector.give("job 1+ä", Json::parse(load_workflow("empty_save")));
    const Json outcome = connector.outcome("job 1+ä");
    ASSERT_EQ(outcome["type"], "result") << outcome;
    const Json& file = outcome["result"]["output"]["files"][0];
    EXPECT_EQ(file["bucket"], "results");
    EXPECT_EQ(file["size"], 18);
    comfyui::HttpClient http;
    comfyui::HttpRequest get;
    get.url = file["url"];
    get.s3 = comfyui::HttpRequest::Signature{"us-east-1", "S3RVER", "S3RVER"};
    const auto answer = http.send(get);
    ASSERT_TRUE(std::holds_alternative<comfyui::HttpResponse>(answer));
    EXPECT_EQ(std::get<comfyui::HttpResponse>(answer).body, std::string("bytes\0of a picture", 18));
    EXPECT_EQ(std::get<comfyui::HttpResponse>(answer).content_type, "image/png");
}

TEST_F(ComfyUiS3, AWrongSecretIsNotSilentlyAccepted) {
    ComfyDouble comfy;
    ComfyConnector connector(comfy.url(), settings("wrong"));
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", Json::parse(load_workflow("empty_save")));
    const Json outcome = connector.outcome("job");
    ASSERT_EQ(outcome["type"], "failed") << outcome;
    EXPECT_EQ(outcome["error"]["code"], "comfyui.delivery_failed");
    EXPECT_THAT(outcome["error"]["message"].get<std::string>(), testing::HasSubstr("403"));
}

}  // namespace
}  // namespace emprops::test
