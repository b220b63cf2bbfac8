// Delivery to an S3 server that checks signatures as MinIO does (tests/support/s3_double.h).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/comfyui/text/web.h"
#include "connectors/stores/sign/aws.h"
#include "ipc/web/digest.h"
#include "tests/support/comfyui_connector.h"
#include "tests/support/comfyui_double.h"
#include "tests/support/s3_double.h"

namespace emprops::test {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;
using testing::IsEmpty;

class ComfyUiS3 : public testing::Test {
  protected:
    Json settings(const S3Double& server, const std::string& secret = "secret") const {
        return {{"deliver", {"s3"}},       {"s3_endpoint", server.endpoint()},
                {"s3_bucket", "results"},  {"s3_access_key", "AK"},
                {"s3_secret_key", secret}, {"s3_key_template", "{job_id}/{sha256}-{filename}"}};
    }
    Json outcome(const Json& settings, const std::string& job_id) {
        ComfyConnector connector(comfy.url(), settings);
        EXPECT_TRUE(connector.wait_available());
        connector.give(job_id, Json::parse(load_workflow("empty_save")));
        return connector.outcome(job_id);
    }
    ComfyDouble comfy;
};

TEST_F(ComfyUiS3, StoresTheFileUnderTheKeyOfTheTemplate) {
    const std::string picture("bytes\0of a picture", 18);
    comfy.set_file("output//out_1.png", picture);
    S3Double server;
    const Json outcome = this->outcome(settings(server), "job 1+ä");
    ASSERT_EQ(outcome["type"], "result") << outcome << testing::PrintToString(server.refusals());
    const Json& file = outcome["result"]["output"]["files"][0];
    EXPECT_EQ(file["bucket"], "results");
    EXPECT_EQ(file["size"], 18);
    const std::string target = "/results/job%201%2B%C3%A4/" + sha256_hex(picture) + "-out_1.png";
    EXPECT_EQ(file["url"], server.endpoint() + target);
    const auto object = server.object(target);
    ASSERT_TRUE(object);
    EXPECT_EQ(object->body, picture);
    EXPECT_EQ(object->content_type, "image/png");
    EXPECT_THAT(server.refusals(), IsEmpty());
    // The link of the result is one that whoever has the keys can open.
    comfyui::HttpClient http;
    comfyui::HttpRequest get;
    get.url = file["url"];
    const std::string moment = stores::aws_moment(std::chrono::system_clock::now());
    get.headers = {{"host", server.endpoint().substr(7)},
                   {"x-amz-content-sha256", sha256_hex("")},
                   {"x-amz-date", moment}};
    get.headers["authorization"] = stores::aws_authorization({"GET", target, {}, get.headers, sha256_hex("")},
                                                             {"AK", "secret"}, "us-east-1", moment);
    const auto answer = http.send(get);
    ASSERT_TRUE(std::holds_alternative<comfyui::HttpResponse>(answer));
    EXPECT_EQ(std::get<comfyui::HttpResponse>(answer).body, picture);
}

TEST_F(ComfyUiS3, AFileOfMegabytesIsAcceptedByAStrictServer) {
    // Above 1 MiB libcurl asks with "Expect: 100-continue" unless it is told not to, and 7.88 signs what it was told.
    comfy.set_file("output//out_1.png", std::string(3 << 20, 'x'));
    S3Double server;
    const Json outcome = this->outcome(settings(server), "large");
    ASSERT_EQ(outcome["type"], "result") << outcome << testing::PrintToString(server.refusals());
    EXPECT_THAT(server.refusals(), IsEmpty());
}

TEST_F(ComfyUiS3, OnlyHeadersThatAreSentAreSigned) {
    S3Double server;
    ASSERT_EQ(outcome(settings(server), "job")["type"], "result");
    ASSERT_EQ(server.requests().size(), 1u);
    EXPECT_THAT(server.requests()[0].headers.at("authorization"), testing::Not(HasSubstr("expect")));
}

TEST_F(ComfyUiS3, ABucketThatIsNotThereFailsTheJobWithTheReason) {
    S3Double server;
    Json missing = settings(server);
    missing["s3_bucket"] = "nothing-here";
    const Json outcome = this->outcome(missing, "job");
    ASSERT_EQ(outcome["type"], "failed") << outcome;
    EXPECT_EQ(outcome["error"]["code"], "comfyui.delivery_failed");
    EXPECT_THAT(outcome["error"]["message"].get<std::string>(), HasSubstr("NoSuchBucket"));
}

TEST_F(ComfyUiS3, AWrongSecretFailsTheJobWithTheReason) {
    S3Double server;
    const Json outcome = this->outcome(settings(server, "wrong"), "job");
    ASSERT_EQ(outcome["type"], "failed") << outcome;
    EXPECT_THAT(outcome["error"]["message"].get<std::string>(), HasSubstr("SignatureDoesNotMatch"));
}

TEST_F(ComfyUiS3, ASessionTokenAndOddCharactersAreSignedAsTheyAreSent) {
    S3Options options;
    options.region = "eu-west-1";
    S3Double server(options);
    Json settings = this->settings(server);
    settings.erase("s3_key_template");
    settings["s3_region"] = "eu-west-1";
    settings["s3_session_token"] = "session";
    const Json outcome = this->outcome(settings, "job 1+(x)");
    ASSERT_EQ(outcome["type"], "result") << outcome << testing::PrintToString(server.refusals());
    ASSERT_EQ(server.requests().size(), 1u);
    const SignedRequest put = server.requests()[0];
    EXPECT_EQ(put.target, "/results/job%201%2B%28x%29/2/out_1.png");
    EXPECT_THAT(put.headers.at("authorization"), HasSubstr("x-amz-security-token"));
    EXPECT_EQ(put.headers.at("x-amz-content-sha256"), sha256_hex(put.body));
}

/// The example of "Authenticating Requests (AWS Signature Version 4)", GET Object, of Amazon's S3 API reference.
TEST(AwsSignature, AcceptsTheExampleOfTheReferenceAndNothingElse) {
    const SignedRequest example{
        "GET",
        "/test.txt",
        {{"host", "examplebucket.s3.amazonaws.com"},
         {"range", "bytes=0-9"},
         {"x-amz-content-sha256", sha256_hex("")},
         {"x-amz-date", "20130524T000000Z"},
         {"authorization",
          "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
          "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
          "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"}},
        ""};
    const auto error = [](const SignedRequest& request) {
        return signature_error(request, "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                               "us-east-1");
    };
    EXPECT_EQ(error(example), "");
    SignedRequest changed = example;
    changed.headers["range"] = "bytes=0-8";
    EXPECT_THAT(error(changed), HasSubstr("does not match"));
    changed = example;
    changed.headers.erase("range");
    EXPECT_THAT(error(changed), HasSubstr("header range is signed and was not sent"));
    changed = example;
    changed.headers["x-amz-acl"] = "public-read";
    EXPECT_THAT(error(changed), HasSubstr("header x-amz-acl is not signed"));
}

}  // namespace
}  // namespace emprops::test
