#pragma once
// One configured instance (connector, index) with its processes: carries out what its Lifecycle decides,
// hands its processes' messages on, and reports to the listener. Usually one process; two while an overlapped
// restart goes on.
//
// Owned by the fleet; event loop thread only.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "supervisor/process/connector_process.h"
#include "supervisor/process/fleet.h"
#include "supervisor/process/life/lifecycle.h"
#include "supervisor/process/os/user_ids.h"
#include "supervisor/process/pipes/attach_listener.h"
#include "supervisor/process/service.h"
#include "supervisor/process/slot_context.h"

namespace emprops::process {

class Slot : public ConnectorProcess::Owner, public Service::Owner {
  public:
    Slot(SlotContext& context, const config::ConnectorSettings& settings, int index);
    ~Slot() override;

    const std::string& connector() const { return settings_.name; }
    int index() const { return index_; }
    bool wanted() const { return lifecycle_.wanted(); }
    bool gone() const { return lifecycle_.gone() && processes_.empty() && (!service_ || service_->gone()); }
    std::optional<TimePoint> next_wakeup() const;
    void tick(TimePoint now);

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

    Result<> give_job(const InstanceId& id, ipc::Job& job);
    bool cancel_job(const InstanceId& id, const std::string& job_id, const std::string& reason);
    void job_unanswered(const InstanceId& id, const std::string& job_id);
    void job_ended(const InstanceId& id, const std::string& job_id);
    void replace_instance(const InstanceId& id, const std::string& text);
    void stop_instance(const InstanceId& id, StopReason reason, const std::string& text);
    void service_judged(int pid, ServiceVerdict verdict, const std::string& text);
    /// Whether one of its processes holds the job.
    bool holds(const std::string& job_id) const;

    /// Nothing is left of it but processes that SIGKILL could not end, for so long that waiting is useless.
    bool hopeless(TimePoint now) const;
    /// The same, looking at connector processes only; true if there are none.
    bool connectors_hopeless(TimePoint now) const;
    /// "comfyui (pid 4711)", for each process.
    std::string process_names() const;

    InstanceStatus status() const;
    std::string why() const;

  private:
    struct Entry {
        std::unique_ptr<ConnectorProcess> process;
        std::unique_ptr<AttachListener> listener;
        std::optional<ExitStatus> exit;
        bool attached = false;  // as it was configured when this process began
        std::optional<UserIds> user;
        bool announced = false;
        bool ending = false;

        // What `status` and `capabilities` changed and nobody was told yet; the newest wins.
        bool offer_changed = false;
        bool status_changed = false;
        std::optional<bool> said_available;  // what the log said last
        TimePoint tell_after;
    };

    /// The folder of a job whose process died is kept until then.
    struct OrphanedJob {
        TimePoint until;
        std::string job_id;
    };

    void on_message(ConnectorProcess& process, ipc::FromConnector message) override;
    void on_broken_line(ConnectorProcess& process, const std::optional<std::string>& job_id,
                        const std::string& code, const std::string& message) override;
    void on_pipe_closed(ConnectorProcess& process, const std::string& what) override;
    void on_stalled(ConnectorProcess& process) override;
    void on_trace(ConnectorProcess& process, TraceLine::Kind kind, const std::string& text) override;
    bool traced() const override { return context_.traced(); }

    void on_service_changed() override;
    void on_service_died(const DeathReport& report) override;
    std::vector<std::string> jobs_held() const override;

    void configure_service();
    void service_follows();
    /// The service works and stays configured: jobs may be given to the connector.
    bool service_serves() const { return service_->usable() && !service_removed_; }
    std::string service_reason() const;
    bool waits_to_start() const;
    void start_for_service();
    void tick_service(TimePoint now);
    void tell_status(const ConnectorProcess& process);
    InstanceInfo offered(const ConnectorProcess& process) const;
    void add_service_evidence(ipc::Failed& failed) const;

    void on_ready(ConnectorProcess& process, ipc::Ready ready);
    void on_status(ConnectorProcess& process, const ipc::Status& status);
    void on_capabilities(ConnectorProcess& process, const ipc::Capabilities& change);
    void note_change(ConnectorProcess& process, bool status);
    void tell_changes(Entry& entry, TimePoint now);
    void log_availability(Entry& entry);
    void tell_changed(const ConnectorProcess& process);
    void on_restart_service(const ConnectorProcess& process, const std::string& reason);

    void carry_out(Actions actions);
    void spawn();
    Result<> launch(std::uint64_t generation, Entry& entry);
    Result<> listen(std::uint64_t generation);
    void greet(ConnectorProcess& process);
    void on_exit(std::uint64_t generation, const ExitStatus& exit);
    void end_attached(std::uint64_t generation);
    void read_to_end(std::uint64_t generation);
    void on_finished(std::uint64_t generation);
    void report_death(ConnectorProcess& process, const DeathReport& report) const;
    Entry* find(std::uint64_t generation);
    std::string marker(std::uint64_t generation) const;
    LifecycleOptions lifecycle_options() const;
    void remove_orphaned_jobs(TimePoint now);
    std::uint64_t sample_trees();
    void changed();
    /// Wraps a callback that must do nothing once this slot is destroyed.
    template <class Function>
    auto guarded(Function function) {
        return [alive = std::weak_ptr<int>(alive_), function = std::move(function)](auto&&... args) {
            if (!alive.expired()) function(std::forward<decltype(args)>(args)...);
        };
    }

    SlotContext& context_;
    config::ConnectorSettings settings_;
    int index_;
    std::string name_;  // for people
    Lifecycle lifecycle_;
    Counters counters_;
    std::map<std::uint64_t, Entry> processes_;
    std::vector<OrphanedJob> orphaned_jobs_;
    std::unique_ptr<Service> service_;
    bool service_removed_ = false;   // the settings name no service any more; the old one is leaving
    std::uint64_t started_for_ = 0;  // number of the service's start after which the connector was started
    bool leaving_ = false;
    bool service_usable_ = true;  // as the listener was told
    ServiceState service_state_ = ServiceState::stopped;
    std::optional<TimePoint> next_service_news_;
    std::map<std::string, DeathReport> service_deaths_;  // by the job that ran then
    State state_ = State::stopped;
    TimePoint state_since_;
    std::optional<TimePoint> next_tree_sample_;
    std::optional<TimePoint> next_folder_complaint_;
    std::string start_problem_;  // a broken line before `ready`, which may have been meant to be one
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace emprops::process
