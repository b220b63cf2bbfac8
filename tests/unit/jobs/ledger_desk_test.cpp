// The ledger's journal on a disk that loses, tears and reorders what was not synced: every cut of a day.

#include "supervisor/jobs/ledger_desk.h"

#include <gmock/gmock.h>

#include <random>

#include "ledger_day.h"

namespace emprops::jobs::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::size_t segments(const SimulatedDisk& disk) {
    std::size_t count = 0;
    for (const std::string& name : disk.names())
        count += journal::segment_id(name).has_value();
    return count;
}
std::size_t data_files(const SimulatedDisk& disk) {
    std::size_t count = 0;
    for (const std::string& name : disk.names())
        count += journal::is_data_name(name);
    return count;
}

/// The next worker asks the Hub for all that it finds, and tells it what it does not know.
void check_after_cut(const SimulatedDisk& left, const Day& day, const std::string& where) {
    const FoundLedger found(left);
    Hub hub = day.hub;
    for (const auto& [number, record] : found.records) {
        ASSERT_EQ(record.job_id, "j" + std::to_string(number)) << where;
        if (!record.outcome) continue;
        const std::string result = std::get<Completed>(*record.outcome).result.text();
        ASSERT_EQ(result, Day::result_of(number)) << where;
        if (!hub.ended.contains(number)) hub.complete(number, result);
    }
    ASSERT_EQ(hub.contradictions, 0) << where;
    for (const std::uint64_t number : day.durable) {
        ASSERT_TRUE(hub.ended.contains(number) || found.records.contains(number))
            << where << " lost " << number;
        if (day.gone.contains(number)) continue;
        const auto record = found.records.find(number);
        ASSERT_TRUE(record != found.records.end() && record->second.outcome) << where << " lost " << number;
    }
}

TEST(LedgerDay, EveryPowerCutLeavesWhatWasSyncedAndNothingThatIsWrong) {
    SimulatedDisk disk;
    Day day(disk);
    std::mt19937 random(7);
    int cuts = 0;
    disk.after_step = [&] {
        const std::string where = "cut " + std::to_string(++cuts);
        ASSERT_NO_FATAL_FAILURE(check_after_cut(*disk.cut([] { return false; }), day, where + ", nothing"));
        ASSERT_NO_FATAL_FAILURE(check_after_cut(*disk.cut([] { return true; }), day, where + ", all"));
        bool odd = false;
        ASSERT_NO_FATAL_FAILURE(check_after_cut(*disk.cut([&] { return odd = !odd; }), day, where + ", odd"));
        for (int i = 0; i < 3; ++i)
            ASSERT_NO_FATAL_FAILURE(
                check_after_cut(*disk.cut([&] { return random() % 2 == 0; }), day, where + ", some"));
    };
    day.run(30);
    EXPECT_GT(cuts, 100);
    disk.after_step = [] {};
    day.pass(100ms);
    EXPECT_TRUE(day.desk->is_settled());
    EXPECT_THAT(FoundLedger(disk).records, IsEmpty());
    EXPECT_EQ(day.hub.contradictions, 0);
}

TEST(LedgerDay, AKillOfTheProcessLosesNothingThatWasAnswered) {
    SimulatedDisk disk;
    Day day(disk);
    disk.after_step = [&] {
        const FoundLedger found(*disk.killed());
        for (const std::uint64_t number : day.written) {
            if (day.gone.contains(number)) continue;
            ASSERT_TRUE(found.records.contains(number)) << number;
            ASSERT_TRUE(found.records.at(number).outcome) << number;
        }
    };
    day.run(20);
    EXPECT_EQ(day.written.size(), 20u);
}

