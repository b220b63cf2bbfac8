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
#include "tests/support/ledger_file.h"
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
    /// Until the condition holds: what the ledger's thread finds is told to a loop that runs.
    bool run_until(const std::function<bool()>& condition) {
        io.restart();
        const auto keep = boost::asio::make_work_guard(io);
        while (!condition()) {
            if (io.run_one_for(20s) == 0) return false;
        }
        return true;
    }
    std::size_t files(const fs::path& folder, const std::string& end) const {
        std::size_t count = 0;
        if (!fs::exists(folder)) return 0;
        for (const auto& entry : fs::directory_iterator(folder))
            count += entry.path().string().ends_with(end);
        return count;
    }

    emprops::test::TempDir dir;
    boost::asio::io_context io;
    std::unique_ptr<Ledger> ledger;
};

TEST_F(LedgerTest, AStateFolderThatACleanerEmptiedIsOursAgainAndTold) {
    open();
    EXPECT_TRUE(ledger->look().empty());
    fs::remove(dir / "lock");
    std::error_code busy;  // with a file that is just being made
    do {
        fs::remove_all(dir / "ledger", busy);
    } while (fs::exists(dir / "ledger"));
    const auto told = ledger->look();
    ASSERT_FALSE(told.empty());
    EXPECT_THAT(told[0], HasSubstr("is made and locked again"));
    EXPECT_TRUE(ledger->look().empty());
    EXPECT_TRUE(ledger->healthy());
    EXPECT_EQ(Ledger::open(options_for(dir.path()), io.get_executor()).error().code, "locked");
    EXPECT_EQ(fs::status(dir / "ledger").permissions(), fs::perms::owner_all);
}

TEST_F(LedgerTest, AStateFolderThatAnotherWorkerTookMeanwhileStopsThisOneUntilThatIsGone) {
    open();
    std::vector<std::string> health;
    ledger->on_health([&](bool, const std::string& reason) { health.push_back(reason); });
    fs::remove(dir / "lock");
    auto other = Ledger::open(options_for(dir.path()), io.get_executor());
    ASSERT_TRUE(other.ok());
    const auto told = ledger->look();
    ASSERT_EQ(told.size(), 1u);
    EXPECT_THAT(told[0], HasSubstr("cannot be taken again"));
    EXPECT_TRUE(ledger->look().empty()) << "once";
    EXPECT_THAT(ledger->problem(), HasSubstr("another worker (pid"));
    EXPECT_THAT(ledger->problem(), HasSubstr("stop it, or give this one a worker.state_dir of its own"));
    *other = nullptr;
    EXPECT_THAT(ledger->look(), ::testing::ElementsAre(HasSubstr("is made and locked again")));
    EXPECT_TRUE(ledger->healthy());
    EXPECT_EQ(health.size(), 2u);
}

TEST_F(LedgerTest, AFolderThatACleanerRemovedIsMadeAgainWithAllThatIsOwed) {
    open();
    const std::uint64_t n = ledger->first_number();
    ledger->record_assignment(assignment(n, "before"), {}, expect_ok());
    run();
    std::error_code busy;  // with a file that is just being made
    do {
        fs::remove_all(dir / "ledger", busy);
    } while (fs::exists(dir / "ledger"));
    ledger->record_assignment(assignment(n + 1, "after"), {}, expect_ok());
    run();
    ASSERT_TRUE(run_until([&] { return files(dir / "ledger", ".journal") > 1 && ledger->healthy(); }));
    reopen();
    EXPECT_EQ(ledger->take_loaded().unfinished.size(), 2u);
}

