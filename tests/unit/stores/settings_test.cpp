// The settings of stores: what is taken, and what is said of what is not.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "connectors/stores/settings/catalog.h"
#include "connectors/stores/settings/secrets.h"
#include "emprops/connector.h"
#include "tests/support/generated_table.h"
#include "tests/support/temp_dir.h"

namespace emprops::stores {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

std::string wrong(const Json& table) {
    try {
        Catalog::read({{"results", table}});
    } catch (const ConfigurationError& error) {
        return error.what();
    }
    return "";
}

const Json s3{{"type", "s3"},
              {"endpoint", "http://127.0.0.1:9000/"},
              {"bucket", "b"},
              {"access_key", "k"},
              {"secret_key", "hush"}};
const Json directory{{"type", "directory"}, {"path", "/srv/results"}};
const Json put{{"type", "http_put"}, {"url", "https://store.example/in"}};
const Json azure{{"type", "azure"}, {"account", "a"}, {"container", "c"}, {"account_key", "aHVzaA=="}};

Json with(Json table, const char* key, const Json& value) {
    table[key] = value;
    return table;
}
Json without(Json table, const char* key) {
    table.erase(key);
    return table;
}

TEST(StoreSettings, EachKindIsRead) {
    for (const Json& table :
         {s3, directory, put, azure, Json{{"type", "inline"}}, Json{{"type", "reference"}}})
        EXPECT_EQ(wrong(table), "") << table;
    const Catalog catalog = Catalog::read({{"results", s3}});
    EXPECT_THAT(catalog.names(), ElementsAre("inline", "reference", "results"));
    const auto& read = std::get<S3Settings>(*catalog.find("results"));
    EXPECT_EQ(read.endpoint, "http://127.0.0.1:9000");
    EXPECT_EQ(read.key, "{job_id}/{filename}");
    EXPECT_TRUE(read.path_style);
    EXPECT_FALSE(catalog.common("results").jobs);
    EXPECT_EQ(catalog.find("result"), nullptr);
}

TEST(StoreSettings, WhatIsWrongIsNamedWithItsPlaceAndNeverTheSecret) {
    EXPECT_THAT(wrong(with(s3, "endpiont", "x")),
                AllOf(HasSubstr("stores.results"), HasSubstr("did you mean \"endpoint\"")));
    EXPECT_THAT(wrong(with(s3, "type", "S4")), HasSubstr("stores.results.type \"S4\" is no kind of store"));
    EXPECT_THAT(wrong(with(s3, "type", "s33")), HasSubstr("did you mean \"s3\"?"));
    EXPECT_THAT(wrong(without(s3, "type")), HasSubstr("stores.results.type is missing"));
    EXPECT_THROW(read_store("inline", s3), ConfigurationError) << "jobs know what inline is";
    EXPECT_THAT(wrong("s3"), HasSubstr("stores.results must be a table"));
    for (const char* key : {"endpoint", "bucket", "access_key", "secret_key"})
        EXPECT_EQ(wrong(without(s3, key)), std::string("stores.results.") + key + " is missing");
    EXPECT_EQ(wrong(without(directory, "path")), "stores.results.path is missing");
    EXPECT_THAT(wrong(with(directory, "path", "results")),
                HasSubstr("stores.results.path must be an absolute path"));
    EXPECT_THAT(wrong(with(s3, "verify_tls", "perhaps")),
                HasSubstr("stores.results.verify_tls must be true or false"));
    EXPECT_THAT(wrong(with(s3, "secret_key", 17)),
                AllOf(HasSubstr("stores.results.secret_key"), Not(HasSubstr("17"))));
    EXPECT_THAT(wrong(with(s3, "endpoint", "s3.example")),
                HasSubstr("stores.results.endpoint must be http(s)://"));
    EXPECT_THAT(wrong(with(s3, "endpoint", "http://u:hush@h")),
                AllOf(HasSubstr("endpoint"), Not(HasSubstr("hush"))));
    EXPECT_THAT(wrong(with(s3, "ca_file", "/no/such.pem")),
                HasSubstr("stores.results.ca_file names the file /no/such.pem"));
    EXPECT_THAT(wrong(with(azure, "account_key", "!")), HasSubstr("stores.results.account_key is no base64"));
    EXPECT_THAT(wrong(without(azure, "account_key")), HasSubstr("account_key is missing; or give sas"));
    EXPECT_THAT(wrong(with(s3, "timeout", "0")), HasSubstr("stores.results.timeout"));
}

TEST(StoreSettings, AKeyTellsJobsAndFilesApart) {
    EXPECT_THAT(wrong(with(s3, "key", "{filename}")), HasSubstr("stores.results.key holds neither {job_id}"));
    EXPECT_THAT(wrong(with(directory, "key", "{job_id}")), HasSubstr("stores.results.key holds none of"));
    EXPECT_THAT(wrong(with(directory, "key", "../{job_id}/{filename}")),
                HasSubstr("stores.results.key must be a path"));
    EXPECT_EQ(wrong(with(s3, "key", "{date}/{sha256}.{ext}")), "");
}

TEST(StoreSettings, TheAddressOfAPutHoldsTheKeyOrTheValuesOfOne) {
    const auto url = [](const std::string& text) {
        return std::get<HttpPutSettings>(read_store("x", with(put, "url", text))).url;
    };
    EXPECT_EQ(url("https://h/in"), "https://h/in/{key}");
    EXPECT_EQ(url("https://h/in/?sig=1"), "https://h/in/{key}?sig=1");
    EXPECT_EQ(url("https://h/{job_id}/{index}.{ext}?sig=1"), "https://h/{job_id}/{index}.{ext}?sig=1");
    EXPECT_THAT(wrong(with(put, "url", "https://h/{filename}")),
                HasSubstr("stores.results.url holds neither"));
    EXPECT_THAT(wrong(with(put, "url", "https://{job_id}.h/{filename}")),
                HasSubstr("must not take its host from a job"));
    EXPECT_THAT(wrong(with(put, "url", "ftp://h/{key}")), HasSubstr("stores.results.url must be http(s)"));
    Json both = with(put, "url", "https://h/{job_id}/{filename}");
    both["public_url"] = "https://cdn.example";
    EXPECT_THAT(wrong(both), HasSubstr("write {key} into it"));
}

TEST(StoreSettings, TheReadmeHasThem) {
    test::expect_generated_table(EMPROPS_SOURCE_DIR "/connectors/stores/README.md", store_tables(), "stores");
}

struct Secrets : testing::Test {
    std::string file(const char* name, const std::string& text) {
        return folder.write_file(name, text).string();
    }
    test::TempDir folder;
};

TEST_F(Secrets, MayStandInFiles) {
    Json table = without(without(s3, "secret_key"), "access_key");
    table["access_key_file"] = file("key", "AK\n");
    table["secret_key_file"] = file("secret", " hush \r\n");
    EXPECT_EQ(wrong(table), "");
    const auto keys = aws_keys_of(std::get<S3Settings>(read_store("x", table)));
    EXPECT_EQ(keys->access_key, "AK");
    EXPECT_EQ(keys->secret_key, "hush");
    table["secret_key_file"] = file("empty", "\n");
    EXPECT_THAT(wrong(table), AllOf(HasSubstr("stores.results.secret_key_file"), HasSubstr("is empty")));
    table["secret_key_file"] = "/no/such";
    EXPECT_THAT(wrong(table), HasSubstr("stores.results.secret_key_file the file /no/such cannot be read"));
    table["secret_key_file"] = file("two", "a\nb\n");
    EXPECT_THAT(wrong(table), HasSubstr("more than one line"));
}

TEST_F(Secrets, AFileThatIsJustBeingWrittenIsReadOnceMore) {
    const std::string path = file("secret", "");  // truncated, not yet written
    int reads = 0;
    const auto read = [&] {
        if (++reads == 2) file("secret", "hush\n");
        std::ifstream from(path);
        std::string text;
        return std::getline(from, text) ? Result<std::string>(text) : Error{"configuration", "empty"};
    };
    EXPECT_EQ(*read_twice(read, Ms{0}), "hush");
    EXPECT_EQ(*read_twice(read, Ms{0}), "hush");
    EXPECT_EQ(reads, 3) << "what is right is not read again";
    const auto never = [] { return Result<std::string>(Error{"configuration", "empty"}); };
    EXPECT_EQ(read_twice(never, Ms{0}).error().message, "empty");
}

TEST_F(Secrets, MayStandInAFileOfAws) {
    Json table = without(without(s3, "secret_key"), "access_key");
    table["credentials_file"] = file("credentials",
                                     "# mine\n[default]\naws_access_key_id=A\naws_secret_access_key = B\n\n"
                                     "[profile other]\naws_access_key_id = C\naws_secret_access_key = D+/=\n"
                                     "aws_session_token = E\n");
    EXPECT_EQ(aws_keys_of(std::get<S3Settings>(read_store("x", table)))->access_key, "A");
    table["profile"] = "other";
    const auto keys = aws_keys_of(std::get<S3Settings>(read_store("x", table)));
    EXPECT_EQ(keys->secret_key, "D+/=");
    EXPECT_EQ(keys->session_token, "E");
    table["profile"] = "othr";
    EXPECT_THAT(wrong(table), HasSubstr("did you mean profile = \"other\"?"));
}

TEST_F(Secrets, HeadersAreLines) {
    const auto headers =
        read_headers("headers_file", file("h", "Authorization: Bearer a:b\n\n# no\nX-A:  1\n"));
    EXPECT_EQ(*headers, (std::map<std::string, std::string>{{"Authorization", "Bearer a:b"}, {"X-A", "1"}}));
    Json table = put;
    table["headers_file"] = file("bad", "no colon\n");
    EXPECT_THAT(wrong(table), AllOf(HasSubstr("stores.results.headers_file"), HasSubstr("line 1")));
}

}  // namespace
}  // namespace emprops::stores
