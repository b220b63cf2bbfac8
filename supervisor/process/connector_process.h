#pragma once
// One running connector process as a conversation: decodes its lines, keeps the evidence, coalesces progress,
// knows the jobs it holds and lets through only messages about those. What the messages mean is its owner's
// business.
//
// Owned by a Slot; event loop thread only.

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "ipc/codec.h"
#include "supervisor/base/log.h"
#include "supervisor/process/evidence.h"
#include "supervisor/process/fleet.h"
#include "supervisor/process/os/process_host.h"
#include "supervisor/process/pipes/child_io.h"
#include "supervisor/process/pipes/line_limiter.h"
#include "supervisor/process/pipes/progress_coalescer.h"

namespace emprops::process {

class ConnectorProcess {
  public:
    /// What its owner hears; never from inside a call into the process, but for on_trace (send, give).
    class Owner {
      public:
        virtual ~Owner() = default;
        /// Well-formed and, where it names a job, about a job that it holds.
        virtual void on_message(ConnectorProcess& process, ipc::FromConnector message) = 0;
        virtual void on_broken_line(ConnectorProcess& process, const std::optional<std::string>& job_id,
                                    const std::string& code, const std::string& message) = 0;
        /// A live process closed a pipe; `what` completes "it ...".
        virtual void on_pipe_closed(ConnectorProcess& process, const std::string& what) = 0;
        virtual void on_stalled(ConnectorProcess& process) = 0;
        virtual void on_trace(ConnectorProcess& process, TraceLine::Kind kind, const std::string& text) = 0;
        /// Whether anybody looks at protocol lines now; without, on_trace comes for stderr and `log` only.
        virtual bool traced() const = 0;
    };

    ConnectorProcess(boost::asio::any_io_executor executor, Owner& owner, InstanceId id,
                     const config::ConnectorSettings& settings, Counters& counters);
    ~ConnectorProcess();

    /// The pipes are there: reading starts.
    void connect(int pid, UniqueFd stdin_fd, UniqueFd stdout_fd, UniqueFd stderr_fd);
    bool connected() const { return io_ != nullptr; }

    const InstanceId& id() const { return id_; }
    int pid() const { return pid_; }
    TimePoint started_at() const { return started_at_; }
    LogFields log_fields(const std::string& job_id = {}) const { return {to_string(id_), pid_, job_id}; }

    bool send(const ipc::ToConnector& message);
    /// False: too much waits for its stdin, or it holds a job of this id already.
    bool give(const ipc::Job& job);
    bool holds(std::string_view job_id) const { return jobs_.find(job_id) != jobs_.end(); }
    /// Nobody waits for the job any more; its one answer may still come. False: it ran no such job.
    bool job_unanswered(const std::string& job_id);
    /// False: it ran no such job. (One that was unanswered did not run.)
    bool job_ended(const std::string& job_id);
    /// Those that somebody waits for.
    std::vector<std::string> jobs() const { return jobs(false); }
    std::vector<std::string> unanswered_jobs() const { return jobs(true); }
    bool backlog() const { return io_ && io_->backlog(); }

    void close_stdin_after_writing();
    /// See ChildIo::finish.
    void finish(Ms limit, std::function<void()> done);
    /// At the end: logs how much the rate limits kept out of the log, and with `tail` the last lines.
    void log_what_was_dropped(bool tail);
    /// Everything known about its end, but for what the Lifecycle knows.
    DeathReport death_report(const std::optional<ExitStatus>& exit) const;

    InstanceInfo info;  ///< what it offers; kept by the owner

  private:
    struct HeldJob {
        bool accepted = false;
        bool requested = false;  // a service_request for it has passed
        bool ended = false;      // it has said result or failed
        bool error_reported = false;
        bool unanswered = false;  // see job_unanswered
    };

    std::vector<std::string> jobs(bool unanswered) const;
    void on_line(std::string_view line, bool torn);
    void on_overlong(std::string_view head, std::uint64_t size);
    void on_stderr(std::string_view line);
    void on_decoded(ipc::FromConnector message, std::string_view line);
    void on_progress(std::string_view job_id, std::string_view line);
    /// Evidence and trace of a line that was received; a `log` message is traced when it may pass.
    void keep(std::string_view shown, bool log_message = false);
    bool first_request(std::string_view job_id);
    bool may_pass(const ipc::FromConnector& message);
    /// A line that cannot be used. `job_id`: the job it surely concerns; it fails with `code`.
    void broken(const std::optional<std::string>& job_id, const char* code, const std::string& text);
    void complain(const std::string& job_id, const std::string& text);
    bool about_held_job(std::string_view job_id, const char* type, bool ends);
    void pass_progress(std::string_view line);
    void pass_last_progress(std::string_view job_id);
    void log_dropped_stderr();
    void arm_progress_timer();

    boost::asio::any_io_executor executor_;
    Owner& owner_;
    InstanceId id_;
    config::SupervisionSettings policy_;
    bool attached_;
    Counters& counters_;
    std::shared_ptr<spdlog::logger> log_;
    int pid_ = 0;
    TimePoint started_at_;
    std::unique_ptr<ChildIo> io_;
    Evidence evidence_;
    LineLimiter stderr_limit_;
    LineLimiter complaint_limit_;  // log lines about lines that are wrong
    LineLimiter request_limit_;    // service_request, restart_service
    ProgressCoalescer progress_;
    boost::asio::steady_timer progress_timer_;
    bool progress_timer_armed_ = false;
    std::map<std::string, HeldJob, std::less<>> jobs_;
    bool said_ready_ = false;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace emprops::process
