// What stands between a stranger's file and everything else: the walls of the converter, and how its process is started
// and ended.

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "connectors/convert/launch/child.h"
#include "connectors/convert/sandbox.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_dir.h"

namespace emprops::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string text_of(const std::filesystem::path& file) {
    std::ifstream stream(file, std::ios::binary);
    return {std::istreambuf_iterator<char>(stream), {}};
}

/// What a process behind the walls may still do, as a row of letters.
std::string behind_the_walls() {
    int ends[2];
    if (::pipe(ends) != 0) return "no pipe";
    const pid_t child = ::fork();
    if (child == 0) {
        char said[16] = {};
        std::size_t count = 0;
        const auto note = [&](bool could, char letter) {
            if (could) said[count++] = letter;
        };
        void* const memory = ::mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        note(!convert::become_harmless().ok(), '1');
        note(!convert::set_limits({4ull << 30, 1u << 20, 60}).ok(), '2');
        note(!convert::deny_calls().ok(), '3');
        note(::open("/dev/null", O_RDONLY) >= 0, 'o');
        note(::socket(AF_INET, SOCK_STREAM, 0) >= 0, 's');
        note(::socket(AF_UNIX, SOCK_STREAM, 0) >= 0, 'u');
        char* const nothing[] = {nullptr};
        ::execve("/bin/true", nothing, nothing);
        note(::kill(::getppid(), 0) == 0, 'k');
        note(::mprotect(memory, 4096, PROT_READ | PROT_EXEC) == 0, 'x');
        note(::mmap(nullptr, 4096, PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED, 'X');
        note(::dup(ends[0]) >= 0, 'd');
        note(::unlink("/tmp/there-is-no-such-file") == 0 || errno == ENOENT, 'r');
        const pid_t more = ::fork();
        if (more == 0) ::_exit(0);
        note(more > 0, 'f');
        std::vector<int> much(100'000, 7);  // memory there still is
        note(much[99'999] != 7, 'm');
        said[count++] = '.';
        (void)!::write(ends[1], said, count);
        ::_exit(0);
    }
    ::close(ends[1]);
    char said[16] = {};
    const auto got = ::read(ends[0], said, sizeof said);
    ::close(ends[0]);
    int status = 0;
    ::waitpid(child, &status, 0);
    return std::string(said, got > 0 ? static_cast<std::size_t>(got) : 0) +
           (WIFEXITED(status) ? "" : " ended by signal " + std::to_string(WTERMSIG(status)));
}

TEST(Walls, BehindThemAProcessComputesAndNothingElse) {
    EXPECT_EQ(behind_the_walls(), ".");
}

convert::ChildOptions shell(const std::string& script, Ms timeout = Ms(20'000)) {
    convert::ChildOptions options;
    options.command = {"/bin/sh", "-c", script};
    options.timeout = timeout;
    return options;
}

TEST(Child, HasNothingThatItWasNotGiven) {
    ::setenv("CREDENTIAL", "secret", 1);
    const int other = ::open("/dev/null", O_RDONLY);  // not even close-on-exec
    convert::ChildOptions options = shell("/usr/bin/env; cat; ls /proc/self/fd; cat <&3");
    options.environment = {"ONE=1"};
    options.input = "order\n";
    const int file = ::memfd_create("given", MFD_CLOEXEC);
    ASSERT_EQ(::write(file, "given", 5), 5);
    ::lseek(file, 0, SEEK_SET);
    options.descriptors = {file};
    const auto end = convert::run_child(options, [] { return true; });
    ::close(other);
    ::close(file);
    ASSERT_TRUE(end.ok()) << end.error().message;
    EXPECT_EQ(end->code, 0);
    EXPECT_THAT(end->said, AllOf(HasSubstr("ONE=1"), Not(HasSubstr("CREDENTIAL")), HasSubstr("order\n"),
                                 HasSubstr("0\n1\n2\n3\n4\ngiven")))
        << "4 is that of the folder which ls reads";
}

TEST(Child, IsEndedWithAllItStartedWhenTheTimeIsOverOrNobodyWantsIt) {
    const TempDir dir;
    const std::string pid_file = (dir / "pid").string();
    const auto end = convert::run_child(shell("sleep 100 & echo $! > " + pid_file + "; wait", Ms(700)),
                                        [] { return true; });
    ASSERT_TRUE(end.ok());
    EXPECT_EQ(end->how, convert::ChildEnd::How::late);
    const pid_t grandchild = std::stoi(text_of(pid_file));
    EXPECT_TRUE(wait_until([&] {
        const std::string stat = text_of("/proc/" + std::to_string(grandchild) + "/stat");
        return stat.empty() || stat.find(") Z") != stat.npos;
    }));
    int asked = 0;
    const auto unwanted = convert::run_child(shell("sleep 100"), [&] { return ++asked < 3; });
    EXPECT_EQ(unwanted->how, convert::ChildEnd::How::unwanted);
}

TEST(Child, ItsEndIsToldInWords) {
    EXPECT_EQ(convert::run_child(shell("exit 3"), [] { return true; })->sentence(),
              "it ended with exit code 3");
    EXPECT_THAT(convert::run_child(shell("kill -SEGV $$"), [] { return true; })->sentence(),
                HasSubstr("signal 11"));
    convert::ChildOptions none;
    none.command = {"/nowhere/program"};
    EXPECT_THAT(convert::run_child(none, [] { return true; }).error().message,
                HasSubstr("/nowhere/program cannot be started"));
    const auto loud = convert::run_child(shell("yes | head -c 10000000; echo end"), [] { return true; });
    EXPECT_THAT(loud->said, testing::EndsWith("end\n"));
    EXPECT_LE(loud->said.size(), 64u * 1024);
}

}  // namespace
}  // namespace emprops::test
