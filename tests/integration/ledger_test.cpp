// The job ledger with real folders, real locks and a writer that is really killed.

#include "supervisor/jobs/ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <csignal>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/jobs/ledger_folder.h"
#include "supervisor/jobs/ledger_record.h"
#include "tests/support/temp_dir.h"

namespace emprops::jobs::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using namespace std::chrono_literals;

LedgerOptions options_for(const fs::path& state_dir, const std::string& hub = "ws://hub") {
    LedgerOptions options;
    options.state_dir = state_dir;
    options.hub_url = hub;
    options.retry_interval = 10ms;
    return options;
}

Assignment assignment(std::uint64_t number, const std::string& job_id, std::string payload = "{}") {
    return {job_id, "t", 2, {std::move(payload)}, number};
}

class LedgerTest : public ::testing::Test {
  protected:
    void open(const LedgerOptions& options) {
        Result<std::unique_ptr<Ledger>> opened = Ledger::open(options, io.get_executor());
        ASSERT_TRUE(opened.ok()) << opened.error().message;
        ledger = std::move(opened).value();
    }
    void open() { open(options_for(dir.path())); }
    void reopen() {
        ledger.reset();
        open();
    }
    /// Until every operation was answered.
    void run() {
        io.restart();
        io.run();
    }
    Ledger::Done expect_ok() {
        return [](Result<> result) { EXPECT_TRUE(result.ok()) << result.error().message; };
    }
    Ledger::OutcomeDone expect_written() {
        return [](Result<> result, const Outcome&) { EXPECT_TRUE(result.ok()) << result.error().message; };
    }
    std::size_t files(const fs::path& folder) const {
        std::size_t count = 0;
        if (!fs::exists(folder)) return 0;
        for (const auto& entry : fs::directory_iterator(folder))
            count += entry.path().extension() == ".json";
        return count;
    }

    emprops::test::TempDir dir;
    boost::asio::io_context io;
    std::unique_ptr<Ledger> ledger;
};

TEST_F(LedgerTest, AFolderThatACleanerRemovedIsMadeAgain) {
    open();
    const std::uint64_t n = ledger->first_number();
    for (const fs::path& removed : {dir.path() / "ledger", dir.path() / "ledger" / "nothing"}) {
        fs::remove_all(removed);
        ledger->record_assignment(assignment(n, "j"), {}, expect_ok());
        run();
        EXPECT_EQ(files(dir.path() / "ledger"), 1u);
    }
}

TEST_F(LedgerTest, NoFileOfItIsWrittenOrReadThroughALink) {
    std::ofstream(dir.path() / "victim") << "mine";
    fs::create_directories(dir.path() / "ledger");
    LedgerFolder folder(dir.path() / "ledger", true);
    fs::create_symlink(dir.path() / "victim", dir.path() / "ledger" / "a.json.tmp");
    fs::create_symlink(dir.path() / "victim", dir.path() / "ledger" / "b.json");
    const auto applied = folder.apply({{"a.json", "new"}, {"b.json", "new"}});
    ASSERT_FALSE(applied[0].ok());
    EXPECT_THAT(applied[0].error().message, HasSubstr("it is a link"));
    EXPECT_TRUE(applied[1].ok()) << "the link itself is replaced";
    EXPECT_FALSE(fs::is_symlink(dir.path() / "ledger" / "b.json"));
    fs::create_symlink(dir.path() / "victim", dir.path() / "ledger" / "c.json");
    EXPECT_FALSE(folder.read("c.json"));
    std::ifstream victim(dir.path() / "victim");
    std::string text;
    victim >> text;
    EXPECT_EQ(text, "mine");
}

