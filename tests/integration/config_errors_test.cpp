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
