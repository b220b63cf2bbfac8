#include "supervisor/jobs/ending.h"

#include <algorithm>
#include <utility>

#include "ipc/text/people.h"
#include "supervisor/jobs/job_errors.h"
#include "supervisor/jobs/limits.h"
#include "supervisor/process/evidence.h"

namespace emprops::jobs {

using process::StopReason;

namespace {

/// Why a process is stopped that does not let go of this job.
StopInstance stop_for(const ActiveJob& job, const Instance& instance) {
    const std::string name = "job " + job.id();
    switch (job.stop.cause) {
        case ActiveJob::Stop::Cause::hung:
            return {instance.id, StopReason::hung,
                    "no progress of " + name + " for " + human_duration(instance.policy.no_progress_timeout)};
        case ActiveJob::Stop::Cause::timeout:
            return {instance.id, StopReason::timeout,
                    name + " ran longer than " + human_duration(instance.policy.job_timeout) +
                        " and did not stop"};
        case ActiveJob::Stop::Cause::cancelled:
        case ActiveJob::Stop::Cause::given_back:
            break;
    }
    return {instance.id, StopReason::cancel_ignored,
            instance.info.features.cancel
                ? name + " was cancelled and did not stop within " +
                      human_duration(instance.policy.cancel_timeout)
                : name +
                      " was cancelled and the connector does not know cancel (no feature \"cancel\" in its "
                      "ready)"};
}

}  // namespace

// ---- outcomes

void Ending::finish(TimePoint now, const ActiveJob& job, std::variant<Completed, Failed> value) {
    const std::string after =
        " after " + human_duration(std::chrono::duration_cast<Ms>(now - job.assigned_at));
    if (const Failed* failed = std::get_if<Failed>(&value)) {
        ++records_.stats.failed[failed->error.code];
        if (!failed->begun) ++records_.stats.returned;
        records_.note(Note::Level::warn, job.connector(), job.id(),
                      (failed->begun ? "failed" : "goes back to the Hub, not begun,") + after + ": [" +
                          failed->error.code + "] " + process::cut(failed->error.message));
    } else {
        ++records_.stats.completed;
        records_.history.forget(job.id());
        if (job.instance) {
            records_.blame.ended({job.instance->connector, job.instance->index, true}, job.id(), true);
            records_.blame.ended({job.instance->connector, job.instance->index, false}, job.id(), true);
        }
        records_.note(Note::Level::info, job.connector(), job.id(),
                      "completed" + after + ", result of " +
                          human_bytes(std::get<Completed>(value).result.text().size()));
    }
    records_.book.finished(job);
    records_.actions.push_back(Finished{Outcome{job.id(), job.assignment.number, std::move(value)}});
}

void Ending::fail(TimePoint now, const ActiveJob& job, ipc::JobError error, bool begun) {
    finish(now, job, Failed{std::move(error), begun});
    let_go(job);
}

void Ending::fail_and_abandon(TimePoint now, const ActiveJob& job, Cause cause, ipc::JobError error) {
    if (job.state == JobState::prepared) return give_back_unbegun(now, job, std::move(error));
    if (job.state != JobState::running) return fail(now, job, std::move(error));
    abandon(now, job, cause, error.message);
    capacity_.tell();
    finish(now, job, Failed{std::move(error)});
}

void Ending::end_undelivered(TimePoint now, const ActiveJob& job, UndeliveredCode code,
                             const std::string& reason) {
    records_.actions.push_back(Undelivered{job.id(), job.assignment.number, code, reason});
    records_.note(Note::Level::info, job.instance ? job.instance->connector : "", job.id(),
                  std::string(to_string(code)) + " and not reported: " + reason);
    ++records_.stats.undelivered[to_string(code)];
    abandon(now, job, Cause::cancelled, reason);
}

// ---- making connectors let go

void Ending::let_go(const ActiveJob& job) {
    const bool there = job.given() || job.state == JobState::collecting;
    if (there && job.instance) records_.actions.push_back(JobEnded{*job.instance, job.id()});
    placing_.unbind(job);
    records_.book.remove(job);
}

/// The job is gone afterwards unless it was running.
void Ending::abandon(TimePoint now, const ActiveJob& job, Cause cause, const std::string& reason) {
    if (job.state == JobState::prepared) placing_.withdraw(job, reason);
    if (job.state != JobState::running) return let_go(job);
    const Instance& instance = *records_.pool.find(*job.instance);
    const bool hung_alone = cause == Cause::hung && instance.held == 1;
    // Whoever sits in a debugger is not thrown out: the slot stays taken until the connector answers.
    const bool attached = instance.info.attached;
    if (instance.info.features.cancel && !hung_alone) {
        records_.actions.push_back(CancelJob{instance.id, job.id(), reason});
        records_.book.stop(
            job, cause, attached ? std::nullopt : std::optional(now + instance.policy.cancel_timeout), false);
    } else {
        records_.book.stop(job, cause, std::nullopt, !attached);
        stop_processes_that_ignore_cancels(now);
    }
}

void Ending::stop_processes_that_ignore_cancels(TimePoint now) {
    for (const auto& [id, instance] : records_.pool.instances()) {
        if (instance.stopping || instance.held == 0) continue;
        const ActiveJob* last = records_.book.ends_process(id);
        if (last == nullptr) continue;
        records_.pool.find(id)->stopping = true;
        placing_.take_back_promised(now, id, true);
        records_.actions.push_back(stop_for(*last, instance));
    }
}

// ---- processes that end

void Ending::lost_process(TimePoint now, const std::vector<std::uint64_t>& jobs, const Instance& instance,
                          const process::DeathReport& report) {
    if (!jobs.empty()) ++records_.stats.deaths;
    // A job that is released is blamed only if there is no other, one whose result has come never.
    std::size_t suspects = 0;
    for (const std::uint64_t number : jobs)
        suspects += records_.book.find(number)->may_be_at_fault() ? 1 : 0;
    for (const std::uint64_t number : jobs) {
        const ActiveJob& job = *records_.book.find(number);
        if (job.state == JobState::collecting) {
            records_.actions.push_back(JobEnded{instance.id, job.id()});
            placing_.unbind(job);
            continue;
        }
        if (job.live()) {
            const bool only_job = job.may_be_at_fault() ? suspects == 1 : jobs.size() == 1;
            lost_job(now, job, instance, report, only_job);
            continue;
        }
        const bool cost_a_process = job.stop.cause == Cause::hung || job.stop.cause == Cause::timeout;
        if (cost_a_process && !not_the_jobs_fault(report)) count_death(instance, job.id(), report);
        let_go(job);
    }
}

/// The job may be gone afterwards.
void Ending::lost_job(TimePoint now, const ActiveJob& job, const Instance& instance,
                      const process::DeathReport& report, bool only_job) {
    const bool a_jobs_fault = !not_the_jobs_fault(report);
    if (a_jobs_fault) {
        records_.book.died(job);
        if (only_job) count_death(instance, job.id(), report);
    }
    ipc::JobError error = died_error(instance.id, report);
    if (const JobHistory::Poison* poison = records_.history.poison(job.id())) {
        ipc::JobError final_error = poison_error(*poison);
        final_error.details = std::move(error.details);
        return fail(now, job, std::move(final_error));
    }
    if (!may_resume(job, instance, report)) {
        // Nobody knows which of its jobs ended the process.
        if (a_jobs_fault && !only_job && job.may_be_at_fault()) records_.history.run_alone(job.id());
        return fail(now, job, std::move(error));
    }
    records_.actions.push_back(JobEnded{instance.id, job.id()});
    placing_.unbind(job);
    const Ms window = instance.policy.resume_window;
    records_.book.lost(job, instance.id.connector, now + window,
                       not_resumed_error(std::move(error), instance.id.connector, window));
    records_.note(
        Note::Level::warn, instance.id.connector, job.id(),
        "its process ended (" + report.summary() + "); the job waits for the next one to resume it");
}

bool Ending::may_resume(const ActiveJob& job, const Instance& instance,
                        const process::DeathReport& report) const {
    if (!instance.info.features.resume || instance.policy.resume_window <= config::off) return false;
    if (records_.drains.gives_back(instance.id.connector)) return false;
    if (!not_the_jobs_fault(report)) {
        // The job is given once more, or as often as the poison limit allows.
        return job.deaths < static_cast<int>(std::max(2u, instance.policy.poison_deaths));
    }
    if (report.stopped_for == StopReason::worker_leaving) return false;
    if (report.stopped_for != StopReason::requested) return true;
    // The process was stopped for good: only another one that runs already can go on with the job.
    const auto& all = records_.pool.instances();
    return std::any_of(all.begin(), all.end(), [&](const auto& entry) {
        const Instance& other = entry.second;
        return other.id.connector == instance.id.connector && other.serving() && other.info.features.resume;
    });
}

/// A connector's process has ended, and this job is the reason, unless the machine is.
void Ending::count_death(const Instance& instance, const std::string& job_id,
                         const process::DeathReport& report) {
    const Verdict verdict = records_.blame.judge({instance.id.connector, instance.id.index, false}, {job_id});
    if (verdict.kind == Verdict::Kind::job) {
        records_.history.add_death(job_id, report.summary(), instance.policy.poison_deaths);
        return;
    }
    for (const std::string& each : verdict.jobs)
        records_.history.forgive(each);
}

// ---- limits

void Ending::check_limits(TimePoint now, const ActiveJob& job) {
    Instance* runner = job.instance ? records_.pool.find(*job.instance) : nullptr;
    auto over = limit_over(now, job, runner);
    if (over == Limit::begun_silently) {
        runner->refusals.began_one();
        over = limit_over(now, job, runner);
    }
    if (!over) return;
    switch (*over) {
        case Limit::waited:
            return end_waiting(now, job);
        case Limit::ignores_cancel:
            records_.book.cancel_ignored(job);
            runner->overdue = true;
            return records_.note(
                Note::Level::warn, runner->id.connector, job.id(),
                "did not stop within " + human_duration(runner->policy.cancel_timeout) + " of its cancel");
        case Limit::service_away:
            return fail_and_abandon(now, job, Cause::given_back,
                                    service_away_error(runner->id, runner->info.unavailable_reason));
        case Limit::ran_too_long:
            return fail_and_abandon(now, job, Cause::timeout,
                                    timeout_error(runner->id, runner->policy.job_timeout));
        case Limit::hung:
            return fail_and_abandon(
                now, job, Cause::hung,
                hung_error(runner->id, runner->policy.no_progress_timeout, !job.run.started));
        case Limit::begun_silently:
            return;
    }
}

void Ending::end_waiting(TimePoint now, const ActiveJob& job) {
    const ActiveJob::Waiting& waiting = job.waiting;
    const Ms hold = placing_.hold();
    if (waiting.resume_on) return fail(now, job, waiting.error);
    if (waiting.refusals > 0)
        return fail(now, job, not_started_error(waiting.refusals, hold, waiting.last_words), false);
    const std::string why = waiting.trouble.empty() ? placing_.why_not(job) : waiting.trouble;
    fail(now, job, unavailable_error(job.assignment.job_type, hold, why), false);
}

// ---- drains

void Ending::give_back_drained(TimePoint now) {
    for (const std::string& who : records_.drains.take_due(now)) {
        const bool all = who == Drains::whole_worker;
        std::vector<std::uint64_t> numbers;
        for (const auto& [number, job] : records_.book.all())
            if (job.live() && !job.delivered_by_us() && (all || job.connector() == who))
                numbers.push_back(number);
        // What is delivered is done; whoever leaves before it has arrived goes on with it at the next start.
        if (all) records_.book.leave_deliveries_behind();
        for (const std::uint64_t number : numbers)
            give_back(
                now, *records_.book.find(number),
                all ? "this worker is leaving" : "connector " + who + " of this worker is being drained");
    }
}

void Ending::give_back_ahead(TimePoint now) {
    for (const std::uint64_t number : records_.book.without_slot()) {
        const ActiveJob& job = *records_.book.find(number);
        if (!job.ahead) continue;
        const std::string& connector = job.instance->connector;
        const bool all = records_.drains.drained(Drains::whole_worker);
        if (!all && !records_.drains.drained(connector)) continue;
        give_back_unbegun(now, job,
                          drained_error(all ? "this worker is leaving"
                                            : "connector " + connector + " of this worker is being drained"));
    }
}

void Ending::give_back_unbegun(TimePoint now, const ActiveJob& job, ipc::JobError error) {
    if (job.state == JobState::prepared) placing_.withdraw(job, error.message);
    fail(now, job, std::move(error), false);
}

void Ending::give_back(TimePoint now, const ActiveJob& job, const std::string& who) {
    fail_and_abandon(now, job, Cause::given_back, drained_error(who));
}

}  // namespace emprops::jobs
