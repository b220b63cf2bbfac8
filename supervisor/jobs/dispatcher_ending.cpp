// Dispatcher: how assignments end: outcomes, cancels that the connector must follow, deaths, limits.

#include <algorithm>
#include <utility>

#include "ipc/text/people.h"
#include "supervisor/jobs/dispatcher.h"
#include "supervisor/jobs/job_errors.h"
#include "supervisor/process/evidence.h"

namespace emprops::jobs {

using process::StopReason;

namespace {
/// `accepted` is optional: a connector that refused its last job and says nothing of this one for so long has
/// taken it.
constexpr Ms begun_without_a_word{5'000};
}  // namespace

/// The one place where an Outcome is made.
void Dispatcher::finish(TimePoint now, const ActiveJob& job, std::variant<Completed, Failed> value) {
    const std::string connector = job.instance ? job.instance->connector : job.resume_on.value_or("");
    const std::string after =
        " after " + human_duration(std::chrono::duration_cast<Ms>(now - job.assigned_at));
    if (const Failed* failed = std::get_if<Failed>(&value)) {
        ++stats_.failed[failed->error.code];
        if (!failed->begun) ++stats_.returned;
        note(Note::Level::warn, connector, job.id(),
             (failed->begun ? "failed" : "goes back to the Hub, not begun,") + after + ": [" +
                 failed->error.code + "] " + process::cut(failed->error.message));
    } else {
        ++stats_.completed;
        history_.forget(job.id());
        if (job.instance) {
            blame_.ended({job.instance->connector, job.instance->index, true}, job.id(), true);
            blame_.ended({job.instance->connector, job.instance->index, false}, job.id(), true);
        }
        note(Note::Level::info, connector, job.id(),
             "completed" + after + ", result of " +
                 human_bytes(std::get<Completed>(value).result.text.size()));
    }
    actions_.push_back(Finished{Outcome{job.id(), job.assignment.number, std::move(value)}});
}

/// Ends an assignment that no connector works on any more.
void Dispatcher::fail(TimePoint now, ActiveJob& job, ipc::JobError error, bool begun) {
    finish(now, job, Failed{std::move(error), begun});
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
                              const process::DeathReport& report, bool only_job) {
    const bool a_jobs_fault = !not_the_jobs_fault(report);
    if (a_jobs_fault) {
        ++job.deaths;
        if (only_job) count_death(instance.id, job.id(), instance.policy, report);
    }
    ipc::JobError error = died_error(instance.id, report);
    if (const JobHistory::Poison* poison = history_.poison(job.id())) {
        ipc::JobError final_error = poison_error(*poison);
        final_error.details = std::move(error.details);
        fail(now, job, std::move(final_error));
        return;
    }
    if (!may_resume(job, instance, report)) {
        // Which of several jobs it was is not known.
        if (a_jobs_fault && !only_job) history_.run_alone(job.id());
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
        fail(now, job, not_started_error(job.not_started, settings_.hold, job.last_words), false);
    else
        fail(now, job,
             unavailable_error(
                 job.assignment.job_type, settings_.hold,
                 job.refusal.empty() ? why_not_placed(job.id(), job.assignment.job_type) : job.refusal),
             false);
}

std::optional<TimePoint> Dispatcher::next_limit(const ActiveJob& job) const {
    switch (job.state) {
        case JobState::held:
            if (const auto due = replacement_due(job)) return std::min(*due, *job.waits_until);
            return job.waits_until;
        case JobState::resuming:
            return job.waits_until;
        case JobState::recording:
            return std::nullopt;
        case JobState::stopping:
            return job.answer_until;
        case JobState::running:
            break;
    }
    const Instance& runner = *pool_.find(*job.instance);
    const config::SupervisionSettings& policy = runner.policy;
    std::optional<TimePoint> next = runner.gives_back_at;
    const auto earlier = [&next](TimePoint at) { next = next ? std::min(*next, at) : at; };
    if (runner.refusals_in_a_row > 0 && !job.started) earlier(job.given_at + begun_without_a_word);
    if (policy.job_timeout > config::off) earlier(job.given_at + policy.job_timeout);
    if (policy.no_progress_timeout > config::off) earlier(job.last_sign + policy.no_progress_timeout);
    return next;
}

/// `job` may be gone afterwards.
void Dispatcher::check_limits(TimePoint now, ActiveJob& job) {
    const std::optional<TimePoint> limit = next_limit(job);
    if (!limit || *limit > now) return;
    if (job.state == JobState::held || job.state == JobState::resuming) {
        if (job.waits_until && *job.waits_until <= now) end_waiting(now, job);
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
    if (instance.gives_back_at && *instance.gives_back_at <= now) {
        fail_and_abandon(now, job, ActiveJob::Cause::given_back,
                         service_away_error(instance.id, instance.info.unavailable_reason));
        return;
    }
    if (instance.refusals_in_a_row > 0 && !job.started && job.given_at + begun_without_a_word <= now)
        instance.took_one();
    const Ms ran = instance.policy.job_timeout;
    const Ms silent = instance.policy.no_progress_timeout;
    if (ran > config::off && job.given_at + ran <= now)
        fail_and_abandon(now, job, ActiveJob::Cause::timeout, timeout_error(instance.id, ran));
    else if (silent > config::off && job.last_sign + silent <= now)
        fail_and_abandon(now, job, ActiveJob::Cause::hung, hung_error(instance.id, silent));
}

}  // namespace emprops::jobs
