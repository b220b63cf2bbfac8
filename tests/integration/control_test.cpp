// The operator's commands against a real worker.

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "tests/support/job_client.h"
#include "tests/support/process_survivors.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

std::string two_simulations(const std::string& first_env = "") {
    return "[connectors.simulation]\nenv = {SIMULATION_PROCESSING_TIME = \"0.1\", SIMULATION_STEPS = \"1\"" +
           first_env + R"(}
[connectors.other]
command = ["emprops-connector-simulation"]
env = {SIMULATION_JOB_TYPE = "other", SIMULATION_PROCESSING_TIME = "0.1"}
)";
}

TEST(Control, TheSocketIsForItsUserOnly) {
    TestHub hub;
    TestWorker worker({hub.url(), two_simulations(), {}, {}, {}});
    worker.wait_state("simulation", "ready");
    struct stat info {};
    ASSERT_EQ(::stat((worker.dir() / "state/control.sock").c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST(Control, StatusJobsWhyAndLogsTellWhatHappens) {
    TestHub hub;
    TestWorker worker({hub.url(), two_simulations(), {}, {}, {}});
    worker.wait_state("simulation", "ready");
    JobClient client(hub);
    const auto job = client.submit("simulation", {{"processing_time", 60}, {"steps", 600}});
    client.progressed(job);
    const auto status = worker.cli({"status"});
    EXPECT_EQ(status.exit_code, 0) << status.err;
    EXPECT_TRUE(contains(status.out, "connected as test-")) << status.out;
    EXPECT_TRUE(contains(status.out, "simulation")) << status.out;
    EXPECT_TRUE(contains(worker.cli({"jobs"}).out, job));
    EXPECT_TRUE(contains(worker.cli({"why", "simulation"}).out, "simulation"));
    EXPECT_EQ(worker.cli({"why", "nobody"}).exit_code, 64);
    EXPECT_EQ(worker.cli({"logs", "simulation"}).exit_code, 0);
    const auto cancel = worker.cli({"cancel", job, "--wait"});
    EXPECT_EQ(cancel.exit_code, 0) << cancel.err << worker.log();
    EXPECT_EQ(wait_job_status(hub, job, "cancelled", Ms(5'000)), "cancelled");
    EXPECT_EQ(worker.cli({"cancel", job}).exit_code, 64) << "it does not run any more";
}

TEST(Control, ARestartHasNoGapAndTouchesNobodyElse) {
    TestHub hub;
    TestWorker worker({hub.url(), two_simulations(), {}, {}, {}});
    worker.wait_state("simulation", "ready");
    worker.wait_state("other", "ready");
    const int old_pid = worker.connector("simulation").at("pid");
    const int other_pid = worker.connector("other").at("pid");
    JobClient client(hub);
    const auto long_job = client.submit("simulation", {{"processing_time", 3}, {"steps", 30}});
    client.progressed(long_job);
    EXPECT_EQ(worker.cli({"restart", "simulation"}).exit_code, 0);
    // The new process takes jobs while the old one still works.
    EXPECT_EQ(client.completed(client.submit("simulation", Json::object())).at("status"), "success");
    EXPECT_EQ(client.completed(long_job).at("status"), "success");
    EXPECT_TRUE(wait_until([&] { return !process_alive(old_pid); })) << worker.log();
    EXPECT_NE(worker.connector("simulation").at("pid"), old_pid);
    EXPECT_EQ(worker.connector("other").at("pid"), other_pid);
}

TEST(Control, StopWithdrawsAndStartBringsBack) {
    TestHub hub;
    TestWorker worker({hub.url(), two_simulations(), {}, {}, {}});
    worker.wait_state("simulation", "ready");
    EXPECT_EQ(worker.cli({"stop", "simulation", "--wait"}).exit_code, 0) << worker.log();
    EXPECT_EQ(worker.connector("simulation").at("state"), "stopped");
    EXPECT_EQ(worker.connector("simulation").at("pid"), 0);
    EXPECT_TRUE(wait_until([&] { return worker.status().at("hub").at("told_job_types") == Json{"other"}; }))
        << worker.status().dump();
    EXPECT_EQ(worker.cli({"start", "simulation", "--wait"}).exit_code, 0) << worker.log();
    JobClient client(hub);
    EXPECT_EQ(client.completed(client.submit("simulation", Json::object())).at("status"), "success");
}

TEST(Control, DrainTakesNothingNewUntilResume) {
    TestHub hub;
    TestWorker worker({hub.url(), two_simulations(), {}, {}, {}});
    worker.wait_state("simulation", "ready");
    EXPECT_EQ(worker.cli({"drain", "--wait"}).exit_code, 0);
    EXPECT_EQ(worker.status().at("worker").at("state"), "draining");
    JobClient client(hub);
    const auto job = client.submit("simulation", Json::object());
    EXPECT_EQ(worker.cli({"resume"}).exit_code, 0);
    EXPECT_EQ(client.completed(job).at("status"), "success");
}

TEST(Control, AReloadRestartsOnlyWhatChangedAndRefusesABrokenFile) {
    TestHub hub;
    TestWorker worker({hub.url(), two_simulations(), {}, {}, {}});
    worker.wait_state("simulation", "ready");
    worker.wait_state("other", "ready");
    const int pid = worker.connector("simulation").at("pid");
    const int other_pid = worker.connector("other").at("pid");
    const std::string head = "[worker]\nid = \"test\"\nstate_dir = \"state\"\n\n";

    worker.dir().write_file("emprops-worker.toml", head + two_simulations() + "[hub]\ntokn = 1\n");
    const auto refused = worker.cli({"reload"});
    EXPECT_NE(refused.exit_code, 0);
    EXPECT_TRUE(contains(refused.err, "hub.token")) << refused.err;
    EXPECT_EQ(worker.connector("simulation").at("pid"), pid);

    worker.dir().write_file("emprops-worker.toml",
                            head + two_simulations(", SIMULATION_JOB_TYPE = \"fresh\"") +
                                "[connectors.added]\ncommand = [\"emprops-connector-simulation\"]\nenv = "
                                "{SIMULATION_JOB_TYPE = \"added\"}\n");
    EXPECT_EQ(worker.cli({"reload", "--wait"}).exit_code, 0) << worker.log();
    worker.wait_state("added", "ready");
    EXPECT_TRUE(wait_until([&] { return !process_alive(pid); })) << worker.log();
    EXPECT_EQ(worker.connector("other").at("pid"), other_pid);
    JobClient client(hub);
    EXPECT_EQ(client.completed(client.submit("fresh", Json::object())).at("status"), "success");
    EXPECT_EQ(client.completed(client.submit("added", {{"processing_time", 0}})).at("status"), "success");
}

TEST(Control, TraceShowsProtocolLinesWithoutPayloads) {
    TestHub hub;
    TestWorker worker({hub.url(), two_simulations(), {}, {}, {}});
    worker.wait_state("simulation", "ready");
    ChildOptions options;
    options.argv = {worker_binary(), "trace", "simulation", "--socket",
                    (worker.dir() / "state/control.sock").string()};
    ChildProcess trace(std::move(options));
    JobClient client(hub);
    std::optional<std::string> line;
    // The trace begins when its request has arrived: submit until one is seen.
    for (int i = 0; i < 20 && !line; ++i) {
        client.completed(client.submit("simulation", {{"secret", "in the payload"}}));
        line = trace.read_until("\"type\":\"result\"", Ms(1'000));
    }
    ASSERT_TRUE(line) << trace.stderr_text();
    EXPECT_FALSE(contains(*line, "in the payload")) << *line;
}

/// A job that leaves a child of its own group and one in a session of its own.
void submit_children(JobClient& client) {
    client.progressed(
        client.submit("simulation", {{"fault", "fork_child"}, {"processing_time", 60}, {"steps", 600}}));
    client.progressed(
        client.submit("other", {{"fault", "setsid_child"}, {"processing_time", 60}, {"steps", 600}}));
}

class NothingSurvives : public testing::TestWithParam<bool> {};

TEST_P(NothingSurvives, AKillOfTheSupervisorOrOfItsGuardian) {
    TestHub hub;
    TestWorker worker({hub.url(), two_simulations(", MARK_OF_THIS_TEST = \"x\""), {}, {}, {}});
    worker.wait_state("simulation", "ready");
    worker.wait_state("other", "ready");
    JobClient client(hub);
    submit_children(client);
    const auto home = "HOME=" + worker.dir().path().string();
    ASSERT_GE(processes_with(home).size(), 4u) << "guardian, supervisor and two connectors at least";
    const int supervisor = worker.supervisor_pid();
    const std::vector<int> direct{supervisor, worker.connector("simulation").at("pid"),
                                  worker.connector("other").at("pid")};
    const bool kill_supervisor = GetParam();
    ASSERT_EQ(::kill(kill_supervisor ? supervisor : worker.process().pid(), SIGKILL), 0);
    if (kill_supervisor) {
        // The whole tree, also what left its group and session; 2 s on a machine of its own.
        EXPECT_TRUE(wait_until([&] { return processes_with(home).empty(); }, Ms(5'000)))
            << processes_with(home).size() << " survivors";
        return;
    }
    // Without a guardian nobody is left who knows of grandchildren: the promise is for direct children.
    worker.process().wait();
    for (const int pid : direct)
        EXPECT_TRUE(wait_until([&] { return !process_alive(pid); }, Ms(5'000))) << pid;
    for (const int pid : processes_with(home))
        ::kill(pid, SIGKILL);
}

INSTANTIATE_TEST_SUITE_P(Both, NothingSurvives, testing::Values(true, false));

}  // namespace
}  // namespace emprops::test
