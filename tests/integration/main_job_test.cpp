// The main job, end to end, with the real programs: client -> hub -> worker -> connector process and back.

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/support/child_process.h"
#include "tests/support/job_client.h"
#include "tests/support/schema_check.h"
#include "tests/support/temp_dir.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

std::string simulation(const std::string& seconds, const std::string& steps) {
    return "[connectors.simulation]\nenv = {SIMULATION_PROCESSING_TIME = \"" + seconds +
           "\", SIMULATION_STEPS = \"" + steps + "\"}\n";
}

std::string shell_connector() {
    return "[connectors.shell]\ncommand = [\"bash\", \"" + std::string(EMPROPS_FIXTURES) +
           "/connectors/smallest.sh\"]\n";
}

TEST(MainJob, TravelsFromTheClientToAConnectorAndBackWithProgress) {
    TestHub hub;
    TestWorker worker({hub.url(), simulation("0.4", "4"), {}, {}, {}});
    JobClient client(hub);
    const auto job = client.submit("simulation", {{"prompt", "hello"}});
    const auto result = client.completed(job);
    EXPECT_EQ(result.at("status"), "success");
    EXPECT_EQ(result.at("output").at("job_id"), job);
    std::vector<int> progress;
    for (const auto& message : client.hub.seen()) {
        if (message.at("type") == "update_job_progress" && message.at("progress") != -1)
            progress.push_back(message.at("progress"));
    }
    EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
    EXPECT_GE(progress.size(), 3u);
    worker.stop_and_wait();
}

TEST(MainJob, PayloadAndResultTravelByteForByte) {
    TestHub hub;
    TestWorker worker({hub.url(), simulation("0", "1"), {}, {}, {}});
    JobClient client(hub);
    const std::string odd = R"({"echo":true,"processing_time":0,"b":1.10,"a":1e5,"s":18446744073709551616})";
    client.hub.send_text(R"({"type":"submit_job","job_type":"simulation","payload":)" + odd + "}");
    const auto job = client.hub.receive("job_accepted").at("job_id").get<std::string>();
    client.completed(job);
    EXPECT_NE(client.hub.last_text().find(odd), std::string::npos) << client.hub.last_text();
}

TEST(MainJob, ATenLineShellConnectorCompletesAJob) {
    TestHub hub;
    TestWorker worker({hub.url(), shell_connector(), {}, {}, {}});
    worker.wait_state("shell", "ready");
    const auto types = worker.connector("shell").at("job_types");
    ASSERT_FALSE(types.empty());
    JobClient client(hub);
    EXPECT_TRUE(client.completed(client.submit(types.at(0), {{"x", 1}})).is_object());
}

TEST(MainJob, ThePageOfTheProtocolSaysHowToTryAConnectorWithoutAWorker) {
    const std::string page = read_text_file(EMPROPS_SOURCE_DIR "/ipc/PROTOCOL.md");
    const std::string fence = "```sh\n";
    const auto from = page.find(fence, page.find("How do I try it without a worker?")) + fence.size();
    const std::string commands = page.substr(from, page.find("```", from) - from);
    TempDir folder;
    folder.write_script("my-connector", read_text_file(EMPROPS_FIXTURES "/connectors/smallest.sh"));
    ChildOptions options;
    options.argv = {"sh", "-c", commands};
    options.working_directory = folder.path().string();
    ChildProcess shell(std::move(options));
    shell.close_stdin();
    EXPECT_EQ(shell.read_until("\"result\"").value_or("no result"),
              R"({"type":"result","job_id":"1","result":{"status":"success","echo":{"a":1}}})");
    EXPECT_EQ(shell.wait(), ExitStatus({0, 0}));
}

TEST(MainJob, AStoppedConnectorDisturbsNobody) {
    TestHub hub;
    TestWorker worker({hub.url(), simulation("0.2", "2") + shell_connector(), {}, {}, {}});
    worker.wait_state("shell", "ready");
    worker.wait_state("simulation", "ready");
    const pid_t pid = worker.connector("shell").at("pid");
    ASSERT_EQ(::kill(pid, SIGSTOP), 0);
    JobClient client(hub);
    client.submit(worker.connector("shell").at("job_types").at(0), Json::object());
    EXPECT_EQ(client.completed(client.submit("simulation", Json::object())).at("status"), "success");
    ::kill(pid, SIGCONT);
}

