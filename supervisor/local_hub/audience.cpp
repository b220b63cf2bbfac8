#include "supervisor/local_hub/audience.h"

#include <fmt/format.h>

#include "ipc/hub/codec.h"

namespace emprops::local_hub {
namespace {

std::string numbered(std::string_view prefix, double timestamp) {
    return fmt::format("{}-{}", prefix, static_cast<std::int64_t>(timestamp));
}

void acknowledge(ConnectionId connection, const std::string& message_id, std::string_view type, Turn& turn) {
    const auto now = turn.now.epoch_seconds;
    turn.send(connection, encode(hub::MonitorAck{numbered("ack", now), message_id, std::string(type), now}));
}

}  // namespace

void Audience::add_client(ConnectionId connection, const std::string& id) {
    clients_[connection] = id;
    clients_by_id_[id].insert(connection);
}

void Audience::add_monitor(ConnectionId connection, const std::string& id) {
    monitors_[connection] = Monitor{.id = id, .channels = {}};
}

void Audience::remove(ConnectionId connection) {
    monitors_.erase(connection);
    const auto client = clients_.find(connection);
    if (client == clients_.end()) return;
    auto& connections = clients_by_id_[client->second];
    connections.erase(connection);
    if (connections.empty()) clients_by_id_.erase(client->second);
    clients_.erase(client);
}

const std::string* Audience::client_id(ConnectionId connection) const {
    const auto client = clients_.find(connection);
    return client == clients_.end() ? nullptr : &client->second;
}

void Audience::publish(const Job& job, const std::set<std::string>& subscribers, const std::string& text,
                       Turn& turn, std::optional<ConnectionId> also) const {
    if (also) turn.send(*also, text);
    for (const auto& client_id : subscribers) {
        const auto connections = clients_by_id_.find(client_id);
        if (connections == clients_by_id_.end()) continue;
        for (const auto connection : connections->second) {
            if (connection != also) turn.send(connection, text);
        }
    }
    if (!monitors_.empty()) show_to_all(hub::with_client_id(text, job.client_id), turn);
}

void Audience::show(std::string_view type, const std::string& text, const std::string& message_id,
                    Turn& turn) const {
    for (const auto& [connection, monitor] : monitors_) {
        if (!monitor.wants(type)) continue;
        turn.send(connection, text);
        acknowledge(connection, message_id, type, turn);
    }
}

void Audience::show_to_all(const std::string& text, Turn& turn) const {
    for (const auto& [connection, monitor] : monitors_)
        turn.send(connection, text);
}

void Audience::show_worker_status(const std::string& worker_id, const std::string& status,
                                  const Json& capabilities, const Json& connector_statuses,
                                  Turn& turn) const {
    if (monitors_.empty()) return;
    const auto now = turn.now.epoch_seconds;
    const auto message_id = numbered("worker-status", now);
    const hub::WorkerStatus shown{{now, worker_id}, status, capabilities, connector_statuses, message_id};
    show("worker_status", encode(shown), message_id, turn);
}

void Audience::on_monitor(ConnectionId connection, std::string_view text, const Stats& stats, Turn& turn) {
    const auto decoded = hub::decode_from_monitor(text);
    if (const auto* refused = std::get_if<hub::Refused>(&decoded))
        return turn.send(connection, hub::encode_error(refused->error));
    const auto& message = std::get<hub::FromMonitor>(decoded);
    const auto now = turn.now.epoch_seconds;
    if (const auto* subscribe = std::get_if<hub::Subscribe>(&message)) {
        auto& monitor = monitors_.at(connection);
        const auto& channels = subscribe->channels;
        monitor.channels = {channels.begin(), channels.end()};
        turn.send(connection, encode(hub::SubscriptionConfirmed{"", nullptr, channels, 0}));
        turn.send(connection,
                  encode(hub::SubscriptionConfirmed{"monitor-subscription", monitor.id, channels, now}));
    } else if (std::holds_alternative<hub::GetSystemStatus>(message)) {
        send_stats(connection, stats(), turn);
    } else {
        turn.send(connection, encode(hub::StayAliveResponse{now}));
    }
}

void Audience::send_stats(ConnectionId connection, const Json& stats, Turn& turn) const {
    constexpr const char* type = "stats_broadcast";
    if (!monitors_.at(connection).wants(type)) return;
    const auto now = turn.now.epoch_seconds;
    const auto message_id = numbered("stats", now);
    turn.send(connection, encode(hub::StatsBroadcast{message_id, stats, now}));
    acknowledge(connection, message_id, type, turn);
}

void Audience::broadcast(const Stats& stats, Turn& turn) {
    if (monitors_.empty()) return;
    const auto age = turn.now.steady - last_stats_;
    if (age < policy_.stats_when_changed) return;
    auto current = stats();
    if (age < policy_.stats_at_least && current == last_stats_content_) return;
    for (const auto& [connection, monitor] : monitors_)
        send_stats(connection, current, turn);
    last_stats_ = turn.now.steady;
    last_stats_content_ = std::move(current);
}

Json Audience::client_ids() const {
    auto ids = Json::array();
    for (const auto& [id, connections] : clients_by_id_)
        ids.push_back(id);
    return ids;
}

Json Audience::monitor_ids() const {
    auto ids = Json::array();
    for (const auto& [connection, monitor] : monitors_)
        ids.push_back(monitor.id);
    return ids;
}

}  // namespace emprops::local_hub
