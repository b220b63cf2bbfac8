// The store `s3` at a server that checks signatures as MinIO does (tests/support/s3_double.h), and that server's own check.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

#include "connectors/stores/http/client.h"
#include "connectors/stores/kinds/s3.h"
#include "connectors/stores/sign/aws.h"
#include "ipc/unique_fd.h"
#include "ipc/web/digest.h"
#include "tests/support/s3_double.h"
#include "tests/support/temp_dir.h"

namespace emprops::stores {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

struct S3Store : testing::Test {
    S3Store() {
        settings.bucket = "results";
        settings.key = "{job_id}/{node}/{filename}";
        settings.access_key = "AK";
        settings.secret_key = "secret";
    }
    Outcome bring(const test::S3Double& server, const std::string& bytes = "bytes") {
        folder.write_file("file", bytes);
        const UniqueFd file(::open((folder / "file").c_str(), O_RDONLY | O_CLOEXEC));
        settings.endpoint = server.endpoint();
        Cargo cargo;
        cargo.descriptor = file.get();
        cargo.size = bytes.size();
        cargo.sha256 = sha256_hex(bytes);
        cargo.name = "out_1.png";
        cargo.mime_type = "image/png";
        cargo.values = {
            {"job_id", "job 1+(x)"}, {"node", "2"}, {"filename", "out_1.png"}, {"sha256", cargo.sha256}};
        cargo.owner = "file";
        const Road road{http, [] { return false; }, {}};
        return make_s3(settings, {"results", "endpoint", "access_key"}, road)->bring(cargo);
    }
    std::string refusal(const test::S3Double& server) {
        const auto outcome = bring(server);
        const auto* setback = std::get_if<Setback>(&outcome);
        EXPECT_TRUE(setback != nullptr && !setback->passing);
        return setback == nullptr ? "" : setback->message;
    }
    S3Settings settings;
    HttpClient http;
    test::TempDir folder;
};

TEST_F(S3Store, ItsLinkIsOneThatWhoeverHasTheKeysCanOpen) {
    const std::string picture("bytes\0of a picture", 18);
    test::S3Double server;
    const auto outcome = bring(server, picture);
    ASSERT_TRUE(std::holds_alternative<Placed>(outcome)) << testing::PrintToString(server.refusals());
    const std::string target = "/results/job%201%2B%28x%29/2/out_1.png";
    const std::string url = std::get<Placed>(outcome).entry.at("url");
    EXPECT_EQ(url, server.endpoint() + target);
    HttpRequest get;
    get.url = url;
    const std::string moment = aws_moment(std::chrono::system_clock::now());
    get.headers = {{"host", server.endpoint().substr(7)},
                   {"x-amz-content-sha256", sha256_hex("")},
                   {"x-amz-date", moment}};
    get.headers["authorization"] = aws_authorization({"GET", target, {}, get.headers, sha256_hex("")},
                                                     {"AK", "secret"}, "us-east-1", moment);
    const auto answer = http.send(get);
    ASSERT_TRUE(std::holds_alternative<HttpResponse>(answer));
    EXPECT_EQ(std::get<HttpResponse>(answer).body, picture);
}

TEST_F(S3Store, AFileOfMegabytesIsAcceptedAndOnlyHeadersThatAreSentAreSigned) {
    // Above 1 MiB libcurl asks with "Expect: 100-continue" unless it is told not to, and 7.88 signs what it was told.
    test::S3Double server;
    EXPECT_TRUE(std::holds_alternative<Placed>(bring(server, std::string(3 << 20, 'x'))));
    EXPECT_THAT(server.refusals(), IsEmpty());
    ASSERT_THAT(server.requests(), SizeIs(1));
    EXPECT_THAT(server.requests()[0].headers.at("authorization"), Not(HasSubstr("expect")));
}

TEST_F(S3Store, ASessionTokenAndOddCharactersAreSignedAsTheyAreSent) {
    test::S3Options options;
    options.region = "eu-west-1";
    test::S3Double server(options);
    settings.region = "eu-west-1";
    settings.session_token = "session";
    EXPECT_TRUE(std::holds_alternative<Placed>(bring(server)));
    EXPECT_THAT(server.refusals(), IsEmpty());
    ASSERT_THAT(server.requests(), SizeIs(1));
    const test::SignedRequest put = server.requests()[0];
    EXPECT_THAT(put.headers.at("authorization"), HasSubstr("x-amz-security-token"));
    EXPECT_EQ(put.headers.at("x-amz-content-sha256"), sha256_hex(put.body));
}

TEST_F(S3Store, AWrongBucketOrSecretIsFinalAndSaysWhy) {
    test::S3Double server;
    settings.bucket = "nothing-here";
    EXPECT_THAT(refusal(server), HasSubstr("NoSuchBucket"));
    settings.bucket = "results";
    settings.secret_key = "wrong";
    EXPECT_THAT(refusal(server), HasSubstr("SignatureDoesNotMatch"));
}

/// The example of "Authenticating Requests (AWS Signature Version 4)", GET Object, of Amazon's S3 API reference.
TEST(AwsSignature, AcceptsTheExampleOfTheReferenceAndNothingElse) {
    const test::SignedRequest example{
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
    const auto error = [](const test::SignedRequest& request) {
        return test::signature_error(request, "AKIAIOSFODNN7EXAMPLE",
                                     "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1");
    };
    EXPECT_EQ(error(example), "");
    test::SignedRequest changed = example;
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
}  // namespace emprops::stores
