// Stores as jobs may use them: settings, keys, addresses, and sentences without a URL's secrets.

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

#include "connectors/stores/http/address.h"
#include "connectors/stores/http/proxied.h"
#include "connectors/stores/kinds/put.h"
#include "connectors/stores/names/key_template.h"
#include "connectors/stores/settings/catalog.h"
#include "emprops/settings.h"

namespace emprops::stores {
namespace {

using testing::HasSubstr;

Json s3_table(Json more = Json::object()) {
    Json table{
        {"type", "s3"}, {"endpoint", "https://h"}, {"bucket", "b"}, {"access_key", "a"}, {"secret_key", "s"}};
    table.update(more);
    return table;
}
std::string why_not(const Json& stores) {
    try {
        Catalog::read(stores);
    } catch (const ConfigurationError& error) {
        return error.what();
    }
    return "";
}

TEST(JobPlaces, SettingsThatCannotBeAreNamed) {
    EXPECT_EQ(
        why_not({{"a", s3_table({{"jobs", true}, {"jobs_prefix", "x/{connector}"}, {"ctx", {"azure:b"}}})}}),
        "");
    EXPECT_EQ(why_not({{"put_allow", {"a.org", "*.b.org"}}}), "");
    EXPECT_THAT(why_not({{"put_allow", {"a.org/x"}}}), HasSubstr("stores.put_allow: \"a.org/x\" is no host"));
    EXPECT_THAT(why_not({{"put_allow", "a.org"}}), HasSubstr("stores.put_allow must be a list"));
    EXPECT_THAT(why_not({{"a", s3_table({{"jobs_prefix", "x/../y"}})}}),
                HasSubstr("stores.a.jobs_prefix must be a path"));
    EXPECT_THAT(why_not({{"a", s3_table({{"jobs_prefix", "/x"}})}}),
                HasSubstr("stores.a.jobs_prefix must be a path"));
    EXPECT_THAT(why_not({{"a", s3_table({{"jobs_prefix", "{jobid}"}})}}),
                HasSubstr("did you mean {job_id}?"));
    EXPECT_THAT(why_not({{"a", s3_table({{"ctx", {"azure:b"}}})}}), HasSubstr("set jobs = true as well"));
    EXPECT_THAT(why_not({{"a", s3_table({{"jobs", true}, {"ctx", {"azure"}}})}}),
                HasSubstr("write provider:bucket"));
    EXPECT_THAT(why_not({{"a", {{"type", "http_put"}, {"url", "https://h/"}, {"jobs", true}}}}),
                HasSubstr("stores.a.jobs is for s3, azure and directory"));
    EXPECT_THAT(why_not({{"a", {{"type", "reference"}, {"jobs", true}}}}), HasSubstr("jobs"));
}

TEST(JobPlaces, AJobsKeyIsBelowTheOperatorsPrefixAndItsOwn) {
    const auto key = [](const std::string& jobs_prefix, std::optional<std::string> prefix) {
        S3Settings settings;
        settings.jobs_prefix = jobs_prefix;
        const AnyStore store = of_job(settings, prefix, "");
        return key_of(std::get<S3Settings>(store).key,
                      {{"job_id", "j"}, {"filename", "a.png"}, {"connector", "../c"}});
    };
    EXPECT_EQ(key("", "x/y"), "x/y/a.png");
    EXPECT_EQ(key("jobs/{connector}", "x/y"), "jobs/.._c/x/y/a.png");
    EXPECT_EQ(key("jobs", ""), "jobs/a.png");
    EXPECT_EQ(key("", ""), "a.png");
    EXPECT_EQ(key("jobs", {}), "jobs/j/a.png") << "without a prefix the store's own key";
    EXPECT_EQ(key("", {}), "j/a.png");
    EXPECT_EQ(std::get<S3Settings>(of_job(S3Settings(), "x", "https://cdn")).public_url, "https://cdn");
}

sockaddr_storage address_of(const std::string& text, std::uint16_t port) {
    sockaddr_storage storage{};
    if (text.find(':') == std::string::npos) {
        sockaddr_in in{};
        in.sin_family = AF_INET;
        in.sin_port = htons(port);
        inet_pton(AF_INET, text.c_str(), &in.sin_addr);
        std::memcpy(&storage, &in, sizeof in);
    } else {
        sockaddr_in6 in{};
        in.sin6_family = AF_INET6;
        in.sin6_port = htons(port);
        inet_pton(AF_INET6, text.c_str(), &in.sin6_addr);
        std::memcpy(&storage, &in, sizeof in);
    }
    return storage;
}

TEST(JobPlaces, OnlyThatVeryAddressIsPermitted) {
    const auto list = *web::HostList::parse({"http://127.0.0.1:9000", "localhost", "*.a.org", "[fd00::2]"});
    const Permitted listed = [&](const web::IpAddress& address, std::uint16_t port) {
        return list.names(address, port);
    };
    const auto reached = [&](const std::string& text, std::uint16_t port, const Permitted& permitted) {
        const sockaddr_storage storage = address_of(text, port);
        return may_be_reached(reinterpret_cast<const sockaddr*>(&storage), permitted);
    };
    EXPECT_TRUE(reached("127.0.0.1", 9000, listed));
    EXPECT_TRUE(reached("fd00::2", 443, listed));
    EXPECT_TRUE(reached("93.184.215.14", 443, listed));
    EXPECT_TRUE(reached("93.184.215.14", 443, {}));
    for (const auto& [text, port] :
         std::initializer_list<std::pair<const char*, std::uint16_t>>{{"127.0.0.1", 443},
                                                                      {"127.0.0.2", 9000},
                                                                      {"10.0.0.1", 9000},
                                                                      {"169.254.169.254", 80},
                                                                      {"::1", 9000},
                                                                      {"::ffff:127.0.0.1", 9001},
                                                                      {"fd00::3", 443},
                                                                      {"fe80::1", 443},
                                                                      {"0.0.0.0", 9000}})
        EXPECT_FALSE(reached(text, port, listed)) << text;
    EXPECT_FALSE(reached("127.0.0.1", 9000, {}));
    sockaddr other{};
    other.sa_family = AF_UNIX;
    EXPECT_FALSE(may_be_reached(&other, listed));
}

TEST(JobPlaces, BehindAProxyAnAddressCountsAsItIsHere) {
    const Permitted one = [](const web::IpAddress& address, std::uint16_t port) {
        return address == web::IpAddress::parse("127.0.0.1") && port == 9000;
    };
    EXPECT_TRUE(may_not_be_asked_for("http://127.0.0.1:9000/x?y"));
    EXPECT_FALSE(may_not_be_asked_for("http://127.0.0.1:9000/x?y", one));
    EXPECT_TRUE(may_not_be_asked_for("http://127.0.0.1:9001/x?y", one));
    EXPECT_FALSE(may_not_be_asked_for("http://x.localhost:9000/", one));
    EXPECT_TRUE(may_not_be_asked_for("https://x.localhost/", one));
    EXPECT_FALSE(may_not_be_asked_for("https://93.184.215.14/x?signature=1"))
        << "a query is no reason to refuse";
}

TEST(JobPlaces, ASentenceTellsNothingOfAUrlsQueryOrAHeader) {
    const PutOrder order{"outputs.to[0]",
                         "https://h/p?X-Amz-Credential=AKID%2F2026&Expires=1&X-Amz-Signature=0123456789",
                         {{"Authorization", "Bearer token"}, {"Content-Type", "image/png"}, {"x", "short"}}};
    EXPECT_EQ(without_secrets_of(
                  "at https://h/p: no /p?X-Amz-Credential=AKID%2F2026&Expires=1&X-Amz-Signature="
                  "0123456789 for AKID/2026 or AKID%2F2026 with Bearer token (image/png, 1): 0123456789",
                  order),
              "at https://h/p: no /p?... for ... or ... with ... (image/png, 1): ...");
    EXPECT_EQ(without_secrets_of("nothing", {"n", "https://h/p", {}}), "nothing");
    EXPECT_EQ(without_secrets_of("?", {"n", "https://h/p?", {}}), "?");
}

}  // namespace
}  // namespace emprops::stores