TEST_F(LedgerTest, WhatWasRecordedIsThereAfterARestart) {
    open();
    const std::uint64_t n = ledger->first_number();
    ledger->record_assignment(assignment(n, "runs", R"({"x":1.10})"), {{"w-1"}, "comfyui", 2, true},
                              expect_ok());
    ledger->record_assignment(assignment(n + 1, "done"), {{"w-1"}, "a", 1, false}, expect_ok());
    ledger->record_outcome({"done", n + 1, Completed{{R"({"r":1e5})"}}}, expect_written());
    ledger->record_outcome({"never recorded", n + 2, Failed{{"crashed", "SIGSEGV", true, {}}}},
                           expect_written());
    EXPECT_EQ(ledger->stats().outcomes, 0u) << "none is on disk";
    run();
    EXPECT_EQ(ledger->stats().records, 3u);
    EXPECT_EQ(ledger->stats().outcomes, 2u);
    EXPECT_GT(ledger->stats().bytes, 300u);
    reopen();
    EXPECT_EQ(ledger->stats().outcomes, 2u);
    const Loaded loaded = ledger->take_loaded();
    ASSERT_EQ(loaded.unfinished.size(), 1u);
    EXPECT_EQ(loaded.unfinished[0].assignment.job_id, "runs");
    EXPECT_EQ(loaded.unfinished[0].assignment.payload.text, R"({"x":1.10})");
    EXPECT_EQ(loaded.unfinished[0].assignment.priority, 2);
    EXPECT_EQ(loaded.unfinished[0].note.connector, "comfyui");
    EXPECT_EQ(loaded.unfinished[0].note.attempt, 2);
    EXPECT_TRUE(loaded.unfinished[0].note.with_payload);
    ASSERT_EQ(loaded.finished.size(), 2u);
    EXPECT_EQ(std::get<Completed>(loaded.finished[0].outcome.value).result.text, R"({"r":1e5})");
    EXPECT_EQ(loaded.finished[0].note.claimed_as, std::vector<std::string>{"w-1"});
    EXPECT_EQ(loaded.finished[0].job_type, "t");
    EXPECT_EQ(std::get<Failed>(loaded.finished[1].outcome.value).error.message, "SIGSEGV");
    EXPECT_TRUE(loaded.warnings.empty());
    EXPECT_TRUE(ledger->take_loaded().finished.empty()) << "moved out";
}

TEST_F(LedgerTest, RemovedRecordsAreGoneAndUnknownOnesAreFine) {
    open();
    const std::uint64_t n = ledger->first_number();
    ledger->record_assignment(assignment(n, "j"), {{"w-1"}, "a", 1, false}, expect_ok());
    run();
    EXPECT_EQ(files(dir / "ledger"), 1u);
    ledger->remove(n, expect_ok());
    ledger->remove(n, expect_ok());
    ledger->remove(12345, {});
    run();
    EXPECT_EQ(files(dir / "ledger"), 0u);
    EXPECT_TRUE(fs::exists(dir / "ledger")) << "an empty file name must not remove the folder";
    EXPECT_EQ(ledger->stats().records, 0u);
    EXPECT_TRUE(ledger->healthy());
}

TEST_F(LedgerTest, NumbersNeverRepeatEvenWhenNothingIsLeftOfThem) {
    std::uint64_t last = 0;
    for (int i = 0; i < 3; ++i) {
        open();
        EXPECT_GT(ledger->first_number(), last);
        last = ledger->first_number() + 1'000'000;
        ledger.reset();
    }
    fs::remove(dir / "ledger" / "epoch");
    open();
    const std::uint64_t kept = (std::uint64_t{99} << 32) + 5;
    ledger->record_assignment(assignment(kept, "j"), {}, expect_ok());
    run();
    ledger.reset();
    fs::remove(dir / "ledger" / "epoch");
    open();
    EXPECT_GT(ledger->first_number(), kept) << "records count too";
}

