// Files that jobs send to places of their own choice, in this process: stores in which nothing of others is replaced, and
// URLs that lead only where they may.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "connectors/stores/kinds/azure.h"
#include "connectors/stores/kinds/put.h"
#include "connectors/stores/kinds/s3.h"
#include "connectors/stores/kinds/s3_bucket.h"
#include "ipc/unique_fd.h"
#include "ipc/web/digest.h"
#include "tests/support/s3_double.h"
#include "tests/support/temp_dir.h"

namespace emprops::test {
namespace {

using namespace stores;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Kind = S3Fault::Kind;
using Condition = S3Options::Condition;

struct Shipment {
    Shipment() {
        folder.write_file("file", content);
        file = UniqueFd(::open((folder / "file").c_str(), O_RDONLY | O_CLOEXEC));
        cargo.descriptor = file.get();
        cargo.size = content.size();
        cargo.sha256 = sha256_hex(content);
        cargo.name = "a.png";
        cargo.mime_type = "image/png";
        cargo.values = {{"job_id", "j"}, {"filename", "a.png"}, {"index", "0"}};
        cargo.owner = "file";
    }
    Road road(const std::string& claim = "ours") {
        return {http, [this] { return cancelled.load(); }, {}, false, {}, claim};
    }
    const std::string content = "0123456789abcdef";
    HttpClient http;
    TempDir folder;
    UniqueFd file;
    Cargo cargo;
    std::atomic<bool> cancelled{false};
    const Words words{"results", "endpoint", "access_key"};
};

// ---- stores that jobs name

/// "s3", "s3 in parts" and "azure": what holds for one, holds for all.
struct Claimed : testing::TestWithParam<const char*>, Shipment {
    explicit Claimed(Condition condition = Condition::honoured) : server(options_of(condition)) {}

    static S3Options options_of(Condition condition) {
        S3Options options;
        options.check_signatures = std::string(GetParam()) != "azure";
        options.condition = condition;
        return options;
    }
    std::unique_ptr<Store> store(const std::string& claim = "ours") {
        if (std::string(GetParam()) == "azure") {
            AzureSettings azure;
            azure.account = "acc";
            azure.container = "results";
            azure.account_key = "c2VjcmV0";
            azure.endpoint = server.endpoint();
            azure.key = key;
            azure.timeout = Ms{1000};
            return make_azure(azure, words, road(claim));
        }
        S3Settings s3;
        s3.endpoint = endpoint();
        s3.bucket = "results";
        s3.access_key = "AK";
        s3.secret_key = "secret";
        s3.timeout = Ms{1000};
        s3.key = key;
        const bool parts = std::string(GetParam()) == "s3 in parts";
        return make_s3(s3, words, road(claim), parts ? S3Limits{10, 8, 1000} : S3Limits());
    }
    virtual std::string endpoint() const { return server.endpoint(); }
    bool in_parts() const { return std::string(GetParam()) == "s3 in parts"; }
    const char* method() const { return in_parts() ? "POST" : "PUT"; }
    const char* last_request() const { return in_parts() ? "uploadId" : ""; }
    std::string note(const std::string& what) const {
        return std::string(GetParam()) == "azure" ? "x-ms-meta-" + what + (what == "emprops" ? "_job" : "")
                                                  : "x-amz-meta-" + what + (what == "emprops" ? "-job" : "");
    }
    void there_is(const std::string& body, const std::string& owner) {
        server.store(target, {body, "image/png", sha256_hex(body), {{note("emprops"), owner}}});
    }
    std::size_t bodies_sent() const {
        std::size_t count = 0;
        for (const auto& request : server.requests())
            count += !request.body.empty() && request.method == "PUT" ? 1 : 0;
        return count;
    }

