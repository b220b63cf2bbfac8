// The worker started by somebody with other habits: ignored and blocked signals, closed descriptors, limits.
// It works as ever, ends when told, and hands none of it on. The launcher is the test program itself, started
// with another first argument.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "supervisor/process/os/inherited.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr const char* launcher_word = "--launcher";

void launch(const std::string& habits) {
    const auto has = [&](const char* habit) { return habits.find(habit) != std::string::npos; };
    if (has("nohup")) ::signal(SIGHUP, SIG_IGN);
    if (has("ignores")) {
        for (const int signal : {SIGCHLD, SIGPIPE, SIGTERM, SIGINT, SIGUSR1, SIGALRM})
            ::signal(signal, SIG_IGN);
    }
    if (has("blocks")) {
        sigset_t all;
        ::sigfillset(&all);
        ::sigprocmask(SIG_SETMASK, &all, nullptr);
    }
    if (has("limits")) {
        ::umask(0027);
        rlimit files{};
        ::getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = 200;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
    if (has("protects")) std::ofstream("/proc/self/oom_score_adj") << -200;
    if (has("closes")) {
        for (int fd = 0; fd <= 2; ++fd)
            ::close(fd);
    }
}

/// Runs before main(): see fake_service.cpp.
const bool launched = [] {
    std::ifstream file("/proc/self/cmdline", std::ios::binary);
    const std::string text((std::istreambuf_iterator<char>(file)), {});
    std::vector<std::string> arguments;
    for (std::size_t at = 0; at < text.size(); at = text.find('\0', at) + 1)
        arguments.emplace_back(text.c_str() + at);
    if (arguments.size() < 4 || arguments[1] != launcher_word) return false;
    file.close();
    std::vector<char*> argv;
    for (std::size_t i = 3; i < arguments.size(); ++i)
        argv.push_back(arguments[i].data());
    argv.push_back(nullptr);
    launch(arguments[2]);
    ::execv(argv[0], argv.data());
    ::_exit(127);
}();

struct Started : testing::Test {
    /// With a connector that notes what it was given, does nothing, and exits with 78 when `fatal` is there.
    void start(const std::string& habits, const std::string& more = "") {
        folder.write_file("c.sh", R"sh(
{ sed -n 's/^\(SigBlk\|SigIgn\|Umask\):[[:space:]]*/\1 /p' /proc/self/status
  echo "files $(ulimit -n)"; echo "oom $(cat /proc/$$/oom_score_adj)"
  (exec 3<>/dev/tty) 2>/dev/null && echo "terminal" ; } > )sh" +
                                      (folder / "given").string() + R"sh(.new
mv )sh" + (folder / "given").string() +
                                      ".new " + (folder / "given").string() + R"sh(
echo '{"type":"ready","protocol":1,"job_types":["t"]}'
while read -r line; do case $line in *shutdown*) exit 0;; esac; [ -e )sh" +
                                      (folder / "fatal").string() + R"sh( ] && exit 78; done
)sh");
        TestWorkerOptions options;
        options.hub_url = hub.url();
        options.toml =
            more + "[connectors.c]\ncommand = [\"/bin/sh\", \"" + (folder / "c.sh").string() + "\"]\n";
        options.launcher = {std::filesystem::read_symlink("/proc/self/exe").string(), launcher_word, habits};
        worker = std::make_unique<TestWorker>(std::move(options));
        worker->wait_state("c", "ready");
    }
    std::string given() const { return folder.read_file("given"); }

    TempDir folder;
    TestHub hub;
    std::unique_ptr<TestWorker> worker;
};

TEST_F(Started, BySomebodyWhoIgnoresAndBlocksSignals) {
    (void)launched;
    start("ignores,blocks");
    EXPECT_THAT(given(), HasSubstr("SigBlk 0000000000000000"));
    EXPECT_THAT(given(), HasSubstr("SigIgn 0000000000000000"));
    EXPECT_THAT(worker->log(), HasSubstr("ignores SIGUSR1, SIGALRM, SIGTERM, SIGCHLD"));
    EXPECT_THAT(worker->log(), HasSubstr("blocks SIGHUP, "));
    worker->stop_and_wait();
}