TEST_F(LedgerTest, ClaimsAreAddedInMemoryAndOnDisk) {
    open();
    const std::uint64_t n = ledger->first_number();
    ledger->record_assignment(assignment(n, "j", R"({"p":1})"), {{"w-1"}, "", 1, true}, expect_ok());
    run();
    ledger->add_claim(n, "w-2", expect_ok());
    ledger->add_claim(777, "w-2", expect_ok());
    run();
    ledger->record_assignment(assignment(n, "j", R"({"p":1})"), {{"w-1", "w-3"}, "a", 1, true}, expect_ok());
    ledger->add_claim(n, "w-4", expect_ok());
    run();
    reopen();
    const Loaded loaded = ledger->take_loaded();
    ASSERT_EQ(loaded.unfinished.size(), 1u);
    EXPECT_EQ(loaded.unfinished[0].note.claimed_as, (std::vector<std::string>{"w-1", "w-2", "w-3", "w-4"}));
    EXPECT_EQ(loaded.unfinished[0].note.connector, "a");
    EXPECT_EQ(loaded.unfinished[0].assignment.payload.text, R"({"p":1})");
}

TEST_F(LedgerTest, SixteenMebibytesSurvive) {
    open();
    const std::string result = R"({"image":")" + std::string(std::size_t{16} << 20, 'x') + "\"}";
    bool came_back = false;
    ledger->record_outcome({"big", ledger->first_number(), Completed{{result}}},
                           [&](const Result<>& done, const Outcome& outcome) {
                               EXPECT_TRUE(done.ok());
                               EXPECT_EQ(outcome.job_id, "big");
                               came_back = std::get<Completed>(outcome.value).result.text == result;
                           });
    run();
    EXPECT_TRUE(came_back) << "the Hub is next to have it";
    reopen();
    const Loaded loaded = ledger->take_loaded();
    ASSERT_EQ(loaded.finished.size(), 1u);
    EXPECT_TRUE(std::get<Completed>(loaded.finished[0].outcome.value).result.text == result);
}

TEST_F(LedgerTest, CorruptAndTornFilesAreSetAsideAndNeverFatal) {
    open();
    for (int i = 0; i < 3; ++i) {
        const std::uint64_t n = ledger->first_number() + static_cast<std::uint64_t>(i);
        ledger->record_outcome({"j" + std::to_string(i), n, Completed{{R"({"r":1})"}}}, expect_written());
    }
    run();
    const std::uint64_t n = ledger->first_number();
    ledger.reset();
    const fs::path torn = dir / "ledger" / record_file_name("j0", n);
    fs::resize_file(torn, fs::file_size(torn) - 10);
    {
        std::fstream flip(dir / "ledger" / record_file_name("j1", n + 1), std::ios::in | std::ios::out);
        flip.seekp(150);
        flip.put('#');
    }
    dir.write_file("ledger/0123.json", "");
    dir.write_file("ledger/x.json.tmp", "half");
    dir.write_file("ledger/note.txt", "not ours");
    dir.write_file("ledger/future.json", R"({"version":2,"anything":true})");
    fs::create_directory(dir / "ledger" / "folder.json");
    open();
    const Loaded loaded = ledger->take_loaded();
    ASSERT_EQ(loaded.finished.size(), 1u);
    EXPECT_EQ(loaded.finished[0].outcome.job_id, "j2");
    EXPECT_EQ(loaded.warnings.size(), 5u);
    EXPECT_EQ(files(dir / "ledger" / "bad"), 3u);
    EXPECT_EQ(ledger->stats().bad_files, 3u);
    EXPECT_FALSE(fs::exists(dir / "ledger" / "x.json.tmp"));
    EXPECT_TRUE(fs::exists(dir / "ledger" / "note.txt"));
    EXPECT_TRUE(fs::exists(dir / "ledger" / "future.json")) << "a newer worker's record is not ours to move";
}

TEST_F(LedgerTest, TheFolderOfBadFilesIsBounded) {
    fs::create_directories(dir / "ledger");
    for (int i = 0; i < 20; ++i)
        dir.write_file("ledger/" + std::to_string(i) + ".json", "rubbish");
    LedgerOptions options = options_for(dir.path());
    options.max_bad_files = 7;
    open(options);
    EXPECT_EQ(files(dir / "ledger" / "bad"), 7u);
}

