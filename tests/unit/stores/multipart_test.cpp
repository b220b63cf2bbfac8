// The texts and sizes of uploads in parts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/stores/kinds/s3_multipart.h"

namespace emprops::stores {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Multipart, PartsGrowSoThatThereAreNeverMoreThanTheServerTakes) {
    const S3Limits limits;
    EXPECT_EQ(limits.part_of(5ull << 30), 32ull << 20);
    const std::uint64_t huge = 5ull << 40;
    const std::uint64_t part = limits.part_of(huge);
    EXPECT_LE((huge + part - 1) / part, 10'000u);
    EXPECT_EQ((S3Limits{10, 3, 4}.part_of(13)), 4u);
}

TEST(Multipart, OnlyUploadsOfExactlyThisKeyAreOurs) {
    const std::string xml =
        "<R><Upload><Key>a/x.png</Key><UploadId>1</UploadId></Upload>"
        "<Upload>\n  <Key>a/x.png.bak</Key>\n  <UploadId>2</UploadId></Upload>"
        "<Upload><UploadId>3&amp;</UploadId><Key>a/x.png</Key></Upload>"
        "<Upload><Key>a/&lt;b&gt;&amp;amp;.png</Key><UploadId>4</UploadId></Upload></R>";
    EXPECT_THAT(uploads_of(xml, "a/x.png"), ElementsAre("1", "3&"));
    EXPECT_THAT(uploads_of(xml, "a/<b>&amp;.png"), ElementsAre("4"));
    EXPECT_THAT(uploads_of("<html>", "a"), IsEmpty());
    EXPECT_THAT(uploads_of("<Upload><Key>a</Key>", "a"), IsEmpty());
}

TEST(Multipart, TheCompletionNamesEachPart) {
    EXPECT_EQ(completion({"\"e1\"", "a&b"}),
              "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">"
              "<Part><PartNumber>1</PartNumber><ETag>\"e1\"</ETag></Part>"
              "<Part><PartNumber>2</PartNumber><ETag>a&amp;b</ETag></Part></CompleteMultipartUpload>");
}

}  // namespace
}  // namespace emprops::stores
