#include "supervisor/local_hub/offers.h"

#include <algorithm>

namespace emprops::local_hub {

void Offers::remove(const Job& job) {
    queue_.remove(job);
    paused_.erase(job.id);
    if (const auto worker = offered_to_.find(job.id); worker != offered_to_.end()) withdraw(worker->second);
}

void Offers::make(const Workers& workers, TimePoint now, const Fits& fits, const Send& send) {
    if (queue_.empty()) return;
    std::vector<Waiting> idle;
    std::vector<Waiting> ahead;
    for (const auto& [connection, worker] : workers.all()) {
        if (!worker.available() || (!worker.idle() && worker.ahead.empty())) continue;
        auto& state = workers_[connection];
        if (state.open) continue;
        if (worker.idle()) idle.push_back({&worker, &state});
        std::set<std::string> types;
        for (const auto& type : worker.ahead)
            if (!workers.idle_takes(type)) types.insert(type);
        if (!types.empty()) ahead.push_back({&worker, &state, std::move(types)});
    }
    offer(std::move(idle), now, fits, send);
    std::erase_if(ahead, [](const Waiting& each) { return each.state->open.has_value(); });
    offer(std::move(ahead), now, fits, send);
}

void Offers::offer(std::vector<Waiting> waiting, TimePoint now, const Fits& fits, const Send& send) {
    std::sort(waiting.begin(), waiting.end(), [](const Waiting& a, const Waiting& b) {
        return a.state->last_offered < b.state->last_offered;
    });
    for (const Waiting& each : waiting) {
        const Worker* const worker = each.worker;  // names that a lambda may take: clang 14 wants no bindings
        State* const state = each.state;
        const auto job_id = queue_.first(each.types(), [&](const std::string& id) {
            return !offered_to_.contains(id) && !paused_.contains(id) && !state->declined.contains(id) &&
                   fits(id, *worker);
        });
        if (!job_id) continue;
        const auto bytes = send(*job_id, *worker);
        if (!bytes) {
            declined(worker->connection, *job_id, now);
            continue;
        }
        const auto mib = static_cast<int>(*bytes >> 20);
        state->open = Offer{*job_id, now + policy_.offer_hold + mib * policy_.offer_hold_per_mib};
        state->last_offered = ++offers_made_;
        offered_to_[*job_id] = worker->connection;
    }
}

void Offers::declined(ConnectionId worker, const std::string& job_id, TimePoint now) {
    workers_[worker].declined[job_id] = now + policy_.offer_again_after;
}

std::optional<std::string> Offers::open_to(ConnectionId worker) const {
    const auto found = workers_.find(worker);
    return found != workers_.end() && found->second.open ? std::optional(found->second.open->job_id)
                                                         : std::nullopt;
}

void Offers::withdraw(ConnectionId worker) {
    const auto found = workers_.find(worker);
    if (found == workers_.end() || !found->second.open) return;
    offered_to_.erase(found->second.open->job_id);
    found->second.open.reset();
}

bool Offers::any_timed() const {
    return !paused_.empty() || std::any_of(workers_.begin(), workers_.end(), [](const auto& entry) {
        return entry.second.open || !entry.second.declined.empty();
    });
}

void Offers::expire(TimePoint now) {
    std::erase_if(paused_, [&](const auto& entry) { return entry.second <= now; });
    for (auto& [connection, state] : workers_) {
        std::erase_if(state.declined, [&](const auto& entry) { return entry.second <= now; });
        if (!state.open || state.open->until > now) continue;
        declined(connection, state.open->job_id, now);
        withdraw(connection);
    }
}

void Offers::forget_worker(ConnectionId worker) {
    withdraw(worker);
    workers_.erase(worker);
}

void Offers::forget_hindrances(const std::string& job_id) {
    paused_.erase(job_id);
    for (auto& [connection, state] : workers_)
        state.declined.erase(job_id);
}

}  // namespace emprops::local_hub
