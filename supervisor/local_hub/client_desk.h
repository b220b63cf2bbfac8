#pragma once
// What clients say and are told: submissions, questions, cancels, forced retries. Pure; owned by Core, whose
// parts it joins.

#include <functional>
#include <string>
#include <string_view>

#include "ipc/hub/messages.h"
#include "supervisor/local_hub/audience.h"
#include "supervisor/local_hub/jobs.h"
#include "supervisor/local_hub/offers.h"
#include "supervisor/local_hub/workers.h"

namespace emprops::local_hub {

class ClientDesk {
  public:
    ClientDesk(Workers& workers, Offers& offers, Jobs& jobs, const Audience& audience,
               std::function<std::string()> new_job_id)
        : workers_(workers),
          offers_(offers),
          jobs_(jobs),
          audience_(audience),
          new_job_id_(std::move(new_job_id)) {}

    void received(ConnectionId connection, const std::string& client_id, std::string_view text, Turn& turn);
    /// The id of the accepted job. Errors: "exists", "database_failed".
    Result<std::string> submit(hub::SubmitJob message, const std::string& client_id, const Now& now);

  private:
    struct From {
        ConnectionId connection = 0;
        const std::string& client_id;
    };
    void handle(const From& from, const hub::SubmitJob& message, Turn& turn);
    void handle(const From& from, const hub::RequestJobStatus& message, Turn& turn);
    void handle(const From& from, const hub::SubscribeJob& message, Turn& turn);
    void handle(const From& from, const hub::SubscribeStats& message, Turn& turn);
    void handle(const From& from, const hub::RequestStats& message, Turn& turn);
    void handle(const From& from, const hub::CancelJob& message, Turn& turn);
    void handle(const From& from, const hub::ForceRetryJob& message, Turn& turn);
    void handle(const From& from, const hub::StayAlive& message, Turn& turn);
    /// A job, finished or not; nullopt when that was refused with its reason.
    std::optional<StoredJob> known_job(const From& from, const std::string& job_id, Turn& turn);

    Workers& workers_;
    Offers& offers_;
    Jobs& jobs_;
    const Audience& audience_;
    std::function<std::string()> new_job_id_;
};

}  // namespace emprops::local_hub
