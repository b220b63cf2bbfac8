#pragma once
// All connector processes of this worker: starts, watches, restarts and stops the instances of every
// configured connector and carries messages between them and the dispatcher. It knows which jobs an instance
// holds, not what becomes of them: job limits, resume, poison and outcomes are the dispatcher's.
//
// Owned by the program's root; lives on the event loop thread and is called there only. No call blocks. The
// listener is never called from inside one of its own calls into the fleet: what follows from a call is told
// in a later turn of the loop.

#include <boost/asio/any_io_executor.hpp>
#include <chrono>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "ipc/messages.h"
#include "ipc/result.h"
#include "supervisor/process/service_types.h"
#include "supervisor/process/types.h"

namespace emprops::process {

class ProcessHost;

/// What the dispatcher hears. Order for one instance: on_ready, then any of the others, then on_leaving
/// (always, once), then on_gone (always, once, last). An instance that never became ready is not heard of,
/// but for on_connector_state.
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
    /// The State of a configured instance changed (snapshot() and why() have the details).
    virtual void on_connector_state(const std::string& connector, int index, State state) {
        (void)connector, (void)index, (void)state;
    }
};

/// What the dispatcher may do with instances: the part of the fleet that its tests replace.
class FleetPort {
  public:
    virtual ~FleetPort() = default;
    /// Gives a job to a ready instance; `job.work_dir` is filled in here. An error: not taken (it is leaving,
    /// gone, too much waits for its stdin, or its folder cannot be made, which has the code "work_dir");
    /// nothing was sent then. The instance holds the job until job_ended.
    virtual Result<> give_job(const InstanceId& id, ipc::Job job) = 0;
    /// Sends `cancel` if the instance holds the job; false otherwise. Whether it listens to cancels is the
    /// caller's to know (features.cancel).
    virtual bool cancel_job(const InstanceId& id, const std::string& job_id, const std::string& reason) = 0;
    /// The slot is free, but the instance may still hold the job: it counts as running nothing for it; its
    /// `result` or `failed` still passes, and its work_dir stays, until job_ended.
    virtual void job_unanswered(const InstanceId& id, const std::string& job_id) = 0;
    /// The slot is free: the instance no longer holds the job, its work_dir is removed. For a process that is
    /// gone nothing happens: its jobs' folders went with it or, with the feature `resume`, wait for
    /// resume_window.
    virtual void job_ended(const InstanceId& id, const std::string& job_id) = 0;
    /// A planned replacement: a new process beside it, then it finishes its jobs and leaves (`exclusive`: one
    /// after the other). Nothing happens where it does not serve, or a new process is on its way already.
    virtual void replace_instance(const InstanceId& id, const std::string& text) = 0;
    /// Stop ladder, now, with the jobs it holds; it is started again as the restart policy says. `text` says
    /// why to a person. Ignored for an instance that is gone or already being stopped.
    virtual void stop_instance(const InstanceId& id, StopReason reason, const std::string& text) = 0;
    /// What the end of a companion service (process `pid`) is taken for. `text` says of the machine's fault
    /// why.
    virtual void service_judged(const std::string& connector, int index, int pid, ServiceVerdict verdict,
                                const std::string& text) {
        (void)connector, (void)index, (void)pid, (void)verdict, (void)text;
    }
};

