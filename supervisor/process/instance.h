#pragma once
// One configured instance (connector, index) with its processes and its companion service: carries out what its
// Life decides, hands its processes' messages on, and reports to the listener. Usually one process; two while an
// overlapped restart goes on.
//
// Owned by the fleet; event loop thread only.

#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "supervisor/process/companion.h"
#include "supervisor/process/connector_process.h"
#include "supervisor/process/life/life.h"
#include "supervisor/process/members.h"
#include "supervisor/process/shown_state.h"
#include "supervisor/process/surroundings.h"

namespace emprops::process {

class Instance : public ConnectorProcess::Owner, public Companion::Owner {
  public:
    Instance(Surroundings& around, const config::ConnectorSettings& settings, int index);
    ~Instance() override { kill(); }

    const std::string& connector() const { return settings_.name; }
    int index() const { return index_; }
    bool wanted() const { return life_.wanted(); }
    bool gone() const { return connector_gone() && companion_.gone(); }
    std::optional<TimePoint> next_wakeup() const;
    void tick(TimePoint now);
    /// Paths are not the objects behind them: makes again what a cleaner of old files removed.
    void look() { members_.look(); }

    void start();
    void stop(const std::string& text);
    void restart(const std::string& text);
    void shutdown();
    void kill();
    /// Restarts the companion service alone; nothing happens without one.
    void restart_service(const std::string& text);
    /// New settings: restarts what is not stopped by an operator, connector and service each if its own
    /// changed.
    void configure(const config::ConnectorSettings& settings);

    // See Fleet.
    Result<> give_job(const InstanceId& id, ipc::Job& job);
    bool begin_job(const InstanceId& id, const std::string& job_id);
    bool cancel_job(const InstanceId& id, const std::string& job_id, const std::string& reason);
    void job_unanswered(const InstanceId& id, const std::string& job_id);
    void forget_folder(const std::string& job_id) { members_.forget_folder(job_id); }
    std::optional<uid_t> user_of(const InstanceId& id) const { return members_.user_of(id.generation); }
    void job_ended(const InstanceId& id, const std::string& job_id);
    void replace_instance(const InstanceId& id, const std::string& text);
    void stop_instance(const InstanceId& id, StopReason reason, const std::string& text);
    void service_judged(int pid, ServiceVerdict verdict, const std::string& text);
    /// Whether one of its processes holds the job.
    bool holds(const std::string& job_id) const { return members_.holds(job_id); }

    /// Nothing is left of it but processes that SIGKILL could not end, for so long that waiting is useless.
    bool hopeless(TimePoint now) const { return companion_.hopeless(now) && connector_hopeless(now); }
    /// "comfyui (pid 4711)", for each process.
    std::string process_names() const;
    InstanceStatus status() const;

  private:
    void on_message(ConnectorProcess& process, ipc::FromConnector message) override;
    void on_broken_line(ConnectorProcess& process, const std::optional<std::string>& job_id,
                        const std::string& code, const std::string& message) override;
    void on_pipe_closed(ConnectorProcess& process, const std::string& what) override;
    void on_stalled(ConnectorProcess& process) override;
    void on_exit(ConnectorProcess& process) override;
    void on_end(ConnectorProcess& process) override;

    std::vector<std::string> jobs_held() const override { return members_.jobs(); }
    int jobs_running() const override { return members_.running(); }
    void on_companion_changed() override;
    void on_companion_still_away() override;
    void on_companion_answers() override;

    LifeOptions life_options() const;
    bool connector_gone() const { return life_.gone() && members_.empty(); }
    /// True also if there are no connector processes.
    bool connector_hopeless(TimePoint now) const;
    bool waits_to_start() const;
    void carry_out(Actions actions);
    void count_job(std::uint64_t generation);
    void spawn();
    void pass_on(const InstanceId& id, ipc::FromConnector message);
    void on_ready(Member& member, ipc::Ready ready);
    void follow();
    void changed();
    /// The process that counts; null: there is none.
    const Member* current() const;
    /// What that offers, once it has been ready.
    std::optional<InstanceInfo> offered() const;
    std::string why(TimePoint now) const;

    Surroundings& around_;
    config::ConnectorSettings settings_;
    int index_;
    std::string name_;  // for people
    Life life_;
    ShownState state_;
    ConnectorCounters counters_;
    LastSaid last_said_;
    Members members_;
    Companion companion_;
    bool leaving_ = false;
    Lifetime lifetime_;
};

}  // namespace emprops::process
