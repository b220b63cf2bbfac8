#include "supervisor/redis/reconciler.h"

#include <algorithm>
#include <utility>

#include "supervisor/redis/rules/keys.h"

namespace emprops::redis {
namespace {

/// Workers of ours that a process before this one may have had are looked into at least.
constexpr std::size_t least_looked_into = 16;

}  // namespace

void Reconciler::adopt(jobs::LedgerEntry entry) {
    for (const std::string& text : entry.claimed_as)
        if (const auto claim = Claim::of_text(text)) slots_.hold(claim->worker);
    adopted_[entry.assignment.job_id] = std::move(entry);
}

void Reconciler::connected() {
    ++epoch_;
    for (const auto& [id, entry] : adopted_)
        ask_about(id);
    for (std::size_t i = 0; i < std::max(least_looked_into, slots_.end()); ++i)
        look_into(slots_.id(i));
}

void Reconciler::ask_about(const std::string& job_id) {
    server_.ask({"HGETALL", keys::job(job_id)}, [this, job_id, epoch = epoch_](const Reply& reply) {
        if (epoch != epoch_ || reply.failed()) return;
        const auto at = adopted_.find(job_id);
        if (at == adopted_.end()) return;
        const std::string worker = field_of(reply, "worker_id"), token = field_of(reply, "assigned_at"),
                          status = field_of(reply, "status"), error = field_of(reply, "error"),
                          from = field_of(reply, "retaken_from");
        const jobs::LedgerEntry entry = std::move(at->second);
        adopted_.erase(at);
        const Claim now{worker, token};
        const auto& known = entry.claimed_as;
        // Also a claim that took the job back, of which nobody could note the token any more.
        const bool same = std::any_of(known.begin(), known.end(), [&](const std::string& text) {
            return text == now.text() || (!from.empty() && text.starts_with(from + " "));
        });
        // Without an outcome a newer claim by an id of ours is ours as well: its answer came when nobody was there.
        const bool ours = same || (!entry.outcome && slots_.index_of(worker).has_value());
        const bool ended = same && !is_active(status);
        if (ours && (is_active(status) || (ended && entry.outcome)))
            return handlers_.confirmed(entry, job_of_hash(job_id, reply), now);
        for (const std::string& text : known)
            if (const auto claim = Claim::of_text(text)) slots_.free(claim->worker);
        JobRecord record = job_of_hash(job_id, reply);
        if (reply.list.empty()) return handlers_.gone(entry, std::move(record), "unknown");
        if (is_active(status)) return handlers_.gone(entry, std::move(record), "claimed_by_other");
        handlers_.gone(entry, std::move(record), status == "failed" && !error.empty() ? "cancelled" : status);
    });
}

void Reconciler::look_into(const std::string& worker) {
    server_.ask({"HKEYS", keys::active(worker)}, [this, worker, epoch = epoch_](const Reply& reply) {
        if (epoch != epoch_ || reply.failed()) return;
        // An id that was kept for a claim without an answer, and nothing stands under it.
        if (reply.list.empty() && !held_.uses(worker)) slots_.free(worker);
        for (const Reply& each : reply.list) {
            const std::string job_id = each.text;
            if (held_.holds(job_id) || adopted_.contains(job_id)) continue;
            server_.ask({"HMGET", keys::job(job_id), "worker_id", "assigned_at", "status"},
                        [this, worker, job_id, epoch](const Reply& state) {
                            if (epoch == epoch_ && !state.failed()) judge(worker, job_id, state);
                        });
        }
    });
}

void Reconciler::judge(const std::string& worker, const std::string& job_id, const Reply& state) {
    if (held_.holds(job_id) || adopted_.contains(job_id)) return;
    if (state.at(0) == worker && is_active(state.at(2))) return fetch(worker, job_id, state.at(1));
    server_.call(forget_script(), {keys::job(job_id), keys::active(worker)}, {worker, job_id},
                 [](const Reply&) {});
}

void Reconciler::fetch(const std::string& worker, const std::string& job_id, const std::string& token) {
    slots_.hold(worker);
    server_.ask({"HGETALL", keys::job(job_id)},
                [this, worker, job_id, token, epoch = epoch_](const Reply& reply) {
                    if (epoch != epoch_ || reply.failed() || held_.holds(job_id)) return;
                    handlers_.found(job_of_hash(job_id, reply), Claim{worker, token});
                });
}

}  // namespace emprops::redis
