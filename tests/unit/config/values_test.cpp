#include "config/fields.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "config/rows/toml_text.h"
#include "ipc/text/values.h"

namespace emprops::config {
namespace {

using nlohmann::json;

struct Assigning : testing::Test {
    config::Settings settings;
    ConnectorSettings connector;
    std::string message;

    bool from_toml(const char* table, const char* key, const json& value) {
        const Field& field = *find_field(table, key);
        message = (field.in_connector ? field.in_connector->read(connector, value, "/base")
                                      : field.in_settings->read(settings, value, "/base"))
                      .value_or("");
        return message.empty();
    }
    bool from_text(const char* table, const char* key, const char* text) {
        return from_toml(table, key, find_field(table, key)->from_text(text));
    }
};

TEST_F(Assigning, EachKindTakesItsSpellings) {
    EXPECT_TRUE(from_toml("hub", "tls", true));
    EXPECT_TRUE(from_toml("hub", "port", 80));
    EXPECT_TRUE(from_toml("hub", "connect_timeout", 2.5));
    EXPECT_TRUE(from_toml("hub", "send_limit", "1MiB"));
    EXPECT_TRUE(from_toml("log", "level", "WARNING"));
    EXPECT_TRUE(from_toml("worker", "drain_mode", "Now"));
    EXPECT_TRUE(from_toml("supervision", "cpu_affinity", {0, 3}));
    EXPECT_TRUE(settings.hub.tls);
    EXPECT_EQ(settings.hub.port, 80);
    EXPECT_EQ(settings.hub.connect_timeout, 2500ms);
    EXPECT_EQ(settings.hub.send_limit, MiB);
    EXPECT_EQ(settings.log.level, "warn");
    EXPECT_EQ(settings.worker.drain_mode, "now");
    EXPECT_EQ(connector.supervision.cpu_affinity, (std::vector<int>{0, 3}));
}

TEST_F(Assigning, TextTakesTheSameValues) {
    EXPECT_TRUE(from_text("hub", "port", " 443 "));
    EXPECT_TRUE(from_text("supervision", "cpu_affinity", "0, 4-6"));
    EXPECT_TRUE(from_text("supervision", "nice", "-5"));
    EXPECT_TRUE(from_text("log", "levels", "hub=DEBUG, connector.comfyui=error"));
    EXPECT_TRUE(from_text("", "connector_dirs", "/opt/a:here"));
    EXPECT_TRUE(from_text("connectors.NAME", "job_types", "a, b,"));
    EXPECT_TRUE(from_text("connectors.NAME", "command", "./mine.sh --fast"));
    EXPECT_EQ(settings.hub.port, 443);
    EXPECT_EQ(connector.supervision.cpu_affinity, (std::vector<int>{0, 4, 5, 6}));
    EXPECT_EQ(connector.supervision.nice, -5);
    EXPECT_EQ(settings.log.levels.at("hub"), "debug");
    EXPECT_EQ(settings.log.levels.at("connector.comfyui"), "error");
    EXPECT_EQ(settings.connector_dirs, (std::vector<std::filesystem::path>{"/opt/a", "/base/here"}));
    EXPECT_EQ(connector.job_types, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(connector.command, (std::vector<std::string>{"/base/mine.sh", "--fast"}));
}

TEST_F(Assigning, AnEmptyTextUnsetsAnOptionalAndIsWrongForANumber) {
    settings.hub.port = 8001;
    EXPECT_TRUE(from_text("hub", "port", ""));
    EXPECT_EQ(settings.hub.port, std::nullopt);
    EXPECT_FALSE(from_text("supervision", "ping_missed", ""));
    EXPECT_FALSE(from_text("worker", "heartbeat_interval", ""));
}

TEST_F(Assigning, AProblemLeavesTheOldValueAndSaysWhatIsExpected) {
    EXPECT_FALSE(from_toml("hub", "port", 70000));
    EXPECT_EQ(message, "must be a whole number from 1 to 65535, not `70000`");
    EXPECT_EQ(settings.hub.port, std::nullopt);
    EXPECT_FALSE(from_text("hub", "keepalive_interval", "60"));
    EXPECT_EQ(message, "must be from 1 s to 25 s, not `60`");
    EXPECT_EQ(settings.hub.keepalive_interval, 10s);
    EXPECT_FALSE(from_text("worker", "durability", "ram"));
    EXPECT_EQ(message, "must be `disk` or `process`, not `ram`");
    EXPECT_FALSE(from_toml("hub", "connect_timeout", -1));
    EXPECT_FALSE(from_toml("hub", "connect_timeout", "soon"));
    EXPECT_FALSE(from_toml("hub", "host", 5));
    EXPECT_FALSE(from_toml("supervision", "max_rss", -1));
    EXPECT_FALSE(from_toml("supervision", "ping_missed", 2.5));
    EXPECT_FALSE(from_toml("connectors.NAME", "command", json::array({"a", 1})));
    EXPECT_FALSE(from_toml("connectors.NAME", "settings", "text"));
    EXPECT_FALSE(from_toml("log", "level", "loud"));
    EXPECT_EQ(message, "must be trace, debug, info, warn or error, not `loud`");
}

TEST_F(Assigning, ASecretIsNeverPartOfAMessage) {
    EXPECT_FALSE(from_toml("hub", "token", 123456));
    EXPECT_EQ(message.find("123456"), std::string::npos) << message;
}

TEST_F(Assigning, ValuesThatCannotBePassedOnAreRefused) {
    json deep = 1;
    for (int i = 0; i < 40; ++i)
        deep = json{{"a", deep}};
    EXPECT_FALSE(from_toml("connectors.NAME", "settings", deep));
    EXPECT_FALSE(from_toml("connectors.NAME", "settings", {{"x", std::nan("")}}));
    EXPECT_FALSE(from_toml("connectors.NAME", "env", {{"X", std::string("a\0b", 3)}}));
    EXPECT_FALSE(from_toml("connectors.NAME", "env", {{"A=B", "x"}}));
    EXPECT_FALSE(from_toml("connectors.NAME", "env", {{"X", {1}}}));
    EXPECT_TRUE(from_toml("connectors.NAME", "env", {{"N", 5}, {"T", true}}));
    EXPECT_EQ(connector.env.at("N"), "5");
    EXPECT_EQ(connector.env.at("T"), "true");
}

TEST_F(Assigning, WhatIsRenderedReadsBackAsTheSameValue) {
    for (const char* text : {"0", "1ms", "1500ms", "90s", "2h", "7d"}) {
        ASSERT_TRUE(from_text("supervision", "job_timeout", text));
        const std::string rendered = emprops::settings::toml_value(
            find_field("supervision", "job_timeout")->in_connector->value(connector));
        EXPECT_EQ(text::parse_duration(std::string_view(rendered).substr(1, rendered.size() - 2)),
                  text::parse_duration(text));
    }
    EXPECT_EQ(emprops::settings::toml_string("a\"b\n\x7f"), "\"a\\\"b\\n\\u007F\"");
    EXPECT_EQ(emprops::settings::toml_value({{"a b", 1}, {"c", {true, "x"}}}),
              "{ \"a b\" = 1, c = [true, \"x\"] }");
}

}  // namespace
}  // namespace emprops::config
