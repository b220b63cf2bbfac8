#include "connectors/comfyui/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

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

TEST(Settings, UnknownAndWrongOnesAreNamed) {
    EXPECT_THAT(load({{"server_ulr", "x"}}).error().message, HasSubstr("did you mean \"server_url\""));
    EXPECT_THAT(load({}, {{"COMFYUI_PORT", "many"}}).error().message, HasSubstr("COMFYUI_PORT"));
    EXPECT_THAT(load({{"queue_timeout", 0}}).error().message, HasSubstr("queue_timeout"));
    EXPECT_THAT(load({{"deliver", "inline,ftp"}}).error().message, HasSubstr("ftp"));
    EXPECT_THAT(load({{"deliver", {"s3"}}}).error().message, HasSubstr("s3_endpoint"));
    EXPECT_FALSE(load({{"headers", {{"X", "a\r\nB: c"}}}}).ok());
}

TEST(Settings, HeadersComeAsTableOrLines) {
    EXPECT_EQ(load({{"headers", {{"X-A", "1"}}}})->headers.at("X-A"), "1");
    const auto lines = load(Json::object(), {{"COMFYUI_HEADERS", "X-A: 1\nX-B: two"}});
    EXPECT_EQ(lines->headers.at("X-B"), "two");
}

TEST(Settings, TimesAndSizesHaveUnits) {
    EXPECT_EQ(parse_duration("1.5s"), Ms{1500});
    EXPECT_EQ(parse_duration("2min"), Ms{120'000});
    EXPECT_EQ(parse_duration("7"), Ms{7000});
    EXPECT_FALSE(parse_duration("7 parsecs"));
    EXPECT_EQ(parse_size("16MiB"), 16u << 20);
    EXPECT_EQ(parse_size("10MB"), 10'000'000u);
    EXPECT_FALSE(parse_size("-1"));
}

}  // namespace
}  // namespace emprops::comfyui
