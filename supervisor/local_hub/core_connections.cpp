// Construction, connections, the clock.

#include <fmt/format.h>

#include "supervisor/local_hub/core.h"
#include "supervisor/local_hub/gate.h"

namespace emprops::local_hub {

Policy Policy::from(const config::LocalHubSettings& settings) {
    Policy policy;
    policy.max_attempts = std::max<std::uint32_t>(settings.max_attempts, 1);
    policy.requeue_after = settings.requeue_after;
    return policy;
}

Core::Core(Store& store, Policy policy, std::function<std::string()> new_job_id)
    : store_(store), policy_(policy), new_job_id_(std::move(new_job_id)) {}

Result<> Core::load(const Now& now) {
    auto jobs = store_.unfinished();
    if (!jobs.ok()) return jobs.error();
    for (auto& job : *jobs) {
        ActiveJob active;
        if (!job.client_id.empty()) active.subscribers.insert(job.client_id);
        if (job.status == JobStatus::pending) {
            queue_.add(job);
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

Actions Core::connected(ConnectionId connection, Role role, const std::string& id, const Now& now) {
    Actions out;
    Turn turn{now, out};
    if (role == Role::worker) {
        if (const auto older = worker_by_id_.find(id); older != worker_by_id_.end()) {
            const auto replaced = older->second;
            drop_worker(replaced, false, turn);
            out.push_back(Close{replaced, 1000, "Replaced by a newer connection with this id"});
        }
        worker_by_id_[id] = connection;
        auto& worker = workers_[connection];
        worker.connection = connection;
        worker.id = id;
        worker.bulk_of = owner_of_bulk(id);
        worker.last_sign = now.steady;
        worker.connected_at = now.epoch_seconds;
        const Json welcome{{"type", "connection_established"},
                           {"message", fmt::format("Welcome Worker {}! Connected to Redis Hub", id)}};
        send(connection, welcome.dump(-1, ' ', false, Json::error_handler_t::replace), turn);
        return out;
    }
    const auto* kind = role == Role::client ? "Client" : "Monitor";
    const Json welcome{{"message", fmt::format("Welcome {} {}! Connected to Redis Hub", kind, id)}};
    send(connection, message_text("connection_established", now.epoch_seconds, welcome), turn);
    if (role == Role::client) {
        clients_[connection] = id;
        clients_by_id_[id].insert(connection);
    } else {
        monitors_[connection] = Monitor{.id = id, .channels = {}};
        send_stats(connection, monitors_[connection], stats(), turn);
    }
    return out;
}

Actions Core::disconnected(ConnectionId connection, bool politely, const Now& now) {
    Actions out;
    Turn turn{now, out};
    monitors_.erase(connection);
    if (const auto client = clients_.find(connection); client != clients_.end()) {
        auto& connections = clients_by_id_[client->second];
        connections.erase(connection);
        if (connections.empty()) clients_by_id_.erase(client->second);
        clients_.erase(client);
    }
    drop_worker(connection, politely, turn);
    make_offers(turn);
    return out;
}

void Core::drop_worker(ConnectionId connection, bool leaving, Turn& turn) {
    const auto found = workers_.find(connection);
    if (found == workers_.end()) return;
    auto& worker = found->second;
    if (leaving) give_back(worker, turn);
    for (const auto& job_id : worker.held) {
        auto* job = active(job_id);
        if (!job) continue;
        job->holder.reset();
        job->lost_at = turn.now.steady;
    }
    if (worker.offer) {
        if (auto* job = active(worker.offer->job_id)) clear_offer(*job);
    }
    if (const auto by_id = worker_by_id_.find(worker.id);
        by_id != worker_by_id_.end() && by_id->second == connection) {
        worker_by_id_.erase(by_id);
    }
    workers_.erase(found);
}

/// A worker that leaves on purpose: its jobs are not to blame.
void Core::give_back(Worker& worker, Turn& turn) {
    const auto held = worker.held;
    for (const auto& job_id : held) {
        auto* job = active(job_id);
        if (!job) continue;
        const Attempt attempt{
            .worker_id = worker.id, .error = fmt::format("worker {} left", worker.id), .counts = false};
        if (auto ended = end_attempt(*job, attempt, turn); !ended.ok()) {
            turn.out.push_back(Warn{ended.error().message});
        }
    }
}

Actions Core::received(ConnectionId connection, std::string_view text, const Now& now) {
    Actions out;
    Turn turn{now, out};
    if (const auto worker = workers_.find(connection); worker != workers_.end()) {
        on_worker(worker->second, text, turn);
    } else if (const auto client = clients_.find(connection); client != clients_.end()) {
        on_client(connection, client->second, text, turn);
    } else if (const auto monitor = monitors_.find(connection); monitor != monitors_.end()) {
        on_monitor(connection, monitor->second, text, turn);
    }
    make_offers(turn);
    return out;
}

/// While a message is on its way its worker can say nothing else: the part counts as a sign of life of the
/// worker and of the jobs that it holds.
void Core::received_part(ConnectionId connection, const Now& now) {
    const auto found = workers_.find(connection);
    if (found == workers_.end()) return;
    found->second.last_sign = now.steady;
    for (const auto& job_id : found->second.held)
        if (auto* job = active(job_id)) job->last_sign = now.steady;
}

Actions Core::tick(const Now& now) {
    Actions out;
    Turn turn{now, out};
    std::vector<ConnectionId> silent;
    for (const auto& [connection, worker] : workers_) {
        if (worker.registered && now.steady - worker.last_sign >= policy_.worker_silence) {
            silent.push_back(connection);
        }
    }
    for (const auto connection : silent) {
        const auto id = workers_[connection].id;
        drop_worker(connection, false, turn);
        out.push_back(Close{connection, 1000, fmt::format("Worker {} disconnected", id)});
    }
    take_back_lost(turn);
    expire_offers(now);
    if (now.steady - last_trim_ >= policy_.trim_every) {
        const auto oldest = now.epoch_seconds - static_cast<double>(policy_.history.count());
        const auto forgotten = store_.forget_finished_before(oldest, policy_.trim_at_once);
        int count = 0;
        if (forgotten.ok()) {
            for (const auto& [status, number] : forgotten.value()) {
                finished_[status] -= std::min(finished_[status], number);
                count += static_cast<int>(number);
            }
        } else {
            out.push_back(Warn{forgotten.error().message});
        }
        if (count < policy_.trim_at_once) last_trim_ = now.steady;  // else more at the next tick
    }
    make_offers(turn);
    broadcast_stats(turn);
    return out;
}

void Core::send(ConnectionId connection, std::string text, Turn& turn) {
    SendTo action{.connection = connection, .frames = {}};
    action.frames.push_back(std::move(text));
    turn.out.push_back(std::move(action));
}

void Core::refuse(ConnectionId connection, std::string_view error, Turn& turn, const Json& details) {
    send(connection, error_text(error, turn.now.epoch_seconds, details), turn);
}

}  // namespace emprops::local_hub
