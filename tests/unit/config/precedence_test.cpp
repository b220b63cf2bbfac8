#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/config_fixture.h"

namespace emprops::config {
namespace {

using test::problems_of;

struct Precedence : testing::Test, test::ConfigFixture {};

TEST_F(Precedence, WithoutAnythingTheDefaultsHoldAndTheSimulationIsLoaded) {
    const Loaded loaded = load();
    EXPECT_EQ(problems_of(loaded), "");
    EXPECT_EQ(loaded.settings.hub.host, "localhost");
    EXPECT_EQ(loaded.settings.hub.port, std::nullopt);
    EXPECT_EQ(loaded.settings.worker.heartbeat_interval, 20s);
    ASSERT_EQ(loaded.settings.connectors.size(), 1U);
    EXPECT_EQ(loaded.settings.connectors[0].name, "simulation");
    EXPECT_TRUE(loaded.files_read.empty());
}

TEST_F(Precedence, EveryLayerReplacesTheOneBelowIt) {
    const auto host = [this] {
        const Loaded loaded = load();
        EXPECT_EQ(problems_of(loaded), "");
        const auto origin = loaded.origins.find("hub.host");
        return loaded.settings.hub.host + " <- " +
               (origin == loaded.origins.end() ? "default" : origin->second.where);
    };
    EXPECT_EQ(host(), "localhost <- default");
    toml("[hub]\nhost = \"from-file\"\n");
    EXPECT_EQ(host(), "from-file <- emprops-worker.toml:2");
    dir.write_file("config.d/10-a.toml", "[hub]\nhost = \"from-a\"");
    EXPECT_EQ(host(), "from-a <- config.d/10-a.toml:2");
    dir.write_file("config.d/20-b.toml", "hub.host = \"from-b\"");
    dir.write_file("config.d/30-not-read.txt", "hub.host = \"from-c\"");
    EXPECT_EQ(host(), "from-b <- config.d/20-b.toml:1");
    dotenv("X=1\nREDIS_API_HOST=from-dotenv\n");
    EXPECT_EQ(host(), "from-dotenv <- .env:2 (REDIS_API_HOST)");
    env("REDIS_API_HOST") = "from-environment";
    EXPECT_EQ(host(), "from-environment <- environment: REDIS_API_HOST");
    request.overrides = {"hub.host=from-command-line"};
    EXPECT_EQ(host(), "from-command-line <- command line: hub.host");
}

TEST_F(Precedence, OfAConnectorItsOwnDotenvFilesStandBetweenDotenvAndEnvironment) {
    const auto where = [this] {
        const Loaded loaded = load();
        EXPECT_EQ(problems_of(loaded), "");
        const ConnectorSettings& connector = loaded.settings.connectors.at(0);
        return connector.env.at("ECHO_X") + " " + std::to_string(connector.supervision.ping_interval.count());
    };
    toml("[connectors.echo]\nping_interval = 1\n[connectors.echo.env]\nECHO_X = \"table\"\n");
    EXPECT_EQ(where(), "table 1000");
    dotenv("ECHO_X=dotenv\nEMPROPS_CONNECTORS_ECHO_PING_INTERVAL=2\n");
    EXPECT_EQ(where(), "dotenv 2000");
    dir.write_file(".env.echo", "ECHO_X=own\nEMPROPS_CONNECTORS_ECHO_PING_INTERVAL=3\n");
    EXPECT_EQ(where(), "own 3000");
    dir.write_file(".env.echo.local", "ECHO_X=local\nEMPROPS_CONNECTORS_ECHO_PING_INTERVAL=4\n");
    EXPECT_EQ(where(), "local 4000");
    env("ECHO_X") = "environment";
    env("EMPROPS_CONNECTORS_ECHO_PING_INTERVAL") = "5";
    EXPECT_EQ(where(), "environment 5000");
    request.overrides = {"connectors.echo.env.ECHO_X=line", "connectors.echo.ping_interval=6"};
    EXPECT_EQ(where(), "line 6000");
}

TEST_F(Precedence, WithinALayerTheMostSpecificNameWins) {
    env("REDIS_API_HOST") = "plain";
    EXPECT_EQ(load().settings.hub.host, "plain");
    env("WORKER_REDIS_API_HOST") = "worker";
    EXPECT_EQ(load().settings.hub.host, "worker");
    env("EMPROPS_HUB_HOST") = "emprops";
    EXPECT_EQ(load().settings.hub.host, "emprops");
}

TEST_F(Precedence, AnEmptyVariableCountsAsSet) {
    toml("[hub]\nport = 8001\nurl = \"ws://h/\"\n");
    env("REDIS_API_PORT") = "";
    env("REDIS_WS_URL") = "";
    const Loaded loaded = load();
    EXPECT_EQ(loaded.settings.hub.port, std::nullopt);
    EXPECT_EQ(loaded.settings.hub.url, "");
}

TEST_F(Precedence, TheFileIsSearchedInTheDocumentedOrder) {
    const auto host = [this] { return load().settings.hub.host; };
    dir.write_file("etc/emprops-worker.toml", "hub.host = \"system\"");
    EXPECT_EQ(host(), "system");
    toml("hub.host = \"here\"");
    EXPECT_EQ(host(), "here");
    dir.write_file("b/named.toml", "hub.host = \"variable\"");
    env("EMPROPS_CONFIG") = "b/named.toml";
    EXPECT_EQ(host(), "variable");
    request.config_file = dir.write_file("a/my.toml", "hub.host = \"option\"");
    EXPECT_EQ(host(), "option");
    request.config_file.reset();
    env("EMPROPS_CONFIG") = "";
    EXPECT_EQ(host(), "localhost");
}

TEST_F(Precedence, DotenvFilesAreThoseBesideTheNamedFile) {
    dotenv("REDIS_API_HOST=working-dir");
    EXPECT_EQ(load().settings.hub.host, "working-dir");
    dir.write_file("a/.env", "REDIS_API_HOST=beside");
    request.config_file = dir.write_file("a/my.toml", "");
    EXPECT_EQ(load().settings.hub.host, "beside");
}

TEST_F(Precedence, ANamedFileThatIsMissingIsAnError) {
    request.config_file = dir / "nowhere.toml";
    const Loaded loaded = load();
    EXPECT_FALSE(loaded.ok());
    EXPECT_EQ(problems_of(loaded),
              "nowhere.toml: there is no such configuration file; check --config or EMPROPS_CONFIG\n");
}

TEST_F(Precedence, RelativePathsStartAtTheFolderTheyAreWrittenIn) {
    request.config_file = dir.write_file("a/my.toml", "worker.state_dir = \"s\"\nlog.file = \"/abs.log\"");
    env("EMPROPS_LOCAL_HUB_DATABASE") = "q.sqlite";
    const Loaded loaded = load();
    EXPECT_EQ(loaded.settings.worker.state_dir, dir / "a/s");
    EXPECT_EQ(loaded.settings.control.socket, dir / "a/s/control.sock");
    EXPECT_EQ(loaded.settings.log.file, "/abs.log");
    EXPECT_EQ(loaded.settings.local_hub.database, dir / "q.sqlite");
}

TEST(StateDir, FollowsTheEnvironment) {
    using P = std::filesystem::path;
    EXPECT_EQ(default_state_dir({"/xdg", "/home/u", false, "/sys"}), P("/xdg/emprops-worker"));
    EXPECT_EQ(default_state_dir({"/xdg", "/home/u", true, "/sys"}), P("/xdg/emprops-worker"));
    EXPECT_EQ(default_state_dir({"relative", "/home/u", false, "/sys"}),
              P("/home/u/.local/state/emprops-worker"));
    EXPECT_EQ(default_state_dir({{}, "/home/u", false, "/sys"}), P("/home/u/.local/state/emprops-worker"));
    EXPECT_EQ(default_state_dir({{}, "/root", true, "/sys"}), P("/sys"));
    EXPECT_EQ(default_state_dir({{}, {}, false, "/sys"}), P("/sys"));
    EXPECT_EQ(default_state_dir({"", "", false, "/sys"}), P("/sys"));
}

TEST_F(Precedence, StateSocketAndQueueHavePathsWithoutConfiguration) {
    const Loaded loaded = load();
    EXPECT_EQ(loaded.settings.worker.state_dir, "/home/somebody/.local/state/emprops-worker");
    EXPECT_EQ(loaded.settings.local_hub.database, "/home/somebody/.local/state/emprops-worker/hub.sqlite");
}

TEST_F(Precedence, TheTokenFileIsReadUnlessAHigherLayerNamesTheToken) {
    dir.write_file("secret", "  from-file\n\n");
    toml("[hub]\ntoken_file = \"secret\"\n");
    EXPECT_EQ(load().settings.hub.token, "from-file");
    env("WEBSOCKET_AUTH_TOKEN") = "from-environment";
    EXPECT_EQ(load().settings.hub.token, "from-environment");
    env("EMPROPS_HUB_TOKEN_FILE") = "secret";
    const Loaded loaded = load();
    EXPECT_EQ(loaded.settings.hub.token, "from-file");
    EXPECT_TRUE(loaded.ok());
    EXPECT_EQ(loaded.problems.size(), 1U);
}

TEST(ThisProcess, HasAnEnvironmentAFolderAndCpus) {
    const LoadRequest request = request_of_this_process();
    EXPECT_EQ(request.environment.at("PATH"), std::getenv("PATH"));
    EXPECT_TRUE(request.working_dir.is_absolute());
    EXPECT_GT(request.cpu_count, 0U);
}

}  // namespace
}  // namespace emprops::config
