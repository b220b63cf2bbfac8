// What a person sees who made a mistake: a clear sentence, the right exit code, no crash, no endless noise.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/job_client.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

TEST(Mistakes, AllErrorsOfTheConfigurationAreNamedAtOnce) {
    TempDir dir;
    dir.write_file("emprops-worker.toml",
                   "[hub]\ntokn = \"x\"\nport = 99999\n[worker]\nheartbeat_interval = \"2h\"\n");
    for (const char* command : {"run", "check-config"}) {
        const auto output = run_program({command}, dir.path());
        EXPECT_EQ(output.exit_code, 78) << command;
        EXPECT_TRUE(contains(output.err, "emprops-worker.toml:2")) << output.err;
        EXPECT_TRUE(contains(output.err, "hub.token")) << output.err;
        EXPECT_TRUE(contains(output.err, "emprops-worker.toml:3")) << output.err;
        EXPECT_TRUE(contains(output.err, "emprops-worker.toml:5")) << output.err;
    }
}

TEST(Mistakes, CheckConfigHidesSecretsAndShowsOrigins) {
    TempDir dir;
    dir.write_file(".env", "WEBSOCKET_AUTH_TOKEN=topsecret\nREDIS_API_HOST=hub.example\n");
    const auto output = run_program({"check-config"}, dir.path());
    EXPECT_EQ(output.exit_code, 0) << output.err;
    EXPECT_FALSE(contains(output.out, "topsecret"));
    EXPECT_TRUE(contains(output.out, "hub.example")) << output.out;
    EXPECT_TRUE(contains(output.out, ".env:2")) << output.out;
}

TEST(Mistakes, CheckConfigNamesAProgramThatDoesNotExist) {
    TempDir dir;
    dir.write_file(
        "emprops-worker.toml",
        "[connectors.simulaton]\n[connectors.b]\ncommand = [\"nosuch-program\"]\n[connectors.b.service]\n"
        "command = [\"beside\"]\nenv = { PATH = \"bin\" }\n[connectors.c]\ncommand = \"/bin/sh\"\n");
    const auto output = run_program({"check-config"}, dir.path());
    EXPECT_EQ(output.exit_code, 78);
    for (const char* part :
         {"emprops-connector-simulaton", "`nosuch-program`", "`beside`", "connectors.b.service"})
        EXPECT_TRUE(contains(output.err, part)) << output.err;
    EXPECT_FALSE(contains(output.err, "connector c:")) << output.err;
}

TEST(Mistakes, CheckConfigAsksOurConnectorsForTheirSettings) {
    TempDir dir;
    dir.write_file("emprops-worker.toml",
                   "[connectors.simulation.settings]\nsteps = -1\n[connectors.comfyui.settings]\nprot = 1\n");
    dir.write_file(".env", "SIMULATION_STEP=3\n");
    auto output = run_program({"check-config"}, dir.path());
    EXPECT_EQ(output.exit_code, 78);
    EXPECT_TRUE(contains(output.err, "connectors.simulation.settings: steps must be")) << output.err;
    EXPECT_TRUE(contains(output.err, "unknown setting \"prot\"; did you mean \"port\"?")) << output.err;
    dir.write_file("emprops-worker.toml", "[connectors.simulation]\n");
    output = run_program({"check-config"}, dir.path());
    EXPECT_EQ(output.exit_code, 0) << output.err;
    EXPECT_TRUE(contains(output.err, "warning: the variable SIMULATION_STEP sets nothing")) << output.err;
    EXPECT_TRUE(contains(output.err, "did you mean SIMULATION_STEPS?")) << output.err;
}

TEST(Mistakes, APayloadMayHaveAByteOrderMarkAndIsNoUtf16) {
    TempDir dir;
    TestHub hub;
    dir.write_file("bom.json", "\xef\xbb\xbf{\"steps\":1}");
    dir.write_file("wide.json", std::string_view("\xff\xfe{\0}\0", 6));
    const auto submit = [&](const char* file) {
        return run_program({"submit", "--hub", hub.url(), "--type", "x", "--file", file}, dir.path());
    };
    EXPECT_EQ(submit("bom.json").exit_code, 0) << submit("bom.json").err;
    EXPECT_EQ(submit("wide.json").exit_code, 64);
    EXPECT_TRUE(contains(submit("wide.json").err, "wide.json is UTF-16")) << submit("wide.json").err;
}

TEST(Mistakes, JsonMayBe256LevelsDeepOnItsWayThereAndBack) {
    TestHub hub;
    TestWorker worker({hub.url(), "", {}, {}, {}});
    worker.wait_state("simulation", "ready");
    const auto nested = [](std::size_t levels) {
        return std::string(levels, '[') + std::string(levels, ']');
    };
    const auto submit = [&](std::size_t levels, bool echo) {
        worker.dir().write_file("p.json", R"({"processing_time":0,"steps":1,"echo":)" +
                                              std::string(echo ? "true" : "false") + R"(,"a":)" +
                                              nested(levels) + "}");
        return worker.cli({"submit", "--type", "simulation", "--wait", "--timeout", "20", "--file",
                           (worker.dir() / "p.json").string()});
    };
    const auto whole = submit(255, false);
    EXPECT_EQ(whole.exit_code, 0) << whole.err << whole.out;
    const auto back = submit(253, true);  // the result has it two levels down
    EXPECT_EQ(back.exit_code, 0) << back.err << back.out;
    const auto beyond = submit(256, false);
    EXPECT_EQ(beyond.exit_code, 64);
    EXPECT_TRUE(contains(beyond.err, "deeper than 256 levels")) << beyond.err;
}