TEST_F(LedgerTest, RecordsOfAnotherHubAreLeftAlone) {
    open(options_for(dir.path(), "ws://one"));
    ledger->record_outcome({"j", ledger->first_number(), Completed{{R"({"r":1})"}}}, expect_written());
    run();
    ledger.reset();
    open(options_for(dir.path(), "ws://two"));
    Loaded loaded = ledger->take_loaded();
    EXPECT_TRUE(loaded.finished.empty());
    EXPECT_EQ(loaded.foreign, 1u);
    EXPECT_EQ(ledger->stats().records, 0u);
    ledger.reset();
    open(options_for(dir.path(), "ws://one"));
    EXPECT_EQ(ledger->take_loaded().finished.size(), 1u);
}

TEST_F(LedgerTest, ASecondWorkerIsTurnedAwayWithThePidOfTheFirst) {
    open();
    const Result<std::unique_ptr<Ledger>> second = Ledger::open(options_for(dir.path()), io.get_executor());
    ASSERT_FALSE(second.ok());
    EXPECT_EQ(second.error().code, "locked");
    EXPECT_THAT(second.error().message, HasSubstr("pid " + std::to_string(::getpid())));
    ledger.reset();
    open();
}

TEST_F(LedgerTest, AStateFolderThatCannotBeMadeIsAClearError) {
    dir.write_file("file", "x");
    const Result<std::unique_ptr<Ledger>> opened =
        Ledger::open(options_for(dir / "file" / "state"), io.get_executor());
    ASSERT_FALSE(opened.ok());
    EXPECT_EQ(opened.error().code, "state_dir");
    EXPECT_THAT(opened.error().message, HasSubstr("worker.state_dir"));
}

/// Runs the loop until `health` says something.
void run_until(boost::asio::io_context& io, const std::vector<std::string>& health, std::size_t count) {
    io.restart();
    const auto keep = boost::asio::make_work_guard(io);
    while (health.size() < count) {
        if (io.run_one_for(20s) == 0) FAIL() << "no report from the ledger";
    }
}

TEST_F(LedgerTest, ADiskThatRefusesIsReportedAndWhatItRefusedIsWrittenLater) {
    open();
    std::vector<std::string> health;
    ledger->on_health(
        [&](bool ok, const std::string& why) { health.push_back((ok ? "ok: " : "bad: ") + why); });
    const std::uint64_t n = ledger->first_number();
    ledger->record_assignment(assignment(n, "before"), {{"w-1"}, "a", 1, false}, expect_ok());
    run();
    // The folder's place is taken by a file: every write and removal fails until it is gone.
    fs::rename(dir / "ledger", dir / "away");
    dir.write_file("ledger", "in the way");
    int refused = 0;
    const auto count_refusal = [&](Result<> result, auto&&...) {
        refused += !result.ok() && result.error().message.find("ledger") != std::string::npos;
    };
    ledger->record_outcome({"before", n, Completed{{R"({"r":1})"}}}, count_refusal);
    ledger->record_assignment(assignment(n + 1, "gone"), {}, count_refusal);
    run();
    EXPECT_EQ(refused, 2);
    EXPECT_FALSE(ledger->healthy());
    ASSERT_EQ(health.size(), 1u) << "once";
    EXPECT_THAT(health[0], HasSubstr("bad: cannot write"));
    ledger->add_claim(n, "w-2", count_refusal);
    ledger->remove(n + 1, count_refusal);
    run();
    EXPECT_GE(ledger->stats().write_errors, 3u);

    fs::remove(dir / "ledger");
    fs::rename(dir / "away", dir / "ledger");
    run_until(io, health, 2);
    EXPECT_EQ(health.back(), "ok: the job ledger can be written");
    reopen();
    const Loaded loaded = ledger->take_loaded();
    ASSERT_EQ(loaded.finished.size(), 1u);
    EXPECT_TRUE(loaded.unfinished.empty());
    EXPECT_EQ(loaded.finished[0].note.claimed_as, (std::vector<std::string>{"w-1", "w-2"}));
}

