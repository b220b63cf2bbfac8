#pragma once
// The jobs, and how they change their state: the store first, then the memory. A job is pending (then it is in
// Offers), claimed (then it has a holder, or has lost it), or in its final state (then only the store knows
// it). Pure but for the Store; owned by Core. Says nothing to anybody: what a change was is returned.

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "ipc/hub/messages.h"
#include "supervisor/local_hub/offers.h"
#include "supervisor/local_hub/policy.h"
#include "supervisor/local_hub/store.h"

namespace emprops::local_hub {

/// A job, finished or not, as somebody asks for it.
struct JobView {
    StoredJob stored;
    std::optional<std::size_t> ahead;  ///< pending: how many of its type are before it
};

/// What a job has become and who is to hear of it.
struct Changed {
    Job job;
    std::set<std::string> subscribers;        ///< client ids
    std::optional<ConnectionId> holder = {};  ///< who ran it until now
};

/// An attempt that ended without a result.
struct Attempt {
    std::string worker_id;
    std::string error;
    bool counts = true;
    bool retryable = true;
};

class Jobs {
  public:
    /// A job that is pending or claimed.
    struct Active {
        Job job;
        std::set<std::string> subscribers;   ///< client ids
        std::optional<ConnectionId> holder;  ///< who runs it; none: pending, or its worker is gone
        TimePoint last_sign;                 ///< claim or last progress
        std::optional<TimePoint> lost_at;    ///< since when it has no holder
        bool lost_by_restart = false;        ///< this hub was away, not the worker: no attempt is counted
        bool waits = false;                  ///< its worker has not begun it: no attempt is counted either
    };

    Jobs(Store& store, Offers& offers, const Policy& policy)
        : store_(store), offers_(offers), policy_(policy) {}

    /// Reads the queue from the store; once, before anything else. Claimed jobs wait for their workers.
    Result<> load(const Now& now);

    /// nullptr: unknown or finished.
    const Active* find(const std::string& job_id) const;
    Result<std::optional<JobView>> view(const std::string& job_id);
    Result<std::string> payload(const std::string& job_id) { return store_.payload(job_id); }
    /// A job in its final state, for who reports on it too late.
    Result<std::optional<StoredJob>> stored(const std::string& job_id) { return store_.find(job_id); }

    /// A new job. Errors: "exists", "database_failed".
    Result<> add(const hub::SubmitJob& message, const std::string& client_id, const Now& now);
    void subscribe(const std::string& job_id, const std::string& client_id);
    /// Pending -> claimed.
    Result<> claim(const std::string& job_id, ConnectionId worker, const std::string& worker_id,
                   const Now& now);
    /// This worker runs it, whoever did before.
    void adopt(const std::string& job_id, ConnectionId worker, const Now& now);
    void report_progress(const std::string& job_id, int progress, const std::optional<std::string>& message);

    /// Its worker says whether it has begun it.
    void set_waits(const std::string& job_id, bool waits);
    /// The claimed jobs that their workers have not begun.
    const std::set<std::string>& waiting() const { return waiting_; }

    /// The end of a job: `changed` is what it becomes, with its final status.
    Result<Changed> finish(Job changed, const std::string_view* result, const Now& now);
    /// Another attempt, or the end of the job; the status says which.
    Result<Changed> end_attempt(const std::string& job_id, const Attempt& attempt, const Now& now);
    /// No attempt was made: the job is what it was before it was claimed.
    Result<Changed> take_back(const std::string& job_id);
    /// Pending with a clean history, whatever it was. Not for claimed and completed jobs.
    Result<Changed> revive(Job job, const std::string& client_id);

    /// The worker is gone: its jobs wait for it, or for another connection of it.
    void lose_holder(ConnectionId worker, const Now& now);
    void sign_of_life(ConnectionId worker, const Now& now);
    std::set<std::string> held_by(ConnectionId worker) const;
    /// Jobs whose worker was away or silent for too long, with the attempt that has ended so.
    std::vector<std::pair<std::string, Attempt>> overdue(TimePoint now) const;
    /// Forgets old finished jobs from time to time, a part in each call.
    Result<> trim(const Now& now);
    /// There is more to be done of it now.
    bool trims(const Now& now) const { return now.steady - last_trim_ >= policy_.trim_every; }

    std::size_t unfinished() const { return active_.size(); }
    const std::set<std::string>& claimed() const { return claimed_; }
    /// How many finished jobs the store holds.
    const std::map<JobStatus, std::uint64_t>& finished() const { return finished_; }

  private:
    Result<Changed> requeue(Active& active, Job changed);
    void release(Active& active);
    void count_out(JobStatus status, std::uint64_t number);

    Store& store_;
    Offers& offers_;
    const Policy& policy_;
    std::unordered_map<std::string, Active> active_;
    std::set<std::string> claimed_;
    std::set<std::string> waiting_;
    std::map<ConnectionId, std::set<std::string>> held_;  // by holder
    std::map<JobStatus, std::uint64_t> finished_;
    TimePoint last_trim_{};
};

}  // namespace emprops::local_hub
