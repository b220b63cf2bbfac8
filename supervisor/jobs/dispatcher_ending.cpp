// Dispatcher: how assignments end: outcomes, cancels that the connector must follow, deaths, limits.

#include <algorithm>
#include <utility>

#include "ipc/text/people.h"
#include "supervisor/jobs/dispatcher.h"
#include "supervisor/jobs/job_errors.h"
#include "supervisor/process/evidence.h"

namespace emprops::jobs {

using process::StopReason;

/// The one place where an Outcome is made.
void Dispatcher::finish(TimePoint now, const ActiveJob& job, std::variant<Completed, Failed> value) {
    const std::string connector = job.instance ? job.instance->connector : job.resume_on.value_or("");
    const std::string after =
        " after " + human_duration(std::chrono::duration_cast<Ms>(now - job.assigned_at));
    if (const Failed* failed = std::get_if<Failed>(&value)) {
        ++stats_.failed[failed->error.code];
        note(Note::Level::warn, connector, job.id(),
             "failed" + after + ": [" + failed->error.code + "] " + process::cut(failed->error.message));
    } else {
        ++stats_.completed;
        history_.forget(job.id());
        note(Note::Level::info, connector, job.id(),
             "completed" + after + ", result of " +
                 human_bytes(std::get<Completed>(value).result.text.size()));
    }
    actions_.push_back(Finished{Outcome{job.id(), job.assignment.number, std::move(value)}});
}

/// Ends an assignment that no connector works on any more.
void Dispatcher::fail(TimePoint now, ActiveJob& job, ipc::JobError error) {
    finish(now, job, Failed{std::move(error)});
    let_go(job);
}

/// Ends an assignment, whether a connector still works on it or not. If the connector is stopped for it, the
/// Hub hears that before it hears of the failure: it makes two offer rounds at each failure.
void Dispatcher::fail_and_abandon(TimePoint now, ActiveJob& job, ActiveJob::Cause cause,
                                  ipc::JobError error) {
    if (job.state != JobState::running) {
        fail(now, job, std::move(error));
        return;
    }
    abandon(now, job, cause, error.message);
    emit_capacity();
    finish(now, job, Failed{std::move(error)});
}

/// No connector holds it any more (or it never reached one): the slot is free. `job` is gone afterwards.
void Dispatcher::let_go(ActiveJob& job) {
    const bool given = job.state == JobState::running || job.state == JobState::stopping;
    if (given) actions_.push_back(JobEnded{*job.instance, job.id()});
    unbind(job);
    const std::uint64_t number = job.assignment.number;
    jobs_.erase(number);
}

/// The assignment has ended or is about to; makes the connector let go of the job. `job` is gone afterwards
/// unless it was running.
void Dispatcher::abandon(TimePoint now, ActiveJob& job, ActiveJob::Cause cause, const std::string& reason) {
    if (job.state != JobState::running) {
        let_go(job);
        return;
    }
    const Instance& instance = *pool_.find(*job.instance);
    job.state = JobState::stopping;
    job.cause = cause;
    const bool hung_alone = cause == ActiveJob::Cause::hung && instance.held == 1;
    if (instance.info.features.cancel && !hung_alone) {
        actions_.push_back(CancelJob{instance.id, job.id(), reason});
        if (!instance.info.attached) job.answer_until = now + instance.policy.cancel_timeout;
    } else {
        // Whoever sits in a debugger is not thrown out: the slot stays taken until the connector answers.
        job.let_stop = !instance.info.attached;
        stop_instances_that_only_ignore_cancels();
    }
}

void Dispatcher::stop_instances_that_only_ignore_cancels() {
    for (const auto& [id, instance] : pool_.instances()) {
        if (instance.stopping || instance.held == 0) continue;
        const ActiveJob* last = nullptr;
        bool others = false;
        for (const auto& [number, job] : jobs_) {
            if (job.instance != id) continue;
            if (!job.live() && job.let_stop)
                last = &job;
            else
                others = true;
        }
        if (last == nullptr || others) continue;
        StopInstance stop{id, StopReason::cancel_ignored, {}};
        switch (last->cause) {
            case ActiveJob::Cause::hung:
                stop.reason = StopReason::hung;
                stop.text = "no progress of job " + last->id() + " for " +
                            human_duration(instance.policy.no_progress_timeout);
                break;
            case ActiveJob::Cause::timeout:
                stop.reason = StopReason::timeout;
                stop.text = "job " + last->id() + " ran longer than " +
                            human_duration(instance.policy.job_timeout) + " and did not stop";
                break;
            case ActiveJob::Cause::cancelled:
            case ActiveJob::Cause::given_back:
                stop.text = instance.info.features.cancel
                                ? "job " + last->id() + " was cancelled and did not stop within " +
                                      human_duration(instance.policy.cancel_timeout)
                                : "job " + last->id() +
                                      " was cancelled and the connector does not know cancel (no feature "
                                      "\"cancel\" in its ready)";
                break;
        }
        pool_.find(id)->stopping = true;
        actions_.push_back(std::move(stop));
    }
}

bool Dispatcher::may_resume(const ActiveJob& job, const Instance& instance,
                            const process::DeathReport& report) const {
    if (!instance.info.features.resume || instance.policy.resume_window <= config::off) return false;
    if (gives_back(instance.id.connector)) return false;
    if (!not_the_jobs_fault(report)) {
        // Given once more, or as often as the poison limit allows.
        return job.deaths < static_cast<int>(std::max(2u, instance.policy.poison_deaths));
    }
    if (report.stopped_for == StopReason::worker_leaving) return false;
    if (report.stopped_for != StopReason::requested) return true;
    // Stopped for good: only an instance that is there already can go on.
    return std::any_of(pool_.instances().begin(), pool_.instances().end(), [&](const auto& entry) {
        const Instance& other = entry.second;
        return other.id.connector == instance.id.connector && other.serving() && other.info.features.resume;
    });
}

/// The process that ran a job of ours has ended without an answer. `job` may be gone afterwards.
void Dispatcher::lost_process(TimePoint now, ActiveJob& job, const Instance& instance,
                              const process::DeathReport& report) {
    if (!not_the_jobs_fault(report)) {
        ++job.deaths;
        history_.add_death(job.id(), report.summary(), instance.policy.poison_deaths);
    }
    ipc::JobError error = died_error(instance.id, report);
    if (const JobHistory::Poison* poison = history_.poison(job.id())) {
        ipc::JobError final_error = poison_error(*poison);
        final_error.details = std::move(error.details);
        fail(now, job, std::move(final_error));
        return;
    }
    if (!may_resume(job, instance, report)) {
        fail(now, job, std::move(error));
        return;
    }
    actions_.push_back(JobEnded{instance.id, job.id()});
    unbind(job);
    job.state = JobState::resuming;
    job.resume_on = instance.id.connector;
    job.waits_until = now + instance.policy.resume_window;
    job.waiting_error =
        not_resumed_error(std::move(error), instance.id.connector, instance.policy.resume_window);
    note(Note::Level::warn, instance.id.connector, job.id(),
         "its process ended (" + report.summary() + "); the job waits for the next one to resume it");
}

void Dispatcher::end_waiting(TimePoint now, ActiveJob& job) {
    if (job.resume_on)
        fail(now, job, job.waiting_error);
    else if (job.not_started > 0)
        fail(now, job, not_started_error(job.not_started, job.waiting_error.message));
    else
        fail(now, job,
             unavailable_error(job.assignment.job_type, settings_.hold,
                               job.refusal.empty() ? why_not_placed(job.assignment.job_type) : job.refusal));
}

std::optional<TimePoint> Dispatcher::next_limit(const ActiveJob& job) const {
    switch (job.state) {
        case JobState::held:
        case JobState::resuming:
            return job.waits_until;
        case JobState::recording:
            return std::nullopt;
        case JobState::stopping:
            return job.answer_until;
        case JobState::running:
            break;
    }
    const config::SupervisionSettings& policy = pool_.find(*job.instance)->policy;
    std::optional<TimePoint> next;
    if (policy.job_timeout > config::off) next = job.given_at + policy.job_timeout;
    if (policy.no_progress_timeout > config::off) {
        const TimePoint silent = job.last_sign + policy.no_progress_timeout;
        next = next ? std::min(*next, silent) : silent;
    }
    return next;
}

/// `job` may be gone afterwards.
void Dispatcher::check_limits(TimePoint now, ActiveJob& job) {
    const std::optional<TimePoint> limit = next_limit(job);
    if (!limit || *limit > now) return;
    if (job.state == JobState::held || job.state == JobState::resuming) {
        end_waiting(now, job);
        return;
    }
    Instance& instance = *pool_.find(*job.instance);
    if (job.state == JobState::stopping) {
        job.answer_until.reset();
        job.let_stop = true;
        instance.overdue = true;
        note(Note::Level::warn, instance.id.connector, job.id(),
             "did not stop within " + human_duration(instance.policy.cancel_timeout) + " of its cancel");
        return;
    }
    const Ms ran = instance.policy.job_timeout;
    if (ran > config::off && job.given_at + ran <= now)
        fail_and_abandon(now, job, ActiveJob::Cause::timeout, timeout_error(instance.id, ran));
    else
        fail_and_abandon(now, job, ActiveJob::Cause::hung,
                         hung_error(instance.id, instance.policy.no_progress_timeout));
}

}  // namespace emprops::jobs
