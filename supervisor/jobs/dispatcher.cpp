#include "supervisor/jobs/dispatcher.h"

#include <utility>

#include "supervisor/jobs/job_errors.h"
#include "supervisor/jobs/limits.h"

namespace emprops::jobs {

const char* to_string(UndeliveredCode code) {
    static constexpr const char* names[] = {"cancelled", "withdrawn", "superseded"};
    return names[static_cast<int>(code)];
}

Dispatcher::Dispatcher(const DispatcherSettings& settings)
    : hold_(settings.hold), records_(settings.history_size), placing_(records_, settings.hold) {
    records_.pool.set_connector_order(settings.connector_order);
}

/// After every event: whoever waits gets what became free, then the claims, and the Hub hears what is left.
void Dispatcher::settle(TimePoint now) {
    ending_.stop_processes_that_ignore_cancels(now);
    ahead_.mark(now, records_.book, records_.pool);
    placing_.settle(now);
    if (ahead_.goes_back()) ending_.give_back_ahead(now);
    capacity_.tell();
}

// ---- instances

void Dispatcher::instance_ready(TimePoint now, const process::InstanceId& id,
                                const process::InstanceInfo& info,
                                const config::SupervisionSettings& policy) {
    config::SupervisionSettings limits = policy;
    // What counts is how this process was started, not what is configured by now.
    if (info.attached) limits.job_timeout = limits.no_progress_timeout = config::off;
    records_.pool.put(id, info, limits).note_service(now, hold_);
    settle(now);
}

void Dispatcher::instance_changed(TimePoint now, const process::InstanceId& id,
                                  const process::InstanceInfo& info) {
    Instance* instance = records_.pool.find(id);
    if (instance == nullptr) return;
    const bool came_back = info.available && !instance->info.available;
    records_.pool.put(id, info, instance->policy);
    instance->note_service(now, hold_);
    if (!info.available) placing_.take_back_promised(now, id, false);
    if (came_back) instance->refusals.began_one();  // refusals while its service was away say nothing of it
    settle(now);
}

void Dispatcher::instance_leaving(TimePoint now, const process::InstanceId& id) {
    Instance* instance = records_.pool.find(id);
    if (instance == nullptr) return;
    instance->leaving = true;
    placing_.take_back_promised(now, id, true);
    settle(now);
}

void Dispatcher::instance_gone(TimePoint now, const process::InstanceId& id,
                               const process::DeathReport& report) {
    const Instance* found = records_.pool.find(id);
    if (found == nullptr) return;
    placing_.take_back_promised(now, id, true);
    const Instance instance = *found;
    for (const std::string& job_id : instance.unanswered)
        records_.actions.push_back(JobEnded{id, job_id});
    records_.pool.remove(id);
    capacity_.tell();  // the Hub makes two offer rounds at each failure: it must know first that we cannot
    ending_.lost_process(now, records_.book.on(id), instance, report);
    settle(now);
}

void Dispatcher::service_gone(TimePoint now, const std::string& connector, int index,
                              const process::DeathReport& report) {
    service_faults_.service_gone(now, connector, index, report);
    settle(now);
}

// ---- what connectors say of their jobs

void Dispatcher::not_given(TimePoint now, const process::InstanceId& id, const std::string& job_id,
                           const std::string& why) {
    messages_.not_given(now, id, job_id, why);
    settle(now);
}

void Dispatcher::not_begun(TimePoint now, const process::InstanceId& id, const std::string& job_id) {
    messages_.not_begun(now, id, job_id);
    settle(now);
}

void Dispatcher::accepted(TimePoint now, const process::InstanceId& id, const ipc::Accepted& message) {
    messages_.accepted(now, id, message);
    settle(now);
}

void Dispatcher::progress(TimePoint now, const process::InstanceId& id, const ipc::Progress& message) {
    const ActiveJob* job = records_.book.given(id, message.job_id);
    const Instance* instance = records_.pool.find(id);
    const bool begins = job != nullptr && !job->run.started;
    // A word of any of its jobs ends what it refused.
    const bool refuses = instance != nullptr && instance->refusals.one_at_a_time();
    messages_.progress(now, id, message);
    if (begins || refuses || (message.progress && ahead_.follows_progress())) settle(now);
}

void Dispatcher::released(TimePoint now, const process::InstanceId& id, const ipc::Released& message) {
    messages_.released(now, id, message);
    settle(now);
}

void Dispatcher::result(TimePoint now, const process::InstanceId& id, ipc::JobResult message) {
    messages_.result(now, id, std::move(message));
    settle(now);
}

void Dispatcher::failed(TimePoint now, const process::InstanceId& id, const ipc::Failed& message) {
    messages_.failed(now, id, message);
    settle(now);
}

void Dispatcher::service_request(TimePoint, const process::InstanceId& id,
                                 const ipc::ServiceRequest& message) {
    messages_.service_request(id, message);
}

void Dispatcher::protocol_error(TimePoint now, const process::InstanceId& id,
                                const std::optional<std::string>& job_id, const std::string& code,
                                const std::string& text) {
    messages_.protocol_error(now, id, job_id, code, text);
    settle(now);
}

// ---- the Hub side

bool Dispatcher::reserve(TimePoint now, const std::string& job_id, const std::string& job_type) {
    if (records_.book.live(job_id) != nullptr || records_.pool.has_reservation(job_id)) return true;
    if (!capacity_.open()) return false;
    if (!placing_.reserve(job_id, job_type) && !placing_.reserve_ahead(job_id, job_type)) return false;
    settle(now);
    return true;
}

void Dispatcher::release(TimePoint now, const std::string& job_id) {
    records_.pool.end_reservation(job_id);
    settle(now);
}

void Dispatcher::assigned(TimePoint now, Assignment assignment, const std::string& claimed_as,
                          bool files_here) {
    if (records_.book.find(assignment.number) != nullptr) {
        records_.note(Note::Level::warn, "", assignment.job_id, "the same assignment came twice; ignored");
        return;
    }
    ++records_.stats.assigned;
    const bool ahead = records_.pool.reserved_ahead(assignment.job_id);
    Instance* reserved = records_.pool.end_reservation(assignment.job_id);
    if (const ActiveJob* running = records_.book.live(assignment.job_id)) {
        const std::uint64_t old_number = running->assignment.number;
        records_.book.adopt(*running, std::move(assignment), claimed_as);
        placing_.record_again(*running);
        if (running->delivered_by_us()) collecting_.adopted(old_number, *running);
        records_.actions.push_back(
            Undelivered{running->id(), old_number, UndeliveredCode::superseded,
                        "the Hub assigned the job to this worker once more; the work goes on"});
        ++records_.stats.undelivered[to_string(UndeliveredCode::superseded)];
        return settle(now);
    }
    const ActiveJob& job = records_.book.add(now, std::move(assignment), claimed_as);
    records_.book.tell_ahead(job, ahead);
    if (files_here && !records_.drains.gives_back(Drains::whole_worker))
        collecting_.come_back(now, job);
    else if (const JobHistory::Poison* poison = records_.history.poison(job.id()))
        ending_.fail(now, job, poison_error(*poison));
    else if (records_.drains.gives_back(Drains::whole_worker))
        ending_.give_back(now, job, "this worker is leaving");
    else
        placing_.place(now, job, reserved);
    settle(now);
}

void Dispatcher::left(UnfinishedRecord record, Ms resume_window) {
    if (records_.book.find(record.assignment.number) == nullptr)
        records_.book.add_left(std::move(record), resume_window);
}

void Dispatcher::confirmed(TimePoint now, std::uint64_t number) {
    const ActiveJob* job = records_.book.find(number);
    if (job == nullptr || job->state != JobState::left) return;
    ++records_.stats.assigned;
    if (job->record.delivering) {
        collecting_.resume(now, *job);
        return settle(now);
    }
    records_.history.attempts_at_least(job->id(), job->run.attempt - (job->record.begun ? 0 : 1));
    const std::string connector = job->record.connector.value_or("");
    const Ms window = job->waiting.window;
    if (!job->record.begun) {
        if (job->record.with_payload && !records_.drains.gives_back(Drains::whole_worker))
            records_.book.hold_left(*job, now + hold_);
        else
            ending_.give_back_unbegun(now, *job, never_begun_error());
        return settle(now);
    }
    const bool resumable = job->record.with_payload;
    records_.book.resume_left(now, *job,
                              resumable ? lost_error(connector, window) : not_resumable_error(connector));
    if (resumable && records_.drains.gives_back(Drains::whole_worker))
        ending_.give_back(now, *job, "this worker is leaving");
    else if (!resumable || connector.empty() || window <= Ms::zero())
        ending_.end_waiting(now, *job);
    settle(now);
}

void Dispatcher::claim_ahead(TimePoint now, Ahead::Rule rule, Ms within) {
    ahead_.set(rule, within);
    settle(now);
}

void Dispatcher::return_wanted(TimePoint now, const std::string& job_id) {
    const ActiveJob* job = records_.book.live(job_id);
    if (job == nullptr || !job->ahead) return;
    ending_.give_back_unbegun(now, *job, another_begins_error());
    settle(now);
}

bool Dispatcher::cancel(TimePoint now, const std::string& job_id, const std::string& reason) {
    return end_undelivered(now, job_id, UndeliveredCode::cancelled, reason);
}

bool Dispatcher::withdraw(TimePoint now, const std::string& job_id, const std::string& reason) {
    return end_undelivered(now, job_id, UndeliveredCode::withdrawn, reason);
}

bool Dispatcher::end_undelivered(TimePoint now, const std::string& job_id, UndeliveredCode code,
                                 const std::string& reason) {
    const ActiveJob* job = records_.book.live(job_id);
    if (job == nullptr) job = records_.book.left(job_id);
    if (job == nullptr) return false;
    ending_.end_undelivered(now, *job, code, reason);
    settle(now);
    return true;
}

// ---- the ledger

void Dispatcher::recorded(TimePoint now, std::uint64_t number) {
    if (const ActiveJob* job = records_.book.recorded(number)) placing_.give(now, *job);
    settle(now);
}

void Dispatcher::set_healthy(TimePoint now, bool healthy, const std::string& reason) {
    capacity_.set_healthy(healthy, reason);
    settle(now);
}

// ---- the operator

void Dispatcher::drain(TimePoint now, DrainMode mode, TimePoint deadline) {
    records_.drains.begin(Drains::whole_worker, mode, deadline);
    ending_.give_back_drained(now);
    settle(now);
}

void Dispatcher::resume(TimePoint now) {
    records_.drains.end(Drains::whole_worker);
    records_.book.wait_for_deliveries();
    settle(now);
}

void Dispatcher::drain_connector(TimePoint now, const std::string& connector, DrainMode mode,
                                 TimePoint deadline) {
    records_.drains.begin(connector, mode, deadline);
    records_.pool.set_drained(connector, true);
    ending_.give_back_drained(now);
    settle(now);
}

void Dispatcher::resume_connector(TimePoint now, const std::string& connector) {
    records_.drains.end(connector);
    records_.pool.set_drained(connector, false);
    settle(now);
}

void Dispatcher::set_connector_order(TimePoint now, std::vector<std::string> order) {
    records_.pool.set_connector_order(std::move(order));
    settle(now);
}

// ---- time and state

std::optional<TimePoint> Dispatcher::next_wakeup() const {
    Earliest next;
    next.add(placing_.next_wakeup());
    next.add(records_.drains.next_wakeup());
    next.add(ahead_.next_wakeup());
    for (const auto& [number, job] : records_.book.all())
        next.add(next_limit(job, job.instance ? records_.pool.find(*job.instance) : nullptr));
    return next.at();
}

void Dispatcher::on_time(TimePoint now) {
    ending_.give_back_drained(now);
    placing_.place_waiting(now);  // a slot may be asked again when a job has waited long enough
    std::vector<std::uint64_t> numbers;
    for (const auto& [number, job] : records_.book.all())
        numbers.push_back(number);
    for (const std::uint64_t number : numbers)
        if (const ActiveJob* job = records_.book.find(number)) ending_.check_limits(now, *job);
    settle(now);
}

std::vector<Action> Dispatcher::take_actions() {
    return std::exchange(records_.actions, {});
}

std::optional<int> Dispatcher::slots(const process::InstanceId& id) const {
    const Instance* instance = records_.pool.find(id);
    return instance == nullptr ? std::nullopt : std::optional(instance->slots());
}

std::string Dispatcher::refusal(TimePoint now, const process::InstanceId& id) const {
    const Instance* instance = records_.pool.find(id);
    return instance == nullptr ? std::string() : instance->refusal(now);
}

Stats Dispatcher::stats() const {
    Stats stats = records_.stats;
    stats.poisoned_jobs = records_.history.poisoned();
    return stats;
}

}  // namespace emprops::jobs
