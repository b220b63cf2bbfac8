// Nothing survives: a supervisor under the guardian, with connectors that fork and leave their session,
// killed in every way.

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/signal_set.hpp>
#include <csignal>
#include <fstream>

#include "supervisor/process/os/guardian.h"
#include "tests/support/process_fleet_driver.h"
#include "tests/support/process_survivors.h"

namespace emprops::test {
namespace {

using testing::IsEmpty;

void note(const std::filesystem::path& file, pid_t pid) {
    std::ofstream(file, std::ios::app) << pid << "\n";
}

/// A worker in small: guardian, supervisor, two connectors with grandchildren. Runs in a process forked from
/// the test.
struct SmallWorker {
    explicit SmallWorker(const TempDir& folder)
        : children(folder / "children"), trees(folder / "trees"), supervisor_file(folder / "supervisor") {
        guardian = ::fork();
        if (guardian != 0) return;
        ::_exit(process::run_guarded([&] {
            note(supervisor_file, ::getpid());
            FleetDriver driver;
            driver.start({fault_settings("a", "grandchildren", {trees.string()}),
                          fault_settings("b", "grandchildren", {trees.string()})});
            boost::asio::signal_set signals(driver.loop, SIGTERM, SIGUSR1);
            int code = -1;
            signals.async_wait(
                [&](const boost::system::error_code&, int signal) { code = signal == SIGTERM ? 7 : 8; });
            note(children, driver.status("a").pid);
            note(children, driver.status("b").pid);
            driver.run_until([&] { return code >= 0; }, 60s);
            return code;
        }));
    }
    ~SmallWorker() {
        if (reaped) return;
        ::kill(guardian, SIGKILL);
        ::waitpid(guardian, nullptr, 0);
        for (const auto& file : {children, trees}) {
            for (const pid_t pid : survivors(file))
                ::kill(pid, SIGKILL);
        }
    }
    bool up() const {
        return wait_until([&] { return noted(children).size() == 2 && noted(trees).size() == 6; });
    }
    pid_t supervisor() const { return noted(supervisor_file).at(0); }
    int wait_status() {
        int status = -1;
        reaped = wait_until([&] { return ::waitpid(guardian, &status, WNOHANG) == guardian; });
        return status;
    }

    std::filesystem::path children;
    std::filesystem::path trees;
    std::filesystem::path supervisor_file;
    pid_t guardian = 0;
    bool reaped = false;
};

TEST(Guardian, AfterKill9OfTheSupervisorNothingOfAnyTreeLivesTwoSecondsLater) {
    TempDir folder;
    SmallWorker worker(folder);
    ASSERT_TRUE(worker.up());
    ::kill(worker.supervisor(), SIGKILL);
    const TimePoint killed = Clock::now();
    EXPECT_TRUE(wait_until(
        [&] { return survivors(worker.trees).empty() && survivors(worker.children).empty(); }, 2s));
    EXPECT_LT(Clock::now() - killed, 2s);
    const int status = worker.wait_status();
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 128 + SIGKILL);
}

TEST(Guardian, AfterKill9OfTheGuardianTheSupervisorAndItsDirectChildrenEnd) {
    TempDir folder;
    SmallWorker worker(folder);
    ASSERT_TRUE(worker.up());
    const pid_t supervisor = worker.supervisor();
    ::kill(worker.guardian, SIGKILL);
    EXPECT_TRUE(
        wait_until([&] { return !process_alive(supervisor) && survivors(worker.children).empty(); }, 2s));
}

TEST(Guardian, SignalsAreForwardedAndTheExitCodeComesBack) {
    for (const auto& [signal, code] : {std::pair{SIGTERM, 7}, std::pair{SIGUSR1, 8}}) {
        TempDir folder;
        SmallWorker worker(folder);
        ASSERT_TRUE(worker.up());
        ::kill(worker.guardian, signal);
        const int status = worker.wait_status();
        ASSERT_TRUE(WIFEXITED(status));
        EXPECT_EQ(WEXITSTATUS(status), code);
        EXPECT_THAT(survivors(worker.trees), IsEmpty());
        EXPECT_THAT(survivors(worker.children), IsEmpty());
    }
}

TEST(Guardian, AnExceptionOfTheSupervisorIsAnInternalError) {
    const pid_t guardian = ::fork();
    if (guardian == 0)
        ::_exit(process::run_guarded([]() -> int { throw std::runtime_error("broken on purpose"); }));
    int status = 0;
    ASSERT_EQ(::waitpid(guardian, &status, 0), guardian);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 70);
}

}  // namespace
}  // namespace emprops::test