TEST_F(LedgerTest, ADiskWithoutSpaceIsNamedAndWhatItRefusedIsWrittenWhenThereIsRoom) {
    LedgerFolder folder(dir / "ledger", true);
    ASSERT_TRUE(folder.prepare().ok());
    // What /dev/full is: every write is ENOSPC, as on a full disk.
    if (::mknod((dir / "ledger" / "a.json.tmp").c_str(), S_IFCHR | 0600, makedev(1, 7)) != 0)
        GTEST_SKIP() << "needs the right to make a device";
    const auto refused = folder.apply({{"a.json", std::string(5000, 'x')}, {"b.json", std::string("small")}});
    ASSERT_FALSE(refused[0].ok());
    EXPECT_NE(refused[0].error().message.find("No space left on device"), std::string::npos)
        << refused[0].error().message;
    EXPECT_TRUE(refused[1].ok()) << "one record that does not fit costs no other";
    EXPECT_EQ(folder.read("a.json"), std::nullopt);
    const auto written = folder.apply({{"a.json", std::string(5000, 'x')}});
    EXPECT_TRUE(written[0].ok());
    EXPECT_EQ(folder.read("a.json"), std::string(5000, 'x'));
}

TEST_F(LedgerTest, AFullLedgerIsUnhealthyUntilTheHubHasTakenSomething) {
    LedgerOptions options = options_for(dir.path());
    options.max_records = 2;
    open(options);
    std::vector<std::string> health;
    ledger->on_health(
        [&](bool ok, const std::string& why) { health.push_back((ok ? "ok: " : "bad: ") + why); });
    const std::uint64_t n = ledger->first_number();
    for (std::uint64_t i = 0; i < 3; ++i)
        ledger->record_outcome({"j" + std::to_string(i), n + i, Completed{{R"({"r":1})"}}}, expect_written());
    run();
    ASSERT_EQ(health.size(), 1u);
    EXPECT_THAT(health[0], HasSubstr("3 records, more than its limit of 2"));
    EXPECT_EQ(files(dir / "ledger"), 3u) << "outcomes are kept all the same";
    ledger->remove(n, expect_ok());
    run();
    EXPECT_EQ(health.size(), 2u);
    EXPECT_TRUE(ledger->healthy());

    options.max_bytes = 100;
    ledger.reset();
    open(options);
    EXPECT_FALSE(ledger->healthy()) << "known from the start";
}

TEST_F(LedgerTest, ManyRecordsAtOnceAreAllAnswered) {
    open();
    int answered = 0;
    for (std::uint64_t i = 0; i < 500; ++i) {
        const std::uint64_t n = ledger->first_number() + i;
        ledger->record_assignment(assignment(n, "j"), {{"w"}, "a", 1, false}, [&](Result<>) { ++answered; });
        if (i % 2) ledger->remove(n, [&](Result<>) { ++answered; });
    }
    run();
    EXPECT_EQ(answered, 750);
    EXPECT_EQ(files(dir / "ledger"), 250u);
}

TEST_F(LedgerTest, WhatIsQueuedIsWrittenWhenTheLedgerGoes) {
    open();
    ledger->record_outcome({"j", ledger->first_number(), Completed{{R"({"r":1})"}}}, expect_written());
    reopen();
    EXPECT_EQ(ledger->take_loaded().finished.size(), 1u);
}

/// A worker that records outcomes as fast as it can and tells each number that was acknowledged.
[[noreturn]] void record_for_ever(const LedgerOptions& options, int report_fd) {
    boost::asio::io_context io;
    Result<std::unique_ptr<Ledger>> ledger = Ledger::open(options, io.get_executor());
    if (!ledger.ok()) ::_exit(3);
    std::uint64_t next = (*ledger)->first_number();
    const std::string filler(5000, 'x');
    std::function<void()> record_one = [&] {
        const std::uint64_t n = next++;
        const std::string job_id = "job " + std::to_string(n);
        (*ledger)->record_assignment(assignment(n, job_id), {{"w"}, "a", 1, false}, {});
        const std::string result = R"({"number":")" + std::to_string(n) + R"(","filler":")" + filler + "\"}";
        (*ledger)->record_outcome({job_id, n, Completed{{result}}}, [&, n](Result<> done, const Outcome&) {
            if (!done.ok() || ::write(report_fd, &n, sizeof n) != sizeof n) ::_exit(4);
            record_one();
        });
    };
    for (int i = 0; i < 8; ++i)
        record_one();
    io.run();
    ::_exit(5);
}

