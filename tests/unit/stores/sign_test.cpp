// Signatures against published examples.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/stores/sign/aws.h"
#include "connectors/stores/sign/azure.h"
#include "ipc/web/digest.h"

namespace emprops::stores {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

/// "Authenticating Requests: Using the Authorization Header" of Amazon's S3 API reference, its four examples.
struct AwsExamples : testing::Test {
    std::string sign(AwsRequest request, const std::string& body = "") {
        request.payload_sha256 = sha256_hex(body);
        request.headers["host"] = "examplebucket.s3.amazonaws.com";
        request.headers["x-amz-content-sha256"] = request.payload_sha256;
        request.headers["x-amz-date"] = "20130524T000000Z";
        return aws_authorization(request,
                                 {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"},
                                 "us-east-1", "20130524T000000Z");
    }
};

TEST_F(AwsExamples, GetObject) {
    EXPECT_EQ(sign({"GET", "/test.txt", {}, {{"range", "bytes=0-9"}}}),
              "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
              "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, "
              "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41");
}

TEST_F(AwsExamples, PutObject) {
    EXPECT_THAT(
        sign({"PUT",
              "/test%24file.text",
              {},
              {{"date", "Fri, 24 May 2013 00:00:00 GMT"}, {"x-amz-storage-class", "REDUCED_REDUNDANCY"}}},
             "Welcome to Amazon S3."),
        EndsWith("Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"));
}

TEST_F(AwsExamples, GetBucketLifecycle) {
    EXPECT_THAT(sign({"GET", "/", {{"lifecycle", ""}}}),
                EndsWith("Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"));
}

TEST_F(AwsExamples, ListObjects) {
    EXPECT_THAT(sign({"GET", "/", {{"prefix", "J"}, {"max-keys", "2"}}}),
                EndsWith("Signature=34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"));
}

TEST(AwsCanonicalRequest, SortsQueriesByTheirCodedNamesAndKeepsWhatHasNoValue) {
    EXPECT_EQ(aws_query({{"uploadId", "a b+c/="}, {"uploads", ""}, {"partNumber", "10"}}),
              "partNumber=10&uploadId=a%20b%2Bc%2F%3D&uploads=");
    EXPECT_EQ(aws_query({{"a", "2"}, {"a", "10"}, {"a-b", ""}, {"B", ""}, {"\xC3\xA4", "x"}}),
              "%C3%A4=x&B=&a=10&a=2&a-b=");
}

TEST(AwsCanonicalRequest, HasValuesOfHeadersWithoutTheBlanksAroundThemAndRunsAsOne) {
    EXPECT_THAT(
        aws_canonical_request({"GET", "/", {}, {{"host", "h"}, {"x-amz-meta-a", "  a   b "}}, "hash"}),
        HasSubstr("GET\n/\n\nhost:h\nx-amz-meta-a:a b\n\nhost;x-amz-meta-a\nhash"));
}

/// "Authorize with Shared Key" of Azure's REST reference, the string to sign of Get Container Metadata.
TEST(AzureSharedKey, SignsTheStringOfTheReference) {
    const AzureRequest request{
        "GET",
        "/mycontainer",
        {{"timeout", "20"}, {"restype", "container"}, {"comp", "metadata"}},
        {{"x-ms-version", "2015-02-21"}, {"x-ms-date", "Fri, 26 Jun 2015 23:39:12 GMT"}}};
    EXPECT_EQ(azure_string_to_sign(request, "myaccount"),
              "GET\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:Fri, 26 Jun 2015 23:39:12 GMT\nx-ms-version:2015-02-21\n"
              "/myaccount/mycontainer\ncomp:metadata\nrestype:container\ntimeout:20");
}

TEST(AzureSharedKey, HasTheBodysSizeAndTypeAndTheAccountTwiceForTheEmulator) {
    const AzureRequest request{"PUT",
                               "/devstoreaccount1/c/a%20b",
                               {{"comp", "block"}, {"blockid", "MDA="}},
                               {{"content-type", "image/png"}, {"x-ms-date", "d"}},
                               11};
    EXPECT_EQ(azure_string_to_sign(request, "devstoreaccount1"),
              "PUT\n\n\n11\n\nimage/png\n\n\n\n\n\n\nx-ms-date:d\n"
              "/devstoreaccount1/devstoreaccount1/c/a%20b\nblockid:MDA=\ncomp:block");
    EXPECT_EQ(azure_authorization(request, "a", "!").error().code, "configuration");
    EXPECT_EQ(azure_moment(std::chrono::system_clock::from_time_t(1435361952)),
              "Fri, 26 Jun 2015 23:39:12 GMT");
}

}  // namespace
}  // namespace emprops::stores
