// Stores against servers that misbehave, in this process: uploads in parts with small limits, answers that get lost,
// servers that stall, cut and lie.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>

#include "connectors/stores/cargo/descriptor.h"
#include "connectors/stores/kinds/azure.h"
#include "connectors/stores/kinds/http_put.h"
#include "connectors/stores/kinds/s3.h"
#include "ipc/web/digest.h"
#include "tests/support/free_ports.h"
#include "tests/support/s3_double.h"
#include "tests/support/temp_dir.h"

namespace emprops::test {
namespace {

using namespace stores;
using testing::AllOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using Kind = S3Fault::Kind;

struct StoresTest : testing::Test {
    StoresTest() { load("0123456789abcdef-0123456789"); }

    void load(const std::string& text) {
        content = text;
        folder.write_file("file", text);
        file = Descriptor(::open((folder / "file").c_str(), O_RDONLY | O_CLOEXEC));
        cargo.descriptor = file.get();
        cargo.size = text.size();
        cargo.sha256 = sha256_hex(text);
        cargo.name = "a b.png";
        cargo.mime_type = "image/png";
        cargo.values = {{"job_id", "job 1+\u00e4"}, {"filename", "a b.png"}, {"sha256", cargo.sha256}};
        cargo.owner = "file";
    }
    Road road(bool repeat = false) {
        return {http, [this] { return cancelled.load(); }, [this](std::uint64_t bytes) { moved = bytes; },
                repeat};
    }
    S3Settings settings() const {
        S3Settings s3;
        s3.endpoint = server.endpoint();
        s3.bucket = "results";
        s3.access_key = "AK";
        s3.secret_key = "secret";
        s3.timeout = Ms{1000};
        return s3;
    }
    /// Above 10 bytes in parts of 8.
    std::unique_ptr<Store> s3(bool repeat = false) {
        return make_s3(settings(), words, road(repeat), {10, 8, 1000});
    }
    /// One request, whatever the size.
    std::unique_ptr<Store> single() { return make_s3(settings(), words, road()); }
    std::unique_ptr<Store> put() {
        HttpPutSettings settings;
        settings.url = server.endpoint() + "/in/{key}?sig=hush";
        settings.timeout = Ms{1000};
        return make_http_put(settings, words, road());
    }
    void expect_stored() {
        const auto object = server.object(target);
        ASSERT_TRUE(object) << testing::PrintToString(server.object_names());
        EXPECT_EQ(object->body, content);
        EXPECT_EQ(object->content_type, "image/png");
        EXPECT_THAT(server.refusals(), IsEmpty());
        EXPECT_THAT(server.open_uploads(), IsEmpty());
        EXPECT_THAT(server.object_names(), SizeIs(1));
    }
    std::vector<std::string> sent() const {
        std::vector<std::string> out;
        for (const SignedRequest& request : server.requests())
            out.push_back(request.method + " " + request.query.substr(0, request.query.find('=')));
        return out;
    }

