#pragma once
// One running child process, whatever it is: its pipes, what is kept of it for the case that it dies, what its
// tree uses, signals, and its end, from the exit to the report. A connector that somebody else has started and
// attached is one too, but for signals and measurements.
//
// Owned by who talks with it (ConnectorProcess, Service); event loop thread only.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "config/settings.h"
#include "ipc/result.h"
#include "supervisor/base/lifetime.h"
#include "supervisor/base/log.h"
#include "supervisor/process/evidence.h"
#include "supervisor/process/os/find_executable.h"
#include "supervisor/process/pipes/child_io.h"
#include "supervisor/process/surroundings.h"

namespace emprops::process {

class Child {
  public:
    struct Events {
        /// The exit was seen; its output is still being read.
        std::function<void()> on_exit;
        /// Its output was read to the end, once and last. The child may be destroyed from here.
        std::function<void()> on_end;
    };

    /// `name`: for sentences. `connector`: for the field of log records. `marker`: of all processes of its tree.
    Child(Surroundings& around, std::string name, std::string connector, std::string marker, Events events);

    /// The program that is found, with the environment of `search`, as the user of `limits`; the caller fills in the
    /// rest. The errors name what was searched.
    static Result<LaunchSpec> prepare(const Surroundings& around, ProgramSearch search,
                                      const config::LaunchSettings& limits);
    Result<> start(LaunchSpec spec, const IoLimits& limits, IoEvents events);
    /// It was started by somebody else and has connected.
    void attach(int pid, UniqueFd stdin_fd, UniqueFd stdout_fd, const IoLimits& limits, IoEvents events);
    /// Ends the conversation with an attached one, or the wait for it, in a later turn of the loop.
    void detach();

    int pid() const { return pid_; }
    const std::string& marker() const { return marker_; }
    TimePoint started_at() const { return started_at_; }
    /// Its exit was seen.
    bool ending() const { return ending_; }
    LogFields log_fields(const std::string& job_id = {}) const { return {connector_, pid_, job_id}; }
    /// Null while nobody has attached.
    ChildIo* io() { return io_.get(); }
    const ChildIo* io() const { return io_.get(); }
    Evidence& evidence() { return evidence_; }

    /// SIGTERM or SIGKILL to its process group. One that is stopped goes on, so that SIGTERM reaches it.
    void signal(int signal, spdlog::level::level_enum level);
    /// SIGKILL to its whole tree, if it still runs.
    void kill();
    void say_stuck() const;
    /// Notes who descends from it now: after its exit the system makes those processes children of the worker.
    void remember_tree();
    /// Of one that a signal has stopped, by the last sample(): see types.h; empty: it runs.
    std::string stopped() const { return stopped_text(stopped_by_, pid_); }
    /// Remembers its tree and looks whether it is stopped, now and then. Returns its memory if `measure` and it was time to look; else 0.
    std::uint64_t sample(bool measure, TimePoint now);
    /// When sample() wants to be called.
    std::optional<TimePoint> next_sample() const;
    std::uint64_t rss_bytes() const;
    /// Everything known about its end, but for what its Life knows and the jobs.
    DeathReport report() const;

  private:
    bool runs() const { return started_ && !exit_; }
    void on_exit(const ExitStatus& exit);
    void read_to_end();

    Surroundings& around_;
    std::string name_;
    std::string connector_;
    std::string marker_;
    Events events_;
    Evidence evidence_;
    int pid_ = 0;
    bool started_ = false;  // by us
    TimePoint started_at_;
    std::unique_ptr<ChildIo> io_;
    std::optional<ExitStatus> exit_;
    bool ending_ = false;
    std::optional<TimePoint> next_sample_;
    int stopped_by_ = 0;  // a signal
    Lifetime lifetime_;
};

}  // namespace emprops::process
