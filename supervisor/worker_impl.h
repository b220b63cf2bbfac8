#pragma once
// The worker's insides, shared by worker.cpp (start, leave), worker_events.cpp (what the parts say to each
// other), worker_operations.cpp and worker_status.cpp (the control API). Included by these only.

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <map>
#include <optional>
#include <set>

#include "supervisor/base/http_probe.h"
#include "supervisor/control/operations.h"
#include "supervisor/control/server.h"
#include "supervisor/hub/hub_link.h"
#include "supervisor/jobs/dispatcher.h"
#include "supervisor/jobs/ledger.h"
#include "supervisor/local_hub/local_hub.h"
#include "supervisor/process/fleet.h"
#include "supervisor/process/os/process_host.h"
#include "supervisor/worker.h"

namespace emprops {

class Worker::Impl : public process::FleetListener, public control::Operations, public hub::JobDesk {
  public:
    Impl(boost::asio::io_context& loop, WorkerOptions options, std::function<void(int)> on_end);
    ~Impl() override;

    Result<> start();
    void on_stop_signal(const std::string& name);
    void on_reload_signal();

    // FleetListener
    void on_ready(const process::InstanceId& id, const process::InstanceInfo& info) override;
    void on_changed(const process::InstanceId& id, const process::InstanceInfo& info) override;
    void on_leaving(const process::InstanceId& id) override;
    void on_gone(const process::InstanceId& id, const process::DeathReport& report) override;
    void on_message(const process::InstanceId& id, ipc::FromConnector message) override;
    void on_protocol_error(const process::InstanceId& id, const std::optional<std::string>& job_id,
                           const std::string& code, const std::string& message) override;
    void on_status(const process::InstanceId& id, const ipc::Status& status) override;
    void on_service_gone(const std::string& connector, int index,
                         const process::DeathReport& report) override;

    // hub::JobDesk: called by the session, must not call back into it; what follows is done in a later turn.
    bool reserve(TimePoint now, const std::string& job_id, const std::string& job_type) override;
    void release(TimePoint now, const std::string& job_id) override;
    jobs::Capacity capacity() const override { return dispatcher_.capacity(); }
    std::shared_ptr<const jobs::Capacity> shared_capacity() const override {
        return dispatcher_.shared_capacity();
    }
    bool outcome_coming() const override;

    // control::Operations
    ipc::Json status() const override;
    ipc::Json jobs() const override;
    Result<std::string> why(const std::string& connector) const override;
    Result<std::string> restart(const std::string& connector) override;
    Result<std::string> restart_service(const std::string& connector) override;
    Result<std::string> start(const std::string& connector) override;
    Result<std::string> stop(const std::string& connector) override;
    Result<std::string> drain(const std::string& connector, const std::string& mode) override;
    Result<std::string> resume(const std::string& connector) override;
    Result<std::string> reload() override;
    Result<std::string> cancel(const std::string& job_id, const std::string& reason) override;
    Result<std::vector<std::string>> log_tail(const std::string& connector) const override;
    Result<control::Subscription> follow_log(const std::string& connector, control::OnLine on_line) override;
    Result<control::Subscription> follow_trace(const std::string& connector,
                                               control::OnLine on_line) override;

    int ready_instances() const { return static_cast<int>(ready_.size()); }
    std::string hub_address() const { return link_ ? link_->address() : std::string(); }

  private:
    enum class Phase { running, leaving, stopping, ended };

    const config::Settings& settings() const { return options_.loaded.settings; }

    // start
    Result<> start_local_hub();
    Result<> start_link(jobs::Loaded left);
    void configure_connectors();

    // events
    void later(std::function<void()> what);
    void schedule_pump();
    void pump();
    void rearm_wake(TimePoint now);
    void perform(TimePoint now, jobs::Action& action);
    void finish(jobs::Outcome outcome);
    void record(jobs::RecordJob& request);
    void on_hub_action(hub::Action action);
    void on_job_confirmed(TimePoint now, std::uint64_t number);
    void forget(std::uint64_t number);
    void refresh_capabilities();
    void note_service_gone(const std::string& connector);
    bool has_ready(const std::string& connector) const;
    bool configured(const std::string& connector) const;
    bool serves(const std::string& connector, const std::string& job_type) const;

    // leaving
    void begin_leaving(jobs::DrainMode mode);
    void check_leaving();
    void begin_stopping();
    void end(int exit_code);
    void watch_drain_notice();
    void look_for_drain_notice();

    Result<> known_connector(const std::string& connector) const;
    std::string takes_no_jobs_because(const process::InstanceStatus& instance) const;
    Result<control::Subscription> follow(const std::string& connector, bool log_only,
                                         control::OnLine on_line);

    void keep_log_line(const process::TraceLine& line);

    boost::asio::io_context& loop_;
    WorkerOptions options_;
    config::HubSettings hub_;  ///< of the Hub in use: [hub], or our own local hub
    std::function<void(int)> on_end_;
    /// Handlers hold it weakly: what the loop still has for us after our end is dropped.
    std::shared_ptr<int> alive_ = std::make_shared<int>(0);

    std::unique_ptr<jobs::Ledger> ledger_;
    std::unique_ptr<local_hub::LocalHub> local_hub_;
    jobs::Dispatcher dispatcher_;
    std::unique_ptr<process::ProcessHost> host_;
    std::unique_ptr<process::Fleet> fleet_;
    std::unique_ptr<hub::HubLink> link_;
    std::unique_ptr<control::Server> control_;
    std::unique_ptr<HttpProbe> probe_;

    boost::asio::steady_timer wake_;
    boost::asio::steady_timer flush_;
    boost::asio::steady_timer notice_;
    std::optional<TimePoint> wake_at_;
    bool pump_scheduled_ = false;
    bool capabilities_changed_ = false;
    std::size_t outcomes_taken_ = 0;  ///< from the dispatcher, not given to the ledger yet
    int outcomes_being_written_ = 0;

    Phase phase_ = Phase::running;
    int stop_signals_ = 0;
    int exit_code_ = 0;
    bool flush_over_ = false;
    TimePoint started_at_;
    std::map<process::InstanceId, process::InstanceInfo> ready_;
    std::map<std::string, config::SupervisionSettings> policies_;
    /// By connector: the last lines of what it said to people (stderr and `log` messages), as shown.
    std::map<std::string, std::deque<std::string>> log_tails_;
    /// Jobs that ran when an earlier process of ours ended, until the Hub says whose they are.
    std::map<std::uint64_t, jobs::UnfinishedRecord> left_running_;
};

}  // namespace emprops