TEST_F(LedgerTest, NoFileOfItIsWrittenOrReadThroughALink) {
    std::ofstream(dir.path() / "victim") << "mine";
    fs::create_directories(dir.path() / "ledger");
    LedgerFolder folder(dir.path() / "ledger", true);
    for (const char* name : {"a.data", "b.journal", "c.tmp", "d"})
        fs::create_symlink(dir.path() / "victim", dir.path() / "ledger" / name);
    const auto stored = folder.store("a.data", "new");
    ASSERT_FALSE(stored.ok());
    EXPECT_THAT(stored.error().message, HasSubstr("it is a link"));
    EXPECT_FALSE(folder.create("b.journal", 100).ok());
    EXPECT_FALSE(folder.replace("c", "new").ok());
    EXPECT_FALSE(folder.read("a.data"));
    EXPECT_EQ(folder.open("a.data"), nullptr);
    EXPECT_TRUE(folder.replace("d", "new").ok()) << "the link itself is replaced";
    EXPECT_FALSE(fs::is_symlink(dir.path() / "ledger" / "d"));
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
    EXPECT_EQ(loaded.unfinished[0].assignment.payload.text(), R"({"x":1.10})");
    EXPECT_EQ(loaded.unfinished[0].assignment.priority, 2);
    EXPECT_EQ(loaded.unfinished[0].note.connector, "comfyui");
    EXPECT_EQ(loaded.unfinished[0].note.attempt, 2);
    EXPECT_TRUE(loaded.unfinished[0].note.with_payload);
    ASSERT_EQ(loaded.finished.size(), 2u);
    EXPECT_EQ(std::get<Completed>(loaded.finished[0].outcome.value).result.text(), R"({"r":1e5})");
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
    EXPECT_EQ(ledger->stats().records, 1u);
    ledger->remove(n, expect_ok());
    ledger->remove(n, expect_ok());
    ledger->remove(12345, {});
    run();
    EXPECT_EQ(ledger->stats().records, 0u);
    EXPECT_EQ(ledger->stats().bytes, 0u);
    EXPECT_TRUE(ledger->healthy());
    reopen();
    EXPECT_TRUE(ledger->take_loaded().unfinished.empty());
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
    EXPECT_EQ(loaded.unfinished[0].assignment.payload.text(), R"({"p":1})");
}

TEST_F(LedgerTest, SixteenMebibytesSurvive) {
    open();
    const std::string result = R"({"image":")" + std::string(std::size_t{16} << 20, 'x') + "\"}";
    bool came_back = false;
    ledger->record_outcome({"big", ledger->first_number(), Completed{{result}}},
                           [&](const Result<>& done, const Outcome& outcome) {
                               EXPECT_TRUE(done.ok());
                               EXPECT_EQ(outcome.job_id, "big");
                               came_back = std::get<Completed>(outcome.value).result.text() == result;
                           });
    run();
    EXPECT_EQ(files(dir / "ledger", ".data"), 1u);
    EXPECT_TRUE(came_back) << "the Hub is next to have it";
    reopen();
    const Loaded loaded = ledger->take_loaded();
    ASSERT_EQ(loaded.finished.size(), 1u);
    EXPECT_TRUE(std::get<Completed>(loaded.finished[0].outcome.value).result.text() == result);
    EXPECT_GT(ledger->stats().bytes, std::uint64_t{16} << 20);
    ledger->remove(loaded.finished[0].outcome.number, expect_ok());
    run();
    ASSERT_TRUE(run_until([&] { return files(dir / "ledger", ".data") == 0; }));
}

TEST_F(LedgerTest, DamagedRecordsAreSetAsideAndNeverFatal) {
    open();
    for (std::uint64_t i = 0; i < 3; ++i) {
        ledger->record_outcome(
            {"j" + std::to_string(i), ledger->first_number() + i, Completed{{R"({"r":1})"}}},
            expect_written());
    }
    ledger->record_outcome(
        {"large", ledger->first_number() + 3, Completed{{R"({"x":")" + std::string(100'000, 'x') + "\"}"}}},
        expect_written());
    run();
    ledger.reset();
    for (const auto& entry : fs::directory_iterator(dir / "ledger")) {
        if (entry.path().extension() == ".data") fs::resize_file(entry.path(), 50'000);
        if (entry.path().extension() != ".journal" ||
            dir.read_file("ledger/" + entry.path().filename().string())[0] == 0)
            continue;
        std::fstream flip(entry.path(), std::ios::in | std::ios::out);
        flip.seekp(150);
        flip.put('#');
    }
    dir.write_file("ledger/x.tmp", "half");
    dir.write_file("ledger/note.txt", "not ours");
    dir.write_file("ledger/7-7.data", "nothing names it");
    open();
    const Loaded loaded = ledger->take_loaded();
    ASSERT_EQ(loaded.finished.size(), 2u);
    EXPECT_EQ(loaded.finished[0].outcome.job_id, "j1");
    ASSERT_EQ(loaded.warnings.size(), 2u);
    EXPECT_THAT(loaded.warnings[0], HasSubstr("damaged"));
    EXPECT_THAT(loaded.warnings[1], HasSubstr("is missing or damaged"));
    EXPECT_EQ(files(dir / "ledger" / "bad", ""), 1u);
    EXPECT_EQ(ledger->stats().bad_files, 1u);
    EXPECT_FALSE(fs::exists(dir / "ledger" / "x.tmp"));
    EXPECT_FALSE(fs::exists(dir / "ledger" / "7-7.data"));
    EXPECT_TRUE(fs::exists(dir / "ledger" / "note.txt"));
}

