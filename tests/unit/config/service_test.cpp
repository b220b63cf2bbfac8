// [connectors.NAME.service]: the companion process of a connector.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "config/fields.h"
#include "config/toml_file.h"
#include "tests/support/config_fixture.h"

namespace emprops::config {
namespace {

using test::problems_of;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::Pair;

struct Service : testing::Test, test::ConfigFixture {
    ServiceSettings service() {
        loaded = load();
        EXPECT_EQ(problems_of(loaded), "");
        return loaded.settings.connectors.at(0).service;
    }
    Loaded loaded;
};

TEST_F(Service, WithoutATableThereIsNone) {
    toml("[connectors.c]\n");
    EXPECT_FALSE(service().enabled());
    EXPECT_EQ(service(), ServiceSettings{});
}

TEST_F(Service, ATableTurnsItOn) {
    toml(
        "[connectors.c.service]\ncommand = [\"python\", \"main.py\", \"--port\", \"{port}\"]\nport = "
        "8188\n"
        "health_missed = 3\nhealth_timeout = \"2s\"\nmax_vram = \"20GiB\"\n"
        "env = {CUDA_VISIBLE_DEVICES = \"{instance}\"}\n");
    const ServiceSettings settings = service();
    EXPECT_THAT(settings.command, ElementsAre("python", "main.py", "--port", "{port}"));
    EXPECT_EQ(settings.port, 8188);
    EXPECT_EQ(settings.health_url, "http://127.0.0.1:{port}/system_stats");
    EXPECT_EQ(settings.health_missed, 3u);
    EXPECT_EQ(settings.health_timeout, 2s);
    EXPECT_EQ(settings.max_vram, std::uint64_t{20} << 30);
    EXPECT_EQ(settings.supervision.start_timeout, 10min);
    EXPECT_THAT(settings.env, ElementsAre(Pair("CUDA_VISIBLE_DEVICES", "{instance}")));
}

TEST_F(Service, HasTheRestartRulesOfItsConnectorButNotItsLimits) {
    toml(
        "[supervision]\nbackoff_max = \"7s\"\nmax_rss = \"1GiB\"\nstop_term = \"9s\"\n"
        "[connectors.c]\nbreaker_deaths = 9\nuser = \"render\"\nlimit_open_files = 100\n"
        "[connectors.c.service]\ncommand = \"x\"\nbreaker_window = \"1h\"\n");
    env("EMPROPS_CONNECTORS_C_BREAKER_TRIAL") = "33s";
    const ProcessSettings rules = service().supervision;
    EXPECT_EQ(rules.backoff_max, 7s);
    EXPECT_EQ(rules.stop.term_grace, 9s);
    EXPECT_EQ(rules.stop.shutdown_grace, off);
    EXPECT_EQ(rules.breaker_deaths, 9u);
    EXPECT_EQ(rules.breaker_window, 1h);
    EXPECT_EQ(rules.breaker_trial, 33s) << "of its connector, from whichever layer";
    EXPECT_EQ(rules.user, "render");
    EXPECT_EQ(rules.max_rss, 0u);
    EXPECT_EQ(rules.limit_open_files, 0u);
    EXPECT_EQ(loaded.settings.connectors[0].supervision.breaker_window, 300s);
}

TEST_F(Service, VariablesAndTheCommandLineReachIt) {
    toml("[connectors.my-c.service]\ncommand = \"a\"\nport = 1\nmax_jobs = 5\n");
    env("EMPROPS_CONNECTORS_MY_C_SERVICE_PORT") = "2";
    env("EMPROPS_CONNECTORS_MY_C_SERVICE_MAX_JOBS") = "6";
    request.overrides = {"connectors.my-c.service.max_jobs=7", "connectors.my-c.service.env.A=b",
                         "connectors.my-c.service.command=python main.py"};
    const ServiceSettings settings = service();
    EXPECT_EQ(settings.port, 2);
    EXPECT_EQ(settings.supervision.max_jobs, 7u);
    EXPECT_THAT(settings.env, ElementsAre(Pair("A", "b")));
    EXPECT_THAT(settings.command, ElementsAre("python", "main.py"));
}

TEST_F(Service, AnUnknownKeyNamesTheNearestAndBadValuesNameTheirLine) {
    toml(
        "[connectors.c.service]\ncommand = \"x\"\nhealth_ulr = \"http://h/\"\nport = 70000\n"
        "health_missed = 0\n[connectors.d]\nservice = 1\n[connectors.e]\nservce = {}\n");
    request.overrides = {"connectors.c.service.prot=1"};
    const std::string text = problems_of(load());
    EXPECT_THAT(text, HasSubstr("emprops-worker.toml:3: unknown key `connectors.c.service.health_ulr`; did "
                                "you mean `connectors.c.service.health_url`?"));
    EXPECT_THAT(text, HasSubstr("emprops-worker.toml:4: `connectors.c.service.port` must be"));
    EXPECT_THAT(text, HasSubstr("emprops-worker.toml:5: `connectors.c.service.health_missed` must be"));
    EXPECT_THAT(text, HasSubstr("emprops-worker.toml:7: `connectors.d.service` must be a table"));
    EXPECT_THAT(text, HasSubstr("did you mean `connectors.e.service`?"));
    EXPECT_THAT(text, HasSubstr("did you mean `connectors.c.service.port`?"));
}

TEST_F(Service, WhatContradictsItselfIsNamed) {
    toml(
        "[connectors.a]\ninstances = 2\n[connectors.a.service]\ncommand = \"x\"\nport = 8188\n"
        "[connectors.b.service]\ncommand = \"x\"\nport = 8189\nhealth_url = \"ftp://h\"\n"
        "[connectors.c.service]\nport = 9000\n"
        "[connectors.d]\ninstances = 3\n[connectors.d.service]\ncommand = \"x\"\nport = 65534\n"
        "[connectors.e.service]\ncommand = \"x\"\nhealth_url = \"http://h:{port}/\"\n");
    const std::string text = problems_of(load());
    EXPECT_THAT(text, HasSubstr("need port 8189, which the service of `a` has"));
    EXPECT_THAT(text, HasSubstr("`connectors.b.service.health_url` must begin with http://"));
    EXPECT_THAT(text,
                HasSubstr("warning: `connectors.c.service.command` is empty: the rest of that table has no "
                          "effect"));
    EXPECT_THAT(text, HasSubstr("`connectors.d.service.port` leaves no ports for 3 instances"));
    EXPECT_THAT(text, HasSubstr("warning: `connectors.e.service.health_url` has no effect"));
}

TEST_F(Service, WhereItsPageHasTheGraphicsMemoryIsASetting) {
    toml(
        "[connectors.c.service]\ncommand = \"x\"\nmax_vram = \"1GiB\"\n"
        "vram_figures = [\"/gpus/*/used\"]\n");
    EXPECT_THAT(service().vram_figures, ElementsAre("/gpus/*/used"));
    env("EMPROPS_CONNECTORS_C_SERVICE_VRAM_FIGURES") = "/total,/free";
    EXPECT_THAT(service().vram_figures, ElementsAre("/total", "/free"));
}

TEST_F(Service, PlacesThatCannotBeAndALimitThatNobodyMeasuresAreNamed) {
    toml(
        "[connectors.a.service]\ncommand = \"x\"\nvram_figures = [\"used\"]\n"
        "[connectors.b.service]\ncommand = \"x\"\nvram_figures = [\"/a\", \"/b\", \"/c\"]\n"
        "[connectors.c.service]\ncommand = \"x\"\nmax_vram = 1\nvram_figures = []\n"
        "[connectors.d.service]\ncommand = \"x\"\nmax_vram = 1\nhealth_url = \"\"\n");
    const std::string text = problems_of(load());
    EXPECT_THAT(text, HasSubstr("`connectors.a.service.vram_figures` takes one or two JSON pointers"));
    EXPECT_THAT(text, HasSubstr("`connectors.b.service.vram_figures` takes one or two JSON pointers"));
    EXPECT_THAT(text, HasSubstr("warning: `connectors.c.service.max_vram` has no effect: "
                                "`connectors.c.service.vram_figures` is empty"));
    EXPECT_THAT(text, HasSubstr("warning: `connectors.d.service.max_vram` has no effect: "
                                "`connectors.d.service.health_url` is empty"));
}

TEST_F(Service, NeverGetsTheTokenOfTheHub) {
    toml(
        "[connectors.c.service]\ncommand = \"x\"\nenv = {WEBSOCKET_AUTH_TOKEN = \"SECRET\", HF_TOKEN = "
        "\"SECRET2\"}\n");
    loaded = load();
    EXPECT_THAT(problems_of(loaded), HasSubstr("`WEBSOCKET_AUTH_TOKEN` may hold the Hub's token"));
    EXPECT_THAT(loaded.settings.connectors[0].service.env, ElementsAre(Pair("HF_TOKEN", "SECRET2")));
    EXPECT_THAT(print_effective(loaded), Not(HasSubstr("SECRET")));
}

TEST_F(Service, IsPrintedWithItsOrigins) {
    toml(
        "[connectors.c.service]\ncommand = [\"x\"]\nport = 8188\nbreaker_deaths = 7\nenv = {A = "
        "\"b\"}\n");
    const std::string text = print_effective(load());
    EXPECT_THAT(text, HasSubstr("\n[connectors.c.service]\ncommand = [\"x\"]  # emprops-worker.toml:2\n"));
    EXPECT_THAT(text, HasSubstr("\nport = 8188  # emprops-worker.toml:3\n"));
    EXPECT_THAT(text, HasSubstr("\nhealth_missed = 12  # default\n"));
    EXPECT_THAT(text, HasSubstr("\nbreaker_deaths = 7  # emprops-worker.toml:4\n"));
    EXPECT_THAT(text, HasSubstr("\n[connectors.c.service.env]\nA = \"b\"  # emprops-worker.toml:5\n"));
    const std::string own = text.substr(text.find("[connectors.c.service]"));
    for (const Field& field : fields()) {
        if (!field.of_service() || field.is_environment() || field.inherited) continue;
        EXPECT_THAT(own, HasSubstr((field.default_value().is_null() ? "\n# " : "\n") + field.key));
    }
    EXPECT_EQ(parse_toml(text).error, std::nullopt) << text;
}

TEST_F(Service, AReloadSeesItsChanges) {
    toml("[connectors.c.service]\ncommand = \"x\"\n");
    const Settings before = load().settings;
    toml("[connectors.c.service]\ncommand = \"x\"\nmax_jobs = 3\n");
    EXPECT_THAT(changed_connectors(before, load().settings), ElementsAre("c"));
}

}  // namespace
}  // namespace emprops::config
