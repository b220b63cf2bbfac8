#pragma once
// The companion service of one instance (ComfyUI itself, say): carries out what its ServiceLifecycle decides.
// Starts the process, asks its health page, looks who owns its port, keeps and logs its output.
//
// Owned by its slot; event loop thread only. The owner is called from inside calls into this class and must
// not destroy it there. What cannot be started or does not answer is a state with a reason, never an error
// for the caller.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "supervisor/base/http_probe.h"
#include "supervisor/base/log.h"
#include "supervisor/process/evidence.h"
#include "supervisor/process/life/service_lifecycle.h"
#include "supervisor/process/os/process_host.h"
#include "supervisor/process/pipes/child_io.h"
#include "supervisor/process/pipes/line_limiter.h"
#include "supervisor/process/slot_context.h"

namespace emprops::process {

class Service {
  public:
    class Owner {
      public:
        virtual ~Owner() = default;
        /// The state, usable() or why() has changed.
        virtual void on_service_changed() = 0;
        /// The service ended, and nobody had planned that. `report.jobs_held` are the jobs that ran then.
        virtual void on_service_died(const DeathReport& report) = 0;
        virtual std::vector<std::string> jobs_held() const = 0;
    };

    Service(SlotContext& context, Owner& owner, const config::ConnectorSettings& settings, int index);
    /// Kills what still runs.
    ~Service();
    Service(const Service&) = delete;
    Service& operator=(const Service&) = delete;

    // See ServiceLifecycle.
    void start();
    void restart(const std::string& text);
    void restart_asked(const std::string& reason);
    void stop(const std::string& text);
    void shutdown();
    void kill();
    /// New settings: restarts it, when the running jobs have ended, unless it is stopped.
    void configure(const config::ConnectorSettings& settings);
    /// What its end was taken for, of the process `pid`.
    void judged(int pid, ServiceVerdict verdict, const std::string& text);
    void job_given();
    void job_done() { lifecycle_.job_done(); }
    /// Jobs of the instance have begun or ended.
    void jobs_changed();

    bool usable() const { return lifecycle_.usable(); }
    std::optional<TimePoint> back_at() const { return lifecycle_.back_at(); }
    bool wanted() const { return lifecycle_.wanted(); }
    bool gone() const { return lifecycle_.gone() && !process_; }
    /// What is left of it outlives SIGKILL, for so long that waiting is useless.
    bool hopeless(TimePoint now) const;
    std::uint64_t starts() const { return counters_.starts; }
    int pid() const { return process_ ? process_->pid : 0; }
    ServiceState state() const { return lifecycle_.state(); }
    /// Completes "its service ...".
    std::string why() const { return lifecycle_.why(Clock::now()); }
    ServiceStatus status() const;
    std::optional<TimePoint> next_wakeup() const;
    void tick(TimePoint now);

  private:
    /// One process with what it was started with: settings may change while it runs.
    struct Process {
        std::uint64_t generation = 0;
        int pid = 0;
        std::uint16_t port = 0;
        std::string health_url;
        std::string marker;
        TimePoint started_at;
        std::unique_ptr<ChildIo> io;
        std::optional<Evidence> evidence;
        std::optional<ExitStatus> exit;
        std::vector<std::string> jobs_at_exit;
    };

    void carry_out(ServiceActions actions);
    void say(const action::Say& text) const;
    void check_port();
    void spawn();
    Result<> launch(Process& process);
    void probe(std::uint64_t generation);
    void on_answer(std::uint64_t generation, const Result<HttpAnswer>& answer);
    void on_output(std::uint64_t generation, std::string_view line);
    void on_exit(std::uint64_t generation, const ExitStatus& exit);
    void on_finished(std::uint64_t generation);
    void changed();
    ServiceOptions lifecycle_options() const;
    LogFields log_fields() const;
    template <class Function>
    auto guarded(Function function) {
        return [alive = std::weak_ptr<int>(alive_), function = std::move(function)](auto&&... args) {
            if (!alive.expired()) function(std::forward<decltype(args)>(args)...);
        };
    }

    SlotContext& context_;
    Owner& owner_;
    config::ConnectorSettings settings_;
    int index_;
    std::string name_;  // of the instance, for people
    ServiceLifecycle lifecycle_;
    ServiceCounters counters_;
    std::shared_ptr<spdlog::logger> log_;
    LineLimiter lines_;
    std::unique_ptr<Process> process_;
    std::unique_ptr<HttpProbe> probe_;  // a thread: made for the first question
    ServiceState state_ = ServiceState::stopped;
    TimePoint state_since_;
    std::optional<TimePoint> next_tree_sample_;
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace emprops::process
