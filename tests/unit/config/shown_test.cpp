// What people see: the table of settings, check-config's output, and the files that ship.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "config/fields.h"
#include "config/files.h"
#include "config/rows/toml_text.h"
#include "config/toml_file.h"
#include "tests/support/config_fixture.h"

namespace emprops::config {
namespace {

using test::problems_of;
using testing::HasSubstr;
using testing::Not;

const std::filesystem::path shipped = std::filesystem::path(EMPROPS_SOURCE_DIR) / "config";

std::string shipped_file(const char* name) {
    return read_file(shipped / name).value();
}

struct Shown : testing::Test, test::ConfigFixture {};

TEST(Fields, EveryNameIsThereOnceAndEverySentenceIsOne) {
    std::set<std::string> keys;
    std::set<std::string> variables;
    for (const Field& field : fields()) {
        EXPECT_TRUE(keys.insert(field.full_key()).second) << field.full_key();
        for (const std::string& name : field.variables())
            EXPECT_TRUE(variables.insert(name).second) << name;
        EXPECT_TRUE(field.sentence.ends_with('.')) << field.full_key();
        EXPECT_TRUE(field.in_settings || field.in_connector) << field.full_key();
        EXPECT_EQ(field.sentence.find('|'), std::string::npos) << "would break the README's table";
    }
}

/// Changes each row's value to another one and looks that no other row of the same struct changes with it.
template <class Owner>
void expect_places_of_their_own(std::optional<settings::Row<Owner>> Field::*row) {
    const nlohmann::json others[] = {true,      false,  7,       70000,  "7s",  "128KiB", "now",
                                     "process", "json", "debug", "text", {"a"}, {3},      {{"a", "info"}}};
    for (const Field& field : fields()) {
        if (!(field.*row)) continue;
        Owner owner;
        for (const auto& other : others) {
            if ((field.*row)->value(owner) != (field.*row)->value(Owner())) break;
            (field.*row)->read(owner, other, "/");
        }
        EXPECT_NE((field.*row)->value(owner), (field.*row)->value(Owner())) << field.full_key();
        for (const Field& second : fields()) {
            if (!(second.*row) || &second == &field) continue;
            EXPECT_EQ((second.*row)->value(owner), (second.*row)->value(Owner()))
                << field.full_key() << " changes " << second.full_key();
        }
    }
}

TEST(Fields, NoTwoFieldsShareAPlace) {
    expect_places_of_their_own(&Field::in_settings);
    expect_places_of_their_own(&Field::in_connector);
}

TEST(Fields, EveryDefaultIsWithinItsOwnRange) {
    for (const Field& field : fields()) {
        Settings settings;
        ConnectorSettings connector;
        const std::string rendered = emprops::settings::toml_value(field.default_value());
        if (rendered.empty()) continue;
        const TomlFile parsed = parse_toml("x = " + rendered);
        ASSERT_EQ(parsed.entries.size(), 1U) << rendered;
        const auto& value = parsed.entries[0].value;
        EXPECT_EQ(field.in_settings ? field.in_settings->read(settings, value, "/")
                                    : field.in_connector->read(connector, value, "/"),
                  std::nullopt)
            << field.full_key();
    }
}

TEST(Fields, WhatAServiceTakesOverIsWhatItsRowsSay) {
    SupervisionSettings of_connector;
    of_connector.stop = {1s, 2s, 3s};
    of_connector.backoff_initial = of_connector.backoff_max = 4s;
    of_connector.breaker_deaths = 6;
    of_connector.breaker_window = of_connector.breaker_trial = 7s;
    of_connector.max_jobs = 8;
    of_connector.max_age = of_connector.start_timeout = 9s;
    of_connector.max_rss = of_connector.limit_core = of_connector.limit_address_space = 10;
    of_connector.cgroup_memory_max = of_connector.limit_open_files = 10;
    of_connector.nice = of_connector.oom_score_adj = 11;
    of_connector.cpu_affinity = {1};
    of_connector.stderr_lines_per_second = 12;
    of_connector.no_new_privs = false;
    of_connector.user = "render";
    of_connector.env_pass = {"HF_*"};
    ConnectorSettings connector;
    connector.service.supervision = inherited_by_service(of_connector);
    for (const Field& field : fields()) {
        if (!field.of_service()) continue;
        EXPECT_EQ(field.in_connector->value(connector) != field.default_value(), field.inherited)
            << field.full_key();
    }
}

TEST_F(Shown, EffectiveSettingsAreTomlWithTheOriginOfEachValue) {
    toml(
        "[hub]\nhost = \"h\"\n[connectors.comfyui]\nping_interval = 5\n[connectors.comfyui.settings]\na = "
        "1\n");
    dotenv("REDIS_API_PORT=8001\nCOMFYUI_HOST=c\n");
    env("LOG_LEVEL") = "DEBUG";
    const std::string text = print_effective(load());
    EXPECT_THAT(text, HasSubstr("\n[hub]\nurl = \"\"  # default\nhost = \"h\"  # emprops-worker.toml:2\n"
                                "port = 8001  # .env:1 (REDIS_API_PORT)\n"));
    EXPECT_THAT(text, HasSubstr("\nlevel = \"debug\"  # environment: LOG_LEVEL\n"));
    EXPECT_THAT(text, HasSubstr("\n# nice is not set  # default\n"));
    EXPECT_THAT(text, HasSubstr("\nping_interval = \"5s\"  # emprops-worker.toml:4\n"));
    EXPECT_THAT(text, HasSubstr("\nsettings = { a = 1 }  # emprops-worker.toml:6\n"));
    EXPECT_THAT(text,
                HasSubstr("\n[connectors.comfyui.env]\nCOMFYUI_HOST = \"c\"  # .env:2 (COMFYUI_HOST)\n"));
    EXPECT_EQ(parse_toml(text).error, std::nullopt) << text;
}

TEST_F(Shown, EverySettingIsPrinted) {
    const std::string text = print_effective(load());
    for (const Field& field : fields()) {
        if (field.is_environment() || field.of_service()) continue;
        EXPECT_THAT(text, testing::AnyOf(HasSubstr("\n" + field.key + " = "),
                                         HasSubstr("\n# " + field.key + " is not set"),
                                         testing::StartsWith(field.key + " = ")));
    }
}

TEST_F(Shown, SecretsAreHiddenInOutputAndInProblems) {
    toml(
        "[local_hub]\ntoken = \"SECRET1\"\n[connectors.comfyui.settings]\nheaders = { Authorization = "
        "\"SECRET2\" "
        "}\napi_keys = [\"SECRET3\"]\n");
    env("WEBSOCKET_AUTH_TOKEN") = "SECRET4";
    env("REDIS_WS_URL") = "ws://user:SECRET5@h/ws?token=SECRET6";
    env("EMPROPS_HUB_PROXY") = "https://u:SECRET7@p:1";
    env("COMFYUI_PASSWORD") = "SECRET8";
    env("COMFYUI_SERVER_URL") = "http://u:SECRET9@h/";
    dir.write_file(".env.comfyui", "WEBSOCKET_AUTH_TOKEN=SECRET0\n");
    const Loaded loaded = load();
    const std::string text = print_effective(loaded) + problems_of(loaded);
    EXPECT_THAT(text, Not(HasSubstr("SECRET")));
    EXPECT_THAT(text, HasSubstr("token = \"(set, hidden)\"  # environment: WEBSOCKET_AUTH_TOKEN"));
    EXPECT_THAT(text, HasSubstr("url = \"ws://(hidden)@h/ws?(hidden)\""));
    EXPECT_THAT(text, HasSubstr("COMFYUI_PASSWORD = \"(set, hidden)\""));
    EXPECT_THAT(text, HasSubstr("COMFYUI_SERVER_URL = \"http://(hidden)@h/\""));
}

TEST_F(Shown, AnEmptySecretIsShownAsEmpty) {
    EXPECT_THAT(print_effective(load()), HasSubstr("\ntoken = \"\"  # default\n"));
}

/// The example with every `# key = value` switched on; explanations begin with ##.
std::string uncommented(const std::string& text) {
    std::istringstream lines(text);
    std::string result;
    for (std::string line; std::getline(lines, line);) {
        result += (line.starts_with("# ") ? line.substr(2) : line) + "\n";
    }
    return result;
}

TEST_F(Shown, TheExampleFileHoldsEveryKeyWithItsDefault) {
    const Loaded defaults = load();
    const std::string text = uncommented(shipped_file("emprops-worker.example.toml"));
    toml(text);
    const Loaded loaded = load();
    EXPECT_EQ(problems_of(loaded), "");
    EXPECT_EQ(changed_keys(defaults.settings, loaded.settings), std::vector<std::string>{});
    EXPECT_EQ(defaults.settings.supervision, loaded.settings.supervision);
    EXPECT_EQ(defaults.settings.connectors, loaded.settings.connectors);
    for (const Field& field : fields()) {
        const std::string key =
            field.in_settings ? field.full_key() : "connectors.simulation." + field.connector_key();
        if (field.shape != settings::Shape::value) {
            EXPECT_THAT(text, HasSubstr("\n" + field.key + " = {}\n"));
        } else {
            EXPECT_EQ(loaded.origins.count(key), 1U) << key << " is missing in the example";
        }
    }
}

TEST_F(Shown, TheExampleFileAsItShipsChangesNothing) {
    const Loaded defaults = load();
    std::filesystem::copy_file(shipped / "emprops-worker.example.toml", dir / "emprops-worker.toml");
    const Loaded loaded = load();
    EXPECT_EQ(problems_of(loaded), "");
    EXPECT_EQ(loaded.files_read.size(), 1U);
    EXPECT_TRUE(loaded.origins.empty());
    EXPECT_EQ(defaults.settings.connectors, loaded.settings.connectors);
}

TEST_F(Shown, GeneratedFilesAreWhatTheTableOfSettingsSays) {
    const std::string settings_page =
        "# Settings\n\nEvery setting of the worker, generated from its rows. Rules: README.md.\n\n" +
        settings_table_markdown();
    if (std::getenv("EMPROPS_WRITE_GENERATED") != nullptr) {
        std::ofstream(shipped / "emprops-worker.example.toml") << example_toml();
        std::ofstream(shipped / "SETTINGS.md") << settings_page;
    }
    const char* advice = "run unit_config with EMPROPS_WRITE_GENERATED=1";
    EXPECT_EQ(shipped_file("emprops-worker.example.toml"), example_toml()) << advice;
    EXPECT_EQ(shipped_file("SETTINGS.md"), settings_page) << advice;
}

TEST_F(Shown, TheDotenvExamplesCopiedAsTheReadmeSaysChangeBehaviour) {
    std::filesystem::copy_file(shipped / ".env.example", dir / ".env");
    std::filesystem::copy_file(shipped / ".env.simulation", dir / ".env.simulation");
    std::filesystem::copy_file(shipped / ".env.comfyui", dir / ".env.comfyui");
    Loaded loaded = load();
    EXPECT_EQ(problems_of(loaded), "");
    EXPECT_EQ(loaded.settings.hub.host, "localhost");
    EXPECT_EQ(loaded.settings.hub.port, 8001);
    ASSERT_EQ(loaded.settings.connectors.size(), 1U);
    EXPECT_EQ(loaded.settings.connectors[0].env,
              (std::map<std::string, std::string>{{"SIMULATION_JOB_TYPE", "simulation"},
                                                  {"SIMULATION_PROCESSING_TIME", "10"},
                                                  {"SIMULATION_STEPS", "5"}}));

    // ... and then edited, each in place.
    const auto edit = [this](const char* file, const std::string& from, const std::string& to) {
        std::string text = dir.read_file(file);
        const std::size_t at = text.find("\n" + from);
        ASSERT_NE(at, std::string::npos) << from;
        dir.write_file(file, text.replace(at + 1, from.size(), to));
    };
    edit(".env", "REDIS_API_HOST=localhost", "REDIS_API_HOST=hub.example.com");
    edit(".env", "REDIS_API_PORT=8001", "REDIS_API_PORT=");
    edit(".env", "USE_SSL=false", "USE_SSL=true");
    edit(".env", "WEBSOCKET_AUTH_TOKEN=", "WEBSOCKET_AUTH_TOKEN=\"my secret\"");
    edit(".env", "# WORKER_BASE_ID=gpu-1", "WORKER_BASE_ID=gpu-1");
    edit(".env", "CONNECTORS=simulation", "CONNECTORS=comfyui,simulation");
    edit(".env", "HEARTBEAT_INTERVAL=20", "HEARTBEAT_INTERVAL=30");
    edit(".env", "LOG_LEVEL=info", "LOG_LEVEL=DEBUG");
    edit(".env.comfyui", "COMFYUI_HOST=localhost", "COMFYUI_HOST=gpu");
    dir.write_file(".env.simulation.local", "SIMULATION_STEPS=2\n");
    loaded = load();
    EXPECT_EQ(problems_of(loaded), "");
    const Settings& settings = loaded.settings;
    EXPECT_EQ(settings.hub.host, "hub.example.com");
    EXPECT_EQ(settings.hub.port, std::nullopt);
    EXPECT_TRUE(settings.hub.tls);
    EXPECT_EQ(settings.hub.token, "my secret");
    EXPECT_EQ(settings.worker.id, "gpu-1");
    EXPECT_EQ(settings.worker.heartbeat_interval, 30s);
    EXPECT_EQ(settings.log.level, "debug");
    ASSERT_EQ(settings.connectors.size(), 2U);
    EXPECT_EQ(settings.connectors[0].env.at("COMFYUI_HOST"), "gpu");
    EXPECT_EQ(settings.connectors[0].env.at("COMFYUI_PORT"), "8188");
    EXPECT_EQ(settings.connectors[1].env.at("SIMULATION_STEPS"), "2");
}

TEST_F(Shown, TheComfyuiExampleNamesEveryVariableOfThatConnector) {
    const std::string text = shipped_file(".env.comfyui");
    for (const char* name : {"COMFYUI_SERVER_URL", "COMFYUI_HOST", "COMFYUI_PORT", "COMFYUI_USE_SSL",
                             "COMFYUI_USERNAME", "COMFYUI_PASSWORD", "COMFYUI_JOB_TYPE"}) {
        EXPECT_THAT(text, HasSubstr(std::string(name) + "="));
    }
}

TEST(Unit, StopsLaterThanAJobMayRun) {
    const std::string unit = shipped_file("emprops-worker.service.in");
    const std::string key = "\nTimeoutStopSec=";
    const std::size_t at = unit.find(key);
    ASSERT_NE(at, std::string::npos);
    const Duration limit = std::chrono::seconds(std::stoi(unit.substr(at + key.size())));
    const Settings settings;
    const StopLadder& stop = settings.supervision.stop;
    EXPECT_GT(limit, settings.worker.drain_timeout + stop.shutdown_grace + stop.term_grace + stop.kill_grace);
}

}  // namespace
}  // namespace emprops::config
