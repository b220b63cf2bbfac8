// A cleaner of old files (tmpwatch, systemd-tmpfiles) empties the state folder of a running worker, or something else
// comes to lie there: what was there is made again, or the worker says what is wrong and takes no jobs.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <system_error>

#include "tests/support/job_client.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct CleanerTest : testing::Test {
    void start() {
        worker = std::make_unique<TestWorker>(
            TestWorkerOptions{hub.url(),
                              "[connectors.sim]\ncommand = [\"emprops-connector-simulation\"]\n"
                              "env = {SIMULATION_JOB_TYPE = \"sim\", SIMULATION_PROCESSING_TIME = \"0.1\"}\n"
                              "[connectors.debugged]\ncommand = [\"unused\"]\nattach = true\n",
                              {},
                              {},
                              {}});
        worker->wait_state("sim", "ready");
        state = fs::path(worker->status().at("worker").at("state_dir").get<std::string>());
    }

    TestHub hub;
    std::unique_ptr<TestWorker> worker;
    fs::path state;
};

TEST_F(CleanerTest, WhatItRemovesIsMadeAgainAndTold) {
    start();
    ASSERT_TRUE(wait_until([&] { return fs::exists(state / "attach-debugged.sock"); }));
    for (const auto& entry : fs::directory_iterator(state)) {
        std::error_code busy;  // with a file that is just being made
        do {
            fs::remove_all(entry.path(), busy);
        } while (busy);
    }
    for (const char* made : {"lock", "ledger", "work/sim-0", "attach-debugged.sock", "control.sock"})
        EXPECT_TRUE(wait_until([&] { return fs::exists(state / made); }, Ms(30'000))) << made;
    EXPECT_EQ(worker->connector("sim").at("state"), "ready");
    JobClient client(hub);
    EXPECT_EQ(client.completed(client.submit("sim", Json::object())).at("status"), "success");
    for (const char* told : {"the file ", "the scratch folder", "attach socket", "the control socket"})
        EXPECT_THAT(worker->log(), HasSubstr(told));
    worker->stop_and_wait();
    EXPECT_FALSE(fs::exists(state / "control.sock")) << "it is ours to remove";
}

TEST_F(CleanerTest, AScratchFolderThatCannotBeMadeIsNamedAndNoJobIsTakenUntilItCan) {
    start();
    fs::remove_all(state / "work");
    worker->dir().write_file((state / "work").string(), "not a folder");
    JobClient client(hub);
    const auto job = client.submit("sim", Json::object());
    EXPECT_TRUE(
        wait_until([&] { return !worker->connector("sim").at("available").get<bool>(); }, Ms(30'000)));
    EXPECT_THAT(worker->cli({"why", "sim"}).out,
                HasSubstr("is unavailable: cannot make the scratch folder " + (state / "work").string()));
    fs::remove(state / "work");
    EXPECT_EQ(client.completed(job, Ms(60'000)).at("status"), "success") << worker->log();
    EXPECT_TRUE(wait_until([&] { return worker->connector("sim").at("available").get<bool>(); }, Ms(30'000)));
}

}  // namespace
}  // namespace emprops::test
