#include "supervisor/local_hub/jobs.h"

#include <fmt/format.h>

#include <algorithm>

#include "ipc/text/people.h"

namespace emprops::local_hub {

Result<> Jobs::load(const Now& now) {
    auto jobs = store_.unfinished();
    if (!jobs.ok()) return jobs.error();
    for (auto& job : *jobs) {
        Active active;
        if (!job.client_id.empty()) active.subscribers.insert(job.client_id);
        if (job.status == JobStatus::pending) {
            offers_.add(job);
        } else {
            claimed_.insert(job.id);
            active.lost_at = now.steady;
            active.lost_by_restart = true;
            active.last_sign = now.steady;
        }
        const auto id = job.id;
        active.job = std::move(job);
        active_.emplace(id, std::move(active));
    }
    auto counts = store_.count_by_status();
    if (!counts.ok()) return counts.error();
    for (const auto& [status, count] : *counts) {
        if (is_final(status)) finished_[status] = count;
    }
    last_trim_ = now.steady - policy_.trim_every;  // the history may have aged while no hub ran
    return Ok{};
}

const Jobs::Active* Jobs::find(const std::string& job_id) const {
    const auto found = active_.find(job_id);
    return found == active_.end() ? nullptr : &found->second;
}

Result<std::optional<JobView>> Jobs::view(const std::string& job_id) {
    using Found = std::optional<JobView>;
    if (const auto* known = find(job_id)) {
        JobView view{.stored = {.job = known->job, .result = std::nullopt}, .ahead = std::nullopt};
        if (known->job.status == JobStatus::pending) view.ahead = offers_.queue().ahead_of(known->job);
        return Found(std::move(view));
    }
    auto stored = store_.find(job_id);
    if (!stored.ok()) return stored.error();
    if (!stored.value()) return Found();
    return Found(JobView{.stored = **std::move(stored), .ahead = std::nullopt});
}

Result<> Jobs::add(const hub::SubmitJob& message, const std::string& client_id, const Now& now) {
    Job job;
    job.id = message.job_id;
    job.type = message.job_type;
    job.priority = message.priority;
    job.client_id = client_id;
    job.created_at = now.epoch_seconds;
    auto sequence = store_.insert(job, message.payload);
    if (!sequence.ok()) return sequence.error();
    job.sequence = *sequence;
    offers_.add(job);
    auto& active = active_[job.id];
    active.subscribers.insert(client_id);
    active.job = std::move(job);
    return Ok{};
}

void Jobs::subscribe(const std::string& job_id, const std::string& client_id) {
    if (const auto job = active_.find(job_id); job != active_.end())
        job->second.subscribers.insert(client_id);
}

Result<> Jobs::claim(const std::string& job_id, ConnectionId worker, const std::string& worker_id,
                     const Now& now) {
    auto& active = active_.at(job_id);
    auto job = active.job;
    job.status = JobStatus::claimed;
    job.worker_id = worker_id;
    job.claimed_at = now.epoch_seconds;
    job.progress.reset();
    job.message.reset();
    if (auto stored = store_.update(job); !stored.ok()) return stored;
    offers_.remove(job);
    active.job = std::move(job);
    claimed_.insert(job_id);
    adopt(job_id, worker, now);
    return Ok{};
}

void Jobs::adopt(const std::string& job_id, ConnectionId worker, const Now& now) {
    auto& active = active_.at(job_id);
    if (active.holder) held_[*active.holder].erase(job_id);
    active.holder = worker;
    active.last_sign = now.steady;
    active.lost_at.reset();
    active.lost_by_restart = false;
    held_[worker].insert(job_id);
}

void Jobs::report_progress(const std::string& job_id, int progress,
                           const std::optional<std::string>& message) {
    auto& job = active_.at(job_id).job;
    job.progress = progress;
    job.message = message;
}

void Jobs::set_waits(const std::string& job_id, bool waits) {
    active_.at(job_id).waits = waits;
    if (waits)
        waiting_.insert(job_id);
    else
        waiting_.erase(job_id);
}

/// Forgets who runs it.
void Jobs::release(Active& active) {
    if (active.holder) held_[*active.holder].erase(active.job.id);
    active.holder.reset();
    active.lost_at.reset();
    active.lost_by_restart = false;
    set_waits(active.job.id, false);
    claimed_.erase(active.job.id);
}

Result<Changed> Jobs::requeue(Active& active, Job changed) {
    changed.status = JobStatus::pending;
    changed.claimed_at = 0;
    changed.progress.reset();
    if (auto stored = store_.update(changed); !stored.ok()) return stored.error();
    const auto holder = active.holder;
    release(active);
    active.job = std::move(changed);
    offers_.add(active.job);  // its sequence is the old one: back to its old place
    return Changed{active.job, active.subscribers, holder};
}

Result<Changed> Jobs::finish(Job changed, const std::string_view* result, const Now& now) {
    changed.completed_at = now.epoch_seconds;
    auto stored = result ? store_.update_with_result(changed, *result) : store_.update(changed);
    if (!stored.ok()) return stored.error();
    auto& active = active_.at(changed.id);
    const auto holder = active.holder;
    release(active);
    offers_.remove(active.job);
    ++finished_[changed.status];
    auto subscribers = std::move(active.subscribers);
    active_.erase(changed.id);
    return Changed{std::move(changed), std::move(subscribers), holder};
}

Result<Changed> Jobs::end_attempt(const std::string& job_id, const Attempt& attempt, const Now& now) {
    auto& active = active_.at(job_id);
    auto changed = active.job;
    changed.error = attempt.error;
    if (!attempt.counts) return requeue(active, std::move(changed));
    ++changed.attempts;
    changed.last_failer = attempt.worker_id;
    if (attempt.retryable && changed.attempts < policy_.max_attempts)
        return requeue(active, std::move(changed));
    changed.status = JobStatus::failed;
    return finish(std::move(changed), nullptr, now);
}

Result<Changed> Jobs::take_back(const std::string& job_id) {
    auto& active = active_.at(job_id);
    auto changed = active.job;
    changed.worker_id.clear();
    changed.message.reset();
    return requeue(active, std::move(changed));
}

Result<Changed> Jobs::revive(Job job, const std::string& client_id) {
    const auto was = job.status;
    job.status = JobStatus::pending;
    job.attempts = 0;
    job.last_failer.clear();
    job.completed_at = 0;
    job.claimed_at = 0;
    job.progress.reset();
    job.message.reset();
    if (auto stored = store_.update(job); !stored.ok()) return stored.error();
    if (is_final(was)) {
        count_out(was, 1);
        offers_.add(job);
    }
    auto& active = active_[job.id];
    active.subscribers.insert({client_id, job.client_id});
    active.job = std::move(job);
    return Changed{active.job, active.subscribers};
}

void Jobs::lose_holder(ConnectionId worker, const Now& now) {
    const auto held = held_.find(worker);
    if (held == held_.end()) return;
    for (const auto& job_id : held->second) {
        auto& active = active_.at(job_id);
        active.holder.reset();
        active.lost_at = now.steady;
    }
    held_.erase(held);
}

void Jobs::sign_of_life(ConnectionId worker, const Now& now) {
    for (const auto& job_id : held_by(worker))
        active_.at(job_id).last_sign = now.steady;
}

std::set<std::string> Jobs::held_by(ConnectionId worker) const {
    const auto held = held_.find(worker);
    return held == held_.end() ? std::set<std::string>() : held->second;
}

std::vector<std::pair<std::string, Attempt>> Jobs::overdue(TimePoint now) const {
    std::vector<std::pair<std::string, Attempt>> overdue;
    for (const auto& job_id : claimed_) {
        const auto& active = active_.at(job_id);
        const auto& worker = active.job.worker_id;
        if (active.lost_at && now - *active.lost_at >= policy_.requeue_after) {
            overdue.emplace_back(job_id, Attempt{.worker_id = worker,
                                                 .error = fmt::format("worker {} was lost", worker),
                                                 .counts = !active.lost_by_restart && !active.waits});
        } else if (active.holder && now - active.last_sign >= policy_.stale_claim_after) {
            overdue.emplace_back(job_id,
                                 Attempt{.worker_id = worker,
                                         .error = fmt::format("worker {} sent no progress for {}", worker,
                                                              human_duration(policy_.stale_claim_after)),
                                         .counts = !active.waits});
        }
    }
    return overdue;
}

Result<> Jobs::trim(const Now& now) {
    if (!trims(now)) return Ok{};
    const auto oldest = now.epoch_seconds - static_cast<double>(policy_.history.count());
    const auto forgotten = store_.forget_finished_before(oldest, policy_.trim_at_once);
    std::uint64_t count = 0;
    if (forgotten.ok()) {
        for (const auto& [status, number] : forgotten.value()) {
            count_out(status, number);
            count += number;
        }
    }
    bool more = count >= static_cast<std::uint64_t>(policy_.trim_at_once);
    if (forgotten.ok() && !more) {
        const auto given = store_.give_back_space(policy_.space_at_once);
        if (!given.ok()) return given.error();
        more = *given;
    }
    if (!more) last_trim_ = now.steady;  // else it goes on at the next tick
    return forgotten.ok() ? Result<>(Ok{}) : Result<>(forgotten.error());
}

void Jobs::count_out(JobStatus status, std::uint64_t number) {
    finished_[status] -= std::min(finished_[status], number);
}

}  // namespace emprops::local_hub