TEST(Mistakes, AWrongCommandLineIs64) {
    TempDir dir;
    EXPECT_EQ(run_program({"frobnicate"}, dir.path()).exit_code, 64);
    EXPECT_EQ(run_program({"submit"}, dir.path()).exit_code, 64);
    EXPECT_EQ(run_program({"submit", "--type", "x", "--payload", "[1]"}, dir.path()).exit_code, 64);
    EXPECT_EQ(run_program({"submit", "--type", "x", "--payload", "{\"a\":NaN}"}, dir.path()).exit_code, 64);
    EXPECT_EQ(run_program({"--help"}, dir.path()).exit_code, 0);
    const auto version = run_program({"--version"}, dir.path());
    EXPECT_EQ(version.exit_code, 0);
    EXPECT_TRUE(contains(version.out, "connector protocol 1")) << version.out;
}

TEST(Mistakes, ABadTokenEndsTheWorkerWith69) {
    TestHub hub({"local_hub.token=right"});
    TestWorker worker({hub.url(), "", {}, {"--set", "hub.token=wrong"}, {}});
    const auto status = worker.process().wait(Ms(30'000));
    ASSERT_TRUE(status) << worker.log();
    EXPECT_EQ(*status, (ExitStatus{69, 0})) << worker.log();
    worker.wait_log("token");
    EXPECT_FALSE(contains(worker.log(), "wrong")) << worker.log();
}

TEST(Mistakes, AHubThatIsDownAtTheStartIsWaitedFor) {
    TestHub hub;
    const auto url = hub.url();
    hub.kill();
    TestWorker worker({url, "[hub]\nreconnect_max = \"1s\"\n", {}, {}, {}});
    worker.wait_log("connect");
    worker.wait_state("simulation", "ready");
    hub.start();
    JobClient client(hub);
    EXPECT_EQ(client.completed(client.submit("simulation", {{"processing_time", 0}})).at("status"),
              "success");
    const auto log = worker.log();
    EXPECT_LT(std::count(log.begin(), log.end(), '\n'), 60) << "endless noise:\n" << log;
}

TEST(Mistakes, AMissingConnectorIsLoudAndStopsNobodyElse) {
    TestHub hub;
    TestWorker worker({hub.url(), "[connectors.nosuch]\n[connectors.simulation]\n", {}, {}, {}});
    worker.wait_state("simulation", "ready");
    worker.wait_log("emprops-connector-nosuch");
    EXPECT_NE(worker.connector("nosuch").at("state"), "ready");
    JobClient client(hub);
    EXPECT_EQ(client.completed(client.submit("simulation", {{"processing_time", 0}})).at("status"),
              "success");
}

TEST(Mistakes, AConnectorThatPrintsRubbishIsLoggedAndGivenUpSlowly) {
    TestHub hub;
    TestWorker worker({hub.url(),
                       "[connectors.rubbish]\ncommand = [\"sh\", \"-c\", \"echo hello; echo '{broken'; exit "
                       "3\"]\n[connectors.simulation]\n",
                       {},
                       {},
                       {}});
    worker.wait_state("simulation", "ready");
    worker.wait_state("rubbish", "backoff");
    const auto why = worker.cli({"why", "rubbish"});
    EXPECT_EQ(why.exit_code, 0) << why.err;
    EXPECT_TRUE(contains(why.out, "rubbish")) << why.out;
    EXPECT_TRUE(contains(worker.connector("rubbish").at("last_death").at("summary"), "3"));
}

TEST(Mistakes, APortInUseIs69) {
    TestHub hub;
    TempDir dir;
    const auto output = run_program({"hub", "--port", std::to_string(hub.port()), "--set",
                                     "local_hub.database=" + (dir / "h.sqlite").string()},
                                    dir.path());
    EXPECT_EQ(output.exit_code, 69) << output.err;
    EXPECT_TRUE(contains(output.err, std::to_string(hub.port()))) << output.err;
    EXPECT_TRUE(contains(output.err, "in use")) << output.err;
}

TEST(Mistakes, ASecondWorkerWithTheSameStateFolderIs75) {
    TestHub hub;
    TestWorker worker({hub.url(), "", {}, {}, {}});
    worker.wait_state("simulation", "ready");
    const auto output = run_program({"run", "--hub", hub.url()}, worker.dir().path());
    EXPECT_EQ(output.exit_code, 75) << output.err;
    EXPECT_TRUE(contains(output.err, std::to_string(worker.supervisor_pid()))) << output.err;
}

TEST(Mistakes, SubmitWithoutAHubIs75AndControlWithoutAWorkerSaysSo) {
    TempDir dir;
    TestHub hub;
    const auto url = hub.url();
    hub.kill();
    EXPECT_EQ(run_program({"submit", "--hub", url, "--type", "x"}, dir.path()).exit_code, 75);
    const auto output = run_program({"status"}, dir.path());
    EXPECT_EQ(output.exit_code, 75);
    EXPECT_TRUE(contains(output.err, "no worker answers")) << output.err;
}

}  // namespace
}  // namespace emprops::test
