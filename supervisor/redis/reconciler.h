#pragma once
// After each connection: what Redis holds under our ids and we do not know of. A claim whose answer was lost is ours and
// is run; what an earlier process of this worker had is taken up again, or its outcome sent; what is not ours any more
// leaves our lists. Pure; owned by the session.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "supervisor/redis/held_jobs.h"
#include "supervisor/redis/server.h"
#include "supervisor/redis/slots.h"

namespace emprops::redis {

class Reconciler {
  public:
    struct Handlers {
        /// Ours, and nobody here knows of it: with its payload.
        std::function<void(JobRecord record, Claim claim)> found;
        /// An assignment of an earlier process is still ours (with its record).
        std::function<void(const jobs::LedgerEntry& entry, JobRecord record, Claim claim)> confirmed;
        /// It is not; `why`: one of the words of scripts.h.
        std::function<void(const jobs::LedgerEntry& entry, JobRecord record, const std::string& why)> gone;
    };
    Reconciler(Server& server, Slots& slots, const HeldJobs& held, Handlers handlers)
        : server_(server), slots_(slots), held_(held), handlers_(std::move(handlers)) {}

    /// Of an earlier process; before the first connection.
    void adopt(jobs::LedgerEntry entry);
    bool waits() const { return !adopted_.empty(); }
    void connected();
    void disconnected() { ++epoch_; }
    void look_into(const std::string& worker);

  private:
    void ask_about(const std::string& job_id);
    void judge(const std::string& worker, const std::string& job_id, const Reply& state);
    void fetch(const std::string& worker, const std::string& job_id, const std::string& token);

    Server& server_;
    Slots& slots_;
    const HeldJobs& held_;
    const Handlers handlers_;
    std::map<std::string, jobs::LedgerEntry> adopted_;  ///< by job, until Redis has said what is true
    std::uint64_t epoch_ = 0;
};

}  // namespace emprops::redis
