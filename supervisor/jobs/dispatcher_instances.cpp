// Dispatcher: what the fleet reports: instances that come and go, and their messages about jobs.

#include <algorithm>
#include <utility>
#include <vector>

#include "supervisor/jobs/dispatcher.h"
#include "supervisor/jobs/job_errors.h"
#include "supervisor/jobs/result_rules.h"
#include "supervisor/process/evidence.h"

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
    note_service(now, pool_.put(id, info, limits));
    settle(now);
}

void Dispatcher::instance_changed(TimePoint now, const process::InstanceId& id,
                                  const process::InstanceInfo& info) {
    Instance* instance = pool_.find(id);
    if (instance == nullptr) return;
    const bool came_back = info.available && !instance->info.available;
    instance->set(info);
    note_service(now, *instance);
    if (!info.available) unbind_recording(now, id);
    if (came_back) instance->took_one();  // what it refused meanwhile says nothing
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
    for (const std::string& job_id : instance.unanswered)
        actions_.push_back(JobEnded{id, job_id});
    pool_.remove(id);
    if (!held.empty()) ++stats_.deaths;
    emit_capacity();  // the Hub makes two offer rounds at each failure: it must know first that we cannot
    for (const std::uint64_t number : held) {
        ActiveJob& job = jobs_.at(number);
        if (job.live()) {
            lost_process(now, job, instance, report, held.size() == 1);
            continue;
        }
        const bool cost_a_process =
            job.cause == ActiveJob::Cause::hung || job.cause == ActiveJob::Cause::timeout;
        if (cost_a_process && !not_the_jobs_fault(report)) count_death(id, job.id(), instance.policy, report);
        let_go(job);
    }
    settle(now);
}

void Dispatcher::not_given(TimePoint now, const process::InstanceId& id, const std::string& job_id,
                           const std::string& why) {
    ActiveJob* job = find_on(id, job_id);
    if (job == nullptr) return;
    history_.undo_attempt(job_id);
    if (Instance* instance = pool_.find(id)) {
        instance->paused_until = now + (why.empty() ? pause_after_refusal : pause_after_failure);
        instance->trouble = why;
    }
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
        blame_.begun({id.connector, id.index, true}, message.job_id);
        settle(now);
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
    const bool first = !job->started;
    show_sign(now, *job);
    if (job->live()) {
        job->last_progress_at = now;
        job->progress = message;
        actions_.push_back(ReportProgress{message.job_id, job->assignment.number, message});
    }
    if (first) settle(now);
}

void Dispatcher::result(TimePoint now, const process::InstanceId& id, ipc::JobResult message) {
    if (answered(now, id, message.job_id)) return;
    ActiveJob* job = find_on(id, message.job_id);
    if (job == nullptr) {
        ignore(id, message.job_id, "a result");
        return;
    }
    pool_.find(id)->took_one();
    if (job->live())
        finish(now, *job, judge_result(std::move(message.result)));
    else
        note(Note::Level::info, id.connector, message.job_id, "finished after its end; nothing is reported");
    let_go(*job);
    settle(now);
}

void Dispatcher::failed(TimePoint now, const process::InstanceId& id, const ipc::Failed& message) {
    if (answered(now, id, message.job_id)) return;
    ActiveJob* job = find_on(id, message.job_id);
    if (job == nullptr) {
        ignore(id, message.job_id, "a failure");
        return;
    }
    const bool refused = message.error.code == ipc::code::not_started && !job->started;
    if (job->live() && refused) {
        handed_back(now, *job, message.error);
    } else {
        if (!refused) pool_.find(id)->took_one();
        if (job->live()) finish(now, *job, Failed{message.error});
        let_go(*job);
    }
    settle(now);
}

/// The one answer to a run that has ended long ago for everybody else.
bool Dispatcher::answered(TimePoint now, const process::InstanceId& id, const std::string& job_id) {
    Instance* instance = pool_.find(id);
    if (instance == nullptr || instance->unanswered.erase(job_id) == 0) return false;
    note(Note::Level::info, id.connector, job_id,
         process::to_string(id) + " has answered a run that had ended already; nothing is reported");
    instance->took_one();  // perhaps that run was what it had no place beside
    actions_.push_back(JobEnded{id, job_id});
    settle(now);
    return true;
}

/// How many jobs its instance held when it was given this one, of those that it has not ended since: it says
/// one thing after the other.
int Dispatcher::held_before(const ActiveJob& job) const {
    return static_cast<int>(std::count_if(jobs_.begin(), jobs_.end(), [&](const auto& entry) {
        const ActiveJob& other = entry.second;
        const bool given = other.state == JobState::running || other.state == JobState::stopping;
        return given && other.instance == job.instance && other.given_order < job.given_order;
    }));
}

/// Answered not_started: costs the job nothing. It waits for whoever can begin it, this instance included.
void Dispatcher::handed_back(TimePoint now, ActiveJob& job, const ipc::JobError& error) {
    const process::InstanceId id = *job.instance;
    Instance& instance = *pool_.find(id);
    history_.undo_attempt(job.id());
    ++stats_.not_started;
    ++job.not_started;
    job.last_words = process::cut(error.message);
    const int others = held_before(job);
    const int slots = instance.slots();
    instance.refused(now, others, "job " + job.id() + " (\"" + job.last_words + "\")");
    actions_.push_back(JobEnded{id, job.id()});
    unbind(job);
    --job.attempt;
    if (job.resumed) job.resume_on = id.connector;
    hold(now, job);
    note(Note::Level::info, id.connector, job.id(),
         process::to_string(id) + " refused it, not started: " + job.last_words +
             "; the job waits for a slot");
    if (instance.slots() < slots || others == 0)
        note(others == 0 ? Note::Level::info : Note::Level::warn, id.connector, job.id(),
             refusal_text(now, instance));
}

void Dispatcher::service_request(TimePoint, const process::InstanceId& id,
                                 const ipc::ServiceRequest& message) {
    const ActiveJob* job = find_on(id, message.job_id);
    if (job == nullptr) {
        ignore(id, message.job_id, "a service request");
        return;
    }
    blame_.sent({id.connector, id.index, true}, message.job_id);
    if (job->live())
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
    actions_.push_back(JobUnanswered{id, job->id()});
    pool_.find(id)->unanswered.insert(job->id());
    pool_.find(id)->took_one();
    unbind(*job);
    jobs_.erase(job->assignment.number);
    settle(now);
}

void Dispatcher::show_sign(TimePoint now, ActiveJob& job) {
    job.last_sign = now;
    job.started = true;
    job.refusal.clear();
    job.waits_until.reset();
    job.not_started = 0;
    Instance* instance = pool_.find(*job.instance);
    instance->took_one();
    // Begun and never to be given again: payloads reach 100 MB.
    if (!instance->info.features.resume) job.assignment.payload = {};
}

void Dispatcher::ignore(const process::InstanceId& id, const std::string& job_id, const std::string& what) {
    // Of a run that is over for us it may say what it likes.
    if (const Instance* instance = pool_.find(id);
        instance != nullptr && instance->unanswered.contains(job_id))
        return;
    ++stats_.ignored;
    note(Note::Level::warn, id.connector, job_id,
         process::to_string(id) + " sent " + what + " for a job it does not hold; ignored");
}

}  // namespace emprops::jobs
