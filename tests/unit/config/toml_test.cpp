// The configuration file: what it may hold, and how its mistakes are reported.

#include <gtest/gtest.h>

#include "config/files.h"
#include "tests/support/config_fixture.h"

namespace emprops::config {
namespace {

using test::problems_of;

struct ConfigFile : testing::Test, test::ConfigFixture {
    std::string problems(std::string_view text) {
        toml(text);
        return problems_of(load());
    }
};

TEST_F(ConfigFile, ASyntaxErrorNamesLineAndColumn) {
    const std::string text = problems("[hub]\nhost = \"a\"\nport = = 1\n");
    EXPECT_TRUE(text.starts_with("emprops-worker.toml:3:8: is not TOML: ")) << text;
}

TEST_F(ConfigFile, AnUnknownKeyComesWithTheNearestOne) {
    EXPECT_EQ(problems("\n[hub]\ntokn = \"x\"\n"),
              "emprops-worker.toml:3: unknown key `hub.tokn`; did you mean `hub.token`?\n");
    EXPECT_EQ(problems("[hubb]\nurl = \"x\"\n"),
              "emprops-worker.toml:1: unknown key `hubb`; did you mean `hub`?\n");
    EXPECT_EQ(
        problems("[connectors.a]\ncomand = \"x\"\nping_intervall = 1\n"),
        "emprops-worker.toml:2: unknown key `connectors.a.comand`; did you mean `connectors.a.command`?\n"
        "emprops-worker.toml:3: unknown key `connectors.a.ping_intervall`; did you mean "
        "`connectors.a.ping_interval`?\n");
}

TEST_F(ConfigFile, AKeyInTheWrongTableAndTheNameOfAVariableAreRecognized) {
    EXPECT_EQ(
        problems("[worker]\nreconnect_max = 1\n"),
        "emprops-worker.toml:2: unknown key `worker.reconnect_max`; did you mean `hub.reconnect_max`?\n");
    EXPECT_EQ(problems("REDIS_API_HOST = \"x\"\n"),
              "emprops-worker.toml:1: unknown key `REDIS_API_HOST`; did you mean `hub.host`?\n");
}

TEST_F(ConfigFile, WhatResemblesNothingIsReportedWithoutAGuess) {
    EXPECT_EQ(problems("[hub]\nfrobnicate = 1\n"), "emprops-worker.toml:2: unknown key `hub.frobnicate`\n");
}

TEST_F(ConfigFile, AllProblemsAreReportedAtOnceInTheOrderOfTheSources) {
    toml("[worker]\nheartbeat_interval = \"1m\"\n[hub]\nport = \"x\"\nproxi = \"\"\n[log]\nlevel = 3\n");
    dir.write_file("config.d/a.toml", "[supervision\n");
    dotenv("no equals\n");
    request.overrides = {"hub.retries=1", "nonsense"};
    std::string text = problems_of(load());
    const std::string place = "config.d/a.toml:1:13: is not TOML: ";
    ASSERT_TRUE(text.starts_with(place)) << text;
    text.erase(place.size(), text.find('\n') - place.size());  // the parser's own words
    EXPECT_EQ(
        text,
        "config.d/a.toml:1:13: is not TOML: \n"
        ".env:1: warning: `no` has no `=`; write `no=` for an empty value\n"
        "command line: `nonsense` is not table.key=value\n"
        "emprops-worker.toml:4: `hub.port` must be a whole number from 1 to 65535, not `x`\n"
        "emprops-worker.toml:5: unknown key `hub.proxi`; did you mean `hub.proxy`?\n"
        "emprops-worker.toml:7: `log.level` must be a string (in quotes), not `3`\n"
        "command line: hub.retries: unknown key `hub.retries`\n"
        "emprops-worker.toml:2: warning: `worker.heartbeat_interval` is 1 min and is taken as 45 s: the Hub drops a worker "
        "after 60 s without a heartbeat\n");
}

TEST_F(ConfigFile, ATableIsATableAndAValueIsAValue) {
    EXPECT_EQ(problems("hub = 1\n"), "emprops-worker.toml:1: `hub` must be a table, [hub]\n");
    EXPECT_EQ(problems("[hub.url]\nx = 1\n"),
              "emprops-worker.toml:1: `hub.url` must be a string (in quotes), not this value\n");
    EXPECT_EQ(
        problems("connectors = [\"a\"]\n"),
        "emprops-worker.toml:1: `connectors` holds tables, [connectors.NAME]; to select some of them set "
        "the variable CONNECTORS\n");
}

TEST_F(ConfigFile, UnreadableFilesAreProblems) {
    std::filesystem::create_directory(dir / ".env");
    std::filesystem::create_directory(dir / "emprops-worker.toml");
    EXPECT_EQ(problems_of(load()),
              "emprops-worker.toml: the configuration file is a folder, not a file\n"
              ".env: is a folder, not a file\n");
}

TEST_F(ConfigFile, LogLevelsOfConnectorsMayBeWrittenQuotedOrNot) {
    toml("[log.levels]\nhub = \"DEBUG\"\n\"connector.a\" = \"warn\"\nconnector.b = \"error\"\n");
    dotenv("EMPROPS_LOG_LEVELS=jobs=trace\n");
    request.overrides = {"log.levels.connector.c=info"};
    const Loaded loaded = load();
    EXPECT_EQ(problems_of(loaded), "");
    EXPECT_EQ(loaded.settings.log.levels, (std::map<std::string, std::string>{{"hub", "debug"},
                                                                              {"connector.a", "warn"},
                                                                              {"connector.b", "error"},
                                                                              {"jobs", "trace"},
                                                                              {"connector.c", "info"}}));
}

struct Combination {
    const char* text;
    const char* problems;
};

/// Values that are fine alone and wrong together, or wrong for the world outside.
TEST_F(ConfigFile, ContradictionsAreNamedWhereTheyWereWritten) {
    const Combination table[] = {
        {"hub.reconnect_min = 61",
         "emprops-worker.toml:1: `hub.reconnect_min` must not exceed "
         "`hub.reconnect_max`\n"},
        {"hub.reconnect_max = 0.5",
         "emprops-worker.toml:1: `hub.reconnect_max` must not be below "
         "`hub.reconnect_min`\n"},
        {"hub.client_certificate = \"/dev/null\"",
         "emprops-worker.toml:1: `hub.client_certificate` needs `hub.client_key` beside it\n"},
        {"hub.client_key = \"/dev/null\"",
         "emprops-worker.toml:1: `hub.client_key` needs `hub.client_certificate` beside it\n"},
        {"hub.ca_file = \"ca.pem\"",
         "emprops-worker.toml:1: `hub.ca_file` names ca.pem: there is no such file\n"},
        {"hub.url = \"https://h\"",
         "emprops-worker.toml:1: `hub.url` must begin with ws:// or wss:// instead of "
         "http:// or https://\n"},
        {"hub.url = \"ws://\"",
         "emprops-worker.toml:1: `hub.url` must begin with ws:// or wss:// (a Hub), or redis:// or rediss:// (a queue "
         "in Redis), and name a host\n"},
        {"hub.host = \"ws://h\"",
         "emprops-worker.toml:1: `hub.host` is a host name only; a whole URL belongs into "
         "`hub.url` (REDIS_WS_URL)\n"},
        {"hub.host = \"h:80\"",
         "emprops-worker.toml:1: `hub.host` holds a port; write that into `hub.port` (REDIS_API_PORT)\n"},
        {"hub.host = \"\"",
         "emprops-worker.toml:1: `hub.host` is empty; name the Hub's host, or set `hub.url`\n"},
        {"hub.host = \"::1\"", ""},
        {"hub.proxy = \"p:1\"", "emprops-worker.toml:1: `hub.proxy` must be http://host:port\n"},
        {"hub.token = \"a\\nb\"",
         "emprops-worker.toml:1: `hub.token` contains a line break or another control character\n"},
        {"hub.token_file = \"t\"",
         "emprops-worker.toml:1: `hub.token_file` names t: there is no such file\n"},
        {"hub.tls_verify = false",
         "emprops-worker.toml:1: warning: `hub.tls_verify` is false: anybody on the way "
         "can pose as the Hub and read the token\n"},
        {"hub.url = \"ws://h\"\nhub.tls = true",
         "emprops-worker.toml:2: warning: `hub.tls` has no effect: `hub.url` is used as it is "
         "(emprops-worker.toml:1)\n"},
        {"hub.embedded = true\nhub.host = \"h\"",
         "emprops-worker.toml:1: warning: `hub.embedded` is true: the hub inside this worker is used, "
         "`hub.url` "
         "and `hub.host` are not\n"},
        {"local_hub.listen = \"0.0.0.0\"",
         "emprops-worker.toml:1: warning: `local_hub.listen` is reachable from other machines: set "
         "`local_hub.token`, or anybody there can submit jobs\n"},
        {"worker.id = \"a/b\"",
         "emprops-worker.toml:1: `worker.id` becomes part of a URL: it must not contain "
         "spaces or any of / ? # %\n"},
        {"worker.drain_notice_url = \"x\"",
         "emprops-worker.toml:1: `worker.drain_notice_url` must begin with "
         "http:// or https:// and name a host\n"},
        {"supervision.backoff_initial = 61",
         "emprops-worker.toml:1: `supervision.backoff_initial` must not exceed `supervision.backoff_max`\n"},
        {"connectors.a.backoff_max = 0.1",
         "emprops-worker.toml:1: `connectors.a.backoff_max` must not be below "
         "`connectors.a.backoff_initial`\n"},
        {"supervision.cpu_affinity = [3, 4]",
         "emprops-worker.toml:1: `supervision.cpu_affinity` names CPU 4; this machine has 0 to 3\n"},
        {"supervision.nice = 20",
         "emprops-worker.toml:1: `supervision.nice` must be a whole number from -20 to 19, not `20`\n"},
        {"supervision.oom_score_adj = -1001",
         "emprops-worker.toml:1: `supervision.oom_score_adj` must be a whole "
         "number from -1000 to 1000, not `-1001`\n"},
        {"connectors.a.attach = true\nconnectors.a.instances = 2",
         "emprops-worker.toml:1: `connectors.a.attach` waits for one process, but `connectors.a.instances` "
         "is "
         "2\n"},
        {"connectors.a.job_types = [\"x\", \"x\"]",
         "emprops-worker.toml:1: `connectors.a.job_types` names `x` twice\n"},
        {"[connectors.\"a b\"]",
         "emprops-worker.toml:1: `a b` is not a connector name; names consist of letters, "
         "digits, - and _\n"},
        {"[connectors.a-b]\n[connectors.a_b]",
         "connectors: `a-b` and `a_b` share the variables A_B_*; rename one of them\n"},
    };
    request.cpu_count = 4;
    for (const Combination& row : table) {
        EXPECT_EQ(problems(row.text), row.problems) << row.text;
    }
}

TEST_F(ConfigFile, ASocketPathThatTheSystemCannotHoldIsRefused) {
    toml("worker.state_dir = \"/" + std::string(120, 'x') + "\"\n");
    EXPECT_FALSE(load().ok());
    request.overrides = {"control.enabled=false"};
    EXPECT_TRUE(load().ok());
}

TEST(DisplayName, IsShortBelowTheWorkingDirectoryAndFullElsewhere) {
    EXPECT_EQ(display_name("/w/a/b.toml", "/w"), "a/b.toml");
    EXPECT_EQ(display_name("/w/./b.toml", "/w/"), "b.toml");
    EXPECT_EQ(display_name("/etc/x.toml", "/w"), "/etc/x.toml");
}

TEST(ReadFile, RefusesWhatIsTooLarge) {
    const test::TempDir dir;
    const auto file = dir.write_file("x", "12345");
    EXPECT_EQ(read_file(file, 5).value(), "12345");
    EXPECT_EQ(read_file(file, 4).error().message, "is larger than 4 bytes");
    EXPECT_EQ(read_file(dir / "y").error().code, "not_found");
}

}  // namespace
}  // namespace emprops::config
