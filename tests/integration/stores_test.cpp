// Stores against servers that misbehave, in this process: answers that get lost, servers that stall, cut, trickle and lie.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "connectors/stores/kinds/azure.h"
#include "tests/support/free_ports.h"
#include "tests/support/stores_fixture.h"

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
    EXPECT_THAT(setback.message, HasSubstr("less than 1 KiB a second came or went for 1 s"));
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(10));
}

TEST_F(StoresTest, AServerThatSaysAByteNowAndThenIsLeftAsWell) {
    server.fail({"PUT", "", Kind::trickle});
    server.fail({"HEAD", "", Kind::cut});
    const auto setback = std::get<Setback>(single()->bring(cargo));
    EXPECT_TRUE(setback.passing);
    EXPECT_THAT(setback.message, HasSubstr("less than 1 KiB a second came or went for 1 s"));
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
