#include "supervisor/local_hub/offers.h"

#include <algorithm>

namespace emprops::local_hub {

void Offers::remove(const Job& job) {
    queue_.remove(job);
    paused_.erase(job.id);
    if (const auto worker = offered_to_.find(job.id); worker != offered_to_.end())
        withdraw(worker->second, job.id);
}

void Offers::make(const Workers& workers, TimePoint now, const Fits& fits, const Send& send) {
    if (queue_.empty()) return;
    std::vector<Waiting> idle;
    std::vector<Waiting> ahead;
    for (const auto& [connection, worker] : workers.all()) {
        if (!worker.available() || (!worker.idle() && worker.ahead.empty())) continue;
        auto& state = workers_[connection];
        if (worker.idle() && has_room(worker, state)) idle.push_back({&worker, &state});
        if (!state.open.empty()) continue;
        std::set<std::string> types;
        for (const auto& type : worker.ahead)
            if (!workers.idle_takes(type)) types.insert(type);
        if (!types.empty()) ahead.push_back({&worker, &state, std::move(types)});
    }
    while (offer(idle, now, fits, send))
        std::erase_if(idle, [this](const Waiting& each) { return !has_room(*each.worker, *each.state); });
    std::erase_if(ahead, [](const Waiting& each) { return !each.state->open.empty(); });
    offer(ahead, now, fits, send);
}

std::size_t Offers::State::open_bytes() const {
    std::size_t bytes = 0;
    for (const Offer& offer : open)
        bytes += offer.bytes;
    return bytes;
}

/// Each offer carries its payload, and so does the assignment that answers its claim: beyond a size they come one by
/// one, or what waits to be sent would count as a worker that does not read.
bool Offers::has_room(const Worker& worker, const State& state) const {
    return state.open.empty() || (state.open.size() < static_cast<std::size_t>(worker.offers_at_once) &&
                                  state.open_bytes() < policy_.most_offered_bytes);
}

bool Offers::offer(std::vector<Waiting>& waiting, TimePoint now, const Fits& fits, const Send& send) {
    bool made = false;
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
        // It comes behind those before it.
        const auto mib = static_cast<int>((state->open_bytes() + *bytes) >> 20);
        state->open.push_back({*job_id, now + policy_.offer_hold + mib * policy_.offer_hold_per_mib, *bytes});
        state->last_offered = ++offers_made_;
        offered_to_[*job_id] = worker->connection;
        made = true;
    }
    return made;
}

void Offers::declined(ConnectionId worker, const std::string& job_id, TimePoint now) {
    workers_[worker].declined[job_id] = now + policy_.offer_again_after;
}

void Offers::no_place(ConnectionId worker, const std::string& job_id, TimePoint now) {
    withdraw(worker, job_id);
    workers_[worker].declined[job_id] = now + policy_.place_again_after;
}

std::optional<std::string> Offers::open_to(ConnectionId worker) const {
    const auto found = workers_.find(worker);
    return found != workers_.end() && !found->second.open.empty()
               ? std::optional(found->second.open.front().job_id)
               : std::nullopt;
}

std::vector<std::string> Offers::all_open_to(ConnectionId worker) const {
    std::vector<std::string> open;
    if (const auto found = workers_.find(worker); found != workers_.end())
        for (const auto& offer : found->second.open)
            open.push_back(offer.job_id);
    return open;
}

bool Offers::is_open_to(ConnectionId worker, const std::string& job_id) const {
    const auto offered = offered_to_.find(job_id);
    return offered != offered_to_.end() && offered->second == worker;
}

void Offers::withdraw(ConnectionId worker) {
    for (const auto& job_id : all_open_to(worker))
        withdraw(worker, job_id);
}

void Offers::withdraw(ConnectionId worker, const std::string& job_id) {
    if (!is_open_to(worker, job_id)) return;
    offered_to_.erase(job_id);
    std::erase_if(workers_.at(worker).open, [&](const Offer& offer) { return offer.job_id == job_id; });
}

bool Offers::any_timed() const {
    return !paused_.empty() || std::any_of(workers_.begin(), workers_.end(), [](const auto& entry) {
        return !entry.second.open.empty() || !entry.second.declined.empty();
    });
}

void Offers::expire(TimePoint now) {
    std::erase_if(paused_, [&](const auto& entry) { return entry.second <= now; });
    for (auto& [connection, state] : workers_) {
        std::erase_if(state.declined, [&](const auto& entry) { return entry.second <= now; });
        const auto open = state.open;
        for (const auto& offer : open) {
            if (offer.until > now) continue;
            declined(connection, offer.job_id, now);
            withdraw(connection, offer.job_id);
        }
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
