#pragma once
// What becomes of the ledger's operations: those of one assignment in their order, each as a record of the journal, large
// contents as files first. A pure machine: time is given to it, what blocks are tasks. Owned by Ledger; event loop only.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ipc/result.h"
#include "supervisor/base/time.h"
#include "supervisor/jobs/journal/journal.h"
#include "supervisor/jobs/ledger_record.h"

namespace emprops::jobs {

class LedgerDesk {
  public:
    struct AddClaim {
        std::string claimed_as;
    };
    struct Remove {};
    using Change = std::variant<LedgerRecord, AddClaim, Remove>;
    using Done = std::function<void(Result<>, Change)>;  ///< gives the change back
    struct Operation {
        std::uint64_t number = 0;
        Change change;
        Done done;  ///< may be empty
    };
    /// An operation that has been answered: it is written, or the disk refused it. What was refused is written later all
    /// the same.
    struct Answer {
        Done done;
        Result<> result;
        Change change;
    };

    /// As of Journal. `retry_interval`: how often a refusing disk is tried again.
    LedgerDesk(journal::Disk& disk, const journal::Options& options, const journal::Recovered& found,
               std::map<std::uint64_t, journal::DataFiles> data);

    void put(TimePoint now, Operation operation);
    void on_done(TimePoint now, journal::TaskDone done);

    /// To be called after each of these, and at next_wakeup(): what waits is tried, and answered if the disk refuses.
    std::vector<journal::Task> take_tasks(TimePoint now);
    std::vector<Answer> take_answers();
    std::optional<TimePoint> next_wakeup() const;
    /// Nothing waits, and nothing is on its way to the disk.
    bool is_settled() const { return waiting_.empty() && journal_.is_settled(); }

    /// What the disk refuses, for people; empty: nothing.
    const std::string& problem() const {
        return store_problem_.empty() ? journal_.problem() : store_problem_;
    }
    std::uint64_t bytes() const { return journal_.living_bytes(); }
    std::uint64_t writes() const { return writes_; }
    std::uint64_t errors() const { return errors_; }

  private:
    struct Waiting {
        Operation operation;
        bool answered = false;
        bool storing = false;  ///< its content is on its way to a file
        journal::DataFiles data{};
        Result<> result = Ok{};
    };

    void work(TimePoint now);
    bool try_now(TimePoint now, Waiting& waiting);
    bool step(TimePoint now, Waiting& waiting);
    bool write(TimePoint now, Waiting& waiting, const LedgerRecord& record);
    bool append(TimePoint now, Waiting& waiting, const LedgerRecord& record);
    bool add_claim(TimePoint now, Waiting& waiting, const std::string& claimed_as);
    bool remove(TimePoint now, std::uint64_t number);
    bool is_written(TimePoint now, const Result<>& result);
    void store_if_needed(Waiting& waiting);
    void stored(TimePoint now, journal::FileStored& done);
    void answer(Waiting& waiting, Change change);
    void answer_all(const std::string& problem);

    journal::Journal journal_;
    const Ms retry_interval_;
    std::map<std::uint64_t, std::deque<Waiting>> waiting_;  // by number
    std::vector<journal::Task> tasks_;
    std::vector<Answer> answers_;
    std::string store_problem_;
    std::optional<TimePoint> retry_store_at_;
    std::uint64_t writes_ = 0, errors_ = 0;
};

}  // namespace emprops::jobs