    const std::string key = "renders/a.png", target = "/results/renders/a.png";
    S3Double server;
};
struct ClaimedIgnored : Claimed {
    ClaimedIgnored() : Claimed(Condition::ignored) {}
};
struct ClaimedUnknown : Claimed {
    ClaimedUnknown() : Claimed(Condition::unknown) {}
};

TEST_P(Claimed, WhatIsNobodysIsMadeOnConditionAndWithAName) {
    ASSERT_TRUE(std::holds_alternative<Placed>(store()->bring(cargo)));
    EXPECT_EQ(server.object(target)->body, content);
    EXPECT_EQ(server.object(target)->notes.at(note("emprops")), "ours");
    EXPECT_EQ(server.requests().back().headers.at("if-none-match"), "*");
    EXPECT_THAT(server.refusals(), IsEmpty());
    EXPECT_THAT(server.open_uploads(), IsEmpty());
}

TEST_P(Claimed, WhatIsSomebodyElsesStaysAndTheSentenceSaysSo) {
    for (const char* owner : {"theirs", ""}) {
        there_is("theirs", owner);
        const auto one = store();
        const auto setback = std::get<Setback>(one->bring(cargo));
        EXPECT_FALSE(setback.passing);
        EXPECT_THAT(
            setback.message,
            AllOf(HasSubstr("results/renders/a.png: another job's or somebody else's object has this key"),
                  HasSubstr("choose another prefix")));
        EXPECT_EQ(server.object(target)->body, "theirs");
        EXPECT_EQ(bodies_sent(), 0u) << "found before the first byte";
    }
}

TEST_P(Claimed, OursOfAnEarlierRunIsReplaced) {
    there_is("of the first run", "ours");
    ASSERT_TRUE(std::holds_alternative<Placed>(store()->bring(cargo)));
    EXPECT_EQ(server.object(target)->body, content);
    EXPECT_THAT(server.open_uploads(), IsEmpty());
}

TEST_P(Claimed, TheVeryFileIsThereAlreadyAndNotSentAgain) {
    there_is(content, "ours");
    ASSERT_TRUE(std::holds_alternative<Placed>(store()->bring(cargo)));
    EXPECT_EQ(bodies_sent(), 0u);
    EXPECT_THAT(server.open_uploads(), IsEmpty());
}

TEST_P(Claimed, AnAnswerThatWasLostIsNoConflict) {
    server.fail({method(), last_request(), Kind::lost});
    const auto one = store();
    auto outcome = one->bring(cargo);
    if (std::holds_alternative<Setback>(outcome)) outcome = one->bring(cargo);
    EXPECT_TRUE(std::holds_alternative<Placed>(outcome));
    // A courier that died meanwhile is the same.
    EXPECT_TRUE(std::holds_alternative<Placed>(store()->bring(cargo)));
    EXPECT_EQ(server.object(target)->body, content);
}

TEST_P(Claimed, WhoeverIsFasterKeepsTheKey) {
    // Between our look and our request another job stores its file: the server's condition finds it.
    server.fail(
        {method(), last_request(), Kind::answer, 412, "<Error><Code>PreconditionFailed</Code></Error>"});
    const auto one = store();
    const auto first = std::get<Setback>(one->bring(cargo));
    EXPECT_TRUE(first.passing) << "the next look says whose it is: " << first.message;
    there_is("theirs", "theirs");
    const auto second = std::get<Setback>(one->bring(cargo));
    EXPECT_FALSE(second.passing);
    EXPECT_EQ(server.object(target)->body, "theirs");
}

TEST_P(Claimed, WhereNobodySaysWhatIsThereNothingIsWritten) {
    server.fail({"HEAD", "", Kind::answer, 403, "", 1});
    const auto setback = std::get<Setback>(store()->bring(cargo));
    EXPECT_FALSE(setback.passing);
    EXPECT_THAT(setback.message, HasSubstr("403"));
    EXPECT_THAT(server.object_names(), IsEmpty());
    server.fail({"HEAD", "", Kind::answer, 503, "", 1});
    EXPECT_TRUE(std::get<Setback>(store()->bring(cargo)).passing);
}

TEST_P(Claimed, WhereNobodySaysTheRightsThatAreMissingAreNamed) {
    server.fail({"HEAD", "", Kind::answer, 403, "", 1});
    EXPECT_THAT(std::get<Setback>(store()->bring(cargo)).message, HasSubstr("s3:ListBucket"));
}

/// Through a proxy that is the double: Amazon by its name.
struct ClaimedAtAmazon : Claimed {
    ClaimedAtAmazon() {
        ::setenv("http_proxy", server.endpoint().c_str(), 1);
        server.fail({"HEAD", "", Kind::answer, 403, "", 100});
    }
    ~ClaimedAtAmazon() override { ::unsetenv("http_proxy"); }
    std::string endpoint() const override { return "http://s3.eu-central-1.amazonaws.com"; }
};

TEST_P(ClaimedAtAmazon, WhatMayNotBeSeenIsMadeOnCondition) {
    const auto outcome = store()->bring(cargo);
    ASSERT_TRUE(std::holds_alternative<Placed>(outcome)) << std::get<Setback>(outcome).message;
    EXPECT_EQ(server.object(target)->body, content);
}

TEST_P(ClaimedAtAmazon, AndNothingIsReplacedNorAskedForAgain) {
    there_is("theirs", "theirs");
    const auto setback = std::get<Setback>(store()->bring(cargo));
    EXPECT_FALSE(setback.passing);
    EXPECT_THAT(setback.message, HasSubstr("s3:ListBucket"));
    EXPECT_EQ(server.object(target)->body, "theirs");
}

TEST_P(ClaimedAtAmazon, WithoutTheConditionNothingIsWritten) {
    for (const char* code : {"NotImplemented", "InvalidArgument"}) {
        server.fail({method(), last_request(), Kind::answer, 400,
                     "<Error><Code>" + std::string(code) + "</Code></Error>"});
        EXPECT_FALSE(std::get<Setback>(store()->bring(cargo)).passing);
        EXPECT_THAT(server.object_names(), IsEmpty());
    }
}

TEST_P(Claimed, WithoutAClaimNobodyIsAsked) {
    there_is("old", "theirs");
    ASSERT_TRUE(std::holds_alternative<Placed>(store("")->bring(cargo)));
    EXPECT_EQ(server.object(target)->body, content) << "the operator's key tells jobs apart";
    EXPECT_EQ(server.requests().back().headers.count("if-none-match"), 0u);
}

TEST_P(ClaimedIgnored, AServerThatIgnoresTheConditionIsLookedAtBefore) {
    there_is("theirs", "theirs");
    EXPECT_FALSE(std::get<Setback>(store()->bring(cargo)).passing);
    EXPECT_EQ(server.object(target)->body, "theirs");
}

TEST_P(ClaimedUnknown, AServerThatDoesNotKnowTheConditionGetsItNotAgain) {
    ASSERT_TRUE(std::holds_alternative<Placed>(store()->bring(cargo)));
    EXPECT_EQ(server.object(target)->body, content);
    EXPECT_THAT(server.open_uploads(), IsEmpty());
    there_is("theirs", "theirs");
    EXPECT_TRUE(std::holds_alternative<Setback>(store()->bring(cargo)));
    EXPECT_EQ(server.object(target)->body, "theirs");
}

TEST_P(ClaimedUnknown, OneThatCallsItAWrongArgumentEither) {
    server.fail({method(), last_request(), Kind::answer, 400, "<Error><Code>InvalidArgument</Code></Error>"});
    ASSERT_TRUE(std::holds_alternative<Placed>(store()->bring(cargo)));
    EXPECT_EQ(server.object(target)->body, content);
}

const auto kinds = testing::Values("s3", "s3 in parts", "azure");
INSTANTIATE_TEST_SUITE_P(Kinds, Claimed, kinds);
INSTANTIATE_TEST_SUITE_P(Kinds, ClaimedIgnored, kinds);
INSTANTIATE_TEST_SUITE_P(Kinds, ClaimedAtAmazon, testing::Values("s3", "s3 in parts"));
INSTANTIATE_TEST_SUITE_P(Kinds, ClaimedUnknown, testing::Values("s3", "s3 in parts"));

// ---- URLs of jobs

struct PutTest : testing::Test, Shipment {
    PutTest()
        : server([] {
              S3Options options;
              options.check_signatures = false;
              return options;
          }()) {}
    std::string port() const { return server.endpoint().substr(server.endpoint().rfind(':')); }
    std::string url(const std::string& host = "127.0.0.1") const {
        return "http://" + host + port() + "/in/a.png?X-Sig=SECRETSECRET&X-Cred=AKID%2Fsecret";
    }
    std::unique_ptr<Store> put(const std::string& to, const std::vector<std::string>& allowed,
                               std::map<std::string, std::string> headers = {}) {
        return make_put({"outputs.to[0]", to, std::move(headers)}, *web::HostList::parse(allowed), road(""));
    }
    std::string refusal(const std::string& to, const std::vector<std::string>& allowed) {
        const auto outcome = put(to, allowed)->bring(cargo);
        const auto* setback = std::get_if<Setback>(&outcome);
        if (setback == nullptr) return "";
        EXPECT_FALSE(setback->passing) << setback->message;
        EXPECT_THAT(setback->message, Not(HasSubstr("SECRET")));
        return setback->message;
    }
    S3Double server;
};

TEST_F(PutTest, TheFileIsTheBodyAndTheEntryHasNoQuery) {
    const auto placed = std::get<Placed>(
        put(url(), {"http://127.0.0.1" + port()}, {{"x-amz-acl", "private"}, {"content-type", "image/x"}})
            ->bring(cargo));
    EXPECT_EQ(placed.entry, Json({{"url", server.endpoint() + "/in/a.png"}}));
    const SignedRequest request = server.requests().at(0);
    EXPECT_EQ(request.method, "PUT");
    EXPECT_EQ(request.query, "X-Sig=SECRETSECRET&X-Cred=AKID%2Fsecret") << "as it was signed";
    EXPECT_EQ(request.body, content);
    EXPECT_EQ(request.headers.at("x-amz-acl"), "private");
    EXPECT_EQ(request.headers.at("content-type"), "image/x");
    EXPECT_EQ(request.headers.count("authorization"), 0u);
    ASSERT_TRUE(std::holds_alternative<Placed>(put(url(), {"http://127.0.0.1" + port()})->bring(cargo)));
    EXPECT_EQ(server.requests().at(1).headers.at("content-type"), "image/png");
}

TEST_F(PutTest, APrivateAddressIsRefusedByWhateverNameItComes) {
    // The name is in the list, the address behind it is not.
    for (const char* host : {"localhost", "LOCALHOST"})
        EXPECT_THAT(refusal(url(host), {"http://localhost" + port()}),
                    AllOf(HasSubstr("the address is a private or local one"), HasSubstr("stores.put_allow")))
            << host;
    EXPECT_THAT(server.requests(), IsEmpty());
    // Both are.
    EXPECT_EQ(
        refusal(url("localhost"), {"http://localhost" + port(), "127.0.0.1" + port(), "[::1]" + port()}), "");
    EXPECT_EQ(server.requests().size(), 1u);
    EXPECT_THAT(refusal(url(), {"http://127.0.0.1:1"}),
                HasSubstr("stores.put_allow does not name its server"));
}

TEST_F(PutTest, AConnectionThatIsOpenAlreadyIsNoWayAround) {
    HttpRequest get;
    get.url = server.endpoint() + "/x";
    http.send(get);
    EXPECT_THAT(refusal(url("localhost"), {"http://localhost" + port()}), HasSubstr("private or local"));
}

TEST_F(PutTest, ARedirectIsNotFollowed) {
    S3Fault away{"PUT", "", Kind::answer, 307, ""};
    away.location = server.endpoint() + "/elsewhere?token=SECRETSECRET";
    server.fail(away);
    EXPECT_THAT(refusal(url(), {"http://127.0.0.1" + port()}),
                AllOf(HasSubstr("HTTP 307"), HasSubstr("it leads to " + server.endpoint() + "/elsewhere")));
    EXPECT_EQ(server.requests().size(), 1u);
}

TEST_F(PutTest, WhatTheServerSaysOfTheQueryIsNotRepeated) {
    server.fail(
        {"PUT", "", Kind::answer, 403,
         "<Error><Code>SignatureDoesNotMatch</Code><Message>/in/a.png?X-Sig=SECRETSECRET&X-Cred=AKID%2Fsecret, or "
         "AKID/secret, or Bearer SECRET-TOKEN</Message></Error>"});
    const auto outcome =
        put(url(), {"http://127.0.0.1" + port()}, {{"Authorization", "Bearer SECRET-TOKEN"}})->bring(cargo);
    const auto& setback = std::get<Setback>(outcome);
    EXPECT_FALSE(setback.passing);
    EXPECT_THAT(setback.message, AllOf(HasSubstr("SignatureDoesNotMatch: /in/a.png?..., or ..., or ..."),
                                       HasSubstr("check outputs.to[0].put (its signature"),
                                       Not(HasSubstr("SECRET")), Not(HasSubstr("AKID"))));
}

TEST_F(PutTest, WhatPassesIsTriedAgain) {
    server.fail({"PUT", "", Kind::answer, 503, "", 1, "7"});
    const auto setback = std::get<Setback>(put(url(), {"http://127.0.0.1" + port()})->bring(cargo));
    EXPECT_TRUE(setback.passing);
    EXPECT_EQ(setback.wait, Ms{7000});
}

TEST_F(PutTest, ThroughAProxyTheNameIsLookedUpHereFirst) {
    ::setenv("http_proxy", server.endpoint().c_str(), 1);
    EXPECT_THAT(refusal(url("localhost"), {"http://localhost" + port()}), HasSubstr("private or local"));
    EXPECT_THAT(server.requests(), IsEmpty()) << "the proxy was not asked";
    // Listed by itself, or a name that only the proxy knows: it is asked.
    for (const std::string& host : {std::string("127.0.0.1"), std::string("nobody.invalid")})
        EXPECT_EQ(refusal(url(host), {"http://" + host + port()}), "") << host;
    EXPECT_EQ(server.requests().size(), 2u);
    ::unsetenv("http_proxy");
}

}  // namespace
}  // namespace emprops::test
