#include "supervisor/jobs/placing.h"

#include <utility>
#include <vector>

namespace emprops::jobs {
namespace {

/// So many runs without an answer, each with its scratch folder, are enough of one process.
constexpr std::size_t most_unanswered = 100;

ipc::Job message_for(const ActiveJob& job, const Instance& instance) {
    ipc::Job message;
    message.job_id = job.assignment.job_id;
    message.job_type = job.assignment.job_type;
    message.priority = job.assignment.priority;
    message.attempt = job.run.attempt;
    message.resume = job.run.resumed;
    if (instance.policy.job_timeout > config::off) message.timeout = instance.policy.job_timeout;
    message.payload = job.assignment.payload;
    return message;
}

}  // namespace

// ---- claims and new assignments

bool Placing::reserve(const std::string& job_id, const std::string& job_type) {
    const bool alone = records_.history.runs_alone(job_id);
    const auto free_of_it = [&](const Instance& instance) {
        return !records_.holds(instance.id, job_id) && !(alone && instance.held + instance.reserved > 0);
    };
    if (records_.pool.reserve(job_id, job_type, free_of_it)) return true;
    // If all instances of this type may still hold an earlier run of the job, it is claimed nevertheless: while it
    // waits, one of them is replaced.
    return only_unanswered(job_id, job_type) && records_.pool.reserve(job_id, job_type, {});
}

bool Placing::reserve_ahead(const std::string& job_id, const std::string& job_type) {
    return !records_.history.runs_alone(job_id) &&
           records_.pool.reserve_ahead(job_id, job_type, [&](const Instance& instance) {
               return !records_.holds(instance.id, job_id);
           });
}

void Placing::place(TimePoint now, const ActiveJob& job, Instance* reserved) {
    if (reserved != nullptr &&
        (records_.holds(reserved->id, job.id()) || records_.drains.gives_back(reserved->id.connector) ||
         (reserved->held > 0 && records_.history.runs_alone(job.id()))))
        reserved = nullptr;
    Instance* instance = reserved != nullptr ? reserved : find_place(job);
    if (instance != nullptr) return bind(now, job, *instance);
    if (Instance* ahead = find_ahead(job)) return bind(now, job, *ahead, true);
    record(job, "", false, false);
    records_.book.wait_again(job, now + hold_);
    records_.note(Note::Level::warn, "", job.id(), "waits for a connector: " + why_not(job));
}

void Placing::record_again(const ActiveJob& job) {
    const Instance* instance = job.instance ? records_.pool.find(*job.instance) : nullptr;
    record(job, instance != nullptr ? instance->id.connector : job.record.connector.value_or(""),
           job.waiting.resume_on || (instance != nullptr && instance->info.features.resume),
           job.record.begun);
}

void Placing::record(const ActiveJob& job, const std::string& connector, bool with_payload, bool begun) {
    RecordJob record;
    record.assignment.job_id = job.assignment.job_id;
    record.assignment.job_type = job.assignment.job_type;
    record.assignment.priority = job.assignment.priority;
    record.assignment.number = job.assignment.number;
    if (with_payload) record.assignment.payload = job.assignment.payload;
    if (!job.claimed_as.empty()) record.note.claimed_as.push_back(job.claimed_as);
    record.note.connector = connector;
    record.note.attempt = job.given() ? job.run.attempt : job.run.attempt + 1;
    record.note.with_payload = with_payload;
    record.note.begun = begun;
    records_.book.record_asked(job, connector, begun);
    records_.actions.push_back(std::move(record));
}

void Placing::bind(TimePoint now, const ActiveJob& job, Instance& instance, bool ahead) {
    ++(ahead ? instance.ahead : instance.held);
    if (!ahead && records_.history.runs_alone(job.id())) instance.alone = true;
    if (job.record.connector != instance.id.connector || job.record.begun == ahead)
        record(job, instance.id.connector, instance.info.features.resume, !ahead);
    records_.book.promise(job, instance.id, ahead);
    if (job.record.unanswered == 0) give(now, job);
}

void Placing::give(TimePoint now, const ActiveJob& job) {
    if (job.ahead) return prepare(job);
    if (job.state == JobState::prepared) {
        records_.book.begin(now, job);
        begun(job, "begun by ");
        records_.actions.push_back(BeginJob{*job.instance, job.id()});
        return;
    }
    const Instance& instance = *records_.pool.find(*job.instance);
    records_.book.give(now, job, records_.history.begin_attempt(job.id()));
    ipc::Job message = message_for(job, instance);
    if (message.resume) ++records_.stats.resumed;
    begun(job, job.run.resumed ? "resumed by " : "given to ");
    records_.actions.push_back(GiveJob{instance.id, std::move(message), instance.info.features.files});
}

void Placing::begun(const ActiveJob& job, const std::string& how) {
    const process::InstanceId& id = *job.instance;
    ++records_.stats.given;
    if (!job.run.resumed) records_.blame.given({id.connector, id.index, true}, job.id());
    if (job.told_ahead) records_.actions.push_back(TellBegun{job.id(), job.assignment.number});
    records_.book.tell_ahead(job, false);
    records_.note(Note::Level::info, id.connector, job.id(),
                  how + process::to_string(id) +
                      (job.run.attempt > 1 ? ", attempt " + std::to_string(job.run.attempt) : ""));
}

/// Its message is the one of a job that begins, but for the word that it does not.
void Placing::prepare(const ActiveJob& job) {
    const Instance& instance = *records_.pool.find(*job.instance);
    records_.book.prepare(job, records_.history.begin_attempt(job.id()));
    ipc::Job message = message_for(job, instance);
    message.prepare = true;
    records_.note(Note::Level::debug, instance.id.connector, job.id(),
                  "prepared by " + process::to_string(instance.id) + ", waits for the slot");
    records_.actions.push_back(GiveJob{instance.id, std::move(message), instance.info.features.files});
}

// ---- letting go

void Placing::unbind(const ActiveJob& job) {
    if (!job.instance) return;
    const process::InstanceId id = *job.instance;
    records_.blame.ended({id.connector, id.index, true}, job.id(), false);
    const bool ahead = job.ahead;
    const bool released = job.run.released;
    records_.book.unbind(job);
    Instance* instance = records_.pool.find(id);
    if (instance == nullptr) return;
    --(ahead ? instance->ahead : instance->held);
    if (released) --instance->released;
    if (instance->held == 0) instance->alone = false;
    instance->overdue = instance->info.features.cancel && records_.book.ignores_cancel(id);
}

void Placing::take_back(TimePoint now, const ActiveJob& job) {
    records_.book.not_run(job);
    unbind(job);
    records_.book.wait_again(job, now + hold_);
}

void Placing::take_back_promised(TimePoint now, const process::InstanceId& id, bool ends) {
    for (const std::uint64_t number : records_.book.on(id)) {
        const ActiveJob& job = *records_.book.find(number);
        if (job.state == JobState::prepared) {
            if (ends) records_.book.not_ahead(job);
            records_.history.undo_attempt(job.id());
            records_.book.not_run(job);
            withdraw(job, "another process is to begin it");
        } else if (job.state == JobState::recording) {
            unbind(job);
        } else {
            continue;
        }
        records_.book.wait_again(job, now + hold_);
    }
}

void Placing::withdraw(const ActiveJob& job, const std::string& reason) {
    const process::InstanceId id = *job.instance;
    records_.actions.push_back(CancelJob{id, job.id(), reason});
    records_.actions.push_back(JobUnanswered{id, job.id()});
    records_.pool.find(id)->unanswered.insert(job.id());
    unbind(job);
}

void Placing::not_prepared(TimePoint now, const ActiveJob& job) {
    records_.book.not_ahead(job);
    records_.history.undo_attempt(job.id());
    take_back(now, job);
}

// ---- waiting

void Placing::settle(TimePoint now) {
    place_waiting(now);
    records_.pool.rebind_reservations();
    std::vector<std::string> types;
    for (const std::uint64_t number : records_.book.waiting()) {
        const ActiveJob& job = *records_.book.find(number);
        // A job that is to be resumed needs no free slot: it goes to the next process of its connector.
        if (job.state == JobState::held) types.push_back(job.assignment.job_type);
    }
    records_.pool.count_waiting(types);
    replace_for_waiting(now);
}

void Placing::place_waiting(TimePoint now) {
    records_.pool.end_pauses(now);
    records_.pool.count_waiting({});
    for (const std::uint64_t number : records_.book.without_slot()) {
        const ActiveJob& job = *records_.book.find(number);
        if (job.ahead && records_.pool.find(*job.instance)->free_slots() > 0) turn(now, job);
    }
    for (const std::uint64_t number : records_.book.without_slot())
        place_waiting_one(now, *records_.book.find(number));
}

/// No job waits behind a busy instance while another one has a slot: one that is bound ahead moves there.
void Placing::place_waiting_one(TimePoint now, const ActiveJob& job) {
    Instance* instance = find_place(job);
    if (!job.ahead) {
        if (instance != nullptr) return bind(now, job, *instance);
        if (Instance* ahead = find_ahead(job)) bind(now, job, *ahead, true);
        return;
    }
    if (instance == nullptr) return;
    if (job.state == JobState::prepared) {
        records_.history.undo_attempt(job.id());
        records_.book.not_run(job);
        withdraw(job, "another instance begins it at once");
    } else {
        unbind(job);
    }
    bind(now, job, *instance);
}

void Placing::turn(TimePoint now, const ActiveJob& job) {
    Instance& instance = *records_.pool.find(*job.instance);
    --instance.ahead;
    ++instance.held;
    records_.book.turn(job);
    record(job, instance.id.connector, instance.info.features.resume, true);
    if (job.record.unanswered == 0) give(now, job);
}

/// Only a job that was claimed for that: for any other one the Hub takes it that it runs.
Instance* Placing::find_ahead(const ActiveJob& job) {
    if (!job.told_ahead || job.not_ahead || records_.history.runs_alone(job.id())) return nullptr;
    const auto not_here = [&](const Instance& instance) { return !records_.holds(instance.id, job.id()); };
    return records_.pool.choose_ahead(job.assignment.job_type, not_here, true);
}

Instance* Placing::find_place(const ActiveJob& job) {
    const auto& resume_on = job.waiting.resume_on;
    return records_.pool.choose(job.assignment.job_type, [&](const Instance& instance) {
        if (records_.holds(instance.id, job.id())) return false;
        if (instance.held > 0 && records_.history.runs_alone(job.id())) return false;
        return !resume_on || (instance.id.connector == *resume_on && instance.info.features.resume);
    });
}

std::optional<TimePoint> Placing::next_wakeup() const {
    Earliest next;
    next.add(records_.pool.next_pause_end());
    for (const auto& [number, job] : records_.book.all())
        next.add(replacement_due(job));
    return next.at();
}

std::string Placing::why_not(const ActiveJob& job) const {
    std::string why;
    for (const auto& [id, instance] : records_.pool.instances()) {
        if (!instance.has_type(job.assignment.job_type)) continue;
        if (!why.empty()) why += ", ";
        why += process::to_string(id);
        if (instance.leaving || instance.stopping)
            why += " is being stopped";
        else if (!instance.info.available)
            why += " is not available" + (instance.info.unavailable_reason.empty()
                                              ? std::string()
                                              : " (" + instance.info.unavailable_reason + ")");
        else if (records_.drains.drained(id.connector))
            why += " is being drained";
        else if (records_.holds(id, job.id()))
            why += " may still hold an earlier run of it";
        else if (instance.refusals.asked_again())
            why += " refuses jobs";
        else
            why += " has no free slot";
    }
    return why.empty() ? "no connector for this type is ready" : why;
}

// ---- one run of a job per process

/// Each instance that takes jobs of this type may still hold an earlier run of this one.
bool Placing::only_unanswered(const std::string& job_id, const std::string& job_type) const {
    return !records_.pool.serves(
        job_type, [&](const Instance& instance) { return !records_.holds(instance.id, job_id); });
}

/// The instance to replace so that this waiting job finds one that cannot hold an earlier run of it. Null: there is
/// one, or a replacement is on its way already.
const Instance* Placing::to_replace_for(const ActiveJob& job) const {
    if (job.state != JobState::held || !only_unanswered(job.id(), job.assignment.job_type)) return nullptr;
    const Instance* best = nullptr;
    for (const auto& [id, instance] : records_.pool.instances()) {
        if (!records_.pool.open(instance) || !instance.has_type(job.assignment.job_type) ||
            instance.info.attached)
            continue;
        if (instance.replacement_asked && *instance.replacement_asked >= job.assigned_at) return nullptr;
        if (best == nullptr || instance.held < best->held) best = &instance;
    }
    return best;
}

std::optional<TimePoint> Placing::replacement_due(const ActiveJob& job) const {
    const Instance* instance = to_replace_for(job);
    if (instance == nullptr) return std::nullopt;
    if (instance->held == 0) return job.assigned_at;
    return job.assigned_at + instance->policy.cancel_timeout;
}

void Placing::replace_for_waiting(TimePoint now) {
    const auto replace = [&](const process::InstanceId& id, std::string text) {
        records_.pool.find(id)->replacement_asked = now;
        records_.actions.push_back(ReplaceInstance{id, std::move(text)});
    };
    for (const auto& [number, job] : records_.book.all()) {
        const auto due = replacement_due(job);
        if (!due || *due > now) continue;
        replace(to_replace_for(job)->id, "it may still hold an earlier run of job " + job.id() +
                                             ", which has come back, and no other process takes jobs of "
                                             "type \"" +
                                             job.assignment.job_type + "\"");
    }
    for (const auto& [id, known] : records_.pool.instances()) {
        if (known.unanswered.size() < most_unanswered || known.held > 0 || known.replacement_asked) continue;
        if (!records_.pool.open(known) || known.info.attached) continue;
        replace(id, "it has left " + std::to_string(most_unanswered) +
                        " jobs without an answer after broken messages");
    }
}

}  // namespace emprops::jobs
