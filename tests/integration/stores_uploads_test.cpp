// Uploads in parts, with small limits, to a server that misbehaves: what is brought again, and what is taken back.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/stores_fixture.h"

namespace emprops::test {
namespace {

using namespace stores;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using Kind = S3Fault::Kind;

TEST_F(StoresTest, ALargeFileGoesInPartsWhichAStrictServerAccepts) {
    const auto store = s3();
    const auto placed = std::get<Placed>(store->bring(cargo));
    EXPECT_EQ(
        placed.entry,
        Json({{"bucket", "results"}, {"key", "job 1+\u00e4/a b.png"}, {"url", server.endpoint() + target}}));
    expect_stored();
    EXPECT_EQ(moved, content.size());
    EXPECT_THAT(sent(), ElementsAre("POST uploads", "PUT partNumber", "PUT partNumber", "PUT partNumber",
                                    "PUT partNumber", "POST uploadId"));
    for (const SignedRequest& request : server.requests())
        EXPECT_EQ(request.headers.at("x-amz-content-sha256"), sha256_hex(request.body))
            << "each part is hashed";
}

TEST_F(StoresTest, TheNextTryGoesOnWithThePartThatFailed) {
    server.fail({"PUT", "partNumber=3", Kind::answer, 503, "<Error><Code>SlowDown</Code></Error>", 1, "7"});
    const auto store = s3();
    const auto setback = std::get<Setback>(store->bring(cargo));
    EXPECT_TRUE(setback.passing);
    EXPECT_EQ(setback.wait, Ms{7000});
    EXPECT_TRUE(std::holds_alternative<Placed>(store->bring(cargo)));
    expect_stored();
    EXPECT_THAT(sent(), ElementsAre("POST uploads", "PUT partNumber", "PUT partNumber", "PUT partNumber",
                                    "PUT partNumber", "PUT partNumber", "POST uploadId"));
}

TEST_F(StoresTest, ACompletionThatSays200AndThenAnErrorIsNone) {
    server.fail(
        {"POST", "uploadId", Kind::answer, 200,
         "<?xml version=\"1.0\"?>\n   <Error><Code>InternalError</Code><Message>Again, please</Message></Error>"});
    const auto store = s3();
    const auto setback = std::get<Setback>(store->bring(cargo));
    EXPECT_TRUE(setback.passing);
    EXPECT_THAT(setback.message, HasSubstr("200 and then InternalError: Again, please"));
    EXPECT_THAT(server.object_names(), IsEmpty());
    EXPECT_TRUE(std::holds_alternative<Placed>(store->bring(cargo)));
    expect_stored();
}

TEST_F(StoresTest, ALostAnswerToTheCompletionIsSettledByALook) {
    server.fail({"POST", "uploadId", Kind::lost});
    EXPECT_TRUE(std::holds_alternative<Placed>(s3()->bring(cargo)));
    expect_stored();
    EXPECT_EQ(sent().back(), "HEAD ");
    // The same if nothing can be looked at just then: the server knows the upload no more at the next try.
    server.fail({"POST", "uploadId", Kind::lost});
    server.fail({"HEAD", "", Kind::cut});
    const auto store = s3();
    EXPECT_TRUE(std::get<Setback>(store->bring(cargo)).passing);
    EXPECT_TRUE(std::holds_alternative<Placed>(store->bring(cargo)));
    expect_stored();
}

TEST_F(StoresTest, AnObjectThatAnotherFileLeftUnderTheKeyIsNoProof) {
    ASSERT_TRUE(std::holds_alternative<Placed>(s3()->bring(cargo)));
    load(std::string(content.size(), 'z'));
    server.fail({"POST", "uploadId", Kind::cut});
    const auto store = s3();
    EXPECT_TRUE(std::get<Setback>(store->bring(cargo)).passing);
    EXPECT_TRUE(std::holds_alternative<Placed>(store->bring(cargo)));
    expect_stored();
}

TEST_F(StoresTest, WhatIsGivenUpIsAbortedAlsoWhenTheJobWasCancelled) {
    server.fail({"PUT", "partNumber=2", Kind::answer, 403, "<Error><Code>AccessDenied</Code></Error>"});
    auto store = s3();
    const auto setback = std::get<Setback>(store->bring(cargo));
    EXPECT_FALSE(setback.passing);
    EXPECT_EQ(setback.trouble, Trouble::access);
    EXPECT_THAT(setback.message, AllOf(HasSubstr("AccessDenied"), Not(HasSubstr("uploadId"))));
    EXPECT_THAT(server.open_uploads(), SizeIs(1));
    cancelled = true;
    store->give_up();
    EXPECT_THAT(server.open_uploads(), IsEmpty());
    EXPECT_THAT(server.object_names(), IsEmpty());
}

TEST_F(StoresTest, ARepeatRemovesWhatAnEarlierProcessBeganForThisKeyAndNothingElse) {
    server.begin_upload(target);
    server.begin_upload(target + ".bak");
    server.begin_upload("/results/other");
    EXPECT_TRUE(std::holds_alternative<Placed>(s3(true)->bring(cargo)));
    EXPECT_THAT(server.open_uploads(), testing::UnorderedElementsAre(target + ".bak", "/results/other"));
    EXPECT_THAT(server.refusals(), IsEmpty());
}

TEST_F(StoresTest, AnUploadWhoseIdWasLostIsFoundAgainAndRemoved) {
    server.fail({"POST", "uploads", Kind::lost});
    const auto store = s3();
    EXPECT_TRUE(std::get<Setback>(store->bring(cargo)).passing);
    EXPECT_THAT(server.open_uploads(), SizeIs(1));
    EXPECT_TRUE(std::holds_alternative<Placed>(store->bring(cargo)));
    expect_stored();
}

TEST_F(StoresTest, AnUploadThatTheServerForgotIsBegunAnew) {
    server.fail({"PUT", "partNumber=3", Kind::answer, 404, "<Error><Code>NoSuchUpload</Code></Error>"});
    const auto store = s3();
    EXPECT_TRUE(std::get<Setback>(store->bring(cargo)).passing);
    EXPECT_TRUE(std::holds_alternative<Placed>(store->bring(cargo)));
    EXPECT_EQ(server.object(target)->body, content);
}

TEST_F(StoresTest, AnUploadIsToldOfBeforeItsFirstByteAndTakenBackByThat) {
    server.fail({"PUT", "partNumber=2", Kind::answer, 403, "<Error><Code>AccessDenied</Code></Error>"});
    auto dead = s3();
    std::get<Setback>(dead->bring(cargo));
    EXPECT_EQ(begun["key"], "job 1+\u00e4/a b.png");
    EXPECT_EQ(requests_before_begun, 1u) << "the one that began it";
    ASSERT_THAT(server.open_uploads(), SizeIs(1));
    server.begin_upload("/results/other");
    EXPECT_TRUE(s3()->take_back(begun));
    EXPECT_THAT(server.open_uploads(), ElementsAre("/results/other")) << "nobody had to list anything";
    for (const SignedRequest& request : server.requests())
        EXPECT_NE(request.method, "GET");
    EXPECT_TRUE(s3()->take_back(begun)) << "it is gone already";
}

TEST_F(StoresTest, WhatCannotBeTakenBackIsSaidSo) {
    const Json told{{"key", "k"}, {"upload_id", "1"}};
    server.fail({"DELETE", "", Kind::answer, 403, "<Error><Code>AccessDenied</Code></Error>"});
    EXPECT_FALSE(s3()->take_back(told));
    server.fail({"DELETE", "", Kind::cut});
    EXPECT_FALSE(s3()->take_back(told));
    for (const Json& odd : {Json(), Json("x"), Json{{"key", "k"}}, Json{{"key", 1}, {"upload_id", "1"}}})
        EXPECT_FALSE(s3()->take_back(odd)) << odd;
    EXPECT_FALSE(put()->take_back(told)) << "a kind that never leaves anything";
}

}  // namespace
}  // namespace emprops::test
