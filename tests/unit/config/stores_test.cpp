// [stores.NAME], [files] and the `deliver` of connectors.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/stores.h"
#include "tests/support/config_fixture.h"

namespace emprops::config {
namespace {

using test::ConfigFixture;
using test::problems_of;
using testing::HasSubstr;

TEST(Stores, StandInTablesOfTheirOwnAndAreNotLookedInto) {
    ConfigFixture machine;
    machine.toml(
        "[files]\ndeliver = [\"results\", \"inline\"]\nspool_max_bytes = \"1MiB\"\n"
        "[stores.results]\ntype = \"s3\"\nbucket = \"b\"\nany = {thing = 1}\n"
        "[connectors.a]\ndeliver = [\"reference\"]\n");
    const Loaded loaded = machine.load();
    EXPECT_EQ(problems_of(loaded), "");
    EXPECT_EQ(loaded.settings.files.deliver, (std::vector<std::string>{"results", "inline"}));
    EXPECT_EQ(loaded.settings.files.spool_max_bytes, 1048576u);
    EXPECT_EQ(loaded.settings.stores,
              nlohmann::json::parse(R"({"results":{"type":"s3","bucket":"b","any":{"thing":1}}})"));
    EXPECT_EQ(loaded.settings.connectors.at(0).deliver, std::vector<std::string>{"reference"});
}

TEST(Stores, AreInAllFilesTogether) {
    ConfigFixture machine;
    machine.toml("[files]\ndeliver = [\"a\", \"b\"]\n[stores.a]\ntype = \"directory\"\n");
    machine.dir.write_file("config.d/b.toml",
                           "[stores.b]\ntype = \"directory\"\n[stores.a]\npath = \"/x\"\n");
    const Loaded loaded = machine.load();
    EXPECT_EQ(problems_of(loaded), "");
    EXPECT_EQ(loaded.settings.stores,
              nlohmann::json::parse(R"({"a":{"type":"directory","path":"/x"},"b":{"type":"directory"}})"));
}

TEST(Stores, ANameThatIsNoStoreIsAnErrorThatListsThem) {
    ConfigFixture machine;
    machine.toml(
        "[files]\ndeliver = [\"resulst\"]\n[stores.results]\ntype = \"s3\"\n[connectors.a]\ndeliver = [\"s3\"]\n");
    const std::string problems = problems_of(machine.load());
    EXPECT_THAT(problems,
                HasSubstr("`files.deliver` names the store `resulst`, which there is not; there are "
                          "`inline`, `reference`, `results`"));
    EXPECT_THAT(problems, HasSubstr("`connectors.a.deliver` names the store `s3`"));
}

TEST(Stores, OneThatNobodyNamesIsWarnedOfUnlessJobsMay) {
    ConfigFixture machine;
    machine.toml("[stores.a]\ntype = \"s3\"\n[stores.b]\ntype = \"s3\"\njobs = true\n");
    const std::string problems = problems_of(machine.load());
    EXPECT_THAT(problems, HasSubstr("[stores.a], to which nothing is delivered"));
    EXPECT_THAT(problems, testing::Not(HasSubstr("[stores.b]")));
}

TEST(Stores, BuiltInNamesAndThingsThatAreNoTablesAreRefused) {
    ConfigFixture machine;
    machine.toml("[stores.inline]\ntype = \"s3\"\n");
    EXPECT_THAT(problems_of(machine.load()), HasSubstr("the name of a store that is built in"));
    machine.toml("[stores]\nresults = \"s3://bucket\"\n");
    EXPECT_THAT(problems_of(machine.load()), HasSubstr("write [stores.results] and its keys below"));
    machine.toml("stores = \"s3\"\n");
    EXPECT_THAT(problems_of(machine.load()), HasSubstr("`stores`"));
}

TEST(Stores, HostsToWhichJobsMaySendAreAListBesideThem) {
    ConfigFixture machine;
    machine.toml("[stores]\nput_allow = [\"a.org\", \"*.b.org\", \"http://127.0.0.1:9000\"]\n");
    const Loaded loaded = machine.load();
    EXPECT_EQ(problems_of(loaded), "");
    const auto hosts = put_hosts(loaded.settings.stores);
    ASSERT_TRUE(hosts.ok());
    EXPECT_TRUE(hosts->permits(*web::Url::parse("https://x.b.org/y")));
    EXPECT_TRUE(put_hosts(nlohmann::json::object())->empty());
    machine.toml("[stores]\nput_allow = [\"a.org/x\"]\n");
    EXPECT_THAT(problems_of(machine.load()),
                HasSubstr("`put_allow` that cannot be used: \"a.org/x\" is no host"));
    machine.toml("[stores]\nput_allow = \"a.org\"\n");
    EXPECT_THAT(problems_of(machine.load()), HasSubstr("it must be a list of hosts"));
    machine.toml("[stores.put_allow]\ntype = \"s3\"\n");
    EXPECT_THAT(problems_of(machine.load()), HasSubstr("it must be a list of hosts"));
}

TEST(Stores, TheirSecretsAreNotShown) {
    ConfigFixture machine;
    machine.toml(
        "[files]\ndeliver = [\"a\"]\n[stores.a]\ntype = \"s3\"\nsecret_key = \"hunter2\"\nregion = \"eu\"\n");
    const std::string shown = print_effective(machine.load());
    EXPECT_THAT(shown, testing::Not(HasSubstr("hunter2")));
    EXPECT_THAT(shown, HasSubstr("eu"));
}

TEST(Stores, NoConnectorHasTheCouriersName) {
    ConfigFixture machine;
    machine.toml("[connectors.courier]\ncommand = [\"x\"]\n");
    EXPECT_THAT(problems_of(machine.load()), HasSubstr("the worker's own process that delivers files"));
}

}  // namespace
}  // namespace emprops::config
