// Everything of a worker stands still for some seconds, as in a paused container, and goes on in both orders: nobody
// is charged for that time, and it is told once. The hub is elsewhere and goes on meanwhile.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/fake_service.h"
#include "tests/support/free_ports.h"
#include "tests/support/job_client.h"
#include "tests/support/temp_dir.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

using testing::HasSubstr;
using testing::Not;

/// Much longer than every limit below.
constexpr std::chrono::seconds pause_length{5};

void add_tree(pid_t pid, std::vector<pid_t>& all) {
    all.push_back(pid);
    std::ifstream file("/proc/" + std::to_string(pid) + "/task/" + std::to_string(pid) + "/children");
    for (pid_t child = 0; file >> child;)
        add_tree(child, all);
}

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
        ++found;
    return found;
}

enum class Wakes { first, last };

struct PauseTest : testing::TestWithParam<Wakes> {
    /// Exactly the worker's processes; the supervisor wakes first or last.
    void pause() {
        std::vector<pid_t> all;
        add_tree(worker->process().pid(), all);
        for (const pid_t pid : all)
            ::kill(pid, SIGSTOP);
        std::this_thread::sleep_for(pause_length);
        if (GetParam() == Wakes::last) std::reverse(all.begin(), all.end());
        for (const pid_t pid : all)
            ::kill(pid, SIGCONT);
    }

    TempDir folder;
    TestHub hub;
    std::unique_ptr<TestWorker> worker;
};

TEST_P(PauseTest, NobodyIsChargedForIt) {
    worker = std::make_unique<TestWorker>(TestWorkerOptions{
        hub.url(),
        "[connectors.sim]\ncommand = [\"emprops-connector-simulation\"]\n"
        "env = {SIMULATION_JOB_TYPE = \"sim\", SIMULATION_PROCESSING_TIME = \"2\", SIMULATION_STEPS = \"20\"}\n"
        "no_progress_timeout = \"2s\"\njob_timeout = \"5s\"\nping_interval = \"500ms\"\nping_missed = 3\n"
        "[connectors.sim.service]\ncommand = " +
            fake_service_toml(folder.path()) + "\nport = " + std::to_string(free_ports(1)) +
            "\nhealth_interval = \"100ms\"\nhealth_timeout = \"1s\"\nhealth_missed = 2\n",
        {},
        {},
        {}});
    worker->wait_state("sim", "ready");
    JobClient client(hub);
    const auto job = client.submit("sim", Json::object());
    client.progressed(job);
    pause();
    EXPECT_EQ(client.completed(job).at("status"), "success") << worker->log();
    const Json sim = worker->connector("sim");
    EXPECT_EQ(sim.at("counters").at("deaths"), 0) << worker->log();
    EXPECT_EQ(sim.at("service").at("counters").at("deaths"), 0) << worker->log();
    worker->wait_log("this machine or container was paused for");
    worker->stop_and_wait();
    EXPECT_EQ(count(worker->log(), "this machine or container was paused for"), 1u) << worker->log();
    EXPECT_THAT(worker->log(), Not(HasSubstr("[hung]")));
}

TEST_P(PauseTest, AStartThatItInterruptsHasItsWholeTime) {
    folder.write_file("slow", "");
    worker = std::make_unique<TestWorker>(
        TestWorkerOptions{hub.url(),
                          "[connectors.sim]\ncommand = [\"emprops-connector-simulation\"]\n"
                          "env = {SIMULATION_JOB_TYPE = \"sim\"}\n[connectors.sim.service]\ncommand = " +
                              fake_service_toml(folder.path()) + "\nport = " + std::to_string(free_ports(1)) +
                              "\nstart_timeout = \"4s\"\nhealth_interval = \"100ms\"\n",
                          {},
                          {},
                          {}});
    ASSERT_TRUE(wait_until([&] { return worker->connector("sim").at("service").at("state") == "starting"; },
                           Ms(20'000)));
    pause();
    std::filesystem::remove(folder / "slow");
    EXPECT_TRUE(wait_until([&] { return worker->connector("sim").at("service").at("state") == "healthy"; },
                           Ms(20'000)));
    EXPECT_EQ(worker->connector("sim").at("service").at("counters").at("deaths"), 0) << worker->log();
}

INSTANTIATE_TEST_SUITE_P(Order, PauseTest, testing::Values(Wakes::first, Wakes::last),
                         [](const testing::TestParamInfo<Wakes>& info) {
                             return info.param == Wakes::first ? "SupervisorWakesFirst"
                                                               : "SupervisorWakesLast";
                         });

/// A command that waits is no different: with `--timeout 4` it still sees the end of a job of 7 s.
TEST(PausedCommand, ItsTimeoutDoesNotCountAPause) {
    TestHub hub;
    TestWorker worker({hub.url(),
                       "[connectors.sim]\ncommand = [\"emprops-connector-simulation\"]\n"
                       "env = {SIMULATION_JOB_TYPE = \"sim\", SIMULATION_PROCESSING_TIME = \"7\", "
                       "SIMULATION_STEPS = \"70\"}\n",
                       {},
                       {},
                       {}});
    worker.wait_state("sim", "ready");
    const auto command = [&](std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), worker_binary());
        ChildOptions options;
        options.argv = std::move(arguments);
        options.working_directory = worker.dir().path().string();
        return std::make_unique<ChildProcess>(std::move(options));
    };
    const auto submit = command(
        {"submit", "--hub", hub.url(), "--type", "sim", "--payload", "{}", "--wait", "--timeout", "4"});
    ASSERT_TRUE(wait_until([&] { return !worker.connector("sim").at("jobs").empty(); }));
    const auto drain = command({"drain", "sim", "--wait", "--timeout", "4"});
    ASSERT_TRUE(wait_until([&] { return worker.connector("sim").contains("takes_no_jobs_because"); }));
    for (const auto* each : {&submit, &drain})
        (*each)->signal(SIGSTOP);
    std::this_thread::sleep_for(pause_length);
    for (const auto* each : {&submit, &drain})
        (*each)->signal(SIGCONT);
    EXPECT_EQ(submit->wait(), (ExitStatus{0, 0})) << submit->stderr_text();
    EXPECT_EQ(drain->wait(), (ExitStatus{0, 0})) << drain->stderr_text();
}

}  // namespace
}  // namespace emprops::test
