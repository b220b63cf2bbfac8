// The variables of the Python worker, in both of its generations.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/config_fixture.h"

namespace emprops::config {
namespace {

using test::problems_of;

struct LegacyVariables : testing::Test, test::ConfigFixture {};

TEST_F(LegacyVariables, AllOfThemReachTheirSettings) {
    env("REDIS_API_HOST") = "hub.example.com";
    env("REDIS_API_PORT") = "8001";
    env("USE_SSL") = "YES";
    env("WORKER_ID") = "gpu-1";
    env("WEBSOCKET_AUTH_TOKEN") = "se cret&";
    env("CONNECTORS") = " simulation, ,comfyui ";
    env("HEARTBEAT_INTERVAL") = "15";
    env("LOG_LEVEL") = "WARNING";
    const Loaded loaded = load();
    EXPECT_EQ(problems_of(loaded), "");
    const Settings& settings = loaded.settings;
    EXPECT_EQ(settings.hub.host, "hub.example.com");
    EXPECT_EQ(settings.hub.port, 8001);
    EXPECT_TRUE(settings.hub.tls);
    EXPECT_EQ(settings.worker.id, "gpu-1");
    EXPECT_FALSE(settings.worker.exact_id);
    EXPECT_EQ(settings.hub.token, "se cret&");
    EXPECT_EQ(settings.worker.heartbeat_interval, 15s);
    EXPECT_EQ(settings.log.level, "warn");
    ASSERT_EQ(settings.connectors.size(), 2U);
    EXPECT_EQ(settings.connectors[0].name, "simulation");
    EXPECT_EQ(settings.connectors[1].name, "comfyui");
}

TEST_F(LegacyVariables, TheLaterGenerationWins) {
    for (const char* prefix : {"", "WORKER_"}) {
        const std::string p = prefix;
        env(p + "REDIS_API_HOST") = p + "host";
        env(p + "REDIS_API_PORT") = p.empty() ? "1" : "";
        env(p + "USE_SSL") = p.empty() ? "false" : "1";
        env(p + "REDIS_WS_URL") = "ws://" + p + "url/ws/worker/x";
        env(p + "WEBSOCKET_AUTH_TOKEN") = p + "token";
        env(p + "CONNECTORS") = p.empty() ? "a" : "b";
        env(p + "HEARTBEAT_INTERVAL") = p.empty() ? "10" : "11";
        env(p + "LOG_LEVEL") = p.empty() ? "DEBUG" : "CRITICAL";
    }
    const Settings settings = load().settings;
    EXPECT_EQ(settings.hub.host, "WORKER_host");
    EXPECT_EQ(settings.hub.port, std::nullopt);
    EXPECT_TRUE(settings.hub.tls);
    EXPECT_EQ(settings.hub.url, "ws://WORKER_url/ws/worker/x");
    EXPECT_EQ(settings.hub.token, "WORKER_token");
    EXPECT_EQ(settings.connectors.at(0).name, "b");
    EXPECT_EQ(settings.worker.heartbeat_interval, 11s);
    EXPECT_EQ(settings.log.level, "error");
}

TEST_F(LegacyVariables, TheIdComesFromBaseIdBeforeId) {
    env("WORKER_ID") = "march";
    EXPECT_EQ(load().settings.worker.id, "march");
    env("WORKER_BASE_ID") = "latest";
    EXPECT_EQ(load().settings.worker.id, "latest");
}

TEST_F(LegacyVariables, TheUrlIsTakenVerbatim) {
    env("REDIS_WS_URL") = "wss://h:1/ws/worker/x?token=a%20b";
    EXPECT_EQ(load().settings.hub.url, "wss://h:1/ws/worker/x?token=a%20b");
}

TEST_F(LegacyVariables, TlsNeverChangesThePort) {
    env("REDIS_API_PORT") = "80";
    env("USE_SSL") = "true";
    EXPECT_EQ(load().settings.hub.port, 80);
}

TEST_F(LegacyVariables, PythonsLevelNamesAreUnderstood) {
    const std::pair<const char*, const char*> levels[] = {
        {"DEBUG", "debug"}, {"INFO", "info"}, {"WARNING", "warn"}, {"ERROR", "error"}, {"CRITICAL", "error"}};
    for (const auto& [python, ours] : levels) {
        env("LOG_LEVEL") = python;
        EXPECT_EQ(load().settings.log.level, ours);
    }
}

TEST_F(LegacyVariables, BadValuesAreAllNamedAndNoneIsIgnored) {
    env("REDIS_API_PORT") = "80a";
    env("USE_SSL") = "perhaps";
    env("LOG_LEVEL") = "LOUD";
    dotenv("HEARTBEAT_INTERVAL=60\nCONNECTORS=a/b\n");
    const Loaded loaded = load();
    EXPECT_FALSE(loaded.ok());
    EXPECT_EQ(
        problems_of(loaded),
        "environment: REDIS_API_PORT: `hub.port` must be a whole number from 1 to 65535, not `80a`\n"
        "environment: USE_SSL: `hub.tls` must be true or false, not `perhaps`\n"
        "environment: LOG_LEVEL: `log.level` must be trace, debug, info, warn or error, not `LOUD`\n"
        ".env:2 (CONNECTORS): `a/b` is not a connector name; names consist of letters, digits, - and _, "
        "with commas between them\n"
        ".env:2 (CONNECTORS): warning: no connector is selected: this worker takes no jobs\n"
        ".env:1 (HEARTBEAT_INTERVAL): warning: `worker.heartbeat_interval` is 1 min and is taken as 45 s: the Hub drops a worker "
        "after 60 s without a heartbeat\n");
}

TEST_F(LegacyVariables, ABadValueIsAProblemEvenWhereAHigherLayerReplacesIt) {
    dotenv("REDIS_API_PORT=x\n");
    env("REDIS_API_PORT") = "80";
    EXPECT_FALSE(load().ok());
}

TEST_F(LegacyVariables, AMistypedNameOfOursIsPointedOut) {
    env("EMPROPS_HUB_TOKN") = "x";
    env("EMPROPS_INTERNAL_THING_OF_SOMEBODY_ELSE") = "x";
    EXPECT_EQ(
        problems_of(load()),
        "environment: EMPROPS_HUB_TOKN: warning: `EMPROPS_HUB_TOKN` sets nothing; did you mean "
        "`EMPROPS_HUB_TOKEN`?\n"
        "environment: warning: `EMPROPS_INTERNAL_THING_OF_SOMEBODY_ELSE` sets nothing of this worker, and no "
        "setting has a name like that\n");
}

}  // namespace
}  // namespace emprops::config
