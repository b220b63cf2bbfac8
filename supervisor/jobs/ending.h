#pragma once
// How an assignment ends: its one outcome, the cancel that its connector must follow, the end of a process
// that had it, a limit that is over, a drain that gives it back. Pure; part of the dispatcher.
//
// A function that says "the job may be gone afterwards" can remove the job's record: references to it end there.

#include <string>
#include <variant>

#include "supervisor/jobs/capacity_teller.h"
#include "supervisor/jobs/placing.h"
#include "supervisor/jobs/records.h"

namespace emprops::jobs {

class Ending {
  public:
    using Cause = ActiveJob::Stop::Cause;

    Ending(Records& records, Placing& placing, CapacityTeller& capacity)
        : records_(records), placing_(placing), capacity_(capacity) {}

    /// The one place where an Outcome is made.
    void finish(TimePoint now, const ActiveJob& job, std::variant<Completed, Failed> value);
    /// Ends an assignment that no connector works on. The job is gone afterwards.
    void fail(TimePoint now, const ActiveJob& job, ipc::JobError error, bool begun = true);
    /// Ends an assignment, whether a connector works on it or not. If the connector is stopped for it, the Hub
    /// hears that before it hears of the failure: it makes two offer rounds at each failure. The job may be
    /// gone afterwards.
    void fail_and_abandon(TimePoint now, const ActiveJob& job, Cause cause, ipc::JobError error);
    /// Nothing is reported for it. The job may be gone afterwards.
    void end_undelivered(TimePoint now, const ActiveJob& job, UndeliveredCode code,
                         const std::string& reason);
    /// No connector holds it any more, or it never reached one: its slot is free. The job is gone afterwards.
    void let_go(const ActiveJob& job);

    /// The process that had these jobs has ended without an answer to them.
    void lost_process(TimePoint now, const std::vector<std::uint64_t>& jobs, const Instance& instance,
                      const process::DeathReport& report);
    /// Ends what has waited, run or been silent for too long. The job may be gone afterwards.
    void check_limits(TimePoint now, const ActiveJob& job);
    /// Gives the jobs back whose drain is over.
    void give_back_drained(TimePoint now);
    /// Gives back what is bound ahead to whoever takes nothing new: the Hub takes it back for nothing.
    void give_back_ahead(TimePoint now);
    /// Ends a job that has not begun, for nothing. The job is gone afterwards.
    void give_back_unbegun(TimePoint now, const ActiveJob& job, ipc::JobError error);
    void give_back(TimePoint now, const ActiveJob& job, const std::string& who);
    /// Fails a job that has waited long enough. The job is gone afterwards.
    void end_waiting(TimePoint now, const ActiveJob& job);
    void stop_processes_that_ignore_cancels(TimePoint now);

  private:
    void abandon(TimePoint now, const ActiveJob& job, Cause cause, const std::string& reason);
    void lost_job(TimePoint now, const ActiveJob& job, const Instance& instance,
                  const process::DeathReport& report, bool only_job);
    bool may_resume(const ActiveJob& job, const Instance& instance, const process::DeathReport& report) const;
    void count_death(const Instance& instance, const std::string& job_id, const process::DeathReport& report);

    Records& records_;
    Placing& placing_;
    CapacityTeller& capacity_;
};

}  // namespace emprops::jobs
