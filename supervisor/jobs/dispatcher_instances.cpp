// Dispatcher: what the fleet reports: instances that come and go, and their messages about jobs.

#include <utility>
#include <vector>

#include "supervisor/jobs/dispatcher.h"
#include "supervisor/jobs/job_errors.h"
#include "supervisor/jobs/result_rules.h"

namespace emprops::jobs {

namespace {
/// How long an instance gets nothing after it could not take a job (too much waits for its stdin).
constexpr Ms pause_after_refusal{250};
/// Likewise when its folder could not be made: a full disk is not empty so soon.
constexpr Ms pause_after_failure{2000};
}  // namespace

void Dispatcher::instance_ready(TimePoint now, const process::InstanceId& id,
                                const process::InstanceInfo& info,
                                const config::SupervisionSettings& policy) {
    config::SupervisionSettings limits = policy;
    // The process it runs in counts, not what is configured by now.
    if (info.attached) limits.job_timeout = limits.no_progress_timeout = config::off;
    pool_.put(id, info, limits);
    settle(now);
}

void Dispatcher::instance_changed(TimePoint now, const process::InstanceId& id,
                                  const process::InstanceInfo& info) {
    Instance* instance = pool_.find(id);
    if (instance == nullptr) return;
    const bool came_back = info.available && !instance->info.available;
    instance->set(info);
    if (!info.available) unbind_recording(now, id);
    if (came_back) {
        for (auto& [number, job] : jobs_)
            job.refused_by.erase(id);
    }
    settle(now);
}

void Dispatcher::instance_leaving(TimePoint now, const process::InstanceId& id) {
    Instance* instance = pool_.find(id);
    if (instance == nullptr) return;
    instance->leaving = true;
    unbind_recording(now, id);
    settle(now);
}

void Dispatcher::instance_gone(TimePoint now, const process::InstanceId& id,
                               const process::DeathReport& report) {
    const Instance* found = pool_.find(id);
    if (found == nullptr) return;
    const Instance instance = *found;
    unbind_recording(now, id);
    std::vector<std::uint64_t> held;
    for (const auto& [number, job] : jobs_) {
        if (job.instance == id) held.push_back(number);
    }
    pool_.remove(id);
    if (!held.empty()) ++stats_.deaths;
    emit_capacity();  // the Hub makes two offer rounds at each failure: it must know first that we cannot
    for (const std::uint64_t number : held) {
        ActiveJob& job = jobs_.at(number);
        if (job.live()) {
            lost_process(now, job, instance, report);
            continue;
        }
        const bool cost_a_process =
            job.cause == ActiveJob::Cause::hung || job.cause == ActiveJob::Cause::timeout;
        if (cost_a_process && !not_the_jobs_fault(report))
            history_.add_death(job.id(), report.summary(), instance.policy.poison_deaths);
        let_go(job);
    }
    settle(now);
}

void Dispatcher::not_given(TimePoint now, const process::InstanceId& id, const std::string& job_id,
                           const std::string& why) {
    ActiveJob* job = find_on(id, job_id);
    if (job == nullptr) return;
    history_.undo_attempt(job_id);
    if (Instance* instance = pool_.find(id))
        instance->paused_until = now + (why.empty() ? pause_after_refusal : pause_after_failure);
    if (!why.empty() && why != job->refusal)
        note(Note::Level::error, id.connector, job_id,
             "could not be given to " + process::to_string(id) + ": " + why);
    job->refusal = why;
    if (!job->live()) {  // cancelled between GiveJob and this answer
        unbind(*job);
        jobs_.erase(job->assignment.number);
    } else {
        unbind(*job);
        --job->attempt;
        if (job->resumed) job->resume_on = id.connector;
        hold(now, *job);
    }
    settle(now);
}

void Dispatcher::accepted(TimePoint now, const process::InstanceId& id, const ipc::Accepted& message) {
    if (ActiveJob* job = find_on(id, message.job_id)) {
        show_sign(now, *job);
    } else {
        ignore(id, message.job_id, "accepted");
    }
}

void Dispatcher::progress(TimePoint now, const process::InstanceId& id, const ipc::Progress& message) {
    ActiveJob* job = find_on(id, message.job_id);
    if (job == nullptr) {
        ignore(id, message.job_id, "progress");
        return;
    }
    show_sign(now, *job);
    if (!job->live()) return;
    job->last_progress_at = now;
    job->progress = message;
    actions_.push_back(ReportProgress{message.job_id, job->assignment.number, message});
}

void Dispatcher::result(TimePoint now, const process::InstanceId& id, ipc::JobResult message) {
    ActiveJob* job = find_on(id, message.job_id);
    if (job == nullptr) {
        ignore(id, message.job_id, "a result");
        return;
    }
    if (job->live())
        finish(now, *job, judge_result(std::move(message.result)));
    else
        note(Note::Level::info, id.connector, message.job_id, "finished after its end; nothing is reported");
    let_go(*job);
    settle(now);
}

void Dispatcher::failed(TimePoint now, const process::InstanceId& id, const ipc::Failed& message) {
    ActiveJob* job = find_on(id, message.job_id);
    if (job == nullptr) {
        ignore(id, message.job_id, "a failure");
        return;
    }
    if (job->live() && message.error.code == ipc::code::not_started && !job->started) {
        handed_back(now, *job, message.error);
    } else {
        if (job->live()) finish(now, *job, Failed{message.error});
        let_go(*job);
    }
    settle(now);
}

/// Answered not_started: counts for nothing, another instance gets it.
void Dispatcher::handed_back(TimePoint now, ActiveJob& job, const ipc::JobError& error) {
    const process::InstanceId id = *job.instance;
    history_.undo_attempt(job.id());
    ++stats_.not_started;
    ++job.not_started;
    if (job.not_started >= settings_.max_not_started) {
        fail(now, job, not_started_error(job.not_started, error.message));
        return;
    }
    actions_.push_back(JobEnded{id, job.id()});
    unbind(job);
    --job.attempt;
    job.refused_by.insert(id);
    if (job.resumed) {
        job.resume_on = id.connector;
    } else {
        job.waiting_error = error;
        job.waits_until = now + settings_.hold;
    }
    hold(now, job);
    note(Note::Level::warn, id.connector, job.id(),
         "not started: " + error.message + "; goes to another instance");
}

void Dispatcher::service_request(TimePoint, const process::InstanceId& id,
                                 const ipc::ServiceRequest& message) {
    const ActiveJob* job = find_on(id, message.job_id);
    if (job == nullptr)
        ignore(id, message.job_id, "a service request");
    else if (job->live())
        actions_.push_back(ForwardServiceRequest{message.job_id, job->assignment.number, id, message});
}

void Dispatcher::protocol_error(TimePoint now, const process::InstanceId& id,
                                const std::optional<std::string>& job_id, const std::string& code,
                                const std::string& text) {
    ActiveJob* job = nullptr;
    if (job_id) {
        job = find_on(id, *job_id);
    } else {
        int given = 0;
        for (auto& [number, candidate] : jobs_) {
            if (candidate.instance != id || candidate.state == JobState::recording) continue;
            job = &candidate;
            ++given;
        }
        if (given > 1) job = nullptr;
    }
    if (job == nullptr) {
        note(Note::Level::warn, id.connector, job_id.value_or(""), text);
        return;
    }
    if (job->live())
        finish(now, *job, Failed{ipc::JobError{code, text, code != ipc::code::result_too_large, {}}});
    // The line may have been the job's last. If the job still runs it must end; if not, this is ignored.
    actions_.push_back(CancelJob{id, job->id(), text});
    let_go(*job);
    settle(now);
}

void Dispatcher::show_sign(TimePoint now, ActiveJob& job) {
    job.last_sign = now;
    job.started = true;
    job.refusal.clear();
    job.waits_until.reset();
    const Instance* instance = pool_.find(*job.instance);
    // Begun and never to be given again: payloads reach 100 MB.
    if (!instance->info.features.resume) job.assignment.payload = {};
}

void Dispatcher::ignore(const process::InstanceId& id, const std::string& job_id, const std::string& what) {
    ++stats_.ignored;
    note(Note::Level::warn, id.connector, job_id,
         process::to_string(id) + " sent " + what + " for a job it does not hold; ignored");
}

}  // namespace emprops::jobs
