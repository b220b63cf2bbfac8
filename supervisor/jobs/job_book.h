#pragma once
// The book of all assignments on this worker: one record each, and the only place that changes one. It knows
// which state follows which, and nothing of why. Pure; owned by the dispatcher.
//
//   add --> held --promise--> recording --give--> running --stop--> stopping --remove--> gone, or `ended` until
//            ^  <---wait_again---' |<---wait_again---' ^ '--remove----------------^       outcome_recorded
//            |                     '--prepare--> prepared (turn, begin)
//            '-- resuming <--lost-- running
//   add_left --> left --resume_left--> resuming
//   running --collect--> collecting --deliver--> delivering --remove--> gone; left --deliver--> delivering
//
// A reference to a record is valid until remove().

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/jobs/active_job.h"

namespace emprops::jobs {

class JobBook {
  public:
    // ---- what stands in it
    using Jobs = std::map<std::uint64_t, ActiveJob>;  // by number: oldest assignment first
    const Jobs& all() const { return jobs_; }
    const ActiveJob* find(std::uint64_t number) const;
    const ActiveJob* live(const std::string& job_id) const;
    const ActiveJob* left(const std::string& job_id) const;
    /// The job of this id that the instance was given and has not let go of.
    const ActiveJob* given(const process::InstanceId& id, const std::string& job_id) const;
    /// The only job that it runs and has not released; nullptr also if there are several.
    const ActiveJob* only_given(const process::InstanceId& id) const;
    /// Numbers of the jobs that are bound to it.
    std::vector<std::uint64_t> on(const process::InstanceId& id) const;
    bool bound(const process::InstanceId& id, const std::string& job_id) const;
    /// How many of the jobs that its instance holds were given before this one. A connector reads one line after the
    /// other: what it says of this job it says knowing those.
    int given_before(const ActiveJob& job) const;
    std::vector<std::uint64_t> waiting() const;
    /// Numbers of those that would begin if there were a slot: waiting(), and those bound to an instance ahead.
    std::vector<std::uint64_t> without_slot() const;
    /// If the process holds only jobs for which it may be stopped: the newest of them. Null: it must not be stopped.
    const ActiveJob* ends_process(const process::InstanceId& id) const;
    /// It was asked to stop a job, and did not within its time.
    bool ignores_cancel(const process::InstanceId& id) const;
    bool quiet() const;  ///< no assignment is left, no connector holds a job, no outcome waits for the disk
    bool quiet(const std::string& connector) const;
    bool outcome_at_ledger() const;
    bool leaves_deliveries() const;
    std::vector<JobView> running() const;  ///< the live ones
    std::vector<JobView> views() const;    ///< and those that a connector has not let go of

    // ---- what happens to them
    const ActiveJob& add(TimePoint now, Assignment assignment, const std::string& claimed_as);
    void add_left(UnfinishedRecord record, Ms window);
    void resume_left(TimePoint now, const ActiveJob& job, ipc::JobError error);
    /// The Hub assigned it once more: it goes on under the new number.
    void adopt(const ActiveJob& job, Assignment assignment, const std::string& claimed_as);
    void record_asked(const ActiveJob& job, const std::string& connector, bool begun);
    /// Nullptr: nothing is to be done; else the job may be given now.
    const ActiveJob* recorded(std::uint64_t number);
    void promise(const ActiveJob& job, const process::InstanceId& id, bool ahead = false);
    void give(TimePoint now, const ActiveJob& job, int attempt);
    void prepare(const ActiveJob& job, int attempt);
    /// It has a slot where it is bound; it begins when that is recorded.
    void turn(const ActiveJob& job) { change(job).ahead = false; }
    void begin(TimePoint now, const ActiveJob& job);
    void not_ahead(const ActiveJob& job) { change(job).not_ahead = true; }
    void tell_ahead(const ActiveJob& job, bool told) { change(job).told_ahead = told; }
    /// An earlier process of ours has not begun it.
    void hold_left(const ActiveJob& job, TimePoint until);
    void sign_of_life(TimePoint now, const ActiveJob& job);
    /// It is not given again.
    void drop_payload(const ActiveJob& job);
    void progress(TimePoint now, const ActiveJob& job, const ipc::Progress& progress);
    /// The run did not take place: nothing was sent, or the connector refused it.
    void not_run(const ActiveJob& job);
    void refused(const ActiveJob& job, std::string words);
    void trouble(const ActiveJob& job, std::string why) { change(job).waiting.trouble = std::move(why); }
    /// It waits (again), until then at the latest unless it waits already.
    void wait_again(const ActiveJob& job, TimePoint until);
    void died(const ActiveJob& job) { ++change(job).deaths; }
    void lost(const ActiveJob& job, const std::string& connector, TimePoint until, ipc::JobError error);
    void stop(const ActiveJob& job, ActiveJob::Stop::Cause cause, std::optional<TimePoint> answer_until,
              bool may_end_process);
    void cancel_ignored(const ActiveJob& job);
    void release(const ActiveJob& job) { change(job).run.released = true; }
    void collect(const ActiveJob& job);
    void deliver(TimePoint now, const ActiveJob& job);
    /// Those whose files are on their way need not be waited for.
    void leave_deliveries_behind();
    void wait_for_deliveries();
    void unbind(const ActiveJob& job) {
        change(job).instance.reset();
        change(job).ahead = false;
        change(job).run.released = false;
    }
    void finished(const ActiveJob& job) { change(job).outcome_at_ledger = true; }
    void outcome_recorded(std::uint64_t number);
    void remove(const ActiveJob& job);

  private:
    ActiveJob& change(const ActiveJob& job) { return jobs_.at(job.assignment.number); }
    template <class Test>
    const ActiveJob* first(Test test) const;
    template <class Test>
    std::vector<JobView> views_of(Test test) const;

    Jobs jobs_;
    std::uint64_t last_given_ = 0;
};

}  // namespace emprops::jobs