TEST_F(Started, ByOneWhoIgnoresTheEndsOfChildrenAnExitCodeIsSeen) {
    start("ignores");
    const int pid = worker->connector("c").at("pid");
    folder.write_file("fatal", "");
    ASSERT_EQ(::kill(pid, 0), 0);
    worker->cli(
        {"restart", "c"});  // the old process is told to leave; the new one finds `fatal` at its first line
    worker->wait_state("c", "failed");
    EXPECT_THAT(worker->log(), HasSubstr("exited with code 78"));
    worker->stop_and_wait();
}

TEST_F(Started, ByNohupAHangUpIsAReload) {
    start("nohup");
    worker->process().signal(SIGHUP);
    worker->wait_log("reload");
    EXPECT_EQ(worker->connector("c").at("state"), "ready");
    worker->stop_and_wait();
}

TEST_F(Started, WithoutStandardDescriptorsItsFilesAreNotPrintedInto) {
    folder.write_file("log", "");
    start("closes", "[log]\nfile = \"" + (folder / "log").string() + "\"\n");
    const std::string fds = "/proc/" + std::to_string(worker->supervisor_pid()) + "/fd/";
    for (const char* fd : {"0", "1", "2"})
        EXPECT_EQ(std::filesystem::read_symlink(fds + fd), "/dev/null");
    worker->stop_and_wait();
}

TEST_F(Started, WithLimitsOfItsOwnItHandsThemOn) {
    start("limits");
    EXPECT_THAT(given(), HasSubstr("files 200\n"));
    EXPECT_THAT(given(), HasSubstr("Umask 0027\n"));
    std::ifstream file("/proc/" + std::to_string(worker->supervisor_pid()) + "/limits");
    const std::string limits((std::istreambuf_iterator<char>(file)), {});
    EXPECT_THAT(limits, testing::Not(HasSubstr("Max open files            200 ")));
    EXPECT_THAT(limits, HasSubstr("Max open files"));
    worker->stop_and_wait();
}

TEST_F(Started, ProtectedFromTheOomKillerItProtectsNoConnector) {
    if (::geteuid() != 0) GTEST_SKIP() << "a score below 0 needs root";
    start("protects");
    EXPECT_THAT(given(), HasSubstr("oom 0\n"));
    worker->stop_and_wait();
}

TEST_F(Started, AConnectorHasNoTerminal) {
    start("nothing");
    EXPECT_THAT(given(), testing::Not(HasSubstr("terminal")));
    EXPECT_THAT(worker->log(), testing::Not(HasSubstr("whoever started this worker")));
    worker->stop_and_wait();
}

/// What take_over() makes of a process, tried in one that was forked for it: 0, or which expectation failed.
int in_a_child(const std::function<int()>& what) {
    const pid_t child = ::fork();
    if (child == 0) ::_exit(what());
    int status = 0;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

TEST(TakeOver, ADirectoryThatIsGoneIsLeft) {
    EXPECT_EQ(in_a_child([] {
                  char name[] = "/tmp/emprops-gone-XXXXXX";
                  if (::mkdtemp(name) == nullptr || ::chdir(name) != 0 || ::rmdir(name) != 0) return 1;
                  const auto& found = process::take_over();
                  if (found.notes.size() != 1 || found.notes[0].find("does not exist") == std::string::npos)
                      return 2;
                  return std::filesystem::current_path() == "/" ? 0 : 3;
              }),
              0);
}

TEST(TakeOver, LimitsThatEndAProcessAreTold) {
    EXPECT_EQ(in_a_child([] {
                  const rlimit limit{3600, 3600};
                  ::setrlimit(RLIMIT_CPU, &limit);
                  const auto& found = process::take_over();
                  return found.notes.size() == 1 && found.notes[0].find("3600") != std::string::npos ? 0 : 1;
              }),
              0);
}

TEST(TakeOver, NobodyElseMayWriteOurFilesAndWeMay) {
    EXPECT_EQ(in_a_child([] {
                  ::umask(0700);
                  process::take_over();
                  return ::umask(0) == 022 ? 0 : 1;
              }),
              0);
}

}  // namespace
}  // namespace emprops::test