struct FleetOptions {
    std::string worker_id;                              ///< for `hello`
    std::string hub;                                    ///< likewise; without token and query
    std::filesystem::path state_dir;                    ///< scratch folders and attach sockets live below it
    std::filesystem::path bin_dir;                      ///< where our own executable is
    std::vector<std::filesystem::path> connector_dirs;  ///< searched after our own folders
    /// How long the running jobs of an instance that was asked to leave may go on before the stop ladder.
    Ms drain_timeout{300'000};
    /// Uniform in [0, 1): jitter of restart delays. Empty: a generator seeded by the system.
    std::function<double()> random;
};

/// Counts over all processes of one configured instance.
struct Counters {
    std::uint64_t spawns = 0;
    std::uint64_t deaths = 0;  ///< ends that nobody asked for
    std::uint64_t jobs_given = 0;
    std::uint64_t lines_received = 0;  ///< protocol lines
    std::uint64_t stderr_lines = 0;
    std::uint64_t stderr_dropped = 0;  ///< stderr lines beyond the rate limit
    std::uint64_t stray_lines = 0;     ///< stdout lines that are no messages
    std::uint64_t overlong_lines = 0;
    std::uint64_t protocol_errors = 0;
    std::uint64_t foreign_messages = 0;    ///< messages for jobs the instance does not hold
    std::uint64_t progress_coalesced = 0;  ///< progress replaced by a newer one before it was passed on
    std::uint64_t requests_dropped = 0;    ///< service_request and restart_service beyond their rate
};

/// One configured instance as `status` shows it.
struct InstanceStatus {
    std::string connector;
    int index = 0;
    State state = State::stopped;
    Ms in_state{0};
    std::optional<InstanceId> id;       ///< the process that serves or starts
    int pid = 0;                        ///< 0: none
    Ms uptime{0};                       ///< of that process
    std::optional<InstanceInfo> info;   ///< once ready
    std::vector<std::string> jobs;      ///< held by all its processes
    bool replacing = false;             ///< a new process starts beside the serving one
    int leaving = 0;                    ///< old processes that are still on their way out
    std::optional<Ms> next_attempt_in;  ///< backoff, breaker_open
    std::uint64_t rss_bytes = 0;        ///< of the process tree
    std::optional<DeathReport> last_death;
    std::string why;  ///< one sentence: the causal chain of this state
    Counters counters;
    std::optional<ServiceStatus> service;  ///< its companion process, where one is configured
};

/// A protocol or stderr line as a person may see it: payloads, results and settings are cut.
struct TraceLine {
    /// log_line: a `log` message. It and stderr are what a connector says to people.
    enum class Kind { to_connector, from_connector, log_line, stderr_line };
    bool for_people() const { return kind == Kind::log_line || kind == Kind::stderr_line; }
    InstanceId id;
    int pid = 0;
    std::chrono::system_clock::time_point at;
    Kind kind = Kind::stderr_line;
    std::string text;
};

class Fleet : public FleetPort {
  public:
    /// `host` and `listener` outlive the fleet.
    Fleet(boost::asio::any_io_executor executor, ProcessHost& host, FleetListener& listener,
          FleetOptions options);
    /// Kills what still runs (without waiting for it).
    ~Fleet() override;
    Fleet(const Fleet&) = delete;
    Fleet& operator=(const Fleet&) = delete;

    /// Initial load and reload: connectors that are new start, those whose settings changed restart
    /// (overlapped), those that are missing finish their jobs and leave, all others are not touched.
    void configure(const std::vector<config::ConnectorSettings>& connectors);

    Result<> give_job(const InstanceId& id, ipc::Job job) override;
    bool cancel_job(const InstanceId& id, const std::string& job_id, const std::string& reason) override;
    void job_unanswered(const InstanceId& id, const std::string& job_id) override;
    void job_ended(const InstanceId& id, const std::string& job_id) override;
    void replace_instance(const InstanceId& id, const std::string& text) override;
    void stop_instance(const InstanceId& id, StopReason reason, const std::string& text) override;
    void service_judged(const std::string& connector, int index, int pid, ServiceVerdict verdict,
                        const std::string& text) override;

    // For the operator. All instances of the connector; an unknown name is the error "not_found".
    /// New process first, then the old one leaves (`exclusive`: one after the other). Also ends back-off, an
    /// open breaker, `failed` and `stopped`.
    Result<> restart(const std::string& connector);
    /// Starts what is stopped, failed or waiting; nothing happens to what runs.
    Result<> start(const std::string& connector);
    /// Running jobs finish (up to drain_timeout), then the stop ladder; stays stopped until start or restart.
    /// A companion service is started with its connector, stopped after it, and left alone by restart.
    Result<> stop(const std::string& connector);
    /// The companion services alone, each when the running jobs of its instance have ended. Error
    /// "no_service": the connector has none; "stopped": both are.
    Result<> restart_service(const std::string& connector);

    /// Stop ladder for everything, now (let jobs finish before calling it); nothing is started any more.
    /// `done` is called once, later, when no process is left, or none but those that have outlived SIGKILL
    /// for some seconds.
    void shutdown(std::function<void()> done);
    /// SIGKILL to everything, now; meant after or during shutdown.
    void kill_all();

    std::vector<InstanceStatus> snapshot() const;
    /// "comfyui is waiting 8 s to restart: third death in 2 min, killed by SIGSEGV ... while running job X".
    Result<std::string> why(const std::string& connector) const;

    enum class Lines { all, for_people };
    /// Calls `on_line` for every further line of the connector (empty name: of all) but for stderr and `log`
    /// beyond their rate limit; ends with unsubscribe. Showing the protocol (Lines::all) costs time for every
    /// message. The callback must not call back into the fleet but for unsubscribe.
    std::uint64_t subscribe(const std::string& connector, Lines lines,
                            std::function<void(const TraceLine&)> on_line);
    void unsubscribe(std::uint64_t subscription);

  private:
    class Impl;
    std::shared_ptr<Impl> impl_;
};

}  // namespace emprops::process