/// A record as a file, of a worker from before the journal.
LedgerRecord old_record(std::uint64_t number, const std::string& job_id) {
    LedgerRecord record;
    record.hub_url = "ws://hub";
    record.number = number;
    record.job_id = job_id;
    record.outcome = Completed{{R"({"r":1})"}};
    return record;
}

TEST_F(LedgerTest, TheFilesOfAnOlderWorkerAreTakenIntoTheJournal) {
    std::vector<std::string> texts;
    for (std::uint64_t i = 1; i < 6; ++i)
        texts.push_back(emprops::test::ledger_file(old_record(i, "j" + std::to_string(i))));
    LedgerRecord large = old_record(6, "large");
    large.outcome = Completed{{R"({"x":")" + std::string(100'000, 'x') + "\"}"}};
    texts.push_back(emprops::test::ledger_file(large));
    LedgerRecord foreign = old_record(7, "foreign");
    foreign.hub_url = "ws://elsewhere";
    texts.push_back(emprops::test::ledger_file(foreign));
    texts[1].resize(texts[1].size() - 10);
    texts[2][150] = '#';
    fs::create_directories(dir / "ledger");
    for (std::size_t i = 0; i < texts.size(); ++i)
        dir.write_file("ledger/" + emprops::test::ledger_file_name(i), texts[i]);
    dir.write_file("ledger/0123.json", "");
    dir.write_file("ledger/future.json", R"({"version":3,"anything":true})");
    fs::create_directory(dir / "ledger" / "folder.json");
    open();
    Loaded loaded = ledger->take_loaded();
    ASSERT_EQ(loaded.finished.size(), 4u);
    EXPECT_EQ(loaded.finished[1].outcome.job_id, "j4");
    EXPECT_EQ(loaded.foreign, 1u);
    EXPECT_EQ(loaded.warnings.size(), 5u);
    EXPECT_EQ(files(dir / "ledger" / "bad", ".json"), 3u);
    EXPECT_EQ(ledger->stats().bad_files, 3u);
    EXPECT_TRUE(fs::exists(dir / "ledger" / "future.json")) << "a newer worker's record is not ours to move";
    EXPECT_EQ(files(dir / "ledger", ".json"), 3u) << "that, the folder, and the word for an older worker";
    const Result<LedgerRecord> as_the_older_reads = decode_file(dir.read_file("ledger/journal.json"));
    ASSERT_FALSE(as_the_older_reads.ok());
    EXPECT_EQ(as_the_older_reads.error().code, "version");
    reopen();
    loaded = ledger->take_loaded();
    EXPECT_EQ(loaded.finished.size(), 4u);
    EXPECT_EQ(loaded.foreign, 1u);
    EXPECT_GT(std::get<Completed>(loaded.finished[3].outcome.value).result.text().size(), 100'000u);
}

TEST_F(LedgerTest, AnImportThatWasEndedHalfWayIsGoneOnWith) {
    fs::create_directories(dir / "ledger");
    for (std::uint64_t i = 1; i < 4; ++i)
        dir.write_file("ledger/" + emprops::test::ledger_file_name(i),
                       emprops::test::ledger_file(old_record(i, "j")));
    open();
    ledger.reset();
    dir.write_file("ledger/" + emprops::test::ledger_file_name(2),
                   emprops::test::ledger_file(old_record(2, "j")));
    open();
    EXPECT_EQ(ledger->take_loaded().finished.size(), 3u);
    EXPECT_EQ(files(dir / "ledger", ".json"), 1u);
}