TEST(MainJob, AKilledConnectorFailsItsJobAtOnceAndTheNextJobRuns) {
    TestHub hub;
    TestWorker worker({hub.url(),
                       simulation("30", "30") + R"(
[connectors.other]
command = ["emprops-connector-simulation"]
env = {SIMULATION_JOB_TYPE = "other", SIMULATION_PROCESSING_TIME = "3", SIMULATION_STEPS = "30"}
)",
                       {},
                       {},
                       {}});
    worker.wait_state("simulation", "ready");
    worker.wait_state("other", "ready");
    JobClient client(hub);
    const auto untouched = client.submit("other", Json::object());
    const auto victim = client.submit("simulation", Json::object());
    client.progressed(victim);
    client.progressed(untouched);
    // The first progress can be the worker's own sign of life, from before its connector has the job.
    ASSERT_TRUE(wait_until([&] { return !worker.connector("simulation").at("jobs").empty(); }));
    const pid_t pid = worker.connector("simulation").at("pid");
    ASSERT_EQ(::kill(pid, SIGKILL), 0);
    const auto killed_at = std::chrono::steady_clock::now();
    const auto error = client.failed(victim);
    // "Within a second" on a machine of its own; this one is shared with other tests.
    EXPECT_LT(std::chrono::steady_clock::now() - killed_at, std::chrono::seconds(3));
    EXPECT_NE(error.find("SIGKILL"), std::string::npos) << error;
    EXPECT_NE(error.find("[crashed]"), std::string::npos) << error;
    // The hub would give it to this worker again, its only one, before anything else.
    client.hub.send({{"type", "cancel_job"}, {"job_id", victim}});
    EXPECT_EQ(
        client.completed(client.submit("simulation", {{"processing_time", 0.1}, {"steps", 1}})).at("status"),
        "success");
    EXPECT_EQ(client.completed(untouched).at("status"), "success");
    EXPECT_NE(worker.connector("simulation").at("pid"), pid);
}

TEST(MainJob, SurvivesARestartOfTheHub) {
    TestHub hub;
    TestWorker worker({hub.url(), simulation("4", "8"), {}, {}, {}});
    std::string job;
    {
        JobClient client(hub);
        job = client.submit("simulation", Json::object());
        client.progressed(job);
    }
    hub.kill();
    hub.start();
    // The job went on meanwhile; its result is delivered after the reconnect.
    EXPECT_EQ(wait_job_status(hub, job, "completed", Ms(40'000)), "completed") << worker.log();
    JobClient client(hub);
    EXPECT_EQ(client.completed(client.submit("simulation", {{"processing_time", 0.1}})).at("status"),
              "success");
    EXPECT_GE(worker.status().at("hub").at("reconnects"), 1);
}

TEST(MainJob, ARunningJobFinishesAfterTheFirstSignal) {
    TestHub hub;
    TestWorker worker({hub.url(), simulation("2", "4"), {}, {}, {}});
    JobClient client(hub);
    const auto job = client.submit("simulation", Json::object());
    client.progressed(job);
    worker.stop_and_wait();
    EXPECT_EQ(client.completed(job).at("status"), "success");
}

TEST(MainJob, ASecondSignalGivesTheJobBack) {
    TestHub hub;
    TestWorker worker({hub.url(), simulation("600", "1000"), {}, {}, {}});
    JobClient client(hub);
    const auto job = client.submit("simulation", Json::object());
    client.progressed(job);
    worker.process().signal(SIGTERM);
    worker.wait_log("leaving");
    worker.process().signal(SIGTERM);
    const auto error = client.failed(job);
    EXPECT_NE(error.find("[drained]"), std::string::npos) << error;
    const auto status = worker.process().wait(Ms(30'000));
    ASSERT_TRUE(status) << worker.log();
    EXPECT_EQ(*status, (ExitStatus{0, 0})) << worker.log();
    EXPECT_EQ(wait_job_status(hub, job, "pending", Ms(5'000)), "pending");
}

TEST(MainJob, ACancelReachesTheConnectorAndNothingIsReported) {
    TestHub hub;
    TestWorker worker({hub.url(), simulation("600", "1000"), {}, {}, {}});
    JobClient client(hub);
    const auto job = client.submit("simulation", Json::object());
    client.progressed(job);
    client.hub.send({{"type", "cancel_job"}, {"job_id", job}, {"reason", "changed my mind"}});
    EXPECT_TRUE(wait_until([&] { return worker.connector("simulation").at("jobs").empty(); }))
        << worker.log();
    EXPECT_EQ(wait_job_status(hub, job, "cancelled", Ms(1'000)), "cancelled");
    EXPECT_EQ(
        client.completed(client.submit("simulation", {{"processing_time", 0.1}, {"steps", 1}})).at("status"),
        "success");
}

TEST(MainJob, TheEnvironmentOfThePythonWorkerIsEnough) {
    TestHub hub({"local_hub.token=geheim&x"});
    const std::string dotenv =
        "WORKER_REDIS_API_HOST=127.0.0.1\nREDIS_API_HOST=nowhere.invalid\nREDIS_API_PORT=" +
        std::to_string(hub.port()) +
        "\nUSE_SSL=false\nWEBSOCKET_AUTH_TOKEN='geheim&x'\nWORKER_ID=machine\nCONNECTORS=simulation\n"
        "SIMULATION_JOB_TYPE=renamed\nSIMULATION_PROCESSING_TIME=0\nSIMULATION_STEPS=2\n";
    TestWorker worker({"", "", {{".env", dotenv}}, {}, {}});
    HubClientOptions options;
    options.token = "geheim&x";
    JobClient client(hub, options);
    EXPECT_EQ(client.completed(client.submit("renamed", Json::object())).at("status"), "success")
        << worker.log();
    EXPECT_EQ(worker.log().find("geheim"), std::string::npos) << "the token is in the log";
}

}  // namespace
}  // namespace emprops::test
