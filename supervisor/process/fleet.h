#pragma once
// All connector processes of this worker: starts, watches, restarts and stops the instances of every
// configured connector and carries messages between them and the dispatcher. It knows which jobs an instance
// holds, not what becomes of them: job limits, resume, poison and outcomes are the dispatcher's.
//
// Owned by the program's root; lives on the event loop thread and is called there only. No call blocks. The
// listener is never called from inside one of its own calls into the fleet: what follows from a call is told
// in a later turn of the loop.

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "config/settings.h"
#include "ipc/messages.h"
#include "ipc/result.h"
#include "supervisor/base/alarm.h"
#include "supervisor/base/turn.h"
#include "supervisor/process/escapes.h"
#include "supervisor/process/fleet_listener.h"
#include "supervisor/process/instances.h"
#include "supervisor/process/status.h"
#include "supervisor/process/surroundings.h"

namespace emprops::process {

class Fleet {
  public:
    /// `host` and `listener` outlive the fleet.
    Fleet(boost::asio::any_io_executor executor, ProcessHost& host, FleetListener& listener,
          FleetOptions options);
    /// Kills what still runs (without waiting for it).
    ~Fleet();
    Fleet(const Fleet&) = delete;
    Fleet& operator=(const Fleet&) = delete;

    /// Initial load and reload: connectors that are new start, those whose settings changed restart
    /// (overlapped), those that are missing finish their jobs and leave, all others are not touched.
    void configure(const std::vector<config::ConnectorSettings>& connectors);

    // For the dispatcher.
    /// Gives a job to a ready instance; `job.work_dir` is filled in here. An error: not taken (it is leaving,
    /// gone, too much waits for its stdin, or its folder cannot be made, which has the code "work_dir",
    /// or there is no memory for its payload: "no_memory"); nothing was sent then. The instance holds the job until
    /// job_ended.
    Result<> give_job(const InstanceId& id, ipc::Job job);
    /// Sends `begin` for a job that was given to be prepared; from here on it counts as running. False: the instance
    /// does not take it.
    bool begin_job(const InstanceId& id, const std::string& job_id);
    /// Sends `cancel` if the instance holds the job; false otherwise. Whether it listens to cancels is the
    /// caller's to know (features.cancel).
    bool cancel_job(const InstanceId& id, const std::string& job_id, const std::string& reason);
    /// The slot is free, but the instance may still hold the job: it counts as running nothing for it; its
    /// `result` or `failed` still passes, and its work_dir stays, until job_ended.
    void job_unanswered(const InstanceId& id, const std::string& job_id);
    /// The slot is free: the instance no longer holds the job, its work_dir is removed. For a process that is
    /// gone nothing happens: its jobs' folders went with it or, with the feature `resume`, wait for
    /// resume_window.
    void job_ended(const InstanceId& id, const std::string& job_id);
    /// The folders of jobs that become the caller's: hold, take, release; they know no processes.
    WorkDirs& work_dirs() { return around_.work_dirs; }
    /// Nobody takes the files of this job: its folder goes, if it is there still and no other run has it.
    void forget_folder(const InstanceId& id, const std::string& job_id);
    /// Whose files those of the instance's jobs are; nothing: the worker's own user.
    std::optional<uid_t> user_of(const InstanceId& id) const;
    /// What `hello` says of files, to processes that start from here on; how many jobs may be released is each
    /// connector's own.
    void offer_files(ipc::FilesOffer offer) { around_.files = std::move(offer); }
    /// A planned replacement: a new process beside it, then it finishes its jobs and leaves (`exclusive`: one
    /// after the other). Nothing happens where it does not serve, or a new process is on its way already.
    void replace_instance(const InstanceId& id, const std::string& text);
    /// Stop ladder, now, with the jobs it holds; it is started again as the restart policy says. `text` says
    /// why to a person. Ignored for an instance that is gone or already being stopped.
    void stop_instance(const InstanceId& id, StopReason reason, const std::string& text);
    /// What the end of a companion service (process `pid`) is taken for. `text` says of the machine's fault
    /// why.
    void service_judged(const std::string& connector, int index, int pid, ServiceVerdict verdict,
                        const std::string& text);

    // For the operator. All instances of the connector; an unknown name is the error "not_found".
    /// New process first, then the old one leaves (`exclusive`: one after the other). Also ends back-off, an
    /// open breaker, `failed` and `stopped`.
    Result<> restart(const std::string& connector);
    /// Starts what is stopped, failed or waiting; nothing happens to what runs.
    Result<> start(const std::string& connector);
    /// Running jobs finish (up to drain_timeout), then the stop ladder; stays stopped until start or restart.
    /// A companion service is started with its connector, stopped after it, and left alone by restart.
    Result<> stop(const std::string& connector);
    /// The companion services alone, each when the running jobs of its instance have ended. Error
    /// "no_service": the connector has none; "stopped": both are.
    Result<> restart_service(const std::string& connector);

    /// Stop ladder for everything, now (let jobs finish before calling it); nothing is started any more.
    /// `done` is called once, later, when no process is left, or none but those that have outlived SIGKILL
    /// for some seconds.
    void shutdown(std::function<void()> done);
    /// SIGKILL to everything, now; meant after or during shutdown.
    void kill_all();

    /// Now and then: makes again what a cleaner of old files removed (scratch folders, attach sockets).
    void look();

    std::vector<InstanceStatus> snapshot() const;

    enum class Lines { all, for_people };
    /// Calls `on_line` for every further line of the connector (empty name: of all) but for stderr and `log`
    /// beyond their rate limit; ends with unsubscribe. Showing the protocol (Lines::all) costs time for every
    /// message. The callback must not call back into the fleet but for unsubscribe.
    std::uint64_t subscribe(const std::string& connector, Lines lines,
                            std::function<void(const TraceLine&)> on_line);
    void unsubscribe(std::uint64_t subscription);

  private:
    void review();
    void arm();
    void on_time();
    void finish_shutdown();

    Surroundings around_;
    Instances instances_;
    Escapes escapes_;
    Alarm alarm_;
    Turn review_turn_;
    bool leaving_ = false;
    bool stuck_said_ = false;
    std::function<void()> done_;
};

}  // namespace emprops::process
