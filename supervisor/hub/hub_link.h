#pragma once
// The link to the Hub as the worker owns it: joins the Session (what to say) with three Links (how) and a
// timer. Thin: every decision is the session's. One per worker, on the event loop thread.
//
// Everything about jobs comes out through Callbacks::on_action (Assigned, Delivered, ...; never the
// connection ones), synchronously, in order, from inside the calls below or from the event loop. A callback
// may call the HubLink again: the new input is handled after the running batch of actions.

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.h"
#include "ipc/messages.h"
#include "ipc/result.h"
#include "supervisor/hub/session.h"
#include "supervisor/hub/url.h"
#include "supervisor/jobs/types.h"

namespace emprops::hub {

class Link;

struct HubLinkSettings {
    config::HubSettings hub;  ///< token already read from token_file
    std::string id_base;      ///< [worker] id, or the host name
    bool exact_id = false;
    config::Duration heartbeat_interval = std::chrono::seconds(20);
    BulkPolicy bulk;                 ///< for tests: when large results get a connection of their own
    std::uint64_t first_number = 1;  ///< above every assignment number in the ledger
    ProxyEnvironment proxy_environment = read_proxy_environment();
};

class HubLink {
  public:
    struct Callbacks {
        std::function<void(Action)> on_action;
    };
    /// For tests: makes the connection objects. Default: WsLink.
    using LinkFactory = std::function<std::unique_ptr<Link>()>;

    /// Fails when the Hub's URL cannot be used; the error says why. `desk` must outlive the link.
    static Result<std::unique_ptr<HubLink>> create(boost::asio::any_io_executor executor,
                                                   const HubLinkSettings& settings, JobDesk& desk,
                                                   Callbacks callbacks, LinkFactory factory = {});
    virtual ~HubLink() = default;

    /// Ledger entries of an earlier process; before start().
    virtual void adopt(LedgerEntry entry) = 0;
    virtual void start() = 0;
    /// Sends what is queued, closes the connections (at most 2 s; what is left of a large result stays in the
    /// ledger) and calls `done`. Nothing is claimed or
    /// connected again.
    virtual void stop(std::function<void()> done) = 0;

    /// The JobDesk's capacity changed (an instance became ready, died, a slot was freed, draining began).
    virtual void capacity_changed() = 0;
    virtual void set_capabilities(ipc::Json capabilities) = 0;
    virtual void set_connector_status(const std::string& connector, const ipc::Status& status) = 0;
    virtual void forget_connector_status(const std::string& connector) = 0;
    virtual void report_progress(const std::string& job_id, std::uint64_t number,
                                 const ipc::Progress& progress) = 0;
    virtual void service_request(const ipc::ServiceRequest& request) = 0;
    virtual void deliver(jobs::Outcome outcome) = 0;
    /// For the next connections; the one that exists is not touched. If the old one was refused, at once.
    virtual void set_token(const std::string& token) = 0;
    virtual void undelivered(const std::string& job_id, std::uint64_t number) = 0;
    virtual void cancel(const std::string& job_id, const std::string& reason) = 0;

    virtual SessionMetrics metrics() const = 0;
    virtual SessionView view() const = 0;
    virtual bool nothing_left() const = 0;
    /// The Hub's address for people, without the token.
    virtual std::string address() const = 0;
};

}  // namespace emprops::hub
