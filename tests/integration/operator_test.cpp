// What an operator may rely on besides the basic commands of control_test: clear refusals, logs without gaps,
// what a reload says, and that nothing of the worker is open to others.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <fstream>

#include "supervisor/base/privacy.h"
#include "tests/support/job_client.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

using testing::HasSubstr;
using testing::Not;

const std::string head = "[worker]\nid = \"test\"\nstate_dir = \"state\"\n\n";
constexpr const char* simulation = "[connectors.simulation]\n";

/// Says something in both ways, then echoes.
std::string talking_connector() {
    return "[connectors.talker]\ncommand = [\"/bin/bash\", \"-c\", '''\n"
           "echo '{\"type\":\"ready\",\"protocol\":1,\"job_types\":[\"talk\"]}'\n"
           "echo 'from stderr' >&2\n"
           "echo '{\"type\":\"log\",\"level\":\"info\",\"message\":\"from the protocol\"}'\n"
           "printf 'evil \\033[2J escape\\n' >&2\n"
           "while read -r line; do :; done''']\n";
}

std::string mode_of(const std::filesystem::path& path) {
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) return "missing";
    char text[8];
    std::snprintf(text, sizeof text, "%o", info.st_mode & 0777u);
    return text;
}

TEST(Operator, AnUnknownConnectorToFollowIs64AndNamesTheKnownOnes) {
    TestHub hub;
    TestWorker worker({hub.url(), simulation, {}, {}, {}});
    worker.wait_state("simulation", "ready");
    for (const auto& command : {std::vector<std::string>{"logs", "nobody", "-f"}, {"trace", "nobody"}}) {
        const auto output = worker.cli(command);
        EXPECT_EQ(output.exit_code, 64) << command.front();
        EXPECT_THAT(output.err, HasSubstr("simulation")) << command.front();
    }
}

TEST(Operator, LogsShowStderrAndLogMessagesAndAFollowerMissesNone) {
    TestHub hub;
    TestWorker worker({hub.url(), talking_connector(), {}, {}, {}});
    worker.wait_state("talker", "ready");
    worker.wait_log("escape");
    TestWorker::Output logs;
    EXPECT_TRUE(wait_until([&] {
        logs = worker.cli({"logs", "talker"});
        return logs.out.find("escape") != std::string::npos;
    })) << logs.out;
    EXPECT_THAT(logs.out, HasSubstr("from stderr"));
    EXPECT_THAT(logs.out, HasSubstr("from the protocol"));
    EXPECT_THAT(logs.out, HasSubstr("evil \\x1b[2J escape")) << "made visible";

    ChildOptions options;
    options.argv = {worker_binary(), "logs", "talker", "-f"};
    options.working_directory = worker.dir().path().string();
    ChildProcess follower(options);
    EXPECT_TRUE(follower.read_until("from the protocol")) << "what was said before comes first";
    ASSERT_EQ(worker.cli({"restart", "talker"}).exit_code, 0);
    EXPECT_TRUE(follower.read_until("from the protocol")) << follower.stderr_text();
}

TEST(Operator, AReloadNamesWhatComesAndGoesAndNothingElse) {
    TestWorkerOptions options;
    options.toml = std::string("[hub]\nembedded = true\n[local_hub]\nport = 0\n") + simulation;
    TestWorker worker(options);
    worker.wait_state("simulation", "ready");
    const auto same = worker.cli({"reload"});
    EXPECT_THAT(same.out, Not(HasSubstr("hub."))) << "the embedded hub changes nothing in the settings";
    worker.dir().write_file("emprops-worker.toml", head +
                                                       "[hub]\nembedded = true\n[local_hub]\nport = 0\n"
                                                       "[connectors.fresh]\ncommand = "
                                                       "[\"emprops-connector-simulation\"]\n");
    const auto changed = worker.cli({"reload", "--wait"});
    EXPECT_EQ(changed.exit_code, 0) << changed.err;
    EXPECT_THAT(changed.out, HasSubstr("starting fresh"));
    EXPECT_THAT(changed.out, HasSubstr("removing simulation"));
    worker.wait_state("fresh", "ready");
}

