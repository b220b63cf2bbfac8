#pragma once
// The rules of the hub: who is offered which job, who may report on it, when it is taken back. Pure but for
// the Store: events and the time in, actions out. Owned by LocalHub; event loop thread only.
//
// Core knows who is connected in which role and hands what they say to one of two desks, which work on the
// parts below: Workers (who is there), Offers (the queue, and who is being offered what), Jobs (their states,
// and the Store) and Audience (clients and monitors).
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
// - after a failure a job waits 1, 2, 4 ... s before it is offered again: what made it fail may be over then, and
//   four attempts within a moment are one;
// - `retryable: false` fails the job for good; the last failer is passed over only while another eligible
//   worker is connected;
// - one job ends once: a completed job cannot be cancelled or failed, a cancelled one not be completed;
// - two connections with one worker id: the newer replaces the older;
// - a connection with the id <worker id>-bulk that has not registered may complete the jobs of that worker,
//   under the rule for the worker itself (may_report), and do nothing else; it is no worker to monitors;
// - a job id is never taken twice; a priority that is no integer and a payload that is no object are refused.

#include <functional>
#include <string>
#include <string_view>

#include "supervisor/local_hub/audience.h"
#include "supervisor/local_hub/client_desk.h"
#include "supervisor/local_hub/jobs.h"
#include "supervisor/local_hub/offers.h"
#include "supervisor/local_hub/policy.h"
#include "supervisor/local_hub/store.h"
#include "supervisor/local_hub/worker_desk.h"
#include "supervisor/local_hub/workers.h"

namespace emprops::local_hub {

class Core {
  public:
    Core(Store& store, Policy policy, std::function<std::string()> new_job_id);
    Core(const Core&) = delete;

    /// Reads the queue from the store; once, before anything else. Claimed jobs wait for their workers.
    Result<> load(const Now& now) { return jobs_.load(now); }

    // WebSockets. Each returns what is to be done, in order.
    Actions connected(ConnectionId connection, Role role, const std::string& id, const Now& now);
    /// `politely`: the peer said goodbye (close 1000 or 1001): a worker's jobs go back at once.
    Actions disconnected(ConnectionId connection, bool politely, const Now& now);
    Actions received(ConnectionId connection, std::string_view text, const Now& now);
    /// A part of a message that is not complete arrived.
    void received_part(ConnectionId connection, const Now& now);
    /// To be called several times a second, or once a second while it rests.
    Actions tick(const Now& now);
    /// Nothing waits for a moment that is near: nobody runs a job or is offered one, nobody watches.
    bool rests(const Now& now) const;

    // REST.
    /// The id of the accepted job. Errors: "exists", "database_failed".
    Result<std::string> submit(const hub::SubmitJob& job, const std::string& client_id, const Now& now,
                               Actions& actions);
    /// A job, finished or not; nullopt when it is unknown.
    Result<std::optional<JobView>> view(const std::string& job_id) { return jobs_.view(job_id); }

    std::size_t pending_jobs() const { return offers_.queue().size(); }
    std::size_t claimed_jobs() const { return jobs_.claimed().size(); }

  private:
    Json stats() const;

    const Policy policy_;
    Workers workers_;
    Offers offers_;
    Jobs jobs_;
    Audience audience_;
    WorkerDesk worker_desk_;
    ClientDesk client_desk_;
};

}  // namespace emprops::local_hub
