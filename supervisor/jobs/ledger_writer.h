#pragma once
// The ledger's thread: takes what has piled up, writes it in one go, reports back. What the disk refuses
// stays here in memory and is tried again until it is written or removed. The methods are called on the event
// loop; the reports are posted to it.

#include <boost/asio/any_io_executor.hpp>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

#include "ipc/result.h"
#include "supervisor/base/time.h"
#include "supervisor/jobs/ledger_folder.h"
#include "supervisor/jobs/ledger_record.h"

namespace emprops::jobs {

class LedgerWriter {
  public:
    struct AddClaim {
        std::string claimed_as;
    };
    struct Remove {};
    using Change = std::variant<LedgerRecord, AddClaim, Remove>;
    using Done = std::function<void(Result<>, Change)>;  ///< gives the change back
    struct Operation {
        std::uint64_t number = 0;
        std::string file;  ///< empty: there is no such record, only `done` is called
        Change change;
        Done done;  ///< may be empty
    };
    /// What the disk is like after a round of work.
    struct Report {
        bool disk_ok = true;
        std::string reason;  ///< when not
        std::uint64_t bytes = 0;
        std::uint64_t writes = 0;  ///< in this round
        std::uint64_t errors = 0;  ///< in this round
    };
    using OnReport = std::function<void(const Report&)>;

    /// `sizes`: bytes of the records that are there, by number. `problem`: what the disk refused already.
    LedgerWriter(LedgerFolder folder, Ms retry_interval, boost::asio::any_io_executor executor,
                 std::map<std::uint64_t, std::uint64_t> sizes, std::string problem, OnReport on_report);
    /// Works off what is queued, then ends the thread.
    ~LedgerWriter();
    LedgerWriter(const LedgerWriter&) = delete;
    LedgerWriter& operator=(const LedgerWriter&) = delete;

    void queue(Operation operation);

  private:
    struct Queued {
        Operation operation;
        boost::asio::any_io_executor executor;  // keeps the event loop running until `done` was called
    };
    using Pending = std::map<std::uint64_t, LedgerFolder::Change>;  // by number

    void run();
    void work(std::vector<Queued> batch, bool retry);
    std::optional<std::string> with_claim(const Pending& pending, const Operation& operation) const;
    /// Applies, keeps what failed, and returns the result per number.
    std::map<std::uint64_t, Result<>> apply(Pending pending, Report& report);

    // Shared between the threads, under mutex_.
    std::mutex mutex_;
    std::condition_variable woken_;
    std::vector<Queued> queue_;
    bool ending_ = false;

    // The ledger's thread only.
    LedgerFolder folder_;
    Ms retry_interval_;
    TimePoint last_retry_ = Clock::now();
    boost::asio::any_io_executor executor_;
    std::map<std::uint64_t, std::uint64_t> sizes_;
    Pending refused_;
    std::string problem_;  // empty: the disk works
    OnReport on_report_;

    std::thread thread_;  // last: starts when everything else is there
};

}  // namespace emprops::jobs