TEST_F(LedgerTest, TheFolderOfBadFilesIsBounded) {
    fs::create_directories(dir / "ledger");
    for (int i = 0; i < 20; ++i)
        dir.write_file("ledger/" + std::to_string(i) + ".json", "rubbish");
    LedgerOptions options = options_for(dir.path());
    options.max_bad_files = 7;
    open(options);
    EXPECT_EQ(files(dir / "ledger" / "bad", ".json"), 7u);
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

TEST_F(LedgerTest, ADiskThatRefusesIsReportedAndWhatItRefusedIsWrittenLater) {
    open();
    std::vector<std::string> health;
    ledger->on_health(
        [&](bool ok, const std::string& why) { health.push_back((ok ? "ok: " : "bad: ") + why); });
    const std::uint64_t n = ledger->first_number();
    ledger->record_assignment(assignment(n, "before"), {{"w-1"}, "a", 1, false}, expect_ok());
    run();
    // The folder's place is taken by a file: nothing new can be made until it is gone.
    fs::rename(dir / "ledger", dir / "away");
    dir.write_file("ledger", "in the way");
    ledger->record_assignment(assignment(n + 2, "seen by nobody"), {}, {});
    ASSERT_TRUE(run_until([&] { return !health.empty(); }));
    ASSERT_EQ(health.size(), 1u) << "once";
    EXPECT_THAT(health[0], HasSubstr("bad: "));
    EXPECT_FALSE(ledger->healthy());
    int answered = 0;
    const auto count = [&](const Result<>&, auto&&...) { ++answered; };
    ledger->record_outcome({"before", n, Completed{{R"({"r":1})"}}}, count);
    ledger->record_assignment(assignment(n + 1, "gone"), {}, count);
    ledger->add_claim(n, "w-2", count);
    ledger->remove(n + 1, count);
    ASSERT_TRUE(run_until([&] { return answered == 4; })) << "nobody waits for the disk";
    EXPECT_FALSE(ledger->healthy());

    fs::remove(dir / "ledger");
    ASSERT_TRUE(run_until([&] { return health.size() == 2; }));
    EXPECT_EQ(health.back(), "ok: the job ledger can be written");
    reopen();
    const Loaded loaded = ledger->take_loaded();
    ASSERT_EQ(loaded.finished.size(), 1u);
    ASSERT_EQ(loaded.unfinished.size(), 1u);
    EXPECT_EQ(loaded.unfinished[0].assignment.job_id, "seen by nobody");
    EXPECT_EQ(loaded.finished[0].note.claimed_as, (std::vector<std::string>{"w-1", "w-2"}));
}

TEST_F(LedgerTest, ADiskWithoutSpaceIsNamedAndGetsBackWhatWasTaken) {
    LedgerFolder folder(dir / "ledger", true);
    ASSERT_TRUE(folder.prepare().ok());
    for (const std::string name : {"a.data", "a.journal"}) {
        // What /dev/full is: every write is ENOSPC, as on a full disk.
        if (::mknod((dir / "ledger" / name).c_str(), S_IFCHR | 0600, makedev(1, 7)) != 0)
            GTEST_SKIP() << "needs the right to make a device";
        const auto make = [&] {
            return name == "a.data" ? folder.store(name, std::string(5000, 'x')) : folder.create(name, 5000);
        };
        const auto refused = make();
        ASSERT_FALSE(refused.ok());
        EXPECT_EQ(refused.error().code, "disk_full");
        EXPECT_THAT(refused.error().message, HasSubstr("No space left on device"));
        EXPECT_FALSE(fs::exists(dir / "ledger" / name));
        EXPECT_TRUE(make().ok());
        EXPECT_EQ(folder.read(name)->size(), 5000u);
    }
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
    EXPECT_EQ(ledger->stats().outcomes, 3u) << "outcomes are kept all the same";
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
    EXPECT_EQ(ledger->stats().records, 250u);
    reopen();
    EXPECT_EQ(ledger->take_loaded().unfinished.size(), 250u);
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
            << "a record that a kill cuts off was acknowledged by nobody";
        std::map<std::uint64_t, std::string> found;
        for (const FinishedRecord& one : loaded.finished)
            found[one.outcome.number] = std::get<Completed>(one.outcome.value).result.text();
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
                            [&](const Result<>&, const Outcome&) { answered = true; });
        const auto keep = boost::asio::make_work_guard(child_io);
        while (!(bad && answered) && child_io.run_one_for(20s) > 0) {
        }
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
