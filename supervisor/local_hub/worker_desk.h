#pragma once
// What workers say and what becomes of them: registration, offers, claims, progress, results, failures, silence.
// The rules of who may report on which job are here. Pure; owned by Core, whose parts it joins.

#include <functional>
#include <string>
#include <string_view>

#include "ipc/hub/messages.h"
#include "supervisor/local_hub/audience.h"
#include "supervisor/local_hub/jobs.h"
#include "supervisor/local_hub/moves.h"
#include "supervisor/local_hub/offers.h"
#include "supervisor/local_hub/workers.h"

namespace emprops::local_hub {

class WorkerDesk {
  public:
    WorkerDesk(const Policy& policy, Workers& workers, Offers& offers, Jobs& jobs, const Audience& audience)
        : policy_(policy), workers_(workers), offers_(offers), jobs_(jobs), audience_(audience) {}

    /// An older connection with this id gives way.
    void connected(ConnectionId connection, const std::string& id, Turn& turn);
    /// `leaving`: on purpose; its jobs go back at once and are not to blame.
    void disconnected(ConnectionId connection, bool leaving, Turn& turn);
    void received(const Worker& worker, std::string_view text, Turn& turn);
    /// While a message is on its way its worker can say nothing else: a part of it counts as a sign of life of
    /// the worker and of the jobs that it holds.
    void received_part(ConnectionId connection, const Now& now);
    /// Drops silent workers, takes lost jobs back, ends offers that were not taken.
    void tick(Turn& turn);
    void make_offers(Turn& turn);

  private:
    void handle(const Worker& worker, const hub::RegisterWorker& message, Turn& turn);
    void handle(const Worker& worker, const hub::WorkerHeartbeat& message, Turn& turn);
    void handle(const Worker& worker, const hub::WorkerStatus& message, Turn& turn);
    void handle(const Worker& worker, const hub::ClaimJob& message, Turn& turn);
    void handle(const Worker& worker, const hub::JobProgress& message, Turn& turn);
    void handle(const Worker& worker, const hub::CompleteJob& message, Turn& turn);
    void handle(const Worker& worker, const hub::FailJob& message, Turn& turn);
    void handle(const Worker& worker, const hub::ConnectorWsStatus& message, Turn& turn);
    void handle(const Worker& worker, const hub::ServiceRequest& message, Turn& turn);

    bool refused_for_bulk(const Worker& worker, const hub::FromWorker& message, Turn& turn) const;
    void withdraw_offers(const Worker& worker,
                         const std::function<bool(const std::string& job_type)>& unwanted);
    void set_status(const Worker& worker, const std::optional<std::string>& status, Turn& turn);
    void give_back(const Worker& worker, Turn& turn);
    bool may_report(const Jobs::Active& active, const Worker& worker, std::string_view named_worker,
                    const Now& now) const;
    void tell_if_cancelled(const Worker& worker, const std::string& job_id, Turn& turn);
    Result<> end_attempt(const std::string& job_id, const Attempt& attempt, Turn& turn);
    void take_back_lost(Turn& turn);
    void ask_back(const std::string& job_id, Turn& turn) const;
    std::optional<std::size_t> offer(const std::string& job_id, const Worker& worker, Turn& turn);

    const Policy& policy_;
    Workers& workers_;
    Offers& offers_;
    Jobs& jobs_;
    const Audience& audience_;
    Moves moves_{policy_};
    std::string last_store_failure_;
};

}  // namespace emprops::local_hub
