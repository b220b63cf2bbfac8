// Dispatcher: whose fault it is when a process ends under a job: the job's, the machine's, or nobody's yet.

#include <algorithm>

#include "supervisor/jobs/dispatcher.h"
#include "supervisor/jobs/job_errors.h"

namespace emprops::jobs {

namespace {

/// How long after its end it is decided that a service stays away: what a job is blamed for does not open its
/// breaker, and that is known a moment later.
constexpr Ms verdict_time{500};

std::string listed(const std::vector<std::string>& jobs) {
    std::string text;
    for (std::size_t i = 0; i < jobs.size(); ++i)
        text += (i == 0 ? "" : i + 1 == jobs.size() ? " and " : ", ") + jobs[i];
    return text;
}

}  // namespace

void Dispatcher::service_gone(TimePoint now, const std::string& connector, int index,
                              const process::DeathReport& report) {
    const Victim service{connector, index, true};
    config::SupervisionSettings policy;
    for (const auto& [id, instance] : pool_.instances()) {
        if (id.connector == connector && id.index == index) policy = instance.policy;
    }
    std::vector<std::string> held;
    if (!service_end_is_no_jobs_fault(report) && policy.poison_deaths > 0) {
        held = report.jobs_held;
        const auto given = [&](const std::string& job_id) {
            const ActiveJob* job = find_at(service, job_id);
            return job != nullptr ? job->assignment.number : 0;
        };
        std::stable_sort(held.begin(), held.end(),
                         [&](const auto& a, const auto& b) { return given(a) < given(b); });
    }
    if (report.ready_for >= policy.backoff_reset) blame_.trial_went_well(service);
    const Verdict verdict = blame_.service_died(service, held, report.was_ready);
    switch (verdict.kind) {
        case Verdict::Kind::nobody:
            break;
        case Verdict::Kind::job:
            blame_job(now, service, verdict.jobs.front(), policy.poison_deaths, report);
            break;
        case Verdict::Kind::unclear:
            blame_nobody_yet(now, service, verdict.jobs, report);
            break;
        case Verdict::Kind::machine:
            blame_machine(now, service, verdict.jobs, report);
            break;
    }
    settle(now);
}

void Dispatcher::blame_job(TimePoint now, const Victim& service, const std::string& job_id,
                           std::uint32_t limit, const process::DeathReport& report) {
    const std::string name = service_name(service.connector, service.index);
    const std::uint32_t deaths = history_.add_death(job_id, how_it_died(report), limit, name);
    actions_.push_back(
        JudgeService{service.connector, service.index, report.pid, process::ServiceVerdict::job, {}});
    note(Note::Level::warn, service.connector, job_id,
         name + " ended while it was at this job, " + std::to_string(deaths) + " of " +
             std::to_string(limit) +
             " times before it is not run again (poison_deaths): " + report.summary());
    const JobHistory::Poison* poison = history_.poison(job_id);
    ActiveJob* job = find_live(job_id);
    if (poison == nullptr || job == nullptr) return;
    ipc::JobError error = poison_error(*poison);
    error.details = {{"service", {{"death", report.summary()}, {"last_lines", report.stderr_tail}}}};
    fail_and_abandon(now, *job, ActiveJob::Cause::given_back, std::move(error));
}

void Dispatcher::blame_machine(TimePoint now, const Victim& service, const std::vector<std::string>& jobs,
                               const process::DeathReport& report) {
    const std::string text = "the jobs " + listed(jobs) +
                             " ended it one after the other with no success between them, which accuses the "
                             "machine and no job";
    actions_.push_back(
        JudgeService{service.connector, service.index, report.pid, process::ServiceVerdict::machine, text});
    const std::string name = service_name(service.connector, service.index);
    note(Note::Level::error, service.connector, jobs.back(), name + ": " + text);
    for (const std::string& job_id : jobs)
        history_.forgive(job_id);
    for (const std::string& job_id : jobs) {
        if (ActiveJob* job = find_at(service, job_id))
            fail_and_abandon(now, *job, ActiveJob::Cause::given_back, sick_machine_error(name, text, report));
    }
}

/// The oldest stays where it is and has the service for itself; the others come back and run alone then.
void Dispatcher::blame_nobody_yet(TimePoint now, const Victim& service, const std::vector<std::string>& jobs,
                                  const process::DeathReport& report) {
    const std::string name = service_name(service.connector, service.index);
    bool one_stays = false;
    for (const std::string& job_id : jobs) {
        history_.run_alone(job_id);
        ActiveJob* job = find_at(service, job_id);
        if (job == nullptr) continue;
        if (one_stays) {
            fail_and_abandon(now, *job, ActiveJob::Cause::given_back,
                             unclear_error(name, jobs.size(), report));
            continue;
        }
        one_stays = true;
        pool_.find(*job->instance)->alone = true;
    }
    note(Note::Level::warn, service.connector, "",
         name + " ended while it was at one of the jobs " + listed(jobs) +
             "; which is not known, so they run one at a time next");
}

/// A job of ours that a process of this instance holds.
ActiveJob* Dispatcher::find_at(const Victim& victim, const std::string& job_id) {
    ActiveJob* job = find_live(job_id);
    const bool there = job != nullptr && job->state == JobState::running &&
                       job->instance->connector == victim.connector && job->instance->index == victim.index;
    return there ? job : nullptr;
}

/// A connector's process has ended, and this job is the reason, unless the machine is.
void Dispatcher::count_death(const process::InstanceId& id, const std::string& job_id,
                             const config::SupervisionSettings& policy, const process::DeathReport& report) {
    const Verdict verdict = blame_.judge({id.connector, id.index, false}, {job_id});
    if (verdict.kind == Verdict::Kind::job) {
        history_.add_death(job_id, report.summary(), policy.poison_deaths);
        return;
    }
    for (const std::string& each : verdict.jobs)
        history_.forgive(each);
}

/// A job does not keep its slot for a service that will not be back for long.
void Dispatcher::note_service(TimePoint now, Instance& instance) const {
    const auto& back_at = instance.info.service_back_at;
    if (!back_at || *back_at - now <= settings_.hold)
        instance.gives_back_at.reset();
    else if (!instance.gives_back_at)
        instance.gives_back_at = now + verdict_time;
}

}  // namespace emprops::jobs
