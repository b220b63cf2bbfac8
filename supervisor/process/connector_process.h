#pragma once
// One running connector process as a conversation: decodes its lines, keeps the evidence, coalesces progress,
// and lets through only messages about jobs that it holds. What the messages mean is its owner's
// business, what the process itself is that of its Child.
//
// Owned by a Member; event loop thread only.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "config/settings.h"
#include "ipc/codec.h"
#include "supervisor/base/alarm.h"
#include "supervisor/process/child.h"
#include "supervisor/process/held_jobs.h"
#include "supervisor/process/pipes/line_limiter.h"
#include "supervisor/process/pipes/progress_coalescer.h"
#include "supervisor/process/said.h"
#include "supervisor/process/status.h"
#include "supervisor/process/surroundings.h"

namespace emprops::process {

class ConnectorProcess {
  public:
    /// What its owner hears; never from inside a call into the process.
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
        /// Its exit was seen; results may still be in its pipe.
        virtual void on_exit(ConnectorProcess& process) = 0;
        /// Nothing more comes from it, once and last. It may be destroyed from here.
        virtual void on_end(ConnectorProcess& process) = 0;
    };

    ConnectorProcess(Surroundings& around, Owner& owner, InstanceId id,
                     const config::ConnectorSettings& settings, ConnectorCounters& counters,
                     LastSaid& last_said);

    Result<> start(LaunchSpec spec);
    /// Somebody else has started it; it has connected.
    void attach(int pid, UniqueFd stdin_fd, UniqueFd stdout_fd);
    bool connected() const { return child_.io() != nullptr; }
    Child& child() { return child_; }
    const Child& child() const { return child_; }

    const InstanceId& id() const { return id_; }
    LogFields log_fields(const std::string& job_id = {}) const { return child_.log_fields(job_id); }

    bool send(const ipc::ToConnector& message);
    /// Errors: "busy" (too much waits for its stdin, or it holds a job of this id already), "no_memory" (for the
    /// payload).
    Result<> give(const ipc::Job& job);
    /// A job that was given to be prepared. False: that cannot be told to it.
    bool begin(const std::string& job_id);
    const HeldJobs& jobs() const { return jobs_; }
    /// Nobody waits for the job any more; its one answer may still come. False: it ran no such job.
    bool job_unanswered(const std::string& job_id) { return jobs_.unanswered(job_id); }
    /// False: it ran no such job. (One that was unanswered did not run.)
    bool job_ended(const std::string& job_id);
    bool backlog() const { return connected() && child_.io()->backlog(); }

    void close_stdin_after_writing();
    /// Something is wrong with what it sends.
    void complain(const std::string& job_id, const std::string& text) { said_.complain(job_id, text); }
    void complain_once(const std::string& what, const std::string& text) {
        said_.complain_once(what, "", text);
    }
    /// It is stopped for not doing what it was told: names a program that may have read that in its place. `cancel`: a
    /// cancel was among it, so that there is something to say in any case. `up`: how long it has been ready.
    void say_it_did_not_answer(bool cancel, Ms up);
    /// At the end: tells how much the rate limits kept out of the log and, if nobody had planned it (`died`), the last
    /// lines and messages, the latter only to those who watch.
    void tell_the_rest(bool died);
    /// Everything known about its end, but for what its Life knows.
    DeathReport death_report() const;

  private:
    IoLimits io_limits() const;
    IoEvents io_events();
    void on_end();
    void on_line(std::string_view line, bool torn);
    void on_overlong(std::string_view head, std::uint64_t size);
    void on_message(ipc::FromConnector message, std::string_view line);
    void on_stray(const ipc::Stray& stray, std::string_view line);
    void on_malformed(const ipc::Malformed& malformed, std::string_view line, bool torn);
    void on_behind(ipc::Behind behind, std::string_view line);
    void on_unknown(const ipc::Unknown& unknown);
    void examine(const ipc::JobResult& result);
    void on_decoded(ipc::FromConnector message, std::string_view line);
    void on_progress(std::string_view job_id, std::string_view line);
    /// Evidence and trace of a line that was received; what is `for_people` is traced when it may pass.
    void keep(std::string_view shown, bool for_people = false);
    bool may_pass(const ipc::FromConnector& message);
    /// A line that cannot be used. `job_id`: the job it surely concerns; it fails with `code`.
    void broken(const std::optional<std::string>& job_id, const char* code, const std::string& text);
    bool about_held_job(std::string_view job_id, const char* type, bool ends);
    void pass_progress(std::string_view line);
    void pass_last_progress(std::string_view job_id);
    void pass_due_progress();

    Surroundings& around_;
    Owner& owner_;
    InstanceId id_;
    config::SupervisionSettings policy_;
    bool attached_;
    ConnectorCounters& counters_;
    Child child_;
    Said said_;
    LineLimiter request_limit_;  // service_request, restart_service
    ProgressCoalescer progress_;
    Alarm progress_due_;
    HeldJobs jobs_;
    bool said_ready_ = false;
    std::string hint_;  // the last one before `ready` that was told
};

}  // namespace emprops::process
