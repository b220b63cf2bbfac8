#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "config/child_env.h"
#include "tests/support/config_fixture.h"

namespace emprops::config {
namespace {

using test::problems_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

struct Connectors : testing::Test, test::ConfigFixture {
    std::vector<std::string> names() {
        std::vector<std::string> result;
        for (const ConnectorSettings& connector : load().settings.connectors)
            result.push_back(connector.name);
        return result;
    }
    std::map<std::string, std::string> child(const std::string& name) {
        for (const ConnectorSettings& connector : load().settings.connectors) {
            if (connector.name == name) return connector.env;
        }
        ADD_FAILURE() << name << " is not loaded";
        return {};
    }
};

TEST_F(Connectors, AllEnabledTablesAreLoadedInTheOrderOfTheFiles) {
    toml("[connectors.zeta]\n[connectors.off]\nenabled = false\n[connectors.alpha]\n");
    dir.write_file("config.d/x.toml", "[connectors.beta]\n[connectors.zeta]\n");
    EXPECT_THAT(names(), ElementsAre("zeta", "alpha", "beta"));
    env("EMPROPS_CONNECTORS_OFF_ENABLED") = "1";
    EXPECT_THAT(names(), ElementsAre("zeta", "off", "alpha", "beta"));
}

TEST_F(Connectors, TheListSelectsAndOrdersAndNeedsNoTables) {
    toml("[connectors.a]\n[connectors.b]\nenabled = false\n");
    env("CONNECTORS") = "new,b";
    EXPECT_THAT(names(), ElementsAre("new", "b"));
    EXPECT_EQ(
        problems_of(load()),
        "environment: CONNECTORS: warning: this list leaves out [connectors.a], which is not loaded; add "
        "it, or write enabled = false there\n");
    request.overrides = {"connectors=a"};
    EXPECT_THAT(names(), ElementsAre("a"));
    EXPECT_EQ(problems_of(load()), "");
}

TEST_F(Connectors, NothingToLoadIsAWarningAndNotTheSimulation) {
    toml("[connectors.a]\nenabled = false\n");
    EXPECT_THAT(names(), ElementsAre());
    EXPECT_THAT(problems_of(load()), HasSubstr("this worker takes no jobs"));
    EXPECT_TRUE(load().ok());
    env("CONNECTORS") = "";
    EXPECT_THAT(names(), ElementsAre());
}

TEST_F(Connectors, ANameGivenTwiceIsLoadedOnce) {
    env("CONNECTORS") = "a,b,a";
    EXPECT_THAT(names(), ElementsAre("a", "b"));
    EXPECT_THAT(problems_of(load()), HasSubstr("connector `a` is named twice"));
}

TEST_F(Connectors, AnOverrideMayBringAConnectorOfItsOwn) {
    request.overrides = {"connectors.echo.command=./echo.sh -v", "connectors.echo.settings.a.b=[1, 2]",
                         "connectors.echo.settings.a.c=plain text"};
    const Loaded loaded = load();
    EXPECT_EQ(problems_of(loaded), "");
    ASSERT_EQ(loaded.settings.connectors.size(), 1U);
    const ConnectorSettings& echo = loaded.settings.connectors[0];
    EXPECT_THAT(echo.command, ElementsAre((dir / "echo.sh").string(), "-v"));
    EXPECT_EQ(echo.settings.dump(), R"({"a":{"b":[1,2],"c":"plain text"}})");
}

TEST_F(Connectors, SupervisionIsInheritedAndMayBeOverridden) {
    toml(
        "[supervision]\nping_missed = 5\nstop_term = 1\n[connectors.a]\nstop_term = 2\nnice = 3\n"
        "[connectors.b]\n");
    env("EMPROPS_SUPERVISION_JOB_TIMEOUT") = "9";
    env("EMPROPS_CONNECTORS_B_JOB_TIMEOUT") = "8";
    const Loaded loaded = load();
    EXPECT_EQ(problems_of(loaded), "");
    const SupervisionSettings& a = loaded.settings.connectors.at(0).supervision;
    const SupervisionSettings& b = loaded.settings.connectors.at(1).supervision;
    EXPECT_EQ(a.ping_missed, 5U);
    EXPECT_EQ(a.stop.term_grace, 2s);
    EXPECT_EQ(a.stop.kill_grace, 2s);
    EXPECT_EQ(a.nice, 3);
    EXPECT_EQ(a.job_timeout, 9s);
    EXPECT_EQ(b.stop.term_grace, 1s);
    EXPECT_EQ(b.nice, std::nullopt);
    EXPECT_EQ(b.job_timeout, 8s);
    EXPECT_EQ(loaded.settings.supervision.stop.term_grace, 1s);
}

TEST_F(Connectors, SettingsAreAnyTableAndDatesBecomeText) {
    toml(
        "[connectors.a.settings]\nn = 1\nx = 1.5\nday = 2026-01-02\nat = 2026-01-02T03:04:05Z\nlist = [1, "
        "\"b\"]\n[connectors.a.settings.deep]\nt = true\n");
    dir.write_file("config.d/x.toml", "[connectors.a.settings.deep]\nu = false\n");
    EXPECT_EQ(load().settings.connectors.at(0).settings,
              nlohmann::json::parse(R"({"n":1,"x":1.5,"day":"2026-01-02","at":"2026-01-02T03:04:05Z",
                                        "list":[1,"b"],"deep":{"t":true,"u":false}})"));
}

TEST_F(Connectors, AChildGetsItsOwnVariablesAndNothingElse) {
    toml("[connectors.comfyui.env]\nCUDA_VISIBLE_DEVICES = \"{instance}\"\n[connectors.simulation]\n");
    dotenv("COMFYUI_HOST=h\nSIMULATION_STEPS=3\nOTHER=x\n");
    dir.write_file(".env.comfyui",
                   "COMFYUI_PORT=1\nHF_HOME=/models\nEMPROPS_CONNECTORS_COMFYUI_INSTANCES=2\n");
    env("WORKER_COMFYUI_USERNAME") = "u";
    env("AWS_SECRET") = "s";
    EXPECT_THAT(child("comfyui"),
                ElementsAre(Pair("COMFYUI_HOST", "h"), Pair("COMFYUI_PORT", "1"),
                            Pair("CUDA_VISIBLE_DEVICES", "{instance}"), Pair("HF_HOME", "/models"),
                            Pair("WORKER_COMFYUI_USERNAME", "u")));
    EXPECT_THAT(child("simulation"), ElementsAre(Pair("SIMULATION_STEPS", "3")));
    EXPECT_EQ(load().settings.connectors.at(0).instances, 2U);
}

TEST_F(Connectors, TheHubsTokenNeverReachesAChild) {
    toml("[connectors.websocket.env]\nWORKER_WEBSOCKET_AUTH_TOKEN = \"t1\"\n");
    dir.write_file(".env.websocket", "WEBSOCKET_AUTH_TOKEN=t2\nREDIS_WS_URL=ws://h?token=t3\nX=1\n");
    env("WEBSOCKET_AUTH_TOKEN") = "t4";
    env("EMPROPS_HUB_TOKEN") = "t5";
    EXPECT_THAT(child("websocket"), ElementsAre(Pair("X", "1")));
    const Loaded loaded = load();
    EXPECT_TRUE(loaded.ok());
    EXPECT_THAT(
        problems_of(loaded),
        HasSubstr(".env.websocket:1 (WEBSOCKET_AUTH_TOKEN): warning: `WEBSOCKET_AUTH_TOKEN` may hold the "
                  "Hub's token: it is dropped, connector `websocket` does not get it; if it is meant for "
                  "the worker, put it into .env"));
    EXPECT_THAT(problems_of(loaded),
                HasSubstr("emprops-worker.toml:2: warning: `WORKER_WEBSOCKET_AUTH_TOKEN`"));
}

TEST_F(Connectors, AWorkersVariableInAConnectorsFileIsPointedOut) {
    env("CONNECTORS") = "comfyui";
    dir.write_file(".env.comfyui", "REDIS_API_HOST=h\nLOG_LEVEL=debug\n");
    const Loaded loaded = load();
    EXPECT_EQ(loaded.settings.hub.host, "localhost");
    EXPECT_EQ(
        problems_of(loaded),
        ".env.comfyui:1 (REDIS_API_HOST): warning: `REDIS_API_HOST` is a setting of the worker: here it "
        "reaches connector `comfyui` only; put it into .env\n");
}

TEST_F(Connectors, AHigherPlainVariableReplacesALowerPrefixedOne) {
    env("CONNECTORS") = "comfyui";
    dotenv("WORKER_COMFYUI_HOST=low\nWORKER_COMFYUI_PORT=1\nCOMFYUI_PORT=2\n");
    env("COMFYUI_HOST") = "high";
    EXPECT_THAT(child("comfyui"), ElementsAre(Pair("COMFYUI_HOST", "high"), Pair("COMFYUI_PORT", "2"),
                                              Pair("WORKER_COMFYUI_PORT", "1")));
}

TEST(OwnerOfVariable, IsTheConnectorWithTheLongestPrefix) {
    const std::vector<std::string> names{"comfyui", "comfyui-2", "x"};
    EXPECT_EQ(owner_of_variable("COMFYUI_HOST", names), "comfyui");
    EXPECT_EQ(owner_of_variable("COMFYUI_2_PASSWORD", names), "comfyui-2");
    EXPECT_EQ(owner_of_variable("WORKER_COMFYUI_2_PASSWORD", names), "comfyui-2");
    EXPECT_EQ(owner_of_variable("COMFYUI", names), "");
    EXPECT_EQ(owner_of_variable("comfyui_HOST", names), "");
    EXPECT_EQ(owner_of_variable("WORKER_ID", names), "");
}

TEST_F(Connectors, AReloadFindsWhatChanged) {
    toml(
        "[supervision]\nping_missed = 3\n[connectors.a]\n[connectors.b]\nping_missed = "
        "4\n[connectors.gone]\n");
    const Settings before = load().settings;
    EXPECT_THAT(changed_connectors(before, before), ElementsAre());
    env("A_COLOUR") = "red";
    toml(
        "[supervision]\nping_missed = 3\n[connectors.a]\n[connectors.b]\nping_missed = "
        "4\n[connectors.added]\n");
    EXPECT_THAT(changed_connectors(before, load().settings), ElementsAre("a"));
    env("EMPROPS_SUPERVISION_PING_MISSED") = "9";
    env("A_COLOUR") = "";
    EXPECT_THAT(changed_connectors(before, load().settings), ElementsAre("a"));
    env("EMPROPS_CONNECTORS_B_NICE") = "1";
    env("HEARTBEAT_INTERVAL") = "7";
    EXPECT_THAT(changed_connectors(before, load().settings), ElementsAre("a", "b"));
    EXPECT_THAT(changed_keys(before, load().settings), ElementsAre("worker.heartbeat_interval"));
}

}  // namespace
}  // namespace emprops::config
