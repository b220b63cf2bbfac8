#pragma once
// The pending jobs and who is being offered which. Every idle worker has at most one open offer, or as many as it says
// that it answers; the worker that waited longest is next and gets the best job of its types that nobody else is being
// offered; an offer that is not taken goes to the others. Pure; owned by Core.

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "supervisor/local_hub/job_queue.h"
#include "supervisor/local_hub/policy.h"
#include "supervisor/local_hub/workers.h"

namespace emprops::local_hub {

class Offers {
  public:
    explicit Offers(const Policy& policy) : policy_(policy) {}

    /// The jobs that wait; add() once for each.
    const JobQueue& queue() const { return queue_; }
    void add(const Job& job) { queue_.add(job); }
    /// The job is claimed or has ended: it is neither pending nor offered any more.
    void remove(const Job& job);
    /// The job waits, but is offered to nobody before this.
    void pause(const std::string& job_id, TimePoint until) { paused_[job_id] = until; }

    /// Offers every idle worker something, if there is a job for it, and what nobody can begin to workers that would
    /// prepare it. `fits`: may the job go to this worker?
    /// `send` makes the offer and says how large its payload is; nothing: it could not be made, and is not
    /// tried again with this worker for a while.
    using Fits = std::function<bool(const std::string& job_id, const Worker& worker)>;
    using Send = std::function<std::optional<std::size_t>(const std::string& job_id, const Worker& worker)>;
    void make(const Workers& workers, TimePoint now, const Fits& fits, const Send& send);
    /// The worker is not offered this job for a while.
    void declined(ConnectionId worker, const std::string& job_id, TimePoint now);

    /// Likewise for a moment: the worker takes such jobs, and has no place for this one. The offer is void.
    void no_place(ConnectionId worker, const std::string& job_id, TimePoint now);

    /// A job that this worker is being offered: the first one.
    std::optional<std::string> open_to(ConnectionId worker) const;
    /// All of them, in the order in which they were offered.
    std::vector<std::string> all_open_to(ConnectionId worker) const;
    bool is_open_to(ConnectionId worker, const std::string& job_id) const;
    /// Its offers are void: the jobs may be offered to others at once.
    void withdraw(ConnectionId worker);
    void withdraw(ConnectionId worker, const std::string& job_id);
    /// Something ends at its time: an offer, a pause, a worker's refusal.
    bool any_timed() const;
    /// Offers that were not taken in time end, and may be made to the same worker again later.
    void expire(TimePoint now);
    /// The worker is gone.
    void forget_worker(ConnectionId worker);
    /// The job may be offered to everybody at once.
    void forget_hindrances(const std::string& job_id);

  private:
    struct Offer {
        std::string job_id;
        TimePoint until;  ///< the job is offered to nobody else before this
        std::size_t bytes = 0;
    };
    struct State;
    /// A worker that may get an offer, and the types of it.
    struct Waiting {
        const Worker* worker;
        State* state;
        std::set<std::string> ahead = {};
        const std::set<std::string>& types() const { return ahead.empty() ? worker->job_types : ahead; }
    };
    bool has_room(const Worker& worker, const State& state) const;
    /// One to each; true: somebody got one.
    bool offer(std::vector<Waiting>& waiting, TimePoint now, const Fits& fits, const Send& send);

    struct State {  // of one worker
        std::vector<Offer> open;
        std::size_t open_bytes() const;
        std::uint64_t last_offered = 0;  ///< running number of its last offer: the longest waiting is next
        std::map<std::string, TimePoint> declined;  ///< not offered again before this
    };

    const Policy& policy_;
    JobQueue queue_;
    std::map<ConnectionId, State> workers_;
    std::unordered_map<std::string, ConnectionId> offered_to_;  // by job id
    std::unordered_map<std::string, TimePoint> paused_;         // by job id
    std::uint64_t offers_made_ = 0;
};

}  // namespace emprops::local_hub
