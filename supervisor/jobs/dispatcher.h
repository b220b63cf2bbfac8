#pragma once
// The life of every job on this worker: from the slot reserved for a claim to its one end. Pure: no clock, no
// I/O; events in as methods with the time, actions out through take_actions(). Owned by the supervisor's
// event loop, not thread-safe. Fed by the fleet (instances), the Hub side (claims, assignments, cancels), the
// ledger (recorded) and a timer (next_wakeup, on_time).
//
// After each call the owner takes the actions and performs them in order; calls that an action leads to
// (recorded after RecordJob, instance_leaving after StopInstance) are ordinary calls.
//
//   reserve -> assigned -> RecordJob -> recorded -> GiveJob -> progress ... -> result, failed -> Finished
//      |           |                                  |
//   release    no instance: held (30 s), one slot     +-- instance_gone: resumed, or Finished(crashed, ...)
//              of its type kept; then back to         +-- refused: held as well
//              the Hub                                +-- cancel, withdraw: Undelivered, CancelJob; the slot
//                                                     |   is kept until the connector answers or is stopped
//                                                     +-- job_timeout, no_progress: Finished, then as cancel

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/settings.h"
#include "supervisor/base/time.h"
#include "supervisor/jobs/actions.h"
#include "supervisor/jobs/active_job.h"
#include "supervisor/jobs/blame.h"
#include "supervisor/jobs/drains.h"
#include "supervisor/jobs/job_history.h"
#include "supervisor/jobs/pool.h"
#include "supervisor/jobs/stats.h"
#include "supervisor/jobs/types.h"
#include "supervisor/process/types.h"

namespace emprops::jobs {

struct DispatcherSettings {
    /// How long an assigned job waits until an instance begins it: when its connector has gone, has no free
    /// slot, or refuses it. Then it goes back to the Hub. It takes one slot of its type all that time.
    Ms hold{30'000};
    /// Job ids whose attempts and deaths are remembered after their assignment ended.
    std::size_t history_size = 4096;
    /// Pools choose the least loaded connector, then the first of this list (Settings::connectors).
    std::vector<std::string> connector_order;
};

/// One job as people and the Hub side see it.
struct JobView {
    std::string job_id;
    std::uint64_t number = 0;
    std::string job_type;
    std::int64_t priority = 0;
    JobState state = JobState::held;
    std::optional<process::InstanceId> instance;
    int attempt = 0;  ///< 0: not given to any connector yet
    TimePoint assigned_at;
    std::optional<TimePoint> given_at;
    std::optional<TimePoint> last_progress_at;
    ipc::Progress progress;  ///< the newest one; meaningful when last_progress_at is set
};

/// A job that an earlier worker process of ours held when it ended (from the ledger), still ours at the Hub.
struct RestoredJob {
    Assignment assignment;  ///< with its payload
    std::string connector;  ///< only an instance of this connector that declares `resume` gets it
    int attempt = 1;        ///< the one that was running
    Ms window{60'000};      ///< no such instance within this: Failed with code `lost`
};

class Dispatcher {
  public:
    explicit Dispatcher(DispatcherSettings settings = {});

    // ---- instances (the fleet) ----

    void instance_ready(TimePoint now, const process::InstanceId& id, const process::InstanceInfo& info,
                        const config::SupervisionSettings& policy);
    /// `status`, `capabilities`: the whole new InstanceInfo.
    void instance_changed(TimePoint now, const process::InstanceId& id, const process::InstanceInfo& info);
    /// No new jobs for it (it is being stopped, or replaced); what it holds goes on.
    void instance_leaving(TimePoint now, const process::InstanceId& id);
    /// The instance's process has ended, and everything that it wrote has been delivered here before.
    void instance_gone(TimePoint now, const process::InstanceId& id, const process::DeathReport& report);

    /// The companion service of an instance ended and nobody had planned that
    /// (FleetListener::on_service_gone): the job that did it twice is poison, and a machine on which
    /// different jobs do it is suspected instead.
    void service_gone(TimePoint now, const std::string& connector, int index,
                      const process::DeathReport& report);

    /// The fleet did not take a GiveJob (too much waits for its stdin, or it is leaving): nothing was sent.
    /// `why` if it is something else that a person should hear of (a full disk).
    void not_given(TimePoint now, const process::InstanceId& id, const std::string& job_id,
                   const std::string& why = {});

