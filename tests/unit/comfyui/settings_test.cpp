#include "connectors/comfyui/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "connectors/comfyui/setting_rows.h"
#include "tests/support/generated_table.h"

namespace emprops::comfyui {
namespace {

using testing::HasSubstr;

Result<Settings> load(const Json& settings, std::map<std::string, std::string> environment = {}) {
    return load_settings(settings, [environment](std::string_view name) -> std::optional<EnvValue> {
        for (const std::string& full : {"WORKER_" + std::string(name), std::string(name)}) {
            if (environment.count(full) > 0) return EnvValue{full, environment.at(full)};
        }
        return {};
    });
}

TEST(Settings, DefaultsAreTheOnesOfAStockComfyUi) {
    const auto settings = load(Json::object());
    ASSERT_TRUE(settings.ok());
    EXPECT_EQ(settings->server.text(), "http://localhost:8188");
    EXPECT_EQ(settings->job_type, "comfyui");
}

TEST(Settings, BothGenerationsOfVariablesCountAndTheNewerOneWins) {
    const auto settings = load({{"host", "from-toml"}}, {{"COMFYUI_HOST", "old"},
                                                         {"WORKER_COMFYUI_HOST", "new"},
                                                         {"COMFYUI_PORT", "9000"},
                                                         {"COMFYUI_USE_SSL", "True"},
                                                         {"COMFYUI_USERNAME", "u"},
                                                         {"COMFYUI_PASSWORD", "p"}});
    ASSERT_TRUE(settings.ok()) << settings.error().message;
    EXPECT_EQ(settings->server.text(), "https://new:9000");
    EXPECT_EQ(settings->headers.at("Authorization"), "Basic dTpw");
}

TEST(Settings, ServerUrlWinsOverHostAndItsUserBecomesBasicAuth) {
    const auto settings =
        load({{"server_url", "http://u:p@box/comfy"}, {"host", "x"}, {"path_prefix", "api"}});
    ASSERT_TRUE(settings.ok());
    EXPECT_EQ(settings->server.text(), "http://box:80/comfy/api");
    EXPECT_EQ(settings->headers.at("Authorization"), "Basic dTpw");
}

TEST(Settings, TheServiceOfTheWorkerIsTheServerUnlessAnAddressIsGiven) {
    const std::map<std::string, std::string> service{{"EMPROPS_SERVICE_URL", "http://127.0.0.1:8189"}};
    EXPECT_EQ(load(Json::object(), service)->server.text(), "http://127.0.0.1:8189");
    EXPECT_EQ(load({{"path_prefix", "api"}}, service)->server.text(), "http://127.0.0.1:8189/api");
    EXPECT_EQ(load({{"server_url", "http://box:1"}}, service)->server.text(), "http://box:1");
    EXPECT_EQ(load({{"port", 9}}, service)->server.text(), "http://localhost:9");
    auto both = service;
    both["COMFYUI_HOST"] = "box";
    EXPECT_EQ(load(Json::object(), both)->server.text(), "http://box:8188");
    both["COMFYUI_HOST"] = both["COMFYUI_PORT"] = "";
    EXPECT_EQ(load(Json::object(), both)->server.text(), "http://127.0.0.1:8189");
}

TEST(Settings, UnknownAndWrongOnesAreNamed) {
    EXPECT_THAT(load({{"server_ulr", "x"}}).error().message, HasSubstr("did you mean \"server_url\""));
    EXPECT_THAT(load({}, {{"COMFYUI_PORT", "many"}}).error().message, HasSubstr("COMFYUI_PORT"));
    EXPECT_THAT(load({{"queue_timeout", 0}}).error().message, HasSubstr("queue_timeout"));
    EXPECT_FALSE(load({{"headers", {{"X", "a\r\nB: c"}}}}).ok());
}

TEST(Settings, HeadersComeAsTableOrLines) {
    EXPECT_EQ(load({{"headers", {{"X-A", "1"}}}})->headers.at("X-A"), "1");
    const auto lines = load(Json::object(), {{"COMFYUI_HEADERS", "X-A: 1\nX-B: two"}});
    EXPECT_EQ(lines->headers.at("X-B"), "two");
}

TEST(Settings, TimesAndSizesAreReadAsTheWorkerReadsThem) {
    const auto settings =
        load({{"queue_timeout", "1.5 h"}, {"max_file_bytes", "1tib"}, {"polling_interval", 7}});
    ASSERT_TRUE(settings.ok()) << settings.error().message;
    EXPECT_EQ(settings->limits.queue_wait, Ms{5'400'000});
    EXPECT_EQ(settings->outputs.max_file_bytes, std::uint64_t{1} << 40);
    EXPECT_FALSE(load({{"queue_timeout", "7 parsecs"}}).ok());
    EXPECT_FALSE(load({{"max_file_bytes", "-1"}}).ok());
}

std::string complaint(const Json& settings, std::map<std::string, std::string> environment = {}) {
    const auto loaded = load(settings, std::move(environment));
    return loaded.ok() ? "" : loaded.error().message;
}

TEST(Settings, KubernetesOwnPortVariableIsExplained) {
    EXPECT_THAT(complaint(Json::object(), {{"COMFYUI_PORT", "tcp://10.0.0.1:8188"}}),
                testing::AllOf(HasSubstr("COMFYUI_PORT"), HasSubstr("Kubernetes")));
    for (const char* wrong : {"0", "65536", "80x", "80/x", "-1"}) {
        EXPECT_THAT(complaint(Json::object(), {{"COMFYUI_PORT", wrong}}), HasSubstr("COMFYUI_PORT")) << wrong;
    }
}

TEST(Settings, AHostWithAPortIsTakenApart) {
    EXPECT_EQ(load({{"host", "127.0.0.1:18610"}})->server.text(), "http://127.0.0.1:18610");
    EXPECT_EQ(load({{"host", "[fd00::2]:1"}, {"use_ssl", true}})->server.text(), "https://[fd00::2]:1");
    EXPECT_EQ(load({{"host", "fd00::2"}})->server.text(), "http://[fd00::2]:8188");
    EXPECT_EQ(load({{"host", "box:9"}, {"port", 9}})->server.text(), "http://box:9");
    EXPECT_EQ(load({{"host", "box/comfy"}, {"port", 9}})->server.text(), "http://box:9/comfy");
    EXPECT_EQ(load(Json::object(), {{"COMFYUI_HOST", "\"box:9\""}})->server.text(), "http://box:9");
    const auto both = load({{"host", "box:9"}}, {{"COMFYUI_PORT", "10"}});
    ASSERT_FALSE(both.ok());
    EXPECT_THAT(both.error().message, HasSubstr("write it in one place"));
    EXPECT_FALSE(load({{"host", "box:x"}}).ok());
}

TEST(Settings, VariablesThatSetNothingAreWarnedOf) {
    const auto settings =
        load_settings(Json::object(), [](std::string_view) { return std::optional<EnvValue>(); },
                      {"COMFYUI_PROT", "COMFYUI_HOST", "COMFYUI_SERVICE_HOST", "HOME"});
    ASSERT_EQ(settings->warnings.size(), 1u);
    EXPECT_THAT(settings->warnings[0], HasSubstr("did you mean COMFYUI_PORT?"));
}

TEST(Settings, VariablesWithTheConnectorsOwnNameWinOverThoseOfTheKind) {
    const std::map<std::string, std::string> environment{
        {"COMFYUI_2_HOST", "second"}, {"COMFYUI_HOST", "first"}, {"COMFYUI_PORT", "9000"}};
    const auto settings = load_settings(
        Json::object(),
        [&](std::string_view name) -> std::optional<EnvValue> {
            const auto found = environment.find(std::string(name));
            if (found == environment.end()) return {};
            return EnvValue{found->first, found->second};
        },
        {"COMFYUI_2_HOST", "COMFYUI_HOST", "COMFYUI_2_PROT", "COMFYUI_2_SERVICE_HOST"}, "comfyui-2");
    ASSERT_TRUE(settings.ok()) << settings.error().message;
    EXPECT_EQ(settings->server.text(), "http://second:9000");
    ASSERT_EQ(settings->warnings.size(), 1u);
    EXPECT_THAT(settings->warnings[0], HasSubstr("did you mean COMFYUI_2_PORT?"));
}

TEST(Settings, AnEmptyVariableIsTheDefault) {
    const auto settings =
        load({{"host", "h"}}, {{"COMFYUI_PORT", ""}, {"COMFYUI_HOST", ""}, {"COMFYUI_START_TIMEOUT", ""}});
    ASSERT_TRUE(settings.ok()) << settings.error().message;
    EXPECT_EQ(settings->server.text(), "http://localhost:8188");
    EXPECT_EQ(settings->limits.start, Limits{}.start);
}

TEST(Settings, AccessThatCannotWorkIsRefused) {
    EXPECT_THAT(complaint({{"username", "u"}}), HasSubstr("password is not set"));
    EXPECT_THAT(complaint({{"bearer_token", "a\r\nX: y"}}), HasSubstr("bearer_token"));
    EXPECT_EQ(load({{"bearer_token", " t\n"}})->headers.at("Authorization"), "Bearer t");
    EXPECT_THAT(complaint({{"ca_file", "/nowhere/at/all.pem"}}), HasSubstr("ca_file"));
}

TEST(Settings, AnOutputFolderOfTheJobsOwnIsMadeWhereItCanBeRemoved) {
    EXPECT_FALSE(load(Json::object())->own_output_folder());
    EXPECT_TRUE(load({{"comfyui_folder", "/c"}})->own_output_folder());
    EXPECT_FALSE(load({{"comfyui_folder", "/c"}, {"output_subfolder", false}})->own_output_folder());
}

TEST(Settings, WhatTheEarlierWorkerTookIsStillTaken) {
    const auto settings = load({{"port", "8189"},
                                {"username", 5},
                                {"password", "p"},
                                {"use_ssl", "yes"},
                                {"websocket_nodes", "Mine, Yours"},
                                {"headers", "X-A: 1"},
                                {"capabilities_interval", "1min"}});
    ASSERT_TRUE(settings.ok()) << settings.error().message;
    EXPECT_EQ(settings->server.text(), "https://localhost:8189");
    EXPECT_THAT(settings->websocket_nodes, testing::ElementsAre("SaveImageWebsocket", "Mine", "Yours"));
    EXPECT_EQ(settings->headers.at("X-A"), "1");
    EXPECT_THAT(settings->warnings,
                testing::ElementsAre(HasSubstr("capabilities_interval is no setting any more")));
}

TEST(Settings, ThoseOfDeliveryChangeNothingHereAndSayWhoDelivers) {
    const auto settings = load({{"deliver", {"s3"}}, {"s3_secret_key", "SECRET"}, {"http_put_headers", 5}});
    ASSERT_TRUE(settings.ok()) << settings.error().message;
    EXPECT_THAT(settings->warnings, testing::SizeIs(3));
    EXPECT_THAT(settings->warnings,
                testing::Each(testing::AllOf(HasSubstr("[stores.NAME]"), testing::Not(HasSubstr("SECRET")))));
}

TEST(Settings, InlineIsNotLimitedUnlessItIsSaid) {
    EXPECT_EQ(load(Json::object())->outputs.inline_max_bytes, std::nullopt);
    EXPECT_EQ(load({{"inline_max_bytes", "1MiB"}})->outputs.inline_max_bytes, 1u << 20);
    EXPECT_EQ(
        load({{"inline_max_bytes", "1MiB"}}, {{"COMFYUI_INLINE_MAX_BYTES", ""}})->outputs.inline_max_bytes,
        std::nullopt);
    EXPECT_FALSE(load({{"inline_max_bytes", "much"}}).ok());
}

TEST(Settings, ASecretIsNeverPartOfAMessage) {
    EXPECT_THAT(complaint({{"password", {"SECRET"}}}), testing::Not(HasSubstr("SECRET")));
}

TEST(Settings, EveryRowHasAKeyOfItsOwnAndTheReadmeHasThemAll) {
    std::set<std::string> keys;
    for (const auto& row : setting_rows()) {
        EXPECT_TRUE(keys.insert(row.key).second) << row.key;
        EXPECT_TRUE(row.sentence.ends_with('.')) << row.key;
    }
    test::expect_generated_table(EMPROPS_SOURCE_DIR "/connectors/comfyui/README.md",
                                 settings_page(setting_rows()));
}

}  // namespace
}  // namespace emprops::comfyui