TEST(LedgerDay, AfterASyncThatFailedAllThatLivesGoesToAnotherSegment) {
    for (int failing = 1; failing < 12; ++failing) {
        SimulatedDisk disk;
        disk.failing_sync = failing;
        Day day(disk);
        for (std::uint64_t number = 1; number <= 6; ++number) {
            if (number % 5 == 0) continue;  // a file's sync that failed is found by its checksum
            day.begin(number);
            if (number % 2 == 0) day.pass(30ms);
            day.end(number);
            day.pass(30ms);
        }
        day.pass(5s);
        EXPECT_EQ(day.desk->problem(), "") << failing;
        const FoundLedger found(*disk.cut([] { return false; }));
        for (const std::uint64_t number : {1u, 2u, 3u, 4u, 6u}) {
            ASSERT_TRUE(found.records.contains(number)) << failing << ": " << number;
            EXPECT_TRUE(found.records.at(number).outcome) << failing << ": " << number;
        }
    }
}

TEST(LedgerDesk, NothingWaitsForASyncAndThereAreNoMoreThanFiftyASecond) {
    SimulatedDisk disk;
    Day day(disk);
    day.begin(1);
    day.end(1);
    EXPECT_EQ(day.answers, 2);
    EXPECT_EQ(day.syncs, 0) << "both are answered before it";
    day.pass(20ms);
    EXPECT_EQ(day.syncs, 1) << "one for all";
    for (std::uint64_t number = 10; number < 1010; ++number) {
        day.begin(number);
        day.now += Ms(1);
        day.turn();
    }
    EXPECT_LE(day.syncs, 52);
    EXPECT_GE(day.syncs, 45);
}

TEST(LedgerDesk, SpaceIsGivenBackHoweverLongItRunsAndWhateverStays) {
    SimulatedDisk disk;
    Day day(disk);
    day.begin(1);  // stays for ever
    for (std::uint64_t number = 2; number < 500; ++number) {
        day.begin(number);
        day.end(number);
        day.delivered(number);
        day.pass(5ms);
    }
    day.pass(1s);
    EXPECT_LE(segments(disk), 8u);
    EXPECT_EQ(data_files(disk), 0u);
    const FoundLedger found(*disk.cut([] { return false; }));
    ASSERT_THAT(found.records, SizeIs(1));
    EXPECT_EQ(found.records.begin()->second.job_id, "j1");
}

TEST(LedgerDesk, ARecordThatIsLargerThanWhatIsMovedAtATimeIsMovedByItself) {
    SimulatedDisk disk;
    journal::Options options;
    options.dead_bytes = 1u << 20;
    Day day(disk, options);
    LedgerRecord long_id = Day::record(1);  // a job id is a client's text
    long_id.job_id = std::string(600u << 10, 'j');
    day.desk->put(day.now, {1, long_id, {}});
    for (std::uint64_t number = 2; number < 16; ++number) {
        LedgerRecord dead = long_id;
        dead.number = number;
        day.desk->put(day.now, {number, std::move(dead), {}});
        day.pass(100ms);
        day.delivered(number);
    }
    day.pass(1s);
    EXPECT_TRUE(day.desk->is_settled());
    EXPECT_EQ(day.desk->next_wakeup(), std::nullopt) << "it would be awake all the time";
    EXPECT_LE(segments(disk), 3u);
    EXPECT_TRUE(FoundLedger(disk).records.contains(1));
}

TEST(LedgerDesk, WhatOneProcessLeftTheNextOneWinsSpaceFromToo) {
    SimulatedDisk disk;
    for (int process = 0; process < 20; ++process) {
        Day day(disk);
        for (std::uint64_t n = 0; n < 10; ++n) {
            const std::uint64_t number = static_cast<std::uint64_t>(process) * 100 + n + 1;
            day.begin(number);
            if (n > 0) day.delivered(number);
        }
        day.pass(1s);
    }
    EXPECT_THAT(FoundLedger(disk).records, SizeIs(20));
    EXPECT_LE(segments(disk), 10u);
}

TEST(LedgerDesk, ASegmentThatACleanerTookIsWrittenAgain) {
    SimulatedDisk disk;
    Day day(disk);
    day.begin(1);
    day.end(1);
    day.pass(100ms);
    day.begin(2);
    for (const std::string& name : disk.names())
        disk.lose(name);
    day.begin(3);
    day.pass(5s);
    EXPECT_EQ(day.desk->problem(), "");
    const FoundLedger found(*disk.cut([] { return false; }));
    ASSERT_THAT(found.records, SizeIs(3));
    EXPECT_TRUE(found.records.at(1).outcome);
}

