#include "supervisor/hub/assignments.h"

#include <algorithm>
#include <set>
#include <utility>

namespace emprops::hub {

Assignments::Assignments(const SessionSettings& settings, Wire& wire)
    : settings_(settings),
      wire_(wire),
      running_(settings, wire),
      outbox_(settings, wire),
      next_number_(settings.first_number) {}

void Assignments::adopt(TimePoint now, jobs::LedgerEntry entry) {
    const jobs::Assignment& assignment = entry.assignment;
    next_number_ = std::max(next_number_, assignment.number + 1);
    std::set<std::string> claimed_as(entry.claimed_as.begin(), entry.claimed_as.end());
    if (entry.outcome) {
        OutboxItem item;
        item.outcome = std::move(*entry.outcome);
        item.job_type = assignment.job_type;
        item.claimed_as = std::move(claimed_as);
        item.sent_before = true;  // perhaps: nobody knows how far the earlier process came
        item.last_sign = now;
        return outbox_.add(now, std::move(item));
    }
    RunningJob job;
    job.job_type = assignment.job_type;
    job.number = assignment.number;
    job.claimed_as = std::move(claimed_as);
    job.resumable = entry.resumable;
    job.waits = !entry.begun;
    running_.adopt(now, assignment.job_id, std::move(job));
}

void Assignments::begin(TimePoint now, Assignment assignment, TimePoint offered_at, jobs::Place place) {
    jobs::LinkMetrics& counters = wire_.counters();
    ++counters.assignments;
    counters.last_offer_to_assignment = std::chrono::duration_cast<Ms>(now - offered_at);
    counters.max_offer_to_assignment =
        std::max(counters.max_offer_to_assignment, counters.last_offer_to_assignment);
    jobs::Assignment given;
    given.job_id = std::move(assignment.job_id);
    given.job_type = std::move(assignment.job_type);
    given.priority = assignment.priority;
    given.payload = std::move(*assignment.params);
    given.number = next_number_++;
    running_.begin(now, given.job_id, given.job_type, given.number, place == jobs::Place::ahead);
    wire_.act(Assigned{std::move(given), wire_.worker_id()});
}

void Assignments::refuse(TimePoint now, const std::string& job_id, const std::string& job_type,
                         const char* code, const std::string& why) {
    wire_.note(Note::Level::warn, "job " + job_id + " is given back to the Hub: " + why);
    ipc::JobError error;
    error.code = code;
    error.message = why;
    error.retryable = error.code != ipc::code::invalid_payload;
    const WithheldJob* known = withheld_.find(job_id);
    const std::string type = known != nullptr && job_type.empty() ? known->job_type : job_type;
    if (lost_here(error)) withheld_.failed_here(now, job_id, type, error.code);
    outbox_.fail_directly(encode_fail(wire_.stamp(), job_id, error, error.code != ipc::code::not_started));
}

bool Assignments::deliver(TimePoint now, jobs::Outcome outcome, bool asks) {
    if (auto unwanted = running_.taken(outcome.number)) {
        wire_.act(NotDelivered{outcome.job_id, outcome.number, std::move(*unwanted)});
        return false;
    }
    // How far a failed job came is worth a message; a result says it all.
    if (std::holds_alternative<jobs::Failed>(outcome.value)) running_.say_held(now, outcome.job_id);
    auto job = running_.end(outcome.job_id, outcome.number);
    if (!job) {
        wire_.note(Note::Level::warn,
                   "an outcome of job " + outcome.job_id + " that the session does not know; not sent");
        ++wire_.counters().not_delivered["unknown"];
        wire_.act(NotDelivered{outcome.job_id, outcome.number, "unknown"});
        return false;
    }
    // After a power cut the ledger may not know of an end that the Hub was told of. A failure is not told twice: where
    // nobody could be asked, the Hub takes the job back by itself.
    const bool perhaps_told = job->recovered && std::holds_alternative<jobs::Failed>(outcome.value);
    if (perhaps_told && job->fenced) {
        ++wire_.counters().not_delivered["unconfirmed"];
        wire_.note(Note::Level::warn,
                   "the failure of job " + outcome.job_id +
                       ", which an earlier process of this worker had, is not reported: the "
                       "Hub could not be asked about it, and takes it back by itself");
        wire_.act(NotDelivered{outcome.job_id, outcome.number, "unconfirmed"});
        return true;
    }
    OutboxItem item;
    item.sent_before = perhaps_told;
    item.outcome = std::move(outcome);
    item.job_type = job->job_type;
    item.claimed_as = std::move(job->claimed_as);
    item.last_sign = job->last_progress;
    if (wire_.usable() && job->fenced) {
        // A cancel is never told to us, and what was said last about the job may be `cancel_poll` old.
        const bool watched = settings_.watch_enabled() && now - job->assigned_at >= settings_.watch_age();
        item.state = asks && watched ? OutboxItem::State::asking : OutboxItem::State::ready;
    }
    outbox_.add(now, std::move(item));
    release_if_nobody_answers(now);
    return true;
}

bool Assignments::undelivered(const std::string& job_id, std::uint64_t number) {
    running_.taken(number);
    return running_.end(job_id, number).has_value();
}

bool Assignments::take_away(const std::string& job_id, const std::string& reason,
                            const std::optional<std::string>& cancelled) {
    if (const OutboxItem* item = outbox_.find(job_id); item != nullptr && outbox_.stoppable(*item)) {
        outbox_.settle(job_id, reason.c_str());
        return false;
    }
    const auto job = running_.take_away(job_id, reason);
    if (!job) return false;
    ++wire_.counters().not_delivered[reason];
    if (cancelled) {
        wire_.note(Note::Level::info, "job " + job_id + " was cancelled");
        wire_.act(JobCancelled{job_id, job->number, *cancelled});
    } else {
        wire_.note(Note::Level::warn, "job " + job_id + " is no longer ours: at the Hub it is " + reason);
        wire_.act(JobWithdrawn{job_id, job->number, reason});
    }
    return true;
}

void Assignments::on_welcomed(TimePoint now) {
    running_.on_welcomed(now);
    outbox_.on_welcomed(now);
    release_if_nobody_answers(now);
}

void Assignments::on_disconnected(TimePoint now, const std::optional<std::string>& reason, bool fresh_id) {
    outbox_.on_disconnected(now, reason);
    running_.on_disconnected(now);
    if (fresh_id) withheld_.clear();
}

void Assignments::on_failed_ack(TimePoint now, const std::string& job_id) {
    if (const OutboxItem* item = outbox_.find(job_id)) on_put_back(now, *item);
    outbox_.on_ack(job_id);
}

void Assignments::on_put_back(TimePoint now, const OutboxItem& item) {
    const auto* failed = std::get_if<jobs::Failed>(&item.outcome.value);
    if (failed != nullptr && lost_here(failed->error))
        withheld_.failed_here(now, item.job_id(), item.job_type, failed->error.code);
}

void Assignments::release_unfenced(TimePoint now, Ms older_than) {
    if (!wire_.usable()) return;
    std::vector<std::string> unconfirmed;
    const bool outcomes = outbox_.release_unfenced(now, older_than, unconfirmed);
    const bool jobs = running_.release_unfenced(now, older_than);
    for (const auto& job_id : unconfirmed)
        outbox_.settle(job_id, "unconfirmed");
    if ((outcomes || jobs) && older_than > Ms(0))
        wire_.note(Note::Level::warn,
                   "the Hub could not be asked about jobs over /ws/client; going on without knowing");
}

}  // namespace emprops::hub
