#pragma once
// The rules of the hub: who is offered which job, who may report on it, when it is taken back. Pure but for
// the Store: events and the time in, actions out. Owned by LocalHub; event loop thread only.
//
// Where it differs from the EmProps Redis Hub, on purpose (ipc/hub/PROTOCOL.md 8 has the defects):
// - offers are fair: the idle worker that waited longest is next, and an offered job is offered to nobody
//   else for some seconds; an offer that is not taken goes to the others;
// - a cancel reaches the worker: {"type":"cancel_job","job_id","reason"};
// - a lost worker's jobs go back after requeue_after, at once when it said that it leaves; a job whose worker
//   is silent goes back after stale_claim_after, to its old place in the queue;
// - every attempt that ended without a result counts (failed, worker lost, worker silent), but not "drained",
//   a worker that leaves, a job that no connector began (`begun: false`), or a restart of this hub; the
//   max_attempts-th fails the job for good;
// - `retryable: false` fails the job for good; the last failer is passed over only while another eligible
//   worker is connected;
// - one job ends once: a completed job cannot be cancelled or failed, a cancelled one not be completed;
// - two connections with one worker id: the newer replaces the older;
// - a connection with the id <worker id>-bulk that has not registered may complete the jobs of that worker,
// under
//   the rule for the worker itself (may_report), and do nothing else; it is no worker to monitors;
// - a job id is never taken twice; a priority that is no integer and a payload that is no object are refused.

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>

#include "config/settings.h"
#include "supervisor/local_hub/job_queue.h"
#include "supervisor/local_hub/messages.h"
#include "supervisor/local_hub/peers.h"
#include "supervisor/local_hub/store.h"