    const std::string target = "/results/job%201%2B%C3%A4/a%20b.png";
    const Words words{"results", "endpoint", "access_key"};
    S3Double server;
    HttpClient http;
    TempDir folder;
    Descriptor file;
    Cargo cargo;
    std::string content;
    std::atomic<bool> cancelled{false};
    std::uint64_t moved = 0;
};

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

TEST_F(StoresTest, ALostAnswerToOneRequestIsSettledByALookAndALieToo) {
    for (const Kind kind : {Kind::lost, Kind::lie}) {
        server.fail({"PUT", "", kind});
        EXPECT_TRUE(std::holds_alternative<Placed>(single()->bring(cargo)));
        EXPECT_EQ(sent().back(), "HEAD ");
        expect_stored();
    }
    server.fail({"PUT", "", Kind::cut});
    load("not there yet");
    EXPECT_TRUE(std::get<Setback>(single()->bring(cargo)).passing);
}

TEST_F(StoresTest, AServerThatStallsIsLeftAfterTheTimeThatIsSet) {
    server.fail({"PUT", "", Kind::stall});
    server.fail({"HEAD", "", Kind::cut});
    const auto began = std::chrono::steady_clock::now();
    const auto setback = std::get<Setback>(single()->bring(cargo));
    EXPECT_TRUE(setback.passing);
    EXPECT_THAT(setback.message, HasSubstr("not a byte came or went for 1 s"));
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

TEST_F(StoresTest, ACancelEndsAStall) {
    server.fail({"PUT", "", Kind::stall});
    S3Settings patient = settings();
    patient.timeout = Ms{60'000};
    const auto store = make_s3(patient, words, road());
    std::thread later([this] {
        std::this_thread::sleep_for(Ms{200});
        cancelled = true;
    });
    const auto began = std::chrono::steady_clock::now();
    EXPECT_THAT(std::get<Setback>(store->bring(cargo)).message, HasSubstr("cancelled"));
    later.join();
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

TEST_F(StoresTest, AnswersArePassingOrFinal) {
    const struct {
        unsigned status;
        const char* body;
        bool passing;
        Trouble trouble;
        const char* says;
    } list[] = {
        {403, "<Error><Code>SignatureDoesNotMatch</Code></Error>", false, Trouble::access,
         "check access_key"},
        {403, "<Error><Code>RequestTimeTooSkewed</Code></Error>", false, Trouble::access, "set the clock"},
        {403, "<Error><Code>ExpiredToken</Code></Error>", false, Trouble::access, "ExpiredToken"},
        {401, "", false, Trouble::access, "check access_key"},
        {404, "<Error><Code>NoSuchBucket</Code></Error>", false, Trouble::store, "NoSuchBucket"},
        {413, "", false, Trouble::too_large, "its limit"},
        {301, "", false, Trouble::store, "set endpoint"},
        {408, "", true, Trouble::store, "408"},
        {429, "", true, Trouble::store, "429"},
        {501, "", false, Trouble::store, "501"},
        {500, "", true, Trouble::store, "500"},
        {503, "<Error><Code>SlowDown</Code></Error>", true, Trouble::store, "SlowDown"},
        {400, "<Error><Code>RequestTimeout</Code><Message>idle</Message></Error>", true, Trouble::store,
         "idle"},
    };
    for (const auto& each : list) {
        server.fail({"PUT", "", Kind::early, each.status, each.body});
        const auto setback = std::get<Setback>(single()->bring(cargo));
        EXPECT_EQ(setback.passing, each.passing) << each.status << each.body;
        EXPECT_EQ(setback.trouble, each.trouble) << each.status << each.body;
        EXPECT_THAT(setback.message, AllOf(HasSubstr(each.says), HasSubstr("\"a b.png\" by results")));
    }
    S3Settings nobody = settings();
    nobody.endpoint = "http://127.0.0.1:" + std::to_string(free_ports());
    EXPECT_TRUE(std::get<Setback>(make_s3(nobody, words, road())->bring(cargo)).passing);
}

TEST_F(StoresTest, ARefusalIsReadBeforeTheWholeFileWasSent) {
    load(std::string(20 << 20, 'x'));
    server.fail({"PUT", "", Kind::early, 403, "<Error><Code>AccessDenied</Code></Error>"});
    const auto setback = std::get<Setback>(single()->bring(cargo));
    EXPECT_EQ(setback.trouble, Trouble::access) << setback.message;
}

TEST_F(StoresTest, AFileThatBecameShorterIsSaidToBeThat) {
    cargo.size += 100;
    for (const auto& store : {single(), s3()}) {
        const auto setback = std::get<Setback>(store->bring(cargo));
        EXPECT_FALSE(setback.passing);
        EXPECT_THAT(setback.message, HasSubstr("shorter"));
    }
    EXPECT_THAT(server.object_names(), IsEmpty());
}

TEST_F(StoresTest, TheHostsNameHasTheBucketWhereItIsWanted) {
    S3Settings named = settings();
    named.path_style = false;
    named.bucket = "localhost";
    named.endpoint = "http://localhost:" + server.endpoint().substr(server.endpoint().rfind(':') + 1);
    std::get<Setback>(make_s3(named, words, road())->bring(cargo));
    ASSERT_THAT(server.requests(), SizeIs(1));
    EXPECT_THAT(server.requests()[0].headers.at("host"), testing::StartsWith("localhost.localhost:"));
    EXPECT_EQ(server.requests()[0].target, "/job%201%2B%C3%A4/a%20b.png");
    EXPECT_THAT(server.refusals(), IsEmpty()) << "the signature is right; only the bucket is another one";
}

struct AzureTest : StoresTest {
    AzureTest() {
        S3Options options;
        options.check_signatures = false;
        any = std::make_unique<S3Double>(options);
        settings.account = "acc";
        settings.container = "c";
        settings.account_key = "aHVzaA==";
        settings.endpoint = any->endpoint() + "/acc";
        settings.timeout = Ms{1000};
        load("0123456789abcdef");
    }
    std::unique_ptr<Store> azure() { return make_azure(settings, words, road(), {10, 7, 100}); }
    std::vector<std::string> queries() const {
        std::vector<std::string> out;
        for (const SignedRequest& request : any->requests())
            out.push_back(request.query);
        return out;
    }
    const std::string blob = "/acc/c/job%201%2B%C3%A4/a%20b.png";
    std::unique_ptr<S3Double> any;
    AzureSettings settings;
};

TEST_F(AzureTest, ASmallFileIsOneRequestAndALostAnswerIsSettledByALook) {
    load("small");
    any->fail({"PUT", "", Kind::lost});
    EXPECT_EQ(std::get<Placed>(azure()->bring(cargo)).entry,
              Json({{"container", "c"}, {"key", "job 1+\u00e4/a b.png"}, {"url", any->endpoint() + blob}}));
    ASSERT_THAT(any->requests(), SizeIs(2));
    const SignedRequest put = any->requests()[0];
    EXPECT_EQ(put.headers.at("x-ms-blob-type"), "BlockBlob");
    EXPECT_EQ(put.headers.at("x-ms-meta-sha256"), cargo.sha256);
    EXPECT_THAT(put.headers.at("authorization"), testing::StartsWith("SharedKey acc:"));
    EXPECT_EQ(any->object(blob)->body, "small");
}

TEST_F(AzureTest, ALargeFileGoesInBlocksAndTheNextTryGoesOn) {
    any->fail({"PUT", "MDAwMDAwMDE", Kind::answer, 503, "<Error><Code>ServerBusy</Code></Error>"});
    const auto store = azure();
    EXPECT_TRUE(std::get<Setback>(store->bring(cargo)).passing);
    EXPECT_TRUE(std::holds_alternative<Placed>(store->bring(cargo)));
    EXPECT_THAT(queries(),
                ElementsAre("comp=block&blockid=MDAwMDAwMDA%3D", "comp=block&blockid=MDAwMDAwMDE%3D",
                            "comp=block&blockid=MDAwMDAwMDE%3D", "comp=block&blockid=MDAwMDAwMDI%3D",
                            "comp=blocklist"));
    EXPECT_EQ(any->requests()[3].body, "ef");
    const SignedRequest list = any->requests()[4];
    EXPECT_THAT(list.body, HasSubstr("<Latest>MDAwMDAwMDA=</Latest><Latest>MDAwMDAwMDE=</Latest>"
                                     "<Latest>MDAwMDAwMDI=</Latest></BlockList>"));
    EXPECT_EQ(list.headers.at("x-ms-blob-content-type"), "image/png");
}

TEST_F(AzureTest, BlocksThatAreGoneAreBroughtAgain) {
    any->fail({"PUT", "blocklist", Kind::answer, 400, "<Error><Code>InvalidBlockList</Code></Error>"});
    const auto store = azure();
    EXPECT_TRUE(std::get<Setback>(store->bring(cargo)).passing);
    EXPECT_TRUE(std::holds_alternative<Placed>(store->bring(cargo)));
    EXPECT_THAT(queries(), SizeIs(8));
}

TEST_F(AzureTest, ASharedAccessSignatureTakesThePlaceOfTheKeyAndIsToldToNobody) {
    load("small");
    settings.sas = "?sv=2021&sig=hu%2Fsh";
    const auto placed = std::get<Placed>(azure()->bring(cargo));
    EXPECT_THAT(placed.entry.dump(), Not(HasSubstr("sig")));
    EXPECT_THAT(queries(), ElementsAre("sv=2021&sig=hu%2Fsh"));
    EXPECT_EQ(any->requests()[0].headers.count("authorization"), 0u);
    any->fail(
        {"PUT", "", Kind::answer, 403,
         "\xEF\xBB\xBF<Error><Code>AuthenticationFailed</Code><Message>no\nRequestId:1</Message></Error>"});
    const auto setback = std::get<Setback>(azure()->bring(cargo));
    EXPECT_EQ(setback.trouble, Trouble::access);
    EXPECT_THAT(setback.message,
                AllOf(HasSubstr("AuthenticationFailed: no, RequestId:1"), Not(HasSubstr("hu"))));
}

struct PutTest : StoresTest {
    PutTest() {
        S3Options options;
        options.check_signatures = false;
        any = std::make_unique<S3Double>(options);
        settings.url = any->endpoint() + "/in/{key}?sig=hush";
        settings.timeout = Ms{1000};
    }
    Outcome bring() { return make_http_put(settings, words, road())->bring(cargo); }
    std::unique_ptr<S3Double> any;
    HttpPutSettings settings;
};

TEST_F(PutTest, TheFileGoesToItsAddressAndNobodyIsToldTheQuery) {
    settings.headers = {{"X-Key", "k"}, {"content-TYPE", "image/x-own"}};
    settings.headers_file = folder.write_file("headers", "Authorization: Bearer hush\n").string();
    EXPECT_EQ(std::get<Placed>(bring()).entry,
              Json({{"url", any->endpoint() + "/in/job%201%2B%C3%A4/a%20b.png"}}));
    ASSERT_THAT(any->requests(), SizeIs(1));
    const SignedRequest request = any->requests()[0];
    EXPECT_EQ(request.query, "sig=hush");
    EXPECT_EQ(request.body, content);
    EXPECT_EQ(request.headers.at("x-key"), "k");
    EXPECT_EQ(request.headers.at("authorization"), "Bearer hush");
    EXPECT_EQ(request.headers.at("content-type"), "image/x-own") << "the operator's word";
    settings.public_url = "https://cdn.example/x";
    EXPECT_EQ(std::get<Placed>(bring()).entry["url"], "https://cdn.example/x/job%201%2B%C3%A4/a%20b.png");
    any->fail({"PUT", "", Kind::answer, 403, "no"});
    EXPECT_THAT(std::get<Setback>(bring()).message, AllOf(HasSubstr("403"), Not(HasSubstr("hush"))));
}

TEST_F(PutTest, AnEmptyFileIsAFileToo) {
    load("");
    EXPECT_TRUE(std::holds_alternative<Placed>(bring()));
    EXPECT_EQ(any->requests()[0].headers.at("content-length"), "0");
}

}  // namespace
}  // namespace emprops::test