TEST_F(LedgerTest, EveryAcknowledgedOutcomeSurvivesAKillInMidWrite) {
    for (const Durability durability : {Durability::process, Durability::disk}) {
        LedgerOptions options = options_for(dir.path());
        options.durability = durability;
        std::map<std::uint64_t, bool> acknowledged;
        for (int round = 0; round < 3; ++round) {
            int pipe_fds[2];
            ASSERT_EQ(::pipe(pipe_fds), 0);
            const pid_t child = ::fork();
            ASSERT_GE(child, 0);
            if (child == 0) record_for_ever(options, pipe_fds[1]);
            ::close(pipe_fds[1]);
            std::uint64_t number = 0;
            for (int i = 0;
                 i < 40 * (round + 1) && ::read(pipe_fds[0], &number, sizeof number) == sizeof number; ++i)
                acknowledged[number] = true;
            ASSERT_EQ(::kill(child, SIGKILL), 0);
            int status = 0;
            ASSERT_EQ(::waitpid(child, &status, 0), child);
            ASSERT_TRUE(WIFSIGNALED(status)) << "the writer ended by itself: " << WEXITSTATUS(status);
            while (::read(pipe_fds[0], &number, sizeof number) == sizeof number)
                acknowledged[number] = true;
            ::close(pipe_fds[0]);
        }
        open(options);
        const Loaded loaded = ledger->take_loaded();
        EXPECT_EQ(loaded.warnings, std::vector<std::string>())
            << "a kill leaves no torn record: renamed or not there";
        std::map<std::uint64_t, std::string> found;
        for (const FinishedRecord& one : loaded.finished)
            found[one.outcome.number] = std::get<Completed>(one.outcome.value).result.text;
        EXPECT_GE(acknowledged.size(), 240u);
        for (const auto& [number, yes] : acknowledged) {
            ASSERT_TRUE(found.contains(number)) << number;
            EXPECT_THAT(found[number], HasSubstr("\"" + std::to_string(number) + "\""));
        }
        ledger.reset();
    }
}

TEST_F(LedgerTest, AReadOnlyFolderIsADiskThatRefuses) {
    ASSERT_EQ(::chmod(dir.path().c_str(), 0777), 0);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
        if (::geteuid() == 0 && ::setuid(65534) != 0) ::_exit(10);
        boost::asio::io_context child_io;
        Result<std::unique_ptr<Ledger>> opened =
            Ledger::open(options_for(dir / "mine"), child_io.get_executor());
        if (!opened.ok()) ::_exit(11);
        Ledger& mine = **opened;
        if (::chmod((dir / "mine" / "ledger").c_str(), 0500) != 0) ::_exit(12);
        bool bad = false;
        bool answered = false;
        mine.on_health([&](bool ok, const std::string&) { bad = !ok; });
        mine.record_outcome({"j", mine.first_number(), Completed{{R"({"r":1})"}}},
                            [&](Result<> result, const Outcome&) { answered = !result.ok(); });
        child_io.run();
        const bool as_it_should = bad && answered && !mine.healthy();
        // The next worker starts on it all the same and says so.
        opened.value().reset();
        child_io.restart();
        Result<std::unique_ptr<Ledger>> next =
            Ledger::open(options_for(dir / "mine"), child_io.get_executor());
        if (!next.ok() || (*next)->healthy()) ::_exit(13);
        ::chmod((dir / "mine" / "ledger").c_str(), 0700);
        ::_exit(as_it_should ? 0 : 14);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace emprops::jobs::test
