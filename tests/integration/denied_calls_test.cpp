// A worker on a file system without locks or folder sync, and in a container whose profile denies calls: each errno is
// told as what it is, with the setting that helps.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>

#include <cerrno>
#include <filesystem>

#include "tests/support/job_client.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string rule(long call, int number) {
    return std::to_string(call) + ":" + std::to_string(number);
}

constexpr const char* connector = "connectors.simulation.enabled=true";

/// Runs the worker until it gives up.
TestWorker::Output run_denied(const std::string& denied, const TempDir& folder, const std::string& hub) {
    return run_program(
        {"run", "--set", "worker.state_dir=" + (folder / "state").string(), "--set", hub, "--set", connector},
        folder.path(), Ms(30'000), {}, {EMPROPS_DENY_CALLS, denied, "--"});
}

class NoLocks : public testing::TestWithParam<int> {};

TEST_P(NoLocks, AreNoOtherWorker) {
    const TempDir folder;
    const auto ended = run_denied(rule(SYS_flock, GetParam()), folder, "hub.url=ws://127.0.0.1:1");
    EXPECT_EQ(ended.exit_code, 75) << ended.err;
    EXPECT_THAT(ended.err, AllOf(HasSubstr("no locks"), HasSubstr("worker.state_dir"),
                                 Not(HasSubstr("another worker"))));
}

INSTANTIATE_TEST_SUITE_P(Errno, NoLocks, testing::Values(ENOSYS, ENOLCK, EOPNOTSUPP, EIO));

TEST(OneErrno, OfALockMeansAnotherWorker) {
    const TempDir folder;
    const auto ended = run_denied(rule(SYS_flock, EWOULDBLOCK), folder, "hub.url=ws://127.0.0.1:1");
    EXPECT_EQ(ended.exit_code, 75);
    EXPECT_THAT(ended.err, AllOf(HasSubstr("another worker"), Not(HasSubstr("no locks"))));
}

class NoLocksForTheDatabase : public testing::TestWithParam<int> {};

TEST_P(NoLocksForTheDatabase, AreNoOtherHub) {
    const TempDir folder;
    const std::string fcntl_setlk = std::to_string(SYS_fcntl) + "/" + std::to_string(F_SETLK);
    const auto ended =
        run_denied(fcntl_setlk + ":" + std::to_string(GetParam()), folder, "hub.embedded=true");
    EXPECT_EQ(ended.exit_code, 75) << ended.err;
    EXPECT_THAT(ended.err,
                AllOf(HasSubstr("no locks"), HasSubstr("local_hub.database"), Not(HasSubstr("another hub"))));
    EXPECT_FALSE(std::filesystem::exists(folder / "state" / "hub.sqlite-lock-probe"));
}

INSTANTIATE_TEST_SUITE_P(Errno, NoLocksForTheDatabase, testing::Values(ENOLCK, ENOSYS, EIO));

class NoFolderSync : public testing::TestWithParam<int> {};

TEST_P(NoFolderSync, IsToldOnceAndJobsGoOn) {
    TestHub hub;
    TestWorker worker({hub.url(),
                       "[connectors.simulation]\n",
                       {},
                       {},
                       {},
                       {EMPROPS_DENY_CALLS, rule(SYS_fsync, GetParam()), "--"}});
    worker.wait_state("simulation", "ready");
    JobClient client(hub);
    EXPECT_EQ(client.completed(client.submit("simulation", {{"processing_time", 0}})).at("status"),
              "success");
    const std::string log = worker.log();
    const std::size_t first = log.find("cannot sync a folder");
    ASSERT_NE(first, std::string::npos) << log;
    EXPECT_EQ(log.find("cannot sync a folder", first + 1), std::string::npos) << log;
    EXPECT_THAT(log, AllOf(HasSubstr("worker.durability"), HasSubstr("worker.state_dir")));
}

INSTANTIATE_TEST_SUITE_P(Errno, NoFolderSync, testing::Values(EINVAL, ENOTSUP));

TEST(FolderSync, ThatFailsOtherwiseKeepsJobsAwayAndNamesTheSettings) {
    TestHub hub;
    TestWorker worker({hub.url(),
                       "[connectors.simulation]\n",
                       {},
                       {},
                       {},
                       {EMPROPS_DENY_CALLS, rule(SYS_fsync, EIO), "--"}});
    worker.wait_state("simulation", "ready");
    const auto why = worker.cli({"why", "simulation"});
    EXPECT_THAT(why.out, AllOf(HasSubstr("it takes no jobs"), HasSubstr("worker.durability"),
                               HasSubstr("worker.state_dir")));
}

class DeniedCall : public testing::TestWithParam<long> {};

TEST_P(DeniedCall, IsNamedBeforeAnythingIsStarted) {
    for (const int number : {EPERM, ENOSYS}) {
        const TempDir folder;
        const auto ended = run_denied(rule(GetParam(), number), folder, "hub.url=ws://127.0.0.1:1");
        EXPECT_EQ(ended.exit_code, 69) << ended.err;
        EXPECT_THAT(ended.err, AllOf(HasSubstr("seccomp"), HasSubstr("pidfd_")));
    }
}

INSTANTIATE_TEST_SUITE_P(Calls, DeniedCall, testing::Values(SYS_pidfd_open, SYS_pidfd_send_signal));

class OldKernel : public testing::TestWithParam<int> {};

TEST_P(OldKernel, WithoutOpenat2JobsHaveTheirFoldersAllTheSame) {
    TestHub hub;
    TestWorker worker({hub.url(),
                       "[connectors.simulation]\n",
                       {},
                       {},
                       {},
                       {EMPROPS_DENY_CALLS, rule(SYS_openat2, GetParam()), "--"}});
    worker.wait_state("simulation", "ready");
    JobClient client(hub);
    for (int job = 0; job < 3; ++job)
        EXPECT_EQ(client.completed(client.submit("simulation", {{"processing_time", 0}})).at("status"),
                  "success");
    const auto jobs = worker.dir() / "state/work/simulation-0/jobs";
    EXPECT_TRUE(wait_until([&] { return std::filesystem::is_empty(jobs); }));
}

INSTANTIATE_TEST_SUITE_P(Errno, OldKernel, testing::Values(ENOSYS, EPERM));

}  // namespace
}  // namespace emprops::test
