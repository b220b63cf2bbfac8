#pragma once
// Who runs a job: slots for claims, the instance of an assignment, what the ledger must know first, waiting
// for a slot, and processes that are replaced because they may still hold an earlier run of a job that has
// come back. Pure; part of the dispatcher.

#include <optional>
#include <string>

#include "supervisor/jobs/records.h"

namespace emprops::jobs {

class Placing {
  public:
    /// `hold`: how long a job waits for an instance that begins it.
    Placing(Records& records, Ms hold) : records_(records), hold_(hold) {}

    bool reserve(const std::string& job_id, const std::string& job_type);
    /// For a job that is to be prepared while others have all slots.
    bool reserve_ahead(const std::string& job_id, const std::string& job_type);
    /// Finds an instance for a new assignment: the one that its claim had reserved, or another; else the job waits.
    void place(TimePoint now, const ActiveJob& job, Instance* reserved);
    /// The Hub assigned a job once more that runs here; the job has its new number already.
    void record_again(const ActiveJob& job);
    /// The ledger has answered: the job goes to its instance, or begins there.
    void give(TimePoint now, const ActiveJob& job);

    /// The instance does not have the job any more. What follows is the caller's to decide.
    void unbind(const ActiveJob& job);
    /// The run did not take place; the job waits for an instance that can begin it, this one included.
    void take_back(TimePoint now, const ActiveJob& job);
    /// Jobs that were promised to an instance, or given and not begun, look for another one. `ends`: they are not
    /// prepared a second time.
    void take_back_promised(TimePoint now, const process::InstanceId& id, bool ends);
    /// A job that is prepared is taken from its instance, which has to answer once more: it has none then.
    void withdraw(const ActiveJob& job, const std::string& reason);
    /// The instance does not have the job that it was to prepare; the job waits for a slot, and is not prepared again.
    void not_prepared(TimePoint now, const ActiveJob& job);

    /// After every event: whoever waits gets what became free, then the claims.
    void settle(TimePoint now);
    void place_waiting(TimePoint now);
    std::optional<TimePoint> next_wakeup() const;

    /// Why no instance takes this job, for a person.
    std::string why_not(const ActiveJob& job) const;
    Ms hold() const { return hold_; }

  private:
    Instance* find_place(const ActiveJob& job);
    Instance* find_ahead(const ActiveJob& job);
    void place_waiting_one(TimePoint now, const ActiveJob& job);
    void turn(TimePoint now, const ActiveJob& job);
    void prepare(const ActiveJob& job);
    void begun(const ActiveJob& job, const std::string& how);
    bool only_unanswered(const std::string& job_id, const std::string& job_type) const;
    const Instance* to_replace_for(const ActiveJob& job) const;
    std::optional<TimePoint> replacement_due(const ActiveJob& job) const;
    void replace_for_waiting(TimePoint now);
    void bind(TimePoint now, const ActiveJob& job, Instance& instance, bool ahead = false);
    void record(const ActiveJob& job, const std::string& connector, bool with_payload, bool begun);

    Records& records_;
    Ms hold_;
};

}  // namespace emprops::jobs