namespace emprops::local_hub {

/// The limits that are not settings.
struct Policy {
    std::uint32_t max_attempts = 4;
    Ms requeue_after{15'000};
    Ms stale_claim_after{30'000};
    std::chrono::seconds history{7 * 24 * 3600};
    Ms worker_silence{60'000};     ///< a registered worker without any message for this long is dropped
    Ms offer_hold{3'000};          ///< an offered job is offered to nobody else for this long ...
    Ms offer_hold_per_mib{1'000};  ///< ... and longer for a large payload, which takes time to travel
    Ms offer_again_after{10'000};  ///< an offer that was not taken is not made to the same worker before this
    Ms stats_when_changed{1'000};
    Ms stats_at_least{5'000};
    Ms trim_every{60'000};
    int trim_at_once = 500;
    std::size_t most_job_types = 16'384;  ///< of one worker: all its connectors together
    std::size_t longest_job_type = 1'024;

    static Policy from(const config::LocalHubSettings& settings);
};

class Core {
  public:
    Core(Store& store, Policy policy, std::function<std::string()> new_job_id);

    /// Reads the queue from the store; once, before anything else. Claimed jobs wait for their workers.
    Result<> load(const Now& now);

    // WebSockets. Each returns what is to be done, in order.
    Actions connected(ConnectionId connection, Role role, const std::string& id, const Now& now);
    /// `politely`: the peer said goodbye (close 1000 or 1001): a worker's jobs go back at once.
    Actions disconnected(ConnectionId connection, bool politely, const Now& now);
    Actions received(ConnectionId connection, std::string_view text, const Now& now);
    /// A part of a message that is not complete arrived.
    void received_part(ConnectionId connection, const Now& now);
    /// To be called several times a second.
    Actions tick(const Now& now);

    // REST.
    /// The id of the accepted job. Errors: "exists", "database_failed".
    Result<std::string> submit(const SubmitJob& job, const std::string& client_id, const Now& now,
                               Actions& actions);
    struct View {
        StoredJob stored;
        std::optional<std::size_t> ahead;  ///< pending: how many of its type are before it
    };
    /// A job, finished or not; nullopt when it is unknown.
    Result<std::optional<View>> view(const std::string& job_id);

    std::size_t pending_jobs() const { return queue_.size(); }
    std::size_t claimed_jobs() const { return claimed_.size(); }

  private:
    struct Turn {
        const Now& now;
        Actions& out;
    };

    // core_connections.cpp
    void drop_worker(ConnectionId connection, bool leaving, Turn& turn);
    void give_back(Worker& worker, Turn& turn);

    // core_worker.cpp
    void on_worker(Worker& worker, std::string_view text, Turn& turn);
    void handle(Worker& worker, const RegisterWorker& message, Turn& turn);
    void handle(Worker& worker, const WorkerHeartbeat& message, Turn& turn);
    void handle(Worker& worker, const WorkerStatus& message, Turn& turn);
    void handle(Worker& worker, const ClaimJob& message, Turn& turn);
    void handle(Worker& worker, const JobProgress& message, Turn& turn);
    void handle(Worker& worker, const CompleteJob& message, Turn& turn);
    void handle(Worker& worker, const FailJob& message, Turn& turn);
    void handle(Worker& worker, const ConnectorWsStatus& message, Turn& turn);
    void handle(Worker& worker, const ServiceRequest& message, Turn& turn);
    std::string refused_types(const std::vector<std::string>& types) const;
    void set_status(Worker& worker, const std::optional<std::string>& status, Turn& turn);
    void worked(Worker& worker);
    bool refused_for_bulk(const Worker& worker, const FromWorker& message, Turn& turn);
    bool may_report(const ActiveJob& active, const Worker& worker, std::string_view named_worker,
                    const Now& now) const;
    void adopt(ActiveJob& active, Worker& worker, const Now& now);
    void tell_if_cancelled(Worker& worker, const std::string& job_id, Turn& turn);

    // core_jobs.cpp
    ActiveJob* active(const std::string& job_id);
    Result<> requeue(ActiveJob& active, Job changed);
    Result<> finish(ActiveJob& active, Job changed, const std::string* result, Turn& turn);
    struct Attempt {
        std::string worker_id;
        std::string error;
        bool counts = true;
        bool retryable = true;
    };
    Result<> end_attempt(ActiveJob& active, const Attempt& attempt, Turn& turn);
    Result<> take_back(ActiveJob& active, Turn& turn);
    void release(ActiveJob& active);
    void clear_offer(ActiveJob& active);
    void take_back_lost(Turn& turn);

    // core_offers.cpp
    void make_offers(Turn& turn);
    void expire_offers(const Now& now);
    bool may_be_offered(const ActiveJob& active, const Worker& worker) const;
    bool other_eligible(const ActiveJob& active, const Worker& worker) const;
    void offer(ActiveJob& active, Worker& worker, Turn& turn);

    // core_client.cpp
    void on_client(ConnectionId connection, const std::string& client_id, std::string_view text, Turn& turn);
    void cancel(ConnectionId connection, const CancelJob& message, Turn& turn);
    void force_retry(ConnectionId connection, const std::string& client_id, const std::string& job_id,
                     Turn& turn);
    void job_status(ConnectionId connection, const std::string& job_id, Turn& turn);
    Result<std::string> accept(const SubmitJob& message, const std::string& client_id, Turn& turn);
    /// To the job's subscribers, to `also` (once) and, marked with the client, to all monitors.
    void publish(const Job& job, const std::set<std::string>& subscribers, const std::string& text,
                 Turn& turn, std::optional<ConnectionId> also = {});

    // core_monitor.cpp
    void on_monitor(ConnectionId connection, Monitor& monitor, std::string_view text, Turn& turn);
    void to_monitors(std::string_view type, const std::string& text, const std::string& message_id,
                     Turn& turn);
    void to_monitors_unfiltered(const std::string& text, Turn& turn);
    void worker_status_to_monitors(const Worker& worker, const Json& capabilities,
                                   const Json& connector_statuses, Turn& turn);
    Json stats() const;
    void send_stats(ConnectionId connection, const Monitor& monitor, const Json& stats, Turn& turn);
    void broadcast_stats(Turn& turn);

    static void send(ConnectionId connection, std::string text, Turn& turn);
    static void refuse(ConnectionId connection, std::string_view error, Turn& turn, const Json& details = {});

    Store& store_;
    Policy policy_;
    std::function<std::string()> new_job_id_;

    std::map<ConnectionId, Worker> workers_;
    std::unordered_map<std::string, ConnectionId> worker_by_id_;
    std::map<ConnectionId, std::string> clients_;
    std::map<std::string, std::set<ConnectionId>> clients_by_id_;
    std::map<ConnectionId, Monitor> monitors_;

    std::unordered_map<std::string, ActiveJob> active_;
    std::set<std::string> claimed_;
    JobQueue queue_;
    std::map<JobStatus, std::uint64_t> finished_;  // how many the store holds
    std::uint64_t offers_made_ = 0;

    TimePoint last_trim_{};
    TimePoint last_stats_{};
    Json last_stats_content_;
    std::string last_store_failure_;
};

}  // namespace emprops::local_hub