TEST(Operator, AConnectorRemovedByAReloadLeavesTheStatusThatMonitorsSee) {
    TestHub hub;
    const std::string beats = "heartbeat_interval = \"1s\"\n";
    TestWorker worker({hub.url(), beats + simulation + talking_connector(), {}, {}, {}});
    worker.wait_state("simulation", "ready");
    worker.wait_state("talker", "ready");
    HubClient monitor(hub.port(), HubRole::monitor, "m");
    const auto names = [](const Json& message, bool with_talker) {
        if (message.value("type", "") != "worker_status") return false;
        const auto& statuses = message.at("connector_statuses");
        return statuses.is_object() && statuses.contains("simulation") &&
               statuses.contains("talker") == with_talker;
    };
    monitor.receive([&](const Json& message) { return names(message, true); }, Ms(20'000));
    worker.dir().write_file("emprops-worker.toml", head + beats + simulation);
    ASSERT_EQ(worker.cli({"reload", "--wait"}).exit_code, 0);
    monitor.receive([&](const Json& message) { return names(message, false); }, Ms(20'000));
}

TEST(Operator, ADrainWhileTheWorkerLeavesDoesNotTakeItsDeadlineAway) {
    TestHub hub;
    TestWorker worker({hub.url(),
                       std::string("drain_timeout = \"2s\"\ndrain_mode = \"deadline\"\n") + simulation,
                       {},
                       {},
                       {}});
    worker.wait_state("simulation", "ready");
    JobClient client(hub);
    const auto job = client.submit("simulation", {{"processing_time", 600}, {"steps", 6000}});
    client.progressed(job);
    worker.process().signal(SIGTERM);
    worker.wait_log("leaving; no new jobs");
    const auto drain = worker.cli({"drain"});
    EXPECT_NE(drain.exit_code, 0);
    EXPECT_THAT(drain.err, HasSubstr("leaving"));
    EXPECT_THAT(client.failed(job), HasSubstr("[drained]"));
    EXPECT_TRUE(worker.process().wait(Ms(30'000))) << worker.log();
}

TEST(Operator, ADrainOfOneConnectorObeysItsMode) {
    TestHub hub;
    TestWorker worker({hub.url(), simulation, {}, {}, {}});
    worker.wait_state("simulation", "ready");
    JobClient client(hub);
    const auto job = client.submit("simulation", {{"processing_time", 600}, {"steps", 6000}});
    client.progressed(job);
    EXPECT_EQ(worker.cli({"drain", "simulation", "--mode", "now", "--wait"}).exit_code, 0) << worker.log();
    EXPECT_THAT(client.failed(job), HasSubstr("[drained]"));
}

TEST(Operator, AJobThatTheHubDoesNotTakeEndsSubmitWithTheReason) {
    TestHub hub;
    TempDir dir;
    const std::vector<std::string> submit{"submit", "--hub", hub.url(), "--type", "x", "--id", "twice"};
    EXPECT_EQ(run_program(submit, dir.path()).exit_code, 0);
    const auto again = run_program(submit, dir.path());
    EXPECT_EQ(again.exit_code, 1) << again.out;
    EXPECT_THAT(again.err, HasSubstr("twice already exists"));
    auto large = submit;
    large.insert(large.end(), {"--payload", R"({"text":"0123456789"})", "--set", "hub.send_limit=64KiB"});
    EXPECT_EQ(run_program(large, dir.path()).exit_code, 1) << "it fits";
    dir.write_file("large.json", "{\"x\":\"" + std::string(100'000, 'x') + "\"}");
    large = {
        "submit", "--hub", hub.url(), "--type", "x", "--file", "large.json", "--set", "hub.send_limit=64KiB"};
    const auto refused = run_program(large, dir.path());
    EXPECT_EQ(refused.exit_code, 64) << refused.out;
    EXPECT_THAT(refused.err, HasSubstr("hub.send_limit"));
}

/// By any of the signals by which log rotations and terminals speak to a program.
TEST(Operator, NoSignalOfALogRotationEndsTheWorker) {
    TestHub hub;
    TestWorker worker({hub.url(), simulation, {}, {}, {}});
    worker.wait_state("simulation", "ready");
    const int pid = worker.supervisor_pid();
    for (const int to : {worker.process().pid(), pid}) {
        for (const int number : {SIGUSR1, SIGUSR2, SIGHUP})
            ASSERT_EQ(::kill(to, number), 0);
    }
    worker.wait_log("SIGUSR1 does nothing here; SIGHUP reads the configuration again");
    worker.wait_log("SIGUSR2 does nothing here");
    worker.wait_log("reloaded");
    EXPECT_EQ(worker.supervisor_pid(), pid);
    worker.stop_and_wait();
}

std::string with_embedded_hub() {
    return std::string("[hub]\nembedded = true\n[local_hub]\nport = 0\ntoken = \"s p&ce\"\n") + simulation;
}

TEST(Operator, SubmitFindsTheHubInsideTheWorkerOfItsFolder) {
    TestWorkerOptions options;
    options.toml = with_embedded_hub();
    TestWorker worker(options);
    worker.wait_state("simulation", "ready");
    const auto done =
        worker.cli({"submit", "-t", "simulation", "-p", R"({"processing_time":0.05,"steps":1})", "--wait"});
    EXPECT_EQ(done.exit_code, 0) << done.err;
    EXPECT_EQ(done.err, "") << "no warning that concerns others";
    worker.stop_and_wait();
    const auto alone = worker.cli({"submit", "-t", "simulation"});
    EXPECT_EQ(alone.exit_code, 75);
    EXPECT_THAT(alone.err, HasSubstr("the hub inside the worker of this folder"));
    EXPECT_THAT(alone.err, HasSubstr("emprops-worker run"));

    TestHub elsewhere;
    const auto named = worker.cli({"submit", "-t", "simulation", "--hub", elsewhere.url()});
    EXPECT_EQ(named.exit_code, 0) << named.err;
    EXPECT_EQ(named.err, "");
}

TEST(Operator, SubmitThatWaitsEndsWithTheWorkerThatHasTheHub) {
    TestWorkerOptions options;
    options.toml = with_embedded_hub();
    TestWorker worker(options);
    worker.wait_state("simulation", "ready");
    ChildOptions submit;
    submit.argv = {worker_binary(), "submit", "-t",
                   "simulation",    "-p",     R"({"processing_time":60,"steps":600})",
                   "--wait"};
    submit.working_directory = worker.dir().path().string();
    ChildProcess client(submit);
    ASSERT_TRUE(client.read_until("%")) << client.stderr_text();
    worker.process().signal(SIGKILL);
    const auto end = client.wait();
    ASSERT_TRUE(end);
    EXPECT_EQ(end->code, 75);
    EXPECT_TRUE(client.wait_stderr("the worker of this folder has ended")) << client.stderr_text();
}

TEST(Operator, WaitingForAProcessThatHasDiedEndsWithItsCause) {
    TestHub hub;
    const std::string dies =
        "[connectors.short]\ncommand = [\"/bin/bash\", \"-c\", 'echo no model file >&2; exit 3']\n";
    TestWorker worker({hub.url(), simulation + dies, {}, {}, {}});
    worker.wait_state("simulation", "ready");
    const auto begun = std::chrono::steady_clock::now();
    for (const char* verb : {"restart", "start"}) {
        const auto waited = worker.cli({verb, "short", "--wait", "--timeout", "25"});
        EXPECT_EQ(waited.exit_code, 1) << verb;
        EXPECT_THAT(waited.err, HasSubstr("exited with code 3")) << verb;
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(25));
    EXPECT_EQ(worker.cli({"restart", "simulation", "--wait"}).exit_code, 0) << "another one's death";
}

TEST(Operator, SubmitWhoseTimeIsOverSaysThatTheJobGoesOn) {
    TestHub hub;
    const auto output = run_program(
        {"submit", "--hub", hub.url(), "--type", "nobody", "--wait", "--timeout", "0.3"}, TempDir().path());
    EXPECT_EQ(output.exit_code, 75) << "neither a failure nor a refusal";
    EXPECT_THAT(output.err, HasSubstr("it goes on at the Hub"));
    for (const auto& wrong :
         {std::vector<std::string>{"submit", "-t", ""}, {"submit", "-t", "x", "--timeout", "-1"}})
        EXPECT_EQ(run_program(wrong, TempDir().path()).exit_code, 64) << wrong.back();
}

TEST(Operator, TheStateFolderAndTheHubsDatabaseAreForTheirUserOnly) {
    TestWorkerOptions options;
    options.toml = "[hub]\nembedded = true\n[local_hub]\nport = 0\ndatabase = \"hub.sqlite\"\n";
    options.toml += simulation;
    TestWorker worker(options);
    worker.wait_state("simulation", "ready");
    EXPECT_EQ(mode_of(worker.dir() / "state"), "700");
    EXPECT_EQ(mode_of(worker.dir() / "hub.sqlite"), "600");
    EXPECT_EQ(mode_of(worker.dir() / "hub.sqlite-wal"), "600");
}

TEST(Operator, ProcessesOfTheSameUserCannotReadTheWorkersEnvironment) {
    const pid_t worker = ::fork();
    if (worker == 0) {
        // Root may read everything: be somebody else, if we are root.
        if (::geteuid() == 0 && ::setresuid(65534, 65534, 65534) != 0) ::_exit(9);
        hide_from_own_user();
        const std::string environ = "/proc/" + std::to_string(::getpid()) + "/environ";
        const pid_t connector = ::fork();
        if (connector == 0) {
            ::execl("/bin/cat", "cat", environ.c_str(), nullptr);
            ::_exit(9);
        }
        int status = 0;
        ::waitpid(connector, &status, 0);
        ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 9);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(worker, &status, 0), worker);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 1) << "cat must fail";
}

}  // namespace
}  // namespace emprops::test
