#include "supervisor/local_hub/workers.h"

#include <fmt/format.h>

#include <algorithm>

#include "supervisor/local_hub/gate.h"

namespace emprops::local_hub {

const Worker& Workers::add(ConnectionId connection, const std::string& id, const Now& now) {
    by_id_[id] = connection;
    auto& worker = workers_[connection];
    worker.connection = connection;
    worker.id = id;
    worker.bulk_of = owner_of_bulk(id);
    worker.last_sign = now.steady;
    worker.connected_at = now.epoch_seconds;
    return worker;
}

void Workers::remove(ConnectionId connection) {
    const auto found = workers_.find(connection);
    if (found == workers_.end()) return;
    if (connection_of(found->second.id) == connection) by_id_.erase(found->second.id);
    workers_.erase(found);
}

const Worker* Workers::find(ConnectionId connection) const {
    const auto found = workers_.find(connection);
    return found == workers_.end() ? nullptr : &found->second;
}

std::optional<ConnectionId> Workers::connection_of(const std::string& id) const {
    const auto found = by_id_.find(id);
    return found == by_id_.end() ? std::nullopt : std::optional(found->second);
}

bool Workers::others_take(const std::string& job_type, ConnectionId except) const {
    return std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
        const auto& other = entry.second;
        return other.connection != except && other.available() && other.job_types.contains(job_type);
    });
}

std::vector<ConnectionId> Workers::silent(TimePoint now) const {
    std::vector<ConnectionId> silent;
    for (const auto& [connection, worker] : workers_) {
        if (worker.registered && now - worker.last_sign >= policy_.worker_silence)
            silent.push_back(connection);
    }
    return silent;
}

std::string Workers::refusal(const hub::RegisterWorker& message) const {
    const auto& types = message.job_types;
    if (types.size() > policy_.most_job_types)
        return fmt::format("it names {} job types, at most {} are taken", types.size(),
                           policy_.most_job_types);
    for (const auto& type : types) {
        if (type.size() > policy_.longest_job_type)
            return fmt::format("a job type of {} bytes, at most {} are taken", type.size(),
                               policy_.longest_job_type);
    }
    return {};
}

void Workers::sign_of_life(ConnectionId connection, TimePoint now) {
    workers_.at(connection).last_sign = now;
}

void Workers::enroll(ConnectionId connection, const hub::RegisterWorker& message, const Now& now) {
    auto& worker = workers_.at(connection);
    worker.registered = true;
    worker.bulk_of.reset();  // a worker whose id happens to end so
    worker.leaving = false;
    worker.subscribed = message.subscribe_to_jobs;
    worker.capabilities = message.capabilities;
    worker.job_types = {message.job_types.begin(), message.job_types.end()};
    worker.last_heartbeat = now.epoch_seconds;
}

void Workers::set_status(ConnectionId connection, const std::string& status) {
    if (status.empty()) return;
    auto& worker = workers_.at(connection);
    worker.status = status;
    if (status == hub::leaving_status) worker.leaving = true;
}

void Workers::set_ahead(ConnectionId connection, std::set<std::string> types) {
    workers_.at(connection).ahead = std::move(types);
}

void Workers::set_offers_at_once(ConnectionId connection, int most) {
    workers_.at(connection).offers_at_once = std::clamp(most, 1, policy_.most_offers_at_once);
}

bool Workers::idle_takes(const std::string& job_type) const {
    return std::any_of(workers_.begin(), workers_.end(), [&](const auto& entry) {
        const auto& worker = entry.second;
        const bool may_be_idle = worker.idle() || worker.status == working_status;
        return worker.available() && may_be_idle && worker.job_types.contains(job_type);
    });
}

void Workers::heartbeat(ConnectionId connection, const Now& now) {
    workers_.at(connection).last_heartbeat = now.epoch_seconds;
}

void Workers::worked(ConnectionId connection) {
    auto& worker = workers_.at(connection);
    if (worker.bulk_of) {  // its worker has said since what it is; only the book is kept
        if (const auto owner = connection_of(*worker.bulk_of)) ++workers_.at(*owner).jobs_processed;
        return;
    }
    ++worker.jobs_processed;
    // One that answers several offers says itself what it can take.
    if (worker.status == working_status && worker.offers_at_once == 1) worker.status = hub::idle_status;
}

bool Workers::tell_cancelled(ConnectionId connection, const std::string& job_id) {
    return workers_.at(connection).told_cancelled.insert(job_id).second;
}

void Workers::forget_cancelled(const std::string& job_id) {
    for (auto& [connection, worker] : workers_)
        worker.told_cancelled.erase(job_id);
}

}  // namespace emprops::local_hub
