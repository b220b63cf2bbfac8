// Delivery to a real S3-compatible server: s3rver from npm, which ./run-tests installs and names in
// EMPROPS_S3RVER. Without that variable the tests are skipped; if what it names is not there, they fail.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "connectors/comfyui/server/http.h"
#include "ipc/web/digest.h"
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
        if (program.empty()) GTEST_SKIP() << "EMPROPS_S3RVER is not set; ./run-tests does that";
        ASSERT_TRUE(std::filesystem::exists(program))
            << program << " is not there: npm could not install s3rver (see the output of ./run-tests)";
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
    get.headers["x-amz-content-sha256"] = sha256_hex("");
    get.s3 = comfyui::HttpRequest::Signature{"us-east-1", "S3RVER", "S3RVER"};
    const auto answer = http.send(get);
    ASSERT_TRUE(std::holds_alternative<comfyui::HttpResponse>(answer));
    EXPECT_EQ(std::get<comfyui::HttpResponse>(answer).body, std::string("bytes\0of a picture", 18));
    EXPECT_EQ(std::get<comfyui::HttpResponse>(answer).content_type, "image/png");
}

TEST_F(ComfyUiS3, ABucketThatIsNotThereFailsTheJobWithTheReason) {
    ComfyDouble comfy;
    Json missing = settings("S3RVER");
    missing["s3_bucket"] = "nothing-here";
    ComfyConnector connector(comfy.url(), missing);
    ASSERT_TRUE(connector.wait_available());
    connector.give("job", Json::parse(load_workflow("empty_save")));
    const Json outcome = connector.outcome("job");
    ASSERT_EQ(outcome["type"], "failed") << outcome;
    EXPECT_EQ(outcome["error"]["code"], "comfyui.delivery_failed");
    EXPECT_THAT(outcome["error"]["message"].get<std::string>(), testing::HasSubstr("NoSuchBucket"));
}

/// s3rver does not check version 4 signatures, so the rules of AWS are applied here to what was sent.
std::string expected_signature(const ComfyDouble::Put& put, const std::string& secret) {
    const auto header = [&](std::string name) {
        for (const auto& [key, value] : put.headers) {
            if (std::equal(key.begin(), key.end(), name.begin(), name.end(),
                           [](char a, char b) { return std::tolower(a) == std::tolower(b); })) {
                return value;
            }
        }
        return std::string();
    };
    const auto between = [](const std::string& text, const std::string& from, const std::string& to) {
        const auto begin = text.find(from) + from.size();
        return text.substr(begin, text.find(to, begin) - begin);
    };
    const std::string authorization = header("Authorization");
    const std::string names = between(authorization, "SignedHeaders=", ",");
    const std::string scope = between(authorization, "Credential=AK/", ",");
    std::string canonical = "PUT\n" + put.target + "\n\n";
    for (std::size_t from = 0; from < names.size();) {
        const auto end = std::min(names.find(';', from), names.size());
        const std::string name = names.substr(from, end - from);
        canonical += name + ":" + header(name) + "\n";
        from = end + 1;
    }
    canonical += "\n" + names + "\n" + header("x-amz-content-sha256");
    const std::string to_sign =
        "AWS4-HMAC-SHA256\n" + header("x-amz-date") + "\n" + scope + "\n" + sha256_hex(canonical);
    const auto hmac = [](const std::string& key, const std::string& text) {
        unsigned char out[EVP_MAX_MD_SIZE];
        unsigned length = 0;
        HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(text.data()), text.size(), out, &length);
        return std::string(reinterpret_cast<const char*>(out), length);
    };
    std::string key = hmac("AWS4" + secret, scope.substr(0, 8));
    for (const char* part : {"eu-west-1", "s3", "aws4_request"}) {
        key = hmac(key, part);
    }
    std::string hex;
    for (const char c : hmac(key, to_sign)) {
        char digits[3];
        std::snprintf(digits, sizeof digits, "%02x", static_cast<unsigned>(static_cast<unsigned char>(c)));
        hex += digits;
    }
    return hex;
}

TEST(ComfyUiS3Signature, IsTheOneThatTheRulesOfAwsGive) {
    ComfyDouble comfy;
    ComfyConnector connector(comfy.url(), {{"deliver", {"s3"}},
                                           {"s3_endpoint", comfy.url()},
                                           {"s3_bucket", "b"},
                                           {"s3_region", "eu-west-1"},
                                           {"s3_access_key", "AK"},
                                           {"s3_secret_key", "secret"},
                                           {"s3_session_token", "session"}});
    ASSERT_TRUE(connector.wait_available());
    connector.give("job 1+(x)", Json::parse(load_workflow("empty_save")));
    ASSERT_EQ(connector.outcome("job 1+(x)")["type"], "result");
    ASSERT_EQ(comfy.puts().size(), 1u);
    const auto put = comfy.puts().at(0);
    EXPECT_EQ(put.target, "/b/job%201%2B%28x%29/2/out_1.png");
    const std::string authorization = put.headers.at("Authorization");
    EXPECT_THAT(authorization, testing::HasSubstr("x-amz-security-token"));
    EXPECT_THAT(authorization, testing::HasSubstr("Signature=" + expected_signature(put, "secret")));
    EXPECT_EQ(put.headers.at("x-amz-content-sha256"), sha256_hex(put.body));
}

}  // namespace
}  // namespace emprops::test
