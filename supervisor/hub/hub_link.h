#pragma once
// The link to the EmProps Hub (jobs/job_link.h): joins the Session (what to say) with three WebSockets (how)
// and a timer. Thin: every decision is the session's. One per worker, on the event loop thread.

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "config/settings.h"
#include "ipc/result.h"
#include "supervisor/hub/bulk_lane.h"
#include "supervisor/hub/url.h"
#include "supervisor/jobs/job_link.h"

namespace emprops::hub {

class Link;

struct HubLinkSettings {
    config::HubSettings hub;  ///< token already read from token_file
    std::string id_base;      ///< [worker] id, or the host name
    bool exact_id = false;
    config::Duration heartbeat_interval = std::chrono::seconds(20);
    BulkPolicy bulk;                 ///< for tests: when large results get a connection of their own
    std::uint64_t first_number = 1;  ///< above every assignment number in the ledger
    web::ProxyEnvironment proxy_environment = web::read_proxy_environment();
    /// For tests: makes the connection objects. Default: WsLink.
    std::function<std::unique_ptr<Link>()> make_connection = {};
};

/// Fails when the Hub's URL cannot be used; the error says why.
Result<std::unique_ptr<jobs::JobLink>> make_hub_link(const boost::asio::any_io_executor& executor,
                                                     HubLinkSettings settings, jobs::LinkCallbacks callbacks);

}  // namespace emprops::hub
