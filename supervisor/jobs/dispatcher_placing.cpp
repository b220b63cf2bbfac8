// Dispatcher: which instance runs a job, what the ledger must know first, and what the Hub is told of
// capacity.

#include <utility>
#include <vector>

#include "supervisor/jobs/dispatcher.h"

namespace emprops::jobs {

namespace {
/// So many runs without an answer, each with its scratch folder, are enough of one process.
constexpr std::size_t most_unanswered = 100;
}  // namespace

/// After every event: whoever waits gets what became free, then the claims, and the Hub hears what is left.
void Dispatcher::settle(TimePoint now) {
    stop_instances_that_only_ignore_cancels();
    place_waiting(now);
    pool_.rebind_reservations();
    std::vector<std::string> waiting;
    for (const auto& [number, job] : jobs_) {
        // One that is to be resumed has a place of its own: the next process of its connector.
        if (job.state == JobState::held) waiting.push_back(job.assignment.job_type);
    }
    pool_.count_waiting(waiting);
    replace_for_waiting(now);
    emit_capacity();
}

void Dispatcher::place_waiting(TimePoint now) {
    pool_.end_pauses(now);
    pool_.count_waiting({});
    for (auto& [number, job] : jobs_) {
        if (job.state != JobState::held && job.state != JobState::resuming) continue;
        if (Instance* instance = find_place(job)) bind(now, job, *instance);
    }
}

Instance* Dispatcher::find_place(const ActiveJob& job) {
    return pool_.choose(job.assignment.job_type, [&](const Instance& instance) {
        if (holds(instance.id, job.id())) return false;
        if (instance.held > 0 && history_.runs_alone(job.id())) return false;
        return !job.resume_on || (instance.id.connector == *job.resume_on && instance.info.features.resume);
    });
}

/// Everything that takes jobs of this type may still hold this one.
bool Dispatcher::only_unanswered(const std::string& job_id, const std::string& job_type) const {
    return !pool_.serves(job_type, [&](const Instance& instance) { return !holds(instance.id, job_id); });
}

/// Of the instances that may still hold this waiting job, where no other one takes its type, the one whose
/// replacement is the next thing to do; nullptr: nothing of the kind is to be done.
const Instance* Dispatcher::to_replace_for(const ActiveJob& job) const {
    if (job.state != JobState::held || !only_unanswered(job.id(), job.assignment.job_type)) return nullptr;
    const Instance* best = nullptr;
    for (const auto& [id, instance] : pool_.instances()) {
        if (!pool_.open(instance) || !instance.has_type(job.assignment.job_type) || instance.info.attached)
            continue;
        if (instance.replacement_asked && *instance.replacement_asked >= job.assigned_at) return nullptr;
        if (best == nullptr || instance.held < best->held) best = &instance;
    }
    return best;
}

std::optional<TimePoint> Dispatcher::replacement_due(const ActiveJob& job) const {
    const Instance* instance = to_replace_for(job);
    if (instance == nullptr) return std::nullopt;
    if (instance->held == 0) return job.assigned_at;
    return job.assigned_at + instance->policy.cancel_timeout;
}

void Dispatcher::replace_for_waiting(TimePoint now) {
    for (const auto& [number, job] : jobs_) {
        const auto due = replacement_due(job);
        if (!due || *due > now) continue;
        Instance& instance = *pool_.find(to_replace_for(job)->id);
        instance.replacement_asked = now;
        actions_.push_back(ReplaceInstance{
            instance.id, "it may still hold an earlier run of job " + job.id() +
                             ", which has come back, and no other process takes jobs of type \"" +
                             job.assignment.job_type + "\""});
    }
    for (const auto& [id, known] : pool_.instances()) {
        if (known.unanswered.size() < most_unanswered || known.held > 0 || known.replacement_asked) continue;
        if (!pool_.open(known) || known.info.attached) continue;
        pool_.find(id)->replacement_asked = now;
        actions_.push_back(ReplaceInstance{id, "it has left " + std::to_string(most_unanswered) +
                                                   " jobs without an answer after broken messages"});
    }
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
    job.given_order = ++last_given_;
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
    auto now = shared_capacity();
    const bool same = now == told_ || *now == *told_;
    told_ = std::move(now);
    if (!same) actions_.push_back(CapacityChanged{told_});
}

/// Why no instance takes this job, for a person.
std::string Dispatcher::why_not_placed(const std::string& job_id, const std::string& job_type) const {
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
        else if (holds(id, job_id))
            why += " may still hold an earlier run of it";
        else if (instance.asked_again)
            why += " refuses jobs";
        else
            why += " has no free slot";
    }
    return why.empty() ? "no connector for this type is ready" : why;
}

}  // namespace emprops::jobs
