#pragma once
// What the rest of the supervisor knows of a connector process: its identity, what it can do, and how it
// died. Plain values; no I/O.

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ipc/messages.h"
#include "supervisor/base/time.h"

namespace emprops::process {

/// One spawned process of a connector. `generation` is unique per spawn in this worker, so that a late event
/// of a dead process can never be taken for one of its successor.
struct InstanceId {
    std::string connector;
    int index = 0;
    std::uint64_t generation = 0;
    auto operator<=>(const InstanceId&) const = default;
};

/// "comfyui" for index 0 of a single instance, else "comfyui/1"; for people.
std::string to_string(const InstanceId& id);

/// What a ready instance offers: what `ready` and `capabilities` said, with the configuration's overrides
/// applied.
struct InstanceInfo {
    int pid = 0;
    std::vector<std::string> job_types;
    int concurrency = 1;
    std::uint64_t offers = 0;  ///< how many `capabilities` it has sent
    ipc::Features features;
    bool attached = false;  ///< a person may sit in its debugger: no timeouts
    bool available = true;  ///< false: its outside service does not work, no new claims for its types
    std::string unavailable_reason;  ///< for a person, when not available
    /// Its companion service is not tried before this (max(): not before somebody intervenes).
    std::optional<TimePoint> service_back_at;
    std::string name;
    std::string version;
    ipc::Json capabilities = ipc::Json::object();
    std::optional<ipc::Status> status;  ///< the last `status` message

    /// Of an available one: what it has to do without, for a person; empty: nothing.
    std::string remark() const { return available && status ? status->reason : ""; }
};

/// Why the supervisor stops an instance. `requested` family: the operator wanted it; the others: it
/// misbehaved.
enum class StopReason {
    requested,       ///< stop NAME, removed by reload
    restart,         ///< restart NAME, changed by reload
    worker_leaving,  ///< the worker ends
    recycle,         ///< max_rss, max_jobs, max_age
    hung,            ///< missed pings, or a job without progress
    timeout,         ///< job_timeout
    cancel_ignored,  ///< no answer to a cancel
    write_stalled,   ///< took nothing from stdin for write_timeout
    start_timeout,   ///< no `ready` in time
    bad_protocol,    ///< speaks another protocol version
    asked,           ///< a companion service whose connector sent `restart_service`
};
const char* to_string(StopReason reason);

/// Of a process that does not run because a signal has stopped it (state T): by which, what that means and what lets it
/// go on. Completes "it is"; empty for no signal.
std::string stopped_text(int signal, int pid);

/// Ended by us and nobody's fault: an operator, new settings, recycling, the worker's end.
bool planned(const std::optional<StopReason>& reason);

/// What the dispatcher makes of an unplanned end of a companion service.
enum class ServiceVerdict {
    job,      ///< a job did it, which is seen to: it does not count in the breaker
    machine,  ///< different jobs end it one after the other: the breaker opens
};

/// Everything known about the end of one process. The texts are safe to log: payloads, results and settings
/// are cut.
struct DeathReport {
    std::optional<int> exit_code;  ///< set when it exited
    std::optional<int> signal;     ///< set when a signal ended it
    bool core_dumped = false;
    std::optional<StopReason> stopped_for;  ///< set when we ended it
    std::string stop_text;          ///< why, when more is known than the reason says (companion services)
    std::string start_error;        ///< non-empty: it never ran (no such file, ...) or init_failed's sentence
    bool useless_to_retry = false;  ///< it said so, or speaks a protocol that we do not
    bool was_ready = false;
    Ms ready_for{0};  ///< of that; of a companion service: healthy
    /// It exited by itself, with code 0, and left so many processes in the background (which were ended with it).
    std::size_t left_behind = 0;
    int pid = 0;
    Ms uptime{0};
    std::uint64_t peak_rss_bytes = 0;
    Ms cpu{0};
    std::vector<std::string> stderr_tail;    ///< last lines, oldest first
    std::vector<std::string> last_messages;  ///< last protocol lines, "<" from and ">" to the connector
    std::vector<std::string> jobs_held;

    /// "killed by SIGSEGV after 2 min 5 s (peak RSS 1.2 GiB, CPU 34 s)": one sentence without a full stop.
    std::string summary() const;
    /// The last line of stderr (of a service: of all output) that is not blank, cut; may be empty.
    std::string last_line() const;
    /// The same as summary(), with the last line behind it.
    std::string summary_with_last_line() const;
};

/// States of one configured instance, and of its companion service (see life/life.h for the diagram).
enum class State {
    waiting,       ///< a service: somebody else has its port
    starting,      ///< it runs and is not up yet
    ready,         ///< it is up: it, or its instance, may get jobs
    busy,          ///< a connector that runs jobs
    unhealthy,     ///< a service that has missed at least one question
    draining,      ///< it is being stopped, or will be when the running jobs have ended
    backoff,       ///< it died and waits to be started again
    breaker_open,  ///< it died too often; a trial now and then
    stopped,
    failed,  ///< not started until its settings change or an operator starts it
};
const char* to_string(State state);
/// The word for a state of a companion service: "healthy" for ready, "stopping" for draining.
const char* service_word(State state);

}  // namespace emprops::process