TEST(LedgerDesk, AFullDiskIsKnownBeforeItIsNeededAndWhatItRefusedIsWrittenLater) {
    SimulatedDisk disk;
    Day day(disk);
    disk.refuse_new = true;
    std::uint64_t number = 1;
    while (day.desk->problem().empty() && number < 100) {
        if (number % 5 != 0) day.begin(number);
        ++number;
    }
    EXPECT_EQ(day.desk->problem(), "no space");
    EXPECT_EQ(day.answers, static_cast<int>(number - 1 - (number - 1) / 5));
    const int answered = day.answers;
    for (std::uint64_t more = 200; more < 260; ++more)
        day.begin(more * 5 + 1);
    EXPECT_EQ(day.answers, answered + 60) << "each is answered: written into what is left, or refused";
    EXPECT_THAT(day.desk->problem(), HasSubstr("no space"));
    disk.refuse_new = false;
    day.pass(5s);
    EXPECT_EQ(day.desk->problem(), "");
    EXPECT_TRUE(day.desk->is_settled());
    const FoundLedger found(*disk.cut([] { return false; }));
    for (std::uint64_t more = 200; more < 260; ++more)
        EXPECT_TRUE(found.records.contains(more * 5 + 1)) << more;
}

TEST(LedgerDesk, WritesThatAreRefusedAreToldAndMadeInTheNextSegment) {
    SimulatedDisk disk;
    Day day(disk);
    day.begin(1);
    disk.refuse_writes = true;
    day.end(1);
    day.begin(2);
    EXPECT_EQ(day.answers, 3);
    EXPECT_THAT(day.written, IsEmpty());
    EXPECT_EQ(day.desk->problem(), "no space");
    disk.refuse_writes = false;
    day.pass(5s);
    EXPECT_EQ(day.desk->problem(), "");
    const FoundLedger found(*disk.cut([] { return false; }));
    ASSERT_THAT(found.records, SizeIs(2));
    EXPECT_TRUE(found.records.at(1).outcome);
}

TEST(LedgerDesk, OfOneNumberTheOrderIsKeptBehindALargeContent) {
    SimulatedDisk disk;
    Day day(disk);
    LedgerRecord large = Day::record(5);
    large.outcome = Completed{{Day::result_of(5)}};
    std::vector<std::string> order;
    const auto note = [&](const char* word) {
        return [&order, word](Result<>, LedgerDesk::Change) { order.emplace_back(word); };
    };
    day.desk->put(day.now, {5, large, note("large")});
    day.desk->put(day.now, {5, LedgerDesk::AddClaim{"w-2"}, note("claim")});
    day.desk->put(day.now, {6, Day::record(6), note("other")});
    day.turn();
    EXPECT_THAT(order, testing::ElementsAre("other", "large", "claim"));
    const FoundLedger found(*disk.killed());
    EXPECT_EQ(found.records.at(5).claimed_as, (std::vector<std::string>{"w", "w-2"}));
    EXPECT_EQ(found.records.at(5).content()->text(), Day::result_of(5));
    day.delivered(5);
    day.pass(1s);
    EXPECT_EQ(data_files(disk), 0u);
}

TEST(LedgerDesk, AFlippedBitCostsOneJobAtMost) {
    SimulatedDisk disk;
    Day day(disk);
    for (std::uint64_t number = 1; number < 5; ++number)
        day.begin(number);
    std::string name;
    for (const std::string& each : disk.names()) {
        if (journal::segment_id(each) && name.empty()) name = each;
    }
    const std::size_t end = disk.content(name).find_last_not_of('\0') + 1;
    for (std::size_t at = 0; at < end; at += 7) {
        const char was = disk.content(name)[at];
        disk.content(name)[at] = static_cast<char>(was ^ 8);
        EXPECT_GE(FoundLedger(disk).records.size(), 3u) << at;
        disk.content(name)[at] = was;
    }
}

}  // namespace
}  // namespace emprops::jobs::test
