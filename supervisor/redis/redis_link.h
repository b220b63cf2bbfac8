#pragma once
// The link to a queue in Redis (jobs/job_link.h): joins the Session (what to say) with two connections (one for commands,
// one that hears of new jobs and cancels) and a timer. Thin: every decision is the session's. One per worker, on the
// event loop thread.

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <memory>
#include <string>

#include "config/settings.h"
#include "ipc/result.h"
#include "supervisor/jobs/job_link.h"
#include "supervisor/redis/session.h"

namespace emprops::redis {

struct RedisLinkSettings {
    config::HubSettings hub;  ///< url; timeouts; TLS; token: the password, if the URL has none
    std::string id_base, version;
    /// Of this worker over its restarts (its state folder on its machine); empty: nobody looks whether another has our id.
    std::string identity;
    std::uint64_t first_number = 1;
    HeldPolicy held;
    ClaimPolicy claim;
    PresencePolicy presence;
    ReaperPolicy reaper;
};

/// Fails when the URL cannot be used; the error says why.
Result<std::unique_ptr<jobs::JobLink>> make_redis_link(const boost::asio::any_io_executor& executor,
                                                       RedisLinkSettings settings,
                                                       jobs::LinkCallbacks callbacks);

}  // namespace emprops::redis
