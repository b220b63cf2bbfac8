// What monitors say, and what they see.

#include <fmt/format.h>

#include "supervisor/local_hub/core.h"

namespace emprops::local_hub {
namespace {

/// Lists in the statistics are cut here: they are sent every second.
constexpr std::size_t listed_jobs = 100;

std::string numbered(std::string_view prefix, double timestamp) {
    return fmt::format("{}-{}", prefix, static_cast<std::int64_t>(timestamp));
}

}  // namespace

void Core::on_monitor(ConnectionId connection, Monitor& monitor, std::string_view text, Turn& turn) {
    const auto decoded = decode_from_monitor(text);
    if (const auto* refused = std::get_if<Refused>(&decoded)) {
        const Json answer{{"type", "error"}, {"error", refused->error}};
        send(connection, answer.dump(-1, ' ', false, Json::error_handler_t::replace), turn);
        return;
    }
    const auto& message = std::get<FromMonitor>(decoded);
    const auto now = turn.now.epoch_seconds;
    if (const auto* subscribe = std::get_if<Subscribe>(&message)) {
        monitor.channels = {subscribe->channels.begin(), subscribe->channels.end()};
        const Json plain{{"type", "subscription_confirmed"}, {"channels", subscribe->channels}};
        send(connection, plain.dump(-1, ' ', false, Json::error_handler_t::replace), turn);
        const Json fields{{"job_id", "monitor-subscription"},
                          {"monitor_id", monitor.id},
                          {"channels", subscribe->channels}};
        send(connection, message_text("subscription_confirmed", now, fields), turn);
    } else if (std::holds_alternative<GetSystemStatus>(message)) {
        send_stats(connection, monitor, stats(), turn);
    } else {
        send(connection, message_text("stay_alive_response", now, Json::object()), turn);
    }
}

/// The path that respects a monitor's filter; each message is followed by the Hub's `ack`.
void Core::to_monitors(std::string_view type, const std::string& text, const std::string& message_id,
                       Turn& turn) {
    const auto now = turn.now.epoch_seconds;
    for (const auto& [connection, monitor] : monitors_) {
        if (!monitor.channels.empty() && !monitor.channels.contains(std::string(type))) continue;
        send(connection, text, turn);
        const Json fields{{"message_id", numbered("ack", now)},
                          {"original_id", message_id.empty() ? Json() : Json(message_id)},
                          {"original_type", type}};
        send(connection, message_text("ack", now, fields), turn);
    }
}

void Core::to_monitors_unfiltered(const std::string& text, Turn& turn) {
    for (const auto& [connection, monitor] : monitors_)
        send(connection, text, turn);
}

void Core::worker_status_to_monitors(const Worker& worker, const Json& capabilities,
                                     const Json& connector_statuses, Turn& turn) {
    if (monitors_.empty()) return;
    const auto message_id = numbered("worker-status", turn.now.epoch_seconds);
    const Json fields{{"message_id", message_id},
                      {"worker_id", worker.id},
                      {"status", worker.status},
                      {"capabilities", capabilities},
                      {"connector_statuses", connector_statuses}};
    to_monitors("worker_status", message_text("worker_status", turn.now.epoch_seconds, fields), message_id,
                turn);
}

Json Core::stats() const {
    auto workers = Json::object();
    auto worker_ids = Json::array();
    auto subscribed = Json::array();
    auto active_workers = Json::array();
    std::map<std::string, int> by_status;
    for (const auto& [connection, worker] : workers_) {
        if (worker.bulk_of) continue;
        worker_ids.push_back(worker.id);
        if (worker.subscribed) subscribed.push_back(worker.id);
        ++by_status[worker.status];
        Json shown{{"status", worker.status},
                   {"connection_status", worker.status},
                   {"is_accepting_jobs", worker.status == "idle" && !worker.leaving}};
        if (worker.registered) {
            shown["capabilities"] = worker.capabilities;
            shown["supported_job_types"] = worker.job_types;
        }
        workers[worker.id] = std::move(shown);
        active_workers.push_back({{"id", worker.id},
                                  {"status", worker.status},
                                  {"connected_at", worker.connected_at},
                                  {"jobs_processed", worker.jobs_processed},
                                  {"last_heartbeat", worker.last_heartbeat},
                                  {"current_job_id", worker.held.empty() ? "" : *worker.held.begin()}});
    }
    auto client_ids = Json::array();
    for (const auto& [id, connections] : clients_by_id_)
        client_ids.push_back(id);
    auto monitor_ids = Json::array();
    for (const auto& [connection, monitor] : monitors_)
        monitor_ids.push_back(monitor.id);

    auto running = Json::array();
    auto job_subscriptions = Json::object();
    for (const auto& id : claimed_) {
        if (running.size() == listed_jobs) break;
        const auto& job = active_.at(id).job;
        running.push_back({{"id", job.id},
                           {"job_type", job.type},
                           {"status", name_of(job.status)},
                           {"priority", job.priority},
                           {"worker_id", job.worker_id},
                           {"progress", job.progress ? Json(*job.progress) : Json()}});
        job_subscriptions[job.id] = job.client_id;
    }
    auto jobs_by_status = Json::object();
    auto total = static_cast<std::uint64_t>(active_.size());
    if (!queue_.empty()) jobs_by_status["pending"] = queue_.size();
    if (!claimed_.empty()) jobs_by_status["claimed"] = claimed_.size();
    for (const auto& [status, count] : finished_) {
        if (count > 0) jobs_by_status[std::string(name_of(status))] = count;
        total += count;
    }
    const auto with_priority = queue_.size_with_priority();
    const Json queues{
        {"priority", with_priority}, {"standard", queue_.size() - with_priority}, {"total", queue_.size()}};
    const Json jobs{{"total", total}, {"status", jobs_by_status}, {"active_jobs", running}};
    const Json totals{
        {"total", worker_ids.size()}, {"status", by_status}, {"active_workers", active_workers}};
    return Json{
        {"connections", {{"clients", client_ids}, {"workers", worker_ids}, {"monitors", monitor_ids}}},
        {"workers", workers},
        {"subscriptions",
         {{"stats", Json::array()}, {"job_notifications", subscribed}, {"jobs", job_subscriptions}}},
        {"system", {{"queues", queues}, {"jobs", jobs}, {"workers", totals}}}};
}

void Core::send_stats(ConnectionId connection, const Monitor& monitor, const Json& stats, Turn& turn) {
    if (!monitor.channels.empty() && !monitor.channels.contains("stats_broadcast")) return;
    const auto now = turn.now.epoch_seconds;
    const auto message_id = numbered("stats", now);
    auto fields = stats;
    fields["message_id"] = message_id;
    send(connection, message_text("stats_broadcast", now, fields), turn);
    const Json ack{{"message_id", numbered("ack", now)},
                   {"original_id", message_id},
                   {"original_type", "stats_broadcast"}};
    send(connection, message_text("ack", now, ack), turn);
}

void Core::broadcast_stats(Turn& turn) {
    if (monitors_.empty()) return;
    const auto age = turn.now.steady - last_stats_;
    if (age < policy_.stats_when_changed) return;
    auto current = stats();
    if (age < policy_.stats_at_least && current == last_stats_content_) return;
    for (const auto& [connection, monitor] : monitors_)
        send_stats(connection, monitor, current, turn);
    last_stats_ = turn.now.steady;
    last_stats_content_ = std::move(current);
}

}  // namespace emprops::local_hub
