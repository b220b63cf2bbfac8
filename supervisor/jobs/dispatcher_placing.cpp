// Dispatcher: which instance runs a job, what the ledger must know first, and what the Hub is told of
// capacity.

#include <utility>

#include "supervisor/jobs/dispatcher.h"

namespace emprops::jobs {

/// After every event: whoever waits gets what became free, then the claims, and the Hub hears what is left.
void Dispatcher::settle(TimePoint now) {
    pool_.end_pauses(now);
    stop_instances_that_only_ignore_cancels();
    for (auto& [number, job] : jobs_) {
        if (job.state != JobState::held && job.state != JobState::resuming) continue;
        if (Instance* instance = find_place(job)) bind(now, job, *instance);
    }
    pool_.rebind_reservations();
    emit_capacity();
}

Instance* Dispatcher::find_place(const ActiveJob& job) {
    return pool_.choose(job.assignment.job_type, [&](const Instance& instance) {
        if (job.refused_by.contains(instance.id) || holds(instance.id, job.id())) return false;
        if (instance.held > 0 && history_.runs_alone(job.id())) return false;
        return !job.resume_on || (instance.id.connector == *job.resume_on && instance.info.features.resume);
    });
}

void Dispatcher::bind(TimePoint now, ActiveJob& job, Instance& instance) {
    job.instance = instance.id;
    ++instance.held;
    if (history_.runs_alone(job.id())) instance.alone = true;
    if (job.recorded_for != instance.id.connector)
        record(job, instance.id.connector, instance.info.features.resume);
    job.state = JobState::recording;
    if (job.unanswered_records == 0) give(now, job, instance);
}

void Dispatcher::unbind(ActiveJob& job) {
    if (!job.instance) return;
    blame_.ended({job.instance->connector, job.instance->index, true}, job.id(), false);
    if (Instance* instance = pool_.find(*job.instance)) {
        --instance->held;
        if (instance->held == 0) instance->alone = false;
        instance->overdue = false;
        for (const auto& [number, other] : jobs_) {
            if (&other != &job && other.instance == instance->id && !other.live() && other.let_stop)
                instance->overdue = instance->info.features.cancel;
        }
    }
    job.instance.reset();
}

/// Jobs that were promised to an instance and not given yet look for another one.
void Dispatcher::unbind_recording(TimePoint now, const process::InstanceId& id) {
    for (auto& [number, job] : jobs_) {
        if (job.state != JobState::recording || job.instance != id) continue;
        unbind(job);
        hold(now, job);
    }
}

void Dispatcher::record(ActiveJob& job, const std::string& connector, bool with_payload) {
    RecordJob record;
    record.assignment.job_id = job.assignment.job_id;
    record.assignment.job_type = job.assignment.job_type;
    record.assignment.priority = job.assignment.priority;
    record.assignment.number = job.assignment.number;
    if (with_payload) record.assignment.payload = job.assignment.payload;
    record.claimed_as = job.claimed_as;
    record.connector = connector;
    record.attempt = job.state == JobState::running ? job.attempt : job.attempt + 1;
    record.with_payload = with_payload;
    job.recorded_for = connector;
    ++job.unanswered_records;
    actions_.push_back(std::move(record));
}

void Dispatcher::give(TimePoint now, ActiveJob& job, Instance& instance) {
    ipc::Job message;
    message.job_id = job.assignment.job_id;
    message.job_type = job.assignment.job_type;
    message.priority = job.assignment.priority;
    message.attempt = job.attempt = history_.begin_attempt(job.id());
    message.resume = job.resumed = job.resume_on.has_value();
    if (instance.policy.job_timeout > config::off) message.timeout = instance.policy.job_timeout;
    message.payload = job.assignment.payload;
    ++stats_.given;
    if (!message.resume) blame_.given({instance.id.connector, instance.id.index, true}, job.id());
    if (message.resume) ++stats_.resumed;
    job.state = JobState::running;
    job.given_at = job.last_sign = now;
    job.started = false;
    job.resume_on.reset();
    note(Note::Level::info, instance.id.connector, job.id(),
         std::string(message.resume ? "resumed by " : "given to ") + process::to_string(instance.id) +
             (message.attempt > 1 ? ", attempt " + std::to_string(message.attempt) : ""));
    actions_.push_back(GiveJob{instance.id, std::move(message)});
}

void Dispatcher::hold(TimePoint now, ActiveJob& job) {
    job.state = job.resume_on ? JobState::resuming : JobState::held;
    if (!job.waits_until) job.waits_until = now + settings_.hold;
}

void Dispatcher::emit_capacity() {
    Capacity now = capacity();
    if (now == told_) return;
    told_ = now;
    actions_.push_back(CapacityChanged{std::move(now)});
}

/// Why no instance takes a job of this type, for a person.
std::string Dispatcher::why_not_placed(const std::string& job_type) const {
    std::string why;
    for (const auto& [id, instance] : pool_.instances()) {
        if (!instance.has_type(job_type)) continue;
        if (!why.empty()) why += ", ";
        why += process::to_string(id);
        if (instance.leaving || instance.stopping)
            why += " is being stopped";
        else if (!instance.info.available)
            why += " is not available" + (instance.info.unavailable_reason.empty()
                                              ? std::string()
                                              : " (" + instance.info.unavailable_reason + ")");
        else if (connector_drains_.contains(id.connector))
            why += " is being drained";
        else
            why += " has no free slot";
    }
    return why.empty() ? "no connector for this type is ready" : why;
}

}  // namespace emprops::jobs