    void accepted(TimePoint now, const process::InstanceId& id, const ipc::Accepted& message);
    void progress(TimePoint now, const process::InstanceId& id, const ipc::Progress& message);
    void result(TimePoint now, const process::InstanceId& id, ipc::JobResult message);
    void failed(TimePoint now, const process::InstanceId& id, const ipc::Failed& message);
    void service_request(TimePoint now, const process::InstanceId& id, const ipc::ServiceRequest& message);
    /// A line that was no valid message or too long: the job named in it, or else the only one that the
    /// instance runs, fails with `code` (ipc::code::protocol_error, result_too_large) and frees its slot. The
    /// instance may still run it: it gets no job of this id before its answer, which nobody hears.
    void protocol_error(TimePoint now, const process::InstanceId& id,
                        const std::optional<std::string>& job_id, const std::string& code,
                        const std::string& text);

    // ---- the Hub side ----

    /// Reserves a slot for a claim. False: no free slot of that type, draining, or unhealthy. A job that is
    /// running here (the Hub offers it again) needs no slot: true.
    bool reserve(TimePoint now, const std::string& job_id, const std::string& job_type);
    /// The claim was refused or given up. Without a reservation: nothing happens.
    void release(TimePoint now, const std::string& job_id);
    /// The Hub gave the job to us, claimed or not. A job that runs here is adopted: the work goes on under
    /// the new number, the old one ends as Undelivered(superseded). A number that is known is ignored.
    /// `claimed_as`: our id at the Hub, for the ledger.
    void assigned(TimePoint now, Assignment assignment, const std::string& claimed_as = {});
    void restored(TimePoint now, RestoredJob job);
    /// Cancelled at the Hub or by an operator: nothing is reported for it. False: no such job is ours.
    bool cancel(TimePoint now, const std::string& job_id, const std::string& reason);
    /// The Hub shows it as somebody else's or as ended: the same, counted apart.
    bool withdraw(TimePoint now, const std::string& job_id, const std::string& reason);

    // ---- the ledger ----

    /// Answer to RecordJob.
    void recorded(TimePoint now, std::uint64_t number);
    /// Not healthy (disk full): nothing new is claimed, the job types stay advertised as busy.
    void set_healthy(TimePoint now, bool healthy, const std::string& reason);

    // ---- the operator ----

    /// The worker takes nothing new. `deadline` is meaningful for DrainMode::deadline. A second call replaces
    /// mode and deadline. Jobs are given back as Failed with code `drained`.
    void drain(TimePoint now, DrainMode mode, TimePoint deadline = {});
    void resume(TimePoint now);
    /// The same for one connector: its job types are withdrawn unless another connector has them.
    void drain_connector(TimePoint now, const std::string& connector, DrainMode mode,
                         TimePoint deadline = {});
    void resume_connector(TimePoint now, const std::string& connector);
    /// The order in which connectors of one pool are preferred (after a reload).
    void set_connector_order(TimePoint now, std::vector<std::string> order);

    // ---- time and state ----

    std::optional<TimePoint> next_wakeup() const;
    void on_time(TimePoint now);

    std::vector<Action> take_actions();
    /// The outcome of a job that has ended is among the actions that were not taken yet.
    bool outcome_waits() const;

    Capacity capacity() const { return *shared_capacity(); }
    /// The same object as long as nothing changes.
    std::shared_ptr<const Capacity> shared_capacity() const;
    /// The jobs that are ours at the Hub and need keep-alives, oldest assignment first.
    std::vector<JobView> running() const;
    /// Those of running(), and the jobs that a connector has not let go of yet.
    std::vector<JobView> jobs() const;
    /// Slots that count of an instance; nullopt: it is not known.
    std::optional<int> slots(const process::InstanceId& id) const;
    /// What an instance that refused jobs gets instead of what it declares, or why the fleet cannot give it
    /// any, as a sentence; empty: it gets what it declares.
    std::string refusal(TimePoint now, const process::InstanceId& id) const;
    /// True when nothing is ours and no connector (or not the named one) holds a job.
    bool quiet() const;
    bool quiet(const std::string& connector) const;
    bool draining() const;
    /// An operator drained it: it takes no jobs until resume_connector.
    bool drained(const std::string& connector) const { return connector_drains_.contains(connector); }
    /// Reservations without an assignment yet.
    std::size_t reserved() const;
    Stats stats() const;

  private:
    struct Drain {
        DrainMode mode = DrainMode::graceful;
        TimePoint deadline;
        bool gives_back = false;  // running jobs were given back, and so is what still comes
    };
    using Jobs = std::map<std::uint64_t, ActiveJob>;  // by number: oldest assignment first

