#pragma once
// From a connector's result until its files lie in the spool. Whatever is killed between two steps, the files are there
// and the ledger knows where: the outcome is noted first, then the folder is moved, then the slot is free; from the note on
// nobody else removes it. Part of FilesDesk; event loop thread only. What a call leads to is done in a later turn.
//
//   collect --> Spool::look, where they lie --> Ledger::record_delivery --> (room in the spool) --> WorkDirs::take, one
//   rename --> Dispatcher::collected --> Spool::own --> `ready`
//   over the border of two file systems: ... take, beside the scratch folders --> Spool::own, a copy --> collected, `ready`
//   an earlier worker's: found, rescue --> resume --> (take) --> Spool::own --> `ready`
//
// Trouble that may pass (a full disk, no descriptors) ends no job: the step is tried again for files.deliver_timeout, and
// what is in the spool then is kept.

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"
#include "supervisor/base/alarm.h"
#include "supervisor/base/lifetime.h"
#include "supervisor/files/delivery.h"
#include "supervisor/files/outputs.h"
#include "supervisor/files/spool.h"
#include "supervisor/jobs/dispatcher.h"
#include "supervisor/jobs/ledger.h"
#include "supervisor/process/fleet.h"

namespace emprops {

class FilesIntake {
  public:
    /// What it works with; all of it outlives it.
    struct Parts {
        jobs::Ledger& ledger;
        files::Spool& spool;
        const config::Settings& settings;
        const jobs::Dispatcher& dispatcher;
        std::function<jobs::Dispatcher&()> change;  ///< the dispatcher, to tell it something
        std::function<void(files::Delivery)> ready;
        std::function<void(files::Delivery, ipc::JobError)> keep;  ///< it fails, and its files stay
        boost::asio::any_io_executor executor;
    };
    explicit FilesIntake(Parts parts)
        : parts_(std::move(parts)), again_(parts_.executor, [this] { try_again(); }) {}
    void connect(process::Fleet& fleet) { fleet_ = &fleet; }

    // ---- what an earlier process of the worker left; before scratch folders are cleaned
    /// False: what is noted of its files cannot be used, and the job is lost.
    bool found(const jobs::UnfinishedRecord& record);
    /// Moves what is noted and was not moved any more. `foreign`: DeliveryRecord::state of other Hubs' jobs, whose files
    /// are left alone. What else lies in the spool is nobody's.
    void rescue(const std::vector<ipc::RawJson>& foreign);
    /// The job is ours. False: nothing of it was found.
    bool resume(std::uint64_t number);

    /// `outputs`: what the job itself has said of them.
    void collect(jobs::CollectFiles what, const files::Outputs& outputs);
    /// The files of a job that came back are in the spool.
    void take_up(files::Delivery delivery);
    void renumber(const jobs::RenumberDelivery& change);
    /// The assignment has ended without its files; also for numbers without any.
    void drop(std::uint64_t number);
    /// There may be more room.
    void move_waiting();

  private:
    /// A job whose files are on their way into the spool.
    struct OnWay {
        files::Delivery delivery;
        process::InstanceId instance;
        bool takes_slot = false;  ///< until its folder is moved
        enum class Stage { looking, recording, waiting, moving } stage = Stage::looking;
        std::optional<TimePoint> again{};  ///< its step did not work, and is tried again then
        std::optional<TimePoint> until{};  ///< since the first trouble: so long
    };
    using Jobs = std::list<OnWay>;  // the oldest first

    Jobs::iterator find(const std::string& folder);
    Result<files::Delivery> delivery_of(jobs::CollectFiles& what, const files::Outputs& outputs) const;
    bool move_noted(const files::Delivery& delivery);
    void look(const OnWay& job);
    void looked(const std::string& folder, Result<std::vector<std::uint64_t>> sizes);
    void record(OnWay& job);
    void recorded(const std::string& folder, std::uint64_t number);
    bool has_room(const files::Delivery& delivery) const;
    bool move(Jobs::iterator job);
    Result<> take(const files::Delivery& delivery);
    void own(OnWay& job);
    void owned(const std::string& folder, Result<std::vector<std::uint64_t>> sizes);
    bool later(OnWay& job, const Error& why);
    void try_again();
    void give_up(Jobs::iterator job, ipc::JobError error);
    void free_slot(OnWay& job);
    void refuse(Jobs::iterator job, ipc::JobError error);

    Parts parts_;
    process::Fleet* fleet_ = nullptr;
    Jobs jobs_;
    std::map<std::uint64_t, files::Delivery> found_;  // until the Hub says that the job is ours
    Alarm again_;
    Lifetime lifetime_;
};

}  // namespace emprops
