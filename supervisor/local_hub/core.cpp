#include "supervisor/local_hub/core.h"

#include <fmt/format.h>

#include <algorithm>

#include "ipc/hub/codec.h"
#include "supervisor/local_hub/statistics.h"

namespace emprops::local_hub {

Policy Policy::from(const config::LocalHubSettings& settings) {
    Policy policy;
    policy.max_attempts = std::max<std::uint32_t>(settings.max_attempts, 1);
    policy.requeue_after = settings.requeue_after;
    return policy;
}

Ms Policy::pause_after(std::uint32_t attempts) const {
    Ms pause = retry_pause;
    for (; attempts > 1 && pause < longest_retry_pause; --attempts)
        pause *= 2;
    return std::min(pause, longest_retry_pause);
}

void Turn::send(ConnectionId connection, std::string text) {
    SendTo action{.connection = connection, .frames = {}};
    action.frames.push_back(std::move(text));
    out.push_back(std::move(action));
}

void Turn::refuse(ConnectionId connection, std::string_view error, const Json& details) {
    send(connection, hub::encode_error(error, now.epoch_seconds, details));
}

void Turn::warn(std::string text) {
    out.push_back(Warn{std::move(text)});
}

Core::Core(Store& store, Policy policy, std::function<std::string()> new_job_id)
    : policy_(policy),
      workers_(policy_),
      offers_(policy_),
      jobs_(store, offers_, policy_),
      audience_(policy_),
      worker_desk_(policy_, workers_, offers_, jobs_, audience_),
      client_desk_(workers_, offers_, jobs_, audience_, std::move(new_job_id)) {}

Actions Core::connected(ConnectionId connection, Role role, const std::string& id, const Now& now) {
    Actions out;
    Turn turn{now, out};
    const auto welcome = [&](const char* kind, double timestamp) {
        const auto text = fmt::format("Welcome {} {}! Connected to Redis Hub", kind, id);
        turn.send(connection, encode(hub::Welcome{text, timestamp, role == Role::worker}));
    };
    switch (role) {
        case Role::worker:
            worker_desk_.connected(connection, id, turn);
            welcome("Worker", 0);
            break;
        case Role::client:
            welcome("Client", now.epoch_seconds);
            audience_.add_client(connection, id);
            break;
        case Role::monitor:
            welcome("Monitor", now.epoch_seconds);
            audience_.add_monitor(connection, id);
            audience_.send_stats(connection, stats(), turn);
            break;
    }
    return out;
}

Actions Core::disconnected(ConnectionId connection, bool politely, const Now& now) {
    Actions out;
    Turn turn{now, out};
    audience_.remove(connection);
    worker_desk_.disconnected(connection, politely, turn);
    worker_desk_.make_offers(turn);
    return out;
}

Actions Core::received(ConnectionId connection, std::string_view text, const Now& now) {
    Actions out;
    Turn turn{now, out};
    if (const auto* worker = workers_.find(connection)) {
        worker_desk_.received(*worker, text, turn);
    } else if (const auto* client_id = audience_.client_id(connection)) {
        client_desk_.received(connection, *client_id, text, turn);
    } else if (audience_.is_monitor(connection)) {
        audience_.on_monitor(
            connection, text, [this] { return stats(); }, turn);
    }
    worker_desk_.make_offers(turn);
    return out;
}

void Core::received_part(ConnectionId connection, const Now& now) {
    worker_desk_.received_part(connection, now);
}

Actions Core::tick(const Now& now) {
    Actions out;
    Turn turn{now, out};
    worker_desk_.tick(turn);
    if (const auto trimmed = jobs_.trim(now); !trimmed.ok()) turn.warn(trimmed.error().message);
    worker_desk_.make_offers(turn);
    audience_.broadcast([this] { return stats(); }, turn);
    return out;
}

bool Core::rests(const Now& now) const {
    return jobs_.claimed().empty() && !offers_.any_timed() && !audience_.has_monitors() && !jobs_.trims(now);
}

Result<std::string> Core::submit(const hub::SubmitJob& job, const std::string& client_id, const Now& now,
                                 Actions& actions) {
    Turn turn{now, actions};
    auto accepted = client_desk_.submit(job, client_id, now);
    if (accepted.ok()) worker_desk_.make_offers(turn);
    return accepted;
}

Json Core::stats() const {
    return statistics(workers_, jobs_, offers_.queue(), audience_);
}

}  // namespace emprops::local_hub
