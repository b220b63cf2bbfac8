#include "supervisor/redis/held_jobs.h"

#include <algorithm>
#include <utility>

#include "ipc/text/people.h"
#include "ipc/time/clock.h"
#include "supervisor/redis/rules/keys.h"

namespace emprops::redis {

std::optional<Claim> Claim::of_text(const std::string& text) {
    const auto blank = text.find(' ');
    if (blank == text.npos || blank == 0 || blank + 1 == text.size()) return {};
    return Claim{text.substr(blank + 1), text.substr(0, blank)};
}

void HeldJobs::add(TimePoint now, JobRecord record, std::uint64_t number, Claim claim, bool begins) {
    slots_.hold(claim.worker);
    Job& job = jobs_[record.id];
    job = Job{};
    job.record = std::move(record);
    job.record.payload.clear();
    job.number = number;
    job.claim = std::move(claim);
    job.since = job.told_at = now;
    job.ask_at = now + policy_.question_every;
    if (begins) start(job);
}

void HeldJobs::renew(TimePoint now, const std::string& job_id, Claim claim) {
    Job* job = find(job_id);
    if (job == nullptr) return;
    if (job->claim.worker != claim.worker) slots_.free(job->claim.worker);
    slots_.hold(claim.worker);
    job->claim = std::move(claim);
    job->retaking = job->doubted = job->begun_told = false;
    start(*job);
    if (job->outcome) end(now, *job);
}

void HeldJobs::retake(const std::string& job_id) {
    if (Job* job = find(job_id)) job->retaking = true;
}

void HeldJobs::not_retaken(const std::string& job_id, const std::string& why) {
    Job* job = find(job_id);
    if (job == nullptr) return;
    job->retaking = false;
    if (!why.empty()) lost(job_id, job->number, why);
}

bool HeldJobs::uses(const std::string& worker) const {
    return std::any_of(jobs_.begin(), jobs_.end(),
                       [&](const auto& each) { return each.second.claim.worker == worker; });
}

const HeldJobs::Job* HeldJobs::find(const std::string& job_id) const {
    const auto found = jobs_.find(job_id);
    return found == jobs_.end() ? nullptr : &found->second;
}
HeldJobs::Job* HeldJobs::find(const std::string& job_id, std::uint64_t number) {
    Job* job = find(job_id);
    return job != nullptr && job->number == number ? job : nullptr;
}
std::uint64_t HeldJobs::number_of(const std::string& job_id) const {
    const Job* job = find(job_id);
    return job == nullptr ? 0 : job->number;
}
std::optional<Claim> HeldJobs::claim_of(const std::string& job_id) const {
    const Job* job = find(job_id);
    return job == nullptr ? std::nullopt : std::optional(job->claim);
}
std::size_t HeldJobs::outcomes() const {
    return static_cast<std::size_t>(std::count_if(
        jobs_.begin(), jobs_.end(), [](const auto& each) { return each.second.outcome.has_value(); }));
}

// ---- what is written

/// The answer of a fenced script that is no end.
Server::Then HeldJobs::fenced(const Job& job) {
    return [this, id = job.record.id, number = job.number, token = job.claim.token](const Reply& reply) {
        if (reply.kind == Reply::Kind::error) return server_.trouble("write about a job", reply);
        if (reply.is_lost() || reply.text == "done") return;
        // What an older claim was told says nothing of the newer one.
        const Job* now = find(id, number);
        if (now == nullptr || now->claim.token != token || now->retaking) return;
        lost(id, number, reply.text == "ended" ? "completed" : reply.text);
    };
}

Server::Then HeldJobs::at_end(const Job& job) {
    return [this, id = job.record.id, number = job.number, claim = job.claim](const Reply& reply) {
        ended(id, number, claim, reply);
    };
}

void HeldJobs::start(Job& job) {
    job.begun = true;
    if (!connected_ || job.retaking) return;
    server_.call(
        start_script(), {keys::job(job.record.id)},
        {job.claim.worker, job.claim.token, iso_of_ms(server_.wall_ms())},
        [this, id = job.record.id, token = job.claim.token, then = fenced(job)](const Reply& reply) {
            Job* now = find(id);
            if (now != nullptr && now->claim.token == token && reply.text == "done" && !reply.failed())
                now->begun_told = true;
            then(reply);
        });
}

void HeldJobs::begun(const std::string& job_id, std::uint64_t number) {
    if (Job* job = find(job_id, number)) start(*job);
}

void HeldJobs::progress(TimePoint now, const std::string& job_id, std::uint64_t number,
                        const ipc::Progress& what) {
    Job* job = find(job_id, number);
    if (job == nullptr || job->outcome) return;
    job->untold = what;
    if (connected_ && now >= job->told_at + policy_.progress_gap) tell(now, *job);
}

void HeldJobs::tell(TimePoint now, Job& job) {
    if (job.untold) job.last = *std::exchange(job.untold, {});
    const ipc::Progress& what = job.last;
    job.told_at = now;
    job.quiet_until = now + policy_.quiet;
    const std::int64_t wall = server_.wall_ms();
    const int percent = std::min(what.progress.value_or(0), 99);
    server_.call(
        progress_script(), {keys::job(job.record.id), keys::progress(job.record.id)},
        {job.claim.worker, job.claim.token, std::to_string(percent), "in_progress", what.message,
         iso_of_ms(wall), progress_message(job.record, job.claim.worker, percent, what.message, wall)},
        fenced(job));
}

void HeldJobs::deliver(TimePoint now, jobs::Outcome outcome) {
    Job* job = find(outcome.job_id, outcome.number);
    if (job == nullptr) return;
    job->outcome = std::move(outcome);
    job->untold.reset();
    job->end_at = std::max(now, job->quiet_until);
    if (connected_ && *job->end_at <= now) end(now, *job);
}

void HeldJobs::end(TimePoint now, Job& job) {
    if (job.ending || job.retaking) return;
    job.ending = true;
    job.end_at = now + policy_.again;
    std::visit(
        [&](const auto& value) {
            if constexpr (std::is_same_v<std::decay_t<decltype(value)>, jobs::Completed>)
                end_completed(job, value);
            else
                end_failed(job, value);
        },
        job.outcome->value);
}

void HeldJobs::end_completed(Job& job, const jobs::Completed& value) {
    const auto took = std::chrono::duration_cast<Ms>(Clock::now() - job.since).count();
    const std::string result = result_text(value.result.text(), took);
    if (result.size() > policy_.result_bytes) {
        return end_failed(
            job, jobs::Failed{{ipc::code::result_too_large,
                               "the result has " + human_bytes(result.size()) + ", and Redis gets at most " +
                                   human_bytes(policy_.result_bytes) +
                                   " (redis.max_result): deliver files to a store, or raise it",
                               false,
                               {}}});
    }
    const Teller teller{job.claim.worker, teller_.machine, teller_.version};
    Completion done = completion_of(job.record, teller, result, server_.wall_ms());
    const std::string& id = job.record.id;
    server_.call(
        complete_script(),
        {keys::job(id), keys::active(job.claim.worker), keys::completed, done.attestation_key,
         keys::progress(id), keys::progress_stream(id)},
        {job.claim.worker, job.claim.token, id, iso_of_ms(server_.wall_ms()), std::move(done.entry),
         std::move(done.attestation), std::move(done.message), std::to_string(policy_.keep_finished_s)},
        at_end(job));
}

void HeldJobs::end_failed(Job& job, const jobs::Failed& value) {
    const Teller teller{job.claim.worker, teller_.machine, teller_.version};
    // Who leaves has not failed: the job goes back as it came.
    const bool as_it_came = !value.begun || value.error.code == ipc::code::drained;
    const bool again = as_it_came || (value.error.retryable && job.record.has_retries_left());
    const std::int64_t wall = server_.wall_ms();
    Failure failure = failure_of(job.record, teller, value.error, again, wall);
    const std::string& id = job.record.id;
    const auto then = at_end(job);
    if (again) {
        if (as_it_came && on_returned) on_returned(id);
        return server_.call(
            release_script(),
            {keys::job(id), keys::active(job.claim.worker), keys::pending, failure.attestation_key},
            {job.claim.worker, job.claim.token, id, iso_of_ms(wall), job.record.score(),
             as_it_came ? std::string() : std::to_string(failure.attempts), failure.attestation},
            then);
    }
    server_.call(fail_script(),
                 {keys::job(id), keys::active(job.claim.worker), keys::failed, failure.attestation_key,
                  keys::progress(id), keys::progress_stream(id), failure.final_key},
                 {job.claim.worker, job.claim.token, id, iso_of_ms(wall), failure.entry, failure.attestation,
                  failure.message, std::to_string(failure.attempts), std::to_string(policy_.keep_finished_s)},
                 then);
}

void HeldJobs::ended(const std::string& job_id, std::uint64_t number, const Claim& claim,
                     const Reply& reply) {
    Job* job = find(job_id, number);
    if (job == nullptr) return;
    job->ending = false;
    if (reply.is_lost()) return;                  // sent again with the next connection
    if (job->claim.token != claim.token) return;  // and again under the newer claim
    if (reply.kind == Reply::Kind::error) return server_.trouble("write the end of a job", reply);
    // A newer claim of ours may be in its place, of which we had no answer.
    if (reply.text == "claimed_by_other" && !std::exchange(job->doubted, true))
        return question(job->end_at.value_or(TimePoint{}), *job, true);
    if (reply.text != "done") return lost(job_id, number, reply.text);
    ++delivered;
    forget(job_id);
    server_.event(jobs::Delivered{job_id, number});
}

void HeldJobs::undelivered(const std::string& job_id, std::uint64_t number) {
    if (find(job_id, number) != nullptr) forget(job_id);
}

/// It is not ours, or has ended without us.
void HeldJobs::lost(const std::string& job_id, std::uint64_t number, const std::string& why) {
    Job* job = find(job_id, number);
    if (job == nullptr) return;
    // Of a failure nothing is left to do: somebody runs it again.
    const bool worth_it = !job->outcome || std::holds_alternative<jobs::Completed>(job->outcome->value);
    if (why == "pending" && worth_it) {
        if (!job->retaking && on_pending) on_pending(job_id);
        return;
    }
    const bool over = job->outcome.has_value();
    ++not_delivered[why];
    server_.call(forget_script(), {keys::job(job_id), keys::active(job->claim.worker)},
                 {job->claim.worker, job_id}, [](const Reply&) {});
    forget(job_id);
    if (over)
        server_.event(jobs::NotDelivered{job_id, number, why});
    else if (why == "cancelled")
        server_.event(jobs::JobCancelled{job_id, number, "cancelled in Redis"});
    else
        server_.event(jobs::JobWithdrawn{job_id, number, why});
}

void HeldJobs::forget(const std::string& job_id) {
    const auto found = jobs_.find(job_id);
    if (found == jobs_.end()) return;
    const std::string worker = found->second.claim.worker;
    jobs_.erase(found);
    slots_.free(worker);
    const std::int64_t wall = server_.wall_ms();
    server_.tell({"HSET", keys::worker(worker), "status", "idle", "last_status_change", iso_of_ms(wall),
                  "current_job_id", ""});
    server_.tell({"PUBLISH", "worker_status", status_message(worker, false, job_id, wall)});
}

// ---- what is asked

void HeldJobs::question(TimePoint now, Job& job, bool of_ended) {
    job.ask_at = now + policy_.question_every;
    if (job.asking) job.ask_again = true;
    if (job.asking || (job.outcome && !of_ended) || job.retaking) return;
    job.asking = true;
    server_.ask({"HMGET", keys::job(job.record.id), "worker_id", "assigned_at", "status", "error"},
                [this, id = job.record.id, number = job.number, token = job.claim.token](const Reply& reply) {
                    Job* asked = find(id, number);
                    if (asked == nullptr) return;
                    asked->asking = false;
                    if (std::exchange(asked->ask_again, false)) asked->ask_at = TimePoint{};
                    if (asked->retaking || asked->claim.token != token) return;
                    if (reply.failed() || reply.list.size() != 4) return;
                    const std::string status = reply.at(2);
                    const bool mine = reply.at(0) == asked->claim.worker && reply.at(1) == asked->claim.token;
                    const bool active = is_active(status);
                    if (mine && active) return;
                    if (reply.list[2].is_nil()) return lost(id, number, "unknown");
                    if (status == "pending") return lost(id, number, status);
                    if (active && slots_.index_of(reply.at(0)) && on_newer)
                        return on_newer(id, Claim{reply.at(0), reply.at(1)});
                    if (active) return lost(id, number, "claimed_by_other");
                    lost(id, number, status == "failed" && !reply.at(3).empty() ? "cancelled" : status);
                });
}

void HeldJobs::look_at(TimePoint now, const std::string& job_id) {
    if (Job* job = find(job_id); job != nullptr && connected_) question(now, *job);
}

void HeldJobs::question_all(TimePoint now) {
    for (auto& [id, job] : jobs_)
        question(now, job);
}

void HeldJobs::connected(TimePoint now) {
    connected_ = true;
    for (auto& [id, job] : jobs_) {
        job.ending = job.asking = job.ask_again = job.retaking = false;
        if (job.outcome) {
            end(now, job);
            continue;
        }
        if (job.begun && !job.begun_told) start(job);
        question(now, job);
    }
}

void HeldJobs::disconnected() {
    connected_ = false;
}

std::optional<TimePoint> HeldJobs::next_wakeup() const {
    if (!connected_) return {};
    Earliest next;
    for (const auto& [id, job] : jobs_) {
        if (job.outcome) {
            if (!job.ending) next.add(job.end_at);
            continue;
        }
        next.add(job.ask_at);
        next.add(job.told_at + (job.untold ? policy_.progress_gap : policy_.touch_every));
    }
    return next.at();
}

void HeldJobs::on_time(TimePoint now) {
    if (!connected_) return;
    for (auto& [id, job] : jobs_) {
        if (job.outcome) {
            if (!job.ending && job.end_at <= now) end(now, job);
            continue;
        }
        if (job.ask_at <= now) question(now, job);
        if (job.told_at + (job.untold ? policy_.progress_gap : policy_.touch_every) <= now) tell(now, job);
    }
}

std::vector<jobs::LinkView::Outcome> HeldJobs::waiting_outcomes() const {
    std::vector<jobs::LinkView::Outcome> out;
    for (const auto& [id, job] : jobs_) {
        if (!job.outcome) continue;
        out.push_back({id, job.record.job_type(), std::holds_alternative<jobs::Completed>(job.outcome->value),
                       job.since});
    }
    return out;
}

}  // namespace emprops::redis
