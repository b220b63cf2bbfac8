#pragma once
// Brings the files of results away: has them taken from the connector (files_intake.h), delivered by the courier, and
// tells the dispatcher. Decides nothing: which file is next and what a death means is Deliveries, where files lie is the
// Spool. Owned by JobFlow; event loop thread only. What a call leads to is done in a later turn.
//
//   collect --> FilesIntake --> Deliveries --> courier --> EndDelivery --> Dispatcher::delivered --> (outcome in the
//   ledger) --> the folder goes; what no store took is kept, and delivered if its job comes back

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/settings.h"
#include "ipc/result.h"
#include "supervisor/base/alarm.h"
#include "supervisor/base/lifetime.h"
#include "supervisor/base/turn.h"
#include "supervisor/files/deliveries.h"
#include "supervisor/files/outputs.h"
#include "supervisor/files/spool.h"
#include "supervisor/jobs/dispatcher.h"
#include "supervisor/jobs/ledger.h"
#include "supervisor/process/fleet.h"
#include "supervisor/worker/files_intake.h"

namespace emprops {

class FilesDesk final : public process::FleetListener {
  public:
    /// `change`: the dispatcher, to tell it something (JobFlow::change); `dispatcher`: the same, to look at.
    FilesDesk(boost::asio::any_io_executor executor, jobs::Ledger& ledger,
              const config::WorkerSettings& worker, const jobs::Dispatcher& dispatcher,
              std::function<jobs::Dispatcher&()> change);
    void connect(process::Fleet& fleet) {
        fleet_ = &fleet;
        intake_.connect(fleet);
    }

    /// Also after a reload. Tells the fleet which processes there are to be: the connectors, and the courier where stores
    /// are configured or files have come.
    void configure(const config::Settings& settings);

    /// What an earlier process of the worker left; before configure(), by which scratch folders are cleaned. A delivery
    /// that cannot be used leaves its record.
    void recover(jobs::Loaded& left);

    // ---- what the dispatcher wants
    /// Before a connector gets the job: what it says about its files. Errors: "invalid_payload"; it must not be given.
    Result<> read_outputs(const jobs::GiveJob& job);
    /// A result without files, of a job that has named a URL for one. Errors: "invalid_payload".
    Result<> fits(const process::InstanceId& id, const ipc::JobResult& result) const;
    /// The instance does not hold it any more.
    void job_ended(const process::InstanceId& id, const std::string& job_id) { outputs_.erase({id, job_id}); }
    void collect(jobs::CollectFiles what);
    /// A job may have ended, or the worker begun to leave: then there is room for those that wait for it.
    void look_for_room() { intake_.move_waiting(); }
    void renumber(const jobs::RenumberDelivery& change);
    void resume(const jobs::ResumeDelivery& what);
    /// This very job was done here, and its files, which no store took, are there still.
    bool keeps(const jobs::Assignment& job) const;
    /// What is kept under this name (kept.h) is tried once more, although its job has ended. Error "not_found".
    Result<std::string> deliver_again(const std::string& name);
    /// The assignment has ended without its files; also for numbers without any.
    void drop(std::uint64_t number);
    const files::Spool& spool() const { return spool_; }
    /// Its outcome is safe: what it needed in the spool goes.
    void outcome_recorded(std::uint64_t number);

    // ---- FleetListener: of the courier
    void on_ready(const process::InstanceId& id, const process::InstanceInfo& info) override;
    void on_changed(const process::InstanceId&, const process::InstanceInfo&) override {}
    void on_leaving(const process::InstanceId& id) override;
    void on_gone(const process::InstanceId& id, const process::DeathReport& report) override;
    void on_message(const process::InstanceId& id, ipc::FromConnector message) override;
    void on_protocol_error(const process::InstanceId& id, const std::optional<std::string>& job_id,
                           const std::string& code, const std::string& message) override;
    void on_status(const process::InstanceId&, const ipc::Status&) override {}

  private:
    void turn();
    void perform(files::Deliveries::Action& action);
    void end(TimePoint now, files::EndDelivery& ended);
    void keep(files::Delivery& delivery, ipc::JobError error);
    void kept(const files::Delivery& delivery, ipc::JobError error, const Result<>& noted);
    void note_kept(const std::vector<files::Kept>& all);
    void clean();
    void need_courier();
    void tell_fleet();
    void choose_again(files::Delivery& delivery, bool in_result) const;

    jobs::Ledger& ledger_;
    std::function<jobs::Dispatcher&()> change_;
    process::Fleet* fleet_ = nullptr;
    config::Settings settings_;
    files::Permits permits_;
    std::map<std::pair<process::InstanceId, std::string>, files::Outputs>
        outputs_;  // of jobs that say something
    files::Deliveries deliveries_;
    files::Spool spool_;
    FilesIntake intake_;
    std::map<std::uint64_t, std::string> ended_;  // folders of jobs whose outcome is not recorded yet
    struct KeptJob {
        std::string folder;
        jobs::PayloadMark payload;
    };
    std::map<std::string, KeptJob> kept_;  // the newest of each job, by its id
    bool courier_wanted_ = false;
    Turn turn_;
    Alarm wake_, clean_at_;
    Lifetime lifetime_;
};

}  // namespace emprops
