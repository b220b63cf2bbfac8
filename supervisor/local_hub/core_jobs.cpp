// How jobs change their state. The store first, then the memory, then the messages.

#include <fmt/format.h>

#include "ipc/text/people.h"
#include "supervisor/local_hub/core.h"

namespace emprops::local_hub {

ActiveJob* Core::active(const std::string& job_id) {
    const auto found = active_.find(job_id);
    return found == active_.end() ? nullptr : &found->second;
}

Result<std::string> Core::submit(const SubmitJob& message, const std::string& client_id, const Now& now,
                                 Actions& actions) {
    Turn turn{now, actions};
    auto accepted = accept(message, client_id, turn);
    if (accepted.ok()) make_offers(turn);
    return accepted;
}

Result<std::string> Core::accept(const SubmitJob& message, const std::string& client_id, Turn& turn) {
    Job job;
    job.id = message.job_id.empty() ? new_job_id_() : message.job_id;
    job.type = message.job_type;
    job.priority = message.priority;
    job.client_id = client_id;
    job.created_at = turn.now.epoch_seconds;
    auto sequence = store_.insert(job, message.payload);
    if (!sequence.ok()) return sequence.error();
    job.sequence = *sequence;
    queue_.add(job);
    ActiveJob active;
    active.subscribers.insert(client_id);
    active.job = job;
    active_.emplace(job.id, std::move(active));
    return job.id;
}

Result<std::optional<Core::View>> Core::view(const std::string& job_id) {
    if (const auto* known = active(job_id)) {
        View view{.stored = {.job = known->job, .result = std::nullopt}, .ahead = std::nullopt};
        if (known->job.status == JobStatus::pending) view.ahead = queue_.ahead_of(known->job);
        return std::optional<View>(std::move(view));
    }
    auto stored = store_.find(job_id);
    if (!stored.ok()) return stored.error();
    if (!stored.value()) return std::optional<View>();
    return std::optional<View>(View{.stored = **std::move(stored), .ahead = std::nullopt});
}

/// Forgets who runs it.
void Core::release(ActiveJob& active) {
    if (active.holder) {
        if (const auto worker = workers_.find(*active.holder); worker != workers_.end()) {
            worker->second.held.erase(active.job.id);
        }
    }
    active.holder.reset();
    active.lost_at.reset();
    active.lost_by_restart = false;
    claimed_.erase(active.job.id);
}

void Core::clear_offer(ActiveJob& active) {
    if (!active.offered_to) return;
    const auto worker = workers_.find(*active.offered_to);
    if (worker != workers_.end() && worker->second.offer && worker->second.offer->job_id == active.job.id) {
        worker->second.offer.reset();
    }
    active.offered_to.reset();
}

Result<> Core::requeue(ActiveJob& active, Job changed) {
    changed.status = JobStatus::pending;
    changed.claimed_at = 0;
    changed.progress.reset();
    if (auto stored = store_.update(changed); !stored.ok()) return stored;
    release(active);
    active.job = std::move(changed);
    queue_.add(active.job);  // its sequence is the old one: back to its old place
    return Ok{};
}

/// The end of a job; `active` is gone after a success.
Result<> Core::finish(ActiveJob& active, Job changed, const std::string* result, Turn& turn) {
    changed.completed_at = turn.now.epoch_seconds;
    auto stored = result ? store_.update_with_result(changed, *result) : store_.update(changed);
    if (!stored.ok()) return stored;
    release(active);
    clear_offer(active);
    queue_.remove(active.job);
    ++finished_[changed.status];
    turn.out.push_back(Finished{changed.id});
    active_.erase(changed.id);
    return Ok{};
}

/// An attempt brought no result: another one, or the end of the job. The client hears of each attempt, as
/// with the Hub; `final` and `attempts` tell it whether more follow.
Result<> Core::end_attempt(ActiveJob& active, const Attempt& attempt, Turn& turn) {
    auto changed = active.job;
    changed.error = attempt.error;
    if (attempt.counts) {
        ++changed.attempts;
        changed.last_failer = attempt.worker_id;
    }
    const bool last = attempt.counts && (!attempt.retryable || changed.attempts >= policy_.max_attempts);
    const auto subscribers = active.subscribers;
    if (last) {
        changed.status = JobStatus::failed;
        if (auto ended = finish(active, changed, nullptr, turn); !ended.ok()) return ended;
    } else {
        if (auto back = requeue(active, changed); !back.ok()) return back;
    }
    const Json fields{{"job_id", changed.id},
                      {"worker_id", attempt.worker_id},
                      {"error", attempt.error},
                      {"final", last},
                      {"attempts", changed.attempts}};
    publish(changed, subscribers, message_text("fail_job", turn.now.epoch_seconds, fields), turn);
    return Ok{};
}

/// No attempt was made: the job is what it was before it was claimed, and nobody hears of a failure.
Result<> Core::take_back(ActiveJob& active, Turn& turn) {
    auto changed = active.job;
    changed.worker_id.clear();
    changed.message.reset();
    if (auto back = requeue(active, changed); !back.ok()) return back;
    publish(active.job, active.subscribers,
            job_status_text(active.job, "pending", turn.now.epoch_seconds, std::nullopt), turn);
    return Ok{};
}

void Core::take_back_lost(Turn& turn) {
    const std::vector<std::string> claimed(claimed_.begin(), claimed_.end());
    for (const auto& job_id : claimed) {
        auto& active = active_.at(job_id);
        const auto& worker = active.job.worker_id;
        Attempt attempt{.worker_id = worker, .error = {}};
        if (active.lost_at && turn.now.steady - *active.lost_at >= policy_.requeue_after) {
            attempt.counts = !active.lost_by_restart;
            attempt.error = fmt::format("worker {} was lost", worker);
        } else if (active.holder && turn.now.steady - active.last_sign >= policy_.stale_claim_after) {
            attempt.error = fmt::format("worker {} sent no progress for {}", worker,
                                        human_duration(policy_.stale_claim_after));
        } else {
            continue;
        }
        auto ended = end_attempt(active, attempt, turn);
        if (ended.ok()) {
            last_store_failure_.clear();
        } else if (ended.error().message !=
                   last_store_failure_) {  // it is tried again several times a second
            last_store_failure_ = ended.error().message;
            turn.out.push_back(Warn{last_store_failure_});
        }
    }
}

}  // namespace emprops::local_hub
