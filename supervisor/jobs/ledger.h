#pragma once
// The job ledger: what this worker owes the Hub, on disk, so that no death of the worker loses a job or
// reports one twice. A journal under STATE_DIR/ledger (journal/, ledger_record.h). Owned by the event loop; all methods
// are called there. A record is written at once, which survives a kill, and `done` is posted to the executor; nobody
// waits for the sync, which survives a power cut: one thread of the ledger's own makes it for all records together.
//
// Order of use:
//   RecordJob -> record_assignment -> (job runs) -> record_outcome -> (sent, acknowledged) -> remove
//
// Full or read-only disk: `done` gets the Error, the health callback says so once, the record is kept in
// memory and written as soon as the disk allows. The caller goes on: gives the job, sends the outcome.

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ipc/result.h"
#include "supervisor/base/time.h"
#include "supervisor/jobs/types.h"

namespace emprops::jobs {

enum class Durability {
    disk,     ///< synced at most sync_interval later: a power cut loses no more than that
    process,  ///< survives a kill of the worker
};

struct LedgerOptions {
    std::filesystem::path state_dir;  ///< created when missing; records lie in state_dir/ledger
    std::string hub_url;              ///< without token; records of another Hub stay untouched
    Durability durability = Durability::disk;
    std::uint64_t max_bytes = 512ULL << 20;  ///< above this the ledger is not healthy: no new claims
    std::uint64_t max_records = 10'000;      ///< likewise
    std::size_t max_bad_files = 100;         ///< newest corrupt files kept in ledger/bad
    Ms retry_interval{2'000};                ///< how often a refusing disk is tried again
    Ms sync_interval{20};                    ///< Durability::disk: the longest time until a record is synced
};

struct FinishedRecord {
    Outcome outcome;
    std::string job_type;
    AssignmentNote note;
};

/// What an earlier process of this worker left, oldest assignment first.
struct Loaded {
    std::vector<FinishedRecord> finished;
    std::vector<UnfinishedRecord> unfinished;
    std::vector<std::string> warnings;  ///< sentences: corrupt files set aside and why
    std::size_t foreign = 0;            ///< records of other Hubs, left alone
    std::vector<ipc::RawJson>
        foreign_deliveries;  ///< of these: DeliveryRecord::state; their files are left alone, too
};

class Ledger {
  public:
    using Done = std::function<void(Result<>)>;
    /// The outcome is handed back, not copied: it may have 16 MiB, and the Hub gets it next.
    using OutcomeDone = std::function<void(Result<>, Outcome)>;
    using Health = std::function<void(bool healthy, const std::string& reason)>;

    /// Blocking; before the event loop runs. Takes the lock of state_dir, reads all records. Errors: "locked"
    /// (another worker has it; the message names its pid), "state_dir" (cannot be created, read or locked).
    static Result<std::unique_ptr<Ledger>> open(LedgerOptions options, boost::asio::any_io_executor executor);
    /// Writes what is queued, then gives the lock back. Must come before the end of the executor's context,
    /// out of which `done` callbacks may still come afterwards.
    ~Ledger();
    Ledger(const Ledger&) = delete;
    Ledger& operator=(const Ledger&) = delete;

    /// What was found at open(); moved out, so empty the second time.
    Loaded take_loaded();

    /// Called on the executor when the health changes, and at once if it is bad already.
    void on_health(Health callback);
    bool healthy() const { return problem().empty(); }
    /// Paths are not the objects behind them: a cleaner may have removed lock or folder, which are made again, or
    /// another worker may have taken the lock meanwhile, and then this one is not healthy. Sentences for the
    /// operator, each told once; usually none.
    std::vector<std::string> look();
    /// Why the ledger is not healthy, for a person; empty: it is.
    std::string problem() const;

    /// The numbers of this process's assignments begin here, above all that any process gave out before.
    std::uint64_t first_number() const;

    /// Again for the same number: replaces what was noted, but for claimed_as, which is added. Not after
    /// record_outcome.
    void record_assignment(const Assignment& assignment, AssignmentNote note, Done done);
    /// The Hub had taken the job back and it was claimed again under this id. Unknown numbers are fine.
    void add_claim(std::uint64_t number, const std::string& claimed_as, Done done);
    /// The job's connector is done with it, and its files are on their way. Again for the same number: replaces what was
    /// noted, as record_outcome does in the end.
    void record_delivery(std::uint64_t number, const std::string& job_id, DeliveryRecord delivery, Done done);
    /// After `done` the outcome may be sent. Also for an assignment that was never recorded.
    void record_outcome(Outcome outcome, OutcomeDone done);
    /// Forgets an assignment: delivered, or not to be delivered. Unknown numbers are fine.
    void remove(std::uint64_t number, Done done);

    struct Stats {
        std::size_t records = 0;
        std::size_t outcomes = 0;  ///< of these: with an outcome that is on disk, waiting for delivery
        std::uint64_t bytes = 0;
        std::uint64_t writes = 0;
        std::uint64_t write_errors = 0;
        std::uint64_t bad_files = 0;
    };
    Stats stats() const;

  private:
    class Core;
    struct State;
    explicit Ledger(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

}  // namespace emprops::jobs
