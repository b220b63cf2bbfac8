#include "supervisor/jobs/service_faults.h"

#include <algorithm>
#include <utility>

#include "supervisor/jobs/job_errors.h"

namespace emprops::jobs {
namespace {

std::string listed(const std::vector<std::string>& jobs) {
    std::string text;
    for (std::size_t i = 0; i < jobs.size(); ++i)
        text += (i == 0 ? "" : i + 1 == jobs.size() ? " and " : ", ") + jobs[i];
    return text;
}

}  // namespace

void ServiceFaults::service_gone(TimePoint now, const std::string& connector, int index,
                                 const process::DeathReport& report) {
    const Death death{{connector, index, true}, service_name(connector, index), report};
    config::SupervisionSettings policy;
    for (const auto& [id, instance] : records_.pool.instances())
        if (id.connector == connector && id.index == index) policy = instance.policy;
    std::vector<std::string> held;
    if (!service_end_is_no_jobs_fault(report) && policy.poison_deaths > 0) {
        held = report.jobs_held;
        // What it does for a job that is released is over.
        std::erase_if(held, [&](const std::string& job_id) {
            const ActiveJob* job = records_.book.live(job_id);
            return job != nullptr && !job->may_be_at_fault();
        });
        const auto number = [&](const std::string& job_id) {
            const ActiveJob* job = job_at(death.service, job_id);
            return job != nullptr ? job->assignment.number : 0;
        };
        std::stable_sort(held.begin(), held.end(),
                         [&](const auto& a, const auto& b) { return number(a) < number(b); });
    }
    if (report.ready_for >= policy.backoff_reset) records_.blame.trial_went_well(death.service);
    const Verdict verdict = records_.blame.service_died(death.service, held, report.was_ready);
    switch (verdict.kind) {
        case Verdict::Kind::nobody:
            break;
        case Verdict::Kind::job:
            return blame_job(now, death, verdict.jobs.front(), policy.poison_deaths);
        case Verdict::Kind::unclear:
            return blame_nobody_yet(now, death, verdict.jobs);
        case Verdict::Kind::machine:
            return blame_machine(now, death, verdict.jobs);
    }
}

void ServiceFaults::judge(const Death& death, process::ServiceVerdict verdict, const std::string& text) {
    records_.actions.push_back(
        JudgeService{death.service.connector, death.service.index, death.report.pid, verdict, text});
}

void ServiceFaults::blame_job(TimePoint now, const Death& death, const std::string& job_id,
                              std::uint32_t limit) {
    const std::uint32_t deaths =
        records_.history.add_death(job_id, death.report.summary_with_last_line(), limit, death.name);
    judge(death, process::ServiceVerdict::job, {});
    records_.note(Note::Level::warn, death.service.connector, job_id,
                  death.name + " ended while it was at this job, " + std::to_string(deaths) + " of " +
                      std::to_string(limit) +
                      " times before it is not run again (poison_deaths): " + death.report.summary());
    const JobHistory::Poison* poison = records_.history.poison(job_id);
    const ActiveJob* job = records_.book.live(job_id);
    if (poison == nullptr || job == nullptr) return;
    ipc::JobError error = poison_error(*poison);
    error.details = {
        {"service", {{"death", death.report.summary()}, {"last_lines", death.report.stderr_tail}}}};
    ending_.fail_and_abandon(now, *job, Ending::Cause::given_back, std::move(error));
}

void ServiceFaults::blame_machine(TimePoint now, const Death& death, const std::vector<std::string>& jobs) {
    const std::string text = "the jobs " + listed(jobs) +
                             " ended it one after the other with no success between them, which accuses the "
                             "machine and no job";
    judge(death, process::ServiceVerdict::machine, text);
    records_.note(Note::Level::error, death.service.connector, jobs.back(), death.name + ": " + text);
    for (const std::string& job_id : jobs)
        records_.history.forgive(job_id);
    for (const std::string& job_id : jobs)
        if (const ActiveJob* job = job_at(death.service, job_id))
            ending_.fail_and_abandon(now, *job, Ending::Cause::given_back,
                                     sick_machine_error(death.name, text, death.report));
}

/// The oldest job stays where it is and has the service for itself; the others go back and run alone when they come
/// again.
void ServiceFaults::blame_nobody_yet(TimePoint now, const Death& death,
                                     const std::vector<std::string>& jobs) {
    bool one_stays = false;
    for (const std::string& job_id : jobs) {
        records_.history.run_alone(job_id);
        const ActiveJob* job = job_at(death.service, job_id);
        if (job == nullptr) continue;
        if (!std::exchange(one_stays, true))
            records_.pool.find(*job->instance)->alone = true;
        else
            ending_.fail_and_abandon(now, *job, Ending::Cause::given_back,
                                     unclear_error(death.name, jobs.size(), death.report));
    }
    records_.note(Note::Level::warn, death.service.connector, "",
                  death.name + " ended while it was at one of the jobs " + listed(jobs) +
                      "; which is not known, so they run one at a time next");
}

const ActiveJob* ServiceFaults::job_at(const Victim& service, const std::string& job_id) const {
    const ActiveJob* job = records_.book.live(job_id);
    const bool there = job != nullptr && job->state == JobState::running &&
                       job->instance->connector == service.connector && job->instance->index == service.index;
    return there ? job : nullptr;
}

}  // namespace emprops::jobs