    // dispatcher.cpp: assignments
    ActiveJob* find_live(const std::string& job_id);
    ActiveJob* find_on(const process::InstanceId& id, const std::string& job_id);
    bool holds(const process::InstanceId& id, const std::string& job_id) const;
    void adopt(ActiveJob& running, Assignment assignment, const std::string& claimed_as);
    bool end_undelivered(TimePoint now, const std::string& job_id, UndeliveredCode code,
                         const std::string& reason);
    void give_back(TimePoint now, ActiveJob& job, const std::string& who);
    void give_back_all(TimePoint now, Drain& drain, const std::string* connector);
    bool gives_back(const std::string& connector) const;
    JobView view(const ActiveJob& job) const;

    // dispatcher_instances.cpp: what connectors say
    void handed_back(TimePoint now, ActiveJob& job, const ipc::JobError& error);
    int held_before(const ActiveJob& job) const;
    bool answered(TimePoint now, const process::InstanceId& id, const std::string& job_id);
    void show_sign(TimePoint now, ActiveJob& job);
    void ignore(const process::InstanceId& id, const std::string& job_id, const std::string& what);

    // dispatcher_placing.cpp: who runs it
    void settle(TimePoint now);
    void place_waiting(TimePoint now);
    Instance* find_place(const ActiveJob& job);
    bool only_unanswered(const std::string& job_id, const std::string& job_type) const;
    const Instance* to_replace_for(const ActiveJob& job) const;
    std::optional<TimePoint> replacement_due(const ActiveJob& job) const;
    void replace_for_waiting(TimePoint now);
    void bind(TimePoint now, ActiveJob& job, Instance& instance);
    void unbind(ActiveJob& job);
    void unbind_recording(TimePoint now, const process::InstanceId& id);
    void record(ActiveJob& job, const std::string& connector, bool with_payload);
    void give(TimePoint now, ActiveJob& job, Instance& instance);
    void hold(TimePoint now, ActiveJob& job);
    void emit_capacity();

    // dispatcher_ending.cpp: how it ends
    void finish(TimePoint now, const ActiveJob& job, std::variant<Completed, Failed> value);
    void fail(TimePoint now, ActiveJob& job, ipc::JobError error, bool begun = true);
    void fail_and_abandon(TimePoint now, ActiveJob& job, ActiveJob::Cause cause, ipc::JobError error);
    void let_go(ActiveJob& job);
    void abandon(TimePoint now, ActiveJob& job, ActiveJob::Cause cause, const std::string& reason);
    void stop_instances_that_only_ignore_cancels();
    void lost_process(TimePoint now, ActiveJob& job, const Instance& instance,
                      const process::DeathReport& report, bool only_job);
    bool may_resume(const ActiveJob& job, const Instance& instance, const process::DeathReport& report) const;
    // dispatcher_blame.cpp: whose fault it is
    void blame_job(TimePoint now, const Victim& service, const std::string& job_id, std::uint32_t limit,
                   const process::DeathReport& report);
    void blame_machine(TimePoint now, const Victim& service, const std::vector<std::string>& jobs,
                       const process::DeathReport& report);
    void blame_nobody_yet(TimePoint now, const Victim& service, const std::vector<std::string>& jobs,
                          const process::DeathReport& report);
    ActiveJob* find_at(const Victim& victim, const std::string& job_id);
    void count_death(const process::InstanceId& id, const std::string& job_id,
                     const config::SupervisionSettings& policy, const process::DeathReport& report);
    void note_service(TimePoint now, Instance& instance) const;

    void check_limits(TimePoint now, ActiveJob& job);
    std::optional<TimePoint> next_limit(const ActiveJob& job) const;
    void end_waiting(TimePoint now, ActiveJob& job);
    std::string why_not_placed(const std::string& job_id, const std::string& job_type) const;

    void note(Note::Level level, const std::string& connector, const std::string& job_id, std::string text);

    DispatcherSettings settings_;
    Pool pool_;
    JobHistory history_;
    Blame blame_;
    Jobs jobs_;
    Stats stats_;
    std::uint64_t last_given_ = 0;
    bool healthy_ = true;
    std::optional<Drain> drain_;
    std::map<std::string, Drain> connector_drains_;
    std::shared_ptr<const Capacity> told_ = std::make_shared<const Capacity>();
    std::vector<Action> actions_;
};

}  // namespace emprops::jobs
