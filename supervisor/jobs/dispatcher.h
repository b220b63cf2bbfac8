#pragma once
// The life of every job on this worker: from the slot reserved for a claim to its one end. Pure: no clock, no
// I/O; events in as methods with the time, actions out through take_actions(). Owned by the supervisor's
// event loop, not thread-safe. Fed by the fleet (instances), the Hub side (claims, assignments, cancels), the
// ledger (recorded) and a timer (next_wakeup, on_time).
//
// It joins the book of the jobs and the pool of the instances (records.h) with the rules that work on them:
// placing.h (who runs it), collecting.h (its files), messages.h (what connectors say), ending.h (how it ends), service_faults.h (whose
// fault the end of a service is), capacity_teller.h (what the Hub is told).
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
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "config/settings.h"
#include "supervisor/base/time.h"
#include "supervisor/jobs/actions.h"
#include "supervisor/jobs/ahead.h"
#include "supervisor/jobs/capacity_teller.h"
#include "supervisor/jobs/collecting.h"
#include "supervisor/jobs/ending.h"
#include "supervisor/jobs/messages.h"
#include "supervisor/jobs/placing.h"
#include "supervisor/jobs/records.h"
#include "supervisor/jobs/service_faults.h"
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

class Dispatcher {
  public:
    explicit Dispatcher(const DispatcherSettings& settings = {});
    Dispatcher(const Dispatcher&) = delete;
    Dispatcher& operator=(const Dispatcher&) = delete;

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

    /// The fleet could not send a BeginJob.
    void not_begun(TimePoint now, const process::InstanceId& id, const std::string& job_id);

    void accepted(TimePoint now, const process::InstanceId& id, const ipc::Accepted& message);
    void progress(TimePoint now, const process::InstanceId& id, const ipc::Progress& message);
    void released(TimePoint now, const process::InstanceId& id, const ipc::Released& message);
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
    /// The reservation of this job has no slot: the job is to be prepared and waits for one.
    bool reserved_ahead(const std::string& job_id) const { return records_.pool.reserved_ahead(job_id); }
    /// What may be claimed ahead, by the Hub that we are connected with and `within` (ahead.h).
    void claim_ahead(TimePoint now, Ahead::Rule rule, Ms within);
    /// The Hub would give the job to somebody who begins it at once: it goes back if it has not begun.
    void return_wanted(TimePoint now, const std::string& job_id);
    /// The claim was refused or given up. Without a reservation: nothing happens.
    void release(TimePoint now, const std::string& job_id);
    /// The Hub gave the job to us, claimed or not. A job that runs here is adopted: the work goes on under
    /// the new number, the old one ends as Undelivered(superseded). A number that is known is ignored.
    /// `claimed_as`: its claim token (job_link.h), for the ledger. `files_here`: this very job was done here, and the
    /// files of its result, which were not delivered, are still there: no connector gets it again.
    void assigned(TimePoint now, Assignment assignment, const std::string& claimed_as = {},
                  bool files_here = false);
    /// An earlier worker process had this job when it ended, and the ledger has it still: nothing happens until
    /// the Hub says whose it is: confirmed(), cancel() or withdraw().
    void left(UnfinishedRecord record, Ms resume_window);
    /// It is still ours: an instance of its connector that declares `resume` gets it within resume_window; else
    /// it fails with code `lost`. Numbers that were not left are ignored.
    void confirmed(TimePoint now, std::uint64_t number);
    /// Cancelled at the Hub or by an operator: nothing is reported for it. False: there is no such job here.
    bool cancel(TimePoint now, const std::string& job_id, const std::string& reason);
    /// The Hub shows it as somebody else's or as ended: the same, counted apart.
    bool withdraw(TimePoint now, const std::string& job_id, const std::string& reason);

    // ---- files of results (supervisor/files) ----

    /// Answer to CollectFiles: the files are the worker's, and the slot is free.
    void collected(TimePoint now, std::uint64_t number) {
        collecting_.collected(now, number);
        settle(now);
    }
    /// Likewise: they cannot be taken, and the job fails.
    void not_collected(TimePoint now, std::uint64_t number, ipc::JobError error) {
        collecting_.not_collected(now, number, std::move(error));
        settle(now);
    }
    /// How far the delivery is; its job_id is filled in here.
    void delivery_progress(TimePoint now, std::uint64_t number, const ipc::Progress& progress) {
        collecting_.delivery_progress(now, number, progress);
    }
    /// The job ends. False: nobody waits for it any more (it was cancelled meanwhile).
    bool delivered(TimePoint now, std::uint64_t number, std::variant<Completed, Failed> value) {
        const bool known = collecting_.delivered(now, number, std::move(value));
        settle(now);
        return known;
    }

    // ---- the ledger ----

    /// Answer to RecordJob.
    void recorded(TimePoint now, std::uint64_t number);
    /// Answer to Finished: the outcome is on disk and on its way to the Hub.
    void outcome_recorded(std::uint64_t number) { records_.book.outcome_recorded(number); }
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
    /// A job has ended, and its outcome is not on disk yet.
    bool outcome_coming() const { return records_.book.outcome_at_ledger(); }

    Capacity capacity() const { return *shared_capacity(); }
    /// The same object as long as nothing changes.
    std::shared_ptr<const Capacity> shared_capacity() const { return capacity_.capacity(); }
    /// The jobs that are ours at the Hub and need keep-alives, oldest assignment first.
    std::vector<JobView> running() const { return records_.book.running(); }
    /// Those of running(), and the jobs that a connector has not let go of yet.
    std::vector<JobView> jobs() const { return records_.book.views(); }
    /// Slots that count of an instance; nullopt: it is not known.
    std::optional<int> slots(const process::InstanceId& id) const;
    /// What an instance that refused jobs gets instead of what it declares, or why the fleet cannot give it
    /// any, as a sentence; empty: it gets what it declares.
    std::string refusal(TimePoint now, const process::InstanceId& id) const;
    /// No assignment is left, no connector (or not the named one) holds a job, and every outcome is on disk.
    bool quiet() const { return records_.book.quiet(); }
    bool quiet(const std::string& connector) const { return records_.book.quiet(connector); }
    /// Deliveries go on at the next start, if the worker ends now.
    bool leaves_deliveries() const { return records_.book.leaves_deliveries(); }
    bool draining() const { return records_.drains.drained(Drains::whole_worker); }
    /// An operator drained the connector: it takes no jobs until resume_connector.
    bool drained(const std::string& connector) const { return records_.drains.drained(connector); }
    /// Reservations without an assignment yet.
    std::size_t reserved() const { return records_.pool.reservations(); }
    Stats stats() const;

  private:
    bool end_undelivered(TimePoint now, const std::string& job_id, UndeliveredCode code,
                         const std::string& reason);
    void settle(TimePoint now);

    Ms hold_;
    Ahead ahead_;
    Records records_;
    CapacityTeller capacity_{records_};
    Placing placing_;
    Ending ending_{records_, placing_, capacity_};
    Collecting collecting_{records_, placing_, ending_};
    Messages messages_{records_, placing_, ending_, collecting_};
    ServiceFaults service_faults_{records_, ending_};
};

}  // namespace emprops::jobs
