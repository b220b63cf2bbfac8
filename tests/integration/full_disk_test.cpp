// A disk that is full: the worker says so, claims nothing new, delivers what it holds in memory, and goes on
// by itself when there is room again. A file size limit of the process stands for the full disk (a real one
// needs privileges); what ENOSPC itself does is in integration/ledger_test.cpp, at the file door.

#include <gtest/gtest.h>
#include <sys/resource.h>

#include "tests/support/job_client.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

/// Of the whole process, from now on; `RLIM_INFINITY`: none.
void limit_file_size(pid_t pid, rlim_t bytes) {
    rlimit now{};
    ASSERT_EQ(::prlimit(pid, RLIMIT_FSIZE, nullptr, &now), 0);
    now.rlim_cur = std::min(bytes, now.rlim_max);
    ASSERT_EQ(::prlimit(pid, RLIMIT_FSIZE, &now, nullptr), 0);
}

TEST(FullDisk, StopsClaimingDeliversWhatRunsAndRecovers) {
    TestHub hub;
    TestWorker worker({hub.url(), "[connectors.simulation]\n", {}, {}, {}});
    worker.wait_state("simulation", "ready");
    const int supervisor = worker.supervisor_pid();
    JobClient client(hub);
    const auto running = client.submit("simulation", {{"processing_time", 2}, {"steps", 20}});
    client.progressed(running);
    limit_file_size(supervisor, 0);

    EXPECT_EQ(client.completed(running).at("status"), "success") << worker.log();
    worker.wait_log("claims no new jobs");
    EXPECT_EQ(worker.status().at("ledger").at("healthy"), false);
    const auto waiting = client.submit("simulation", {{"processing_time", 0.1}});
    EXPECT_TRUE(client.hub.nothing(
        [&](const Json& message) {
            return message.value("job_id", "") == waiting && message.value("type", "") != "job_accepted";
        },
        Ms(1500)));

    limit_file_size(supervisor, RLIM_INFINITY);
    worker.wait_log("claims jobs again", Ms(60'000));
    EXPECT_EQ(client.completed(waiting).at("status"), "success") << worker.log();
    EXPECT_EQ(worker.supervisor_pid(), supervisor) << "the limit's signal does not end the worker";
    worker.stop_and_wait(0);
}

}  // namespace
}  // namespace emprops::test
