#pragma once
// Who hears of the instances of a fleet, and the protocol lines that people may look at.

#include <chrono>
#include <optional>
#include <string>

#include "ipc/messages.h"
#include "supervisor/process/types.h"

namespace emprops::process {

/// What the dispatcher hears. Order for one instance: on_ready, then any of the others, then on_leaving
/// (always, once), then on_gone (always, once, last). An instance that never became ready is not heard of.
class FleetListener {
  public:
    virtual ~FleetListener() = default;
    /// The instance said `ready`: jobs may be given.
    virtual void on_ready(const InstanceId& id, const InstanceInfo& info) = 0;
    /// `status` or `capabilities` changed what it offers. At most ten times a second; the newest wins.
    virtual void on_changed(const InstanceId& id, const InstanceInfo& info) = 0;
    /// Give it no new job. Running ones go on; when the process died, on_gone follows within about a second
    /// and results that were still in its pipe come in between.
    virtual void on_leaving(const InstanceId& id) = 0;
    /// The process has ended. `report.jobs_held` are the jobs given to it for which job_ended was not called.
    virtual void on_gone(const InstanceId& id, const DeathReport& report) = 0;
    /// accepted, progress, result, failed, service_request, restart_service. Messages that name a job come
    /// only for jobs the instance holds; progress is coalesced (newest per job, at most 10 a second per job)
    /// and always comes before its job's result.
    virtual void on_message(const InstanceId& id, ipc::FromConnector message) = 0;
    /// A line that broke the protocol. `job_id`: the job it concerns (named in the line, or the only one
    /// held), which must fail with `code` (result_too_large, protocol_error) and `message`. Once per job.
    virtual void on_protocol_error(const InstanceId& id, const std::optional<std::string>& job_id,
                                   const std::string& code, const std::string& message) = 0;
    /// The outside service of a connector as its last `status` said it, or its companion service as we see it
    /// (not available unless both are); on_changed follows.
    virtual void on_status(const InstanceId& id, const ipc::Status& status) = 0;
    /// A companion service has ended and nobody had planned that. `report.jobs_held` are the jobs that its
    /// instance held then; on_changed follows. Answer with service_judged(), if it is a job's fault or the
    /// machine's.
    virtual void on_service_gone(const std::string& connector, int index, const DeathReport& report) {
        (void)connector, (void)index, (void)report;
    }
};

/// A protocol or stderr line as a person may see it: payloads, results and settings are cut.
struct TraceLine {
    /// log_line: a `log` message; stray_line: a print on stdout; complaint: what the worker says of its lines;
    /// last_message: a message before its death. All but the messages as they pass are for people.
    enum class Kind {
        to_connector,
        from_connector,
        log_line,
        stderr_line,
        stray_line,
        complaint,
        last_message
    };
    bool for_people() const { return kind != Kind::to_connector && kind != Kind::from_connector; }
    InstanceId id;
    int pid = 0;
    std::chrono::system_clock::time_point at;
    Kind kind = Kind::stderr_line;
    std::string text;
    bool state = false;  ///< of a line that is written over (a progress bar) and has not ended
};

}  // namespace emprops::process
