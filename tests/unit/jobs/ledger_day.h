#pragma once
// Jobs of a day at a ledger on a simulated disk, beside a Hub that knows what it was told: after a power cut anywhere the
// next worker must find enough never to contradict itself.

#include <gtest/gtest.h>

#include <set>

#include "simulated_disk.h"
#include "supervisor/jobs/ledger_desk.h"
#include "supervisor/jobs/ledger_found.h"

namespace emprops::jobs::test {

using namespace std::chrono_literals;

inline journal::Options small_journal() {
    journal::Options options;
    options.segment_bytes = 4096;
    options.dead_bytes = 8192;
    return options;
}

/// What a worker finds at its start.
struct FoundLedger {
    journal::Recovered journal;
    std::map<std::uint64_t, journal::DataFiles> data;
    std::map<std::uint64_t, LedgerRecord> records;

    explicit FoundLedger(const SimulatedDisk& disk) : journal(journal::recover(disk).value()) {
        UsableRecords usable = choose_records(disk, journal);
        data = std::move(usable.data);
        records = std::move(usable.records);
    }
};

struct Hub {
    std::map<std::uint64_t, std::string> ended;  ///< by number: the result
    int contradictions = 0;

    void complete(std::uint64_t number, const std::string& result) {
        const auto [place, first] = ended.emplace(number, result);
        if (!first) ++contradictions;
    }
};

class Day {
  public:
    explicit Day(SimulatedDisk& disk, journal::Options options = small_journal()) : disk_(disk) {
        const FoundLedger found(disk);
        desk.emplace(disk, options, found.journal, found.data);
        turn();
    }

    /// Every fifth result is a file.
    static std::string result_of(std::uint64_t number) {
        return R"({"of":)" + std::to_string(number) + R"(,"x":")" +
               std::string(number % 5 == 0 ? longest_inline + 10 : 20 * (number % 7), 'r') + "\"}";
    }
    static LedgerRecord record(std::uint64_t number) {
        LedgerRecord record;
        record.hub_url = "ws://hub";
        record.number = number;
        record.job_id = "j" + std::to_string(number);
        record.claimed_as = {"w"};
        return record;
    }

    void begin(std::uint64_t number) {
        desk->put(now, {number, record(number), [this](Result<>, LedgerDesk::Change) { ++answers; }});
        turn();
    }
    void end(std::uint64_t number) {
        LedgerRecord done = record(number);
        done.outcome = Completed{{result_of(number)}};
        desk->put(now, {number, std::move(done), [this, number](Result<> result, LedgerDesk::Change) {
                            ++answers;
                            if (result.ok()) written.insert(number);
                            hub.complete(number, result_of(number));
                        }});
        turn();
    }
    void delivered(std::uint64_t number) {
        gone.insert(number);
        desk->put(now, {number, LedgerDesk::Remove{}, {}});
        turn();
    }
    void pass(Ms time) {
        for (const TimePoint until = now + time; now < until;) {
            now = std::min(until, std::max(now + Ms(1), desk->next_wakeup().value_or(until)));
            turn();
        }
    }
    /// What the loop and the thread do, one after the other.
    void turn() {
        for (int i = 0; i < 100; ++i) {
            const auto tasks = desk->take_tasks(now);
            for (LedgerDesk::Answer& each : desk->take_answers())
                each.done(std::move(each.result), std::move(each.change));
            if (tasks.empty() && i > 0) return;
            for (const journal::Task& task : tasks) {
                const auto before = written;
                const bool syncs_now = std::holds_alternative<journal::SyncFiles>(task);
                auto done = journal::carry_out(disk_, task);
                syncs += syncs_now;
                const auto* synced = std::get_if<journal::FilesSynced>(&done);
                if (syncs_now && synced != nullptr && synced->result.ok()) durable = before;
                desk->on_done(now, std::move(done));
            }
        }
    }
    /// Two jobs run at a time; the Hub takes each outcome a while after it was sent.
    void run(std::uint64_t jobs) {
        for (std::uint64_t number = 1; number <= jobs + 3; ++number) {
            if (number <= jobs) begin(number);
            pass(Ms(3));
            if (number > 1 && number - 1 <= jobs) end(number - 1);
            pass(Ms(9));
            if (number > 3) delivered(number - 3);
        }
    }

    SimulatedDisk& disk_;
    std::optional<LedgerDesk> desk;
    TimePoint now{std::chrono::hours(1)};
    Hub hub;
    std::set<std::uint64_t> written, durable, gone;  ///< outcomes
    int answers = 0, syncs = 0;
};

}  // namespace emprops::jobs::test
