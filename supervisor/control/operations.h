#pragma once
// What an operator can ask of a running worker. The worker implements it; the control API (routes.h) calls it
// on the event loop's thread. Nothing here blocks: an operation that takes time starts it and says so;
// `status` shows it happen.

#include <functional>
#include <memory>
#include <string>

#include "ipc/messages.h"
#include "ipc/result.h"

namespace emprops::control {

using ipc::Json;

/// Kept alive by whoever wants the lines; destroying it ends the subscription.
using Subscription = std::shared_ptr<void>;
using OnLine = std::function<void(const std::string& line)>;

class Operations {
  public:
    virtual ~Operations() = default;

    /// The worker, the Hub link, every connector instance (documented in README.md).
    virtual Json status() const = 0;
    /// {"jobs":[...]}: what runs here now and what waits to be delivered.
    virtual Json jobs() const = 0;
    /// One sentence: why the connector is in the state it is in.
    virtual Result<std::string> why(const std::string& connector) const = 0;

    /// Each returns a sentence that says what was begun. Error "not_found": no such connector, job.
    virtual Result<std::string> restart(const std::string& connector) = 0;
    /// The companion service alone. Error "no_service": the worker runs none for this connector.
    virtual Result<std::string> restart_service(const std::string& connector) = 0;
    virtual Result<std::string> start(const std::string& connector) = 0;
    virtual Result<std::string> stop(const std::string& connector) = 0;
    /// Empty connector: the whole worker, which then stays up without taking jobs. `mode`: graceful, deadline
    /// or now.
    virtual Result<std::string> drain(const std::string& connector, const std::string& mode) = 0;
    virtual Result<std::string> resume(const std::string& connector) = 0;
    /// Error "config": the problems, a line each; nothing changed then.
    virtual Result<std::string> reload() = 0;
    virtual Result<std::string> cancel(const std::string& job_id, const std::string& reason) = 0;

    /// Delivers files that are kept once more; their job has ended, so that the log says where they went. Error
    /// "not_found".
    virtual Result<std::string> deliver_again(const std::string& name) = 0;

    /// The last lines of a connector's log (empty: of all): its prints and `log` messages, and what was wrong with its
    /// lines, oldest first.
    virtual Result<std::vector<std::string>> log_tail(const std::string& connector) const = 0;
    /// Those lines at once, then what comes.
    virtual Result<Subscription> follow_log(const std::string& connector, OnLine on_line) = 0;
    /// Protocol lines as they pass; settings, payloads and results are cut.
    virtual Result<Subscription> follow_trace(const std::string& connector, OnLine on_line) = 0;
};

}  // namespace emprops::control
