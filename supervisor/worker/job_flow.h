#pragma once
// The way of jobs through the worker: what the fleet and the Hub report goes to the dispatcher, what the
// dispatcher wants done goes to the ledger, the fleet and the Hub. Decides nothing. One turn: any events, then
// everything that they lead to, in order. Owned by the worker, event loop thread only.

#include <boost/asio/any_io_executor.hpp>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "supervisor/base/alarm.h"
#include "supervisor/base/lifetime.h"
#include "supervisor/base/turn.h"
#include "supervisor/jobs/dispatcher.h"
#include "supervisor/jobs/job_link.h"
#include "supervisor/jobs/ledger.h"
#include "supervisor/process/fleet.h"
#include "supervisor/worker/disk_watch.h"
#include "supervisor/worker/files_desk.h"
#include "supervisor/worker/roster.h"

namespace emprops {

class JobFlow final : public process::FleetListener {
  public:
    /// `roster` and `ledger` outlive it. `after_turn` is called when a turn is over.
    JobFlow(boost::asio::any_io_executor executor, const config::WorkerSettings& worker, Roster& roster,
            jobs::Ledger& ledger, std::function<void()> after_turn);
    /// Before anything else: whom the actions go to; both outlive every call.
    void connect(process::Fleet& fleet, jobs::JobLink& link);
    /// With what an earlier process left in the ledger; before the link starts.
    void start(const config::Settings& settings, jobs::Loaded left);
    void configure(const config::Settings& settings);  ///< after a reload

    const jobs::Dispatcher& jobs() const { return dispatcher_; }
    /// For an event of an operator or of the worker itself; what it leads to is done in a later turn.
    jobs::Dispatcher& change();
    void on_link_event(jobs::LinkEvent event);
    /// What could be taken at this moment. The slot that a job freed and its outcome are told in one batch:
    /// between them lies the ledger's disk.
    jobs::Room room() const { return {dispatcher_.shared_capacity(), dispatcher_.outcome_coming()}; }
    /// Now and then: whether the disk has room for another job.
    void look();
    /// Why nothing is claimed although there are slots: the ledger's disk, or that of the files; empty: nothing.
    std::string problem() const;
    const DiskWatch& disk() const { return disk_; }
    const files::Spool& spool() const { return files_.spool(); }
    /// See FilesDesk.
    Result<std::string> deliver_again(const std::string& name) { return files_.deliver_again(name); }
    /// The Hub refused our token, and nothing is left to be done here.
    bool refused() const { return refused_; }
    /// No job is left here, and every outcome has been given to the link.
    bool quiet() const { return dispatcher_.quiet(); }

    /// Who hears of the courier; FleetListener itself hears of connectors.
    process::FleetListener& courier() { return files_; }

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

  private:
    void adopt(jobs::Loaded left);
    void tell_health(const std::string& reason);
    void turn();
    void claim_ahead(TimePoint now);
    void perform(Roster::Action& action);
    void perform(TimePoint now, jobs::Action& action);
    void record(jobs::RecordJob& request);
    void finish(jobs::Outcome outcome);
    void forget(std::uint64_t number);

    Roster& roster_;
    jobs::Ledger& ledger_;
    std::function<void()> after_turn_;
    process::Fleet* fleet_ = nullptr;
    jobs::JobLink* link_ = nullptr;
    jobs::Dispatcher dispatcher_;
    FilesDesk files_;
    DiskWatch disk_;
    Alarm look_again_;
    Turn turn_;
    Alarm wake_;
    bool refused_ = false;
    Ms claim_ahead_{0};
    std::optional<bool> takes_back_;  // nobody has said it yet
    Lifetime lifetime_;
};

}  // namespace emprops
