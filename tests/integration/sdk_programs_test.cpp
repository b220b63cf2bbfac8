// Programs that a job of a C++ connector starts: bounded, without the connector's stdin, and gone with the job.
#include <gmock/gmock.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "emprops/run_program.h"
#include "tests/support/child_process.h"
#include "tests/support/silent_context.h"
#include "tests/support/temp_dir.h"

namespace emprops {
namespace {

using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;

struct JobOf : test::SilentContext {
    bool cancelled() const override { return stop; }
    std::string cancel_reason() const override { return "enough"; }
    bool stop = false;
};

ProgramResult shell(const std::string& script, const ProgramOptions& options = {}) {
    JobOf job;
    return run_program(job, {"sh", "-c", script}, options);
}

std::pair<std::string, std::string> failure_of(const std::function<void()>& run) {
    try {
        run();
    } catch (const JobFailure& failure) {
        return {failure.code(), failure.what()};
    }
    return {"none", ""};
}

/// Ends, if perhaps not reaped by its parent. SIGKILL takes a while: the pipes are closed before.
bool goes(const std::string& pid) {
    return test::wait_until([&] {
        std::ifstream file("/proc/" + pid + "/stat");
        std::string stat;
        std::getline(file, stat);
        return stat.empty() || stat.find(") Z") != std::string::npos || stat.find(") X") != std::string::npos;
    });
}

TEST(SdkPrograms, OutputInputExitCodesAndSignals) {
    const ProgramResult result = shell("cat; echo err >&2", {.input = std::string(300000, 'x')});
    EXPECT_EQ(result.out.size(), 300000u);
    EXPECT_EQ(result.err, "err\n");
    EXPECT_EQ(shell("cat").out, "") << "stdin is /dev/null";
    EXPECT_EQ(shell("true", {.input = std::string(300000, 'x')}).exit_code, 0) << "it need not read it";
    EXPECT_EQ(shell("kill -9 $$", {.check = false}).exit_code, -9);
    EXPECT_EQ(failure_of([] { shell("echo first >&2; echo last >&2; exit 3"); }),
              std::pair(std::string("internal"),
                        std::string("`sh` ended with exit code 3; its last line on stderr: last")));
    JobOf job;
    EXPECT_EQ(failure_of([&] { run_program(job, {"/nope/prog"}); }),
              std::pair(std::string("internal"),
                        std::string("cannot start `/nope/prog`: No such file or directory")));
    EXPECT_EQ(failure_of([&] { run_program(job, {}); }).first, "internal");
}

TEST(SdkPrograms, HaveDefaultSignalsAFolderAndASessionOfTheirOwn) {
    const test::TempDir folder;
    EXPECT_EQ(shell("pwd", {.cwd = folder.path().string()}).out, folder.path().string() + "\n");
    const std::string status = shell("cat /proc/self/status; cut -d' ' -f6 /proc/$$/stat; echo $$").out;
    EXPECT_THAT(status, HasSubstr("SigBlk:\t0000000000000000"));
    const std::string pid =
        std::to_string(std::stol(status.substr(status.rfind('\n', status.size() - 2) + 1)));
    EXPECT_THAT(status, HasSubstr("\n" + pid + "\n" + pid + "\n")) << "it leads its session";
}

TEST(SdkPrograms, AreNotToldThatTheWorkerHasStartedThisProcessAndHaveSigpipesDefaultWhateverALibrarySays) {
    ::setenv("EMPROPS_CONNECTOR", "1", 1);
    ::setenv("EMPROPS_CONNECTOR_OF_MINE", "stays", 1);
    const auto before = ::signal(SIGPIPE, SIG_IGN);
    const std::string said = shell("env; grep SigIgn /proc/self/status").out;
    ::signal(SIGPIPE, before);
    ::unsetenv("EMPROPS_CONNECTOR");
    ::unsetenv("EMPROPS_CONNECTOR_OF_MINE");
    EXPECT_THAT(said, testing::Not(HasSubstr("EMPROPS_CONNECTOR=")));
    EXPECT_THAT(said, HasSubstr("EMPROPS_CONNECTOR_OF_MINE=stays"));
    const auto ignored = std::stoull(said.substr(said.find("SigIgn:") + 7), nullptr, 16);
    EXPECT_EQ(ignored >> (SIGPIPE - 1) & 1, 0u) << said;
}

TEST(SdkPrograms, LinesComeWhileItRunsAndWhatTheirReaderThrowsEndsIt) {
    std::vector<std::string> lines;
    shell("printf '1\\r2\\r\\n3'", {.on_line = [&](const std::string& line) { lines.push_back(line); }});
    EXPECT_THAT(lines, ElementsAre("1", "2", "3"));
    EXPECT_EQ(failure_of([] {
                  shell("echo x; sleep 600",
                        {.on_line = [](const std::string&) { throw JobFailure("mine", "no"); }});
              }).first,
              "mine");
}

TEST(SdkPrograms, OfAFloodTheNewestIsKeptFromTheBeginningOfACharacter) {
    const ProgramResult result = shell("yes ä | head -c 4999998; echo end", {.max_output = 1001});
    EXPECT_TRUE(result.truncated);
    EXPECT_LE(result.out.size(), 1001u);
    EXPECT_THAT(result.out, testing::EndsWith("ä\nend\n"));
    EXPECT_NE(static_cast<unsigned char>(result.out[0]) & 0xc0, 0x80);
}

TEST(SdkPrograms, ATimeLimitAndACancelEndTheWholeGroupDeafOnesToo) {
    std::vector<std::string> pids;
    JobOf job;
    ProgramOptions options;
    options.on_line = [&](const std::string& line) { pids.push_back(line); };
    const std::vector<std::string> deaf{"sh", "-c",
                                        "trap '' TERM; sleep 600 & echo $!; echo $$; while :; do wait; done"};
    // Longer and longer, until it has had the time to say its numbers.
    for (auto limit = milliseconds(250); pids.size() < 2; limit *= 2) {
        pids.clear();
        options.timeout = limit;
        ASSERT_EQ(failure_of([&] { run_program(job, deaf, options); }).first, "timeout");
    }
    options.timeout.reset();
    options.on_line = [&](const std::string& line) {
        pids.push_back(line);
        job.stop = pids.size() == 4;
    };
    EXPECT_EQ(failure_of([&] { run_program(job, deaf, options); }),
              std::pair(std::string("cancelled"), std::string("enough")));
    ASSERT_EQ(pids.size(), 4u);
    for (const std::string& pid : pids)
        EXPECT_TRUE(goes(pid)) << pid;
}

TEST(SdkPrograms, WhatItLeavesInItsGroupEndsWithItAndDoesNotHoldTheJob) {
    std::string out = shell("sleep 600 & echo $!").out;
    out.pop_back();
    EXPECT_TRUE(goes(out)) << out;
}

}  // namespace
}  // namespace emprops
