#include "supervisor/redis/presence.h"

#include <utility>

#include "ipc/json_text.h"
#include "ipc/object_text.h"
#include "supervisor/redis/rules/keys.h"

namespace emprops::redis {

void Presence::set_capabilities(ipc::Json capabilities) {
    if (capabilities == capabilities_) return;
    capabilities_ = std::move(capabilities);
    if (!connected_) return;
    for (const std::string& worker : seen_)
        tell(worker, false);
}

std::set<std::string> Presence::wanted() const {
    std::set<std::string> ids;
    for (std::size_t i = 0; i < std::max(places_, slots_.end()); ++i)
        if (i < places_ || slots_.is_taken(i)) ids.insert(slots_.id(i));
    return ids;
}

void Presence::set_places(std::size_t count) {
    places_ = std::max<std::size_t>(count, 1);
    if (!connected_) return;
    const auto ids = wanted();
    for (const std::string& worker : ids)
        if (seen_.insert(worker).second) tell(worker, true);
    for (auto at = seen_.begin(); at != seen_.end();) {
        if (ids.contains(*at)) {
            ++at;
            continue;
        }
        remove(*at);
        at = seen_.erase(at);
    }
}

void Presence::connected(TimePoint now) {
    connected_ = true;
    if (since_.empty()) since_ = iso_of_ms(server_.wall_ms());
    for (const std::string& worker : wanted())
        if (seen_.insert(worker).second) tell(worker, true);
    beat_at_ = now + policy_.beat;
}

void Presence::disconnected() {
    connected_ = false;
    seen_.clear();
}

void Presence::leave() {
    for (const std::string& worker : std::exchange(seen_, {}))
        remove(worker);
    connected_ = false;
}

std::optional<TimePoint> Presence::next_wakeup() const {
    return connected_ ? std::optional(beat_at_) : std::nullopt;
}

void Presence::on_time(TimePoint now) {
    if (connected_ && beat_at_ <= now) beat(now);
}

void Presence::beat(TimePoint now) {
    beat_at_ = now + policy_.beat;
    for (const std::string& worker : seen_)
        tell(worker, false);
}

void Presence::tell(const std::string& worker, bool is_new) {
    const std::int64_t wall = server_.wall_ms();
    const std::string now = iso_of_ms(wall);
    ipc::Json document = capabilities_;
    document["worker_id"] = worker;
    const std::string key = keys::worker(worker);
    server_.tell({"HSET", key, "worker_id", worker, "machine_id", teller_.machine, "capabilities",
                  ipc::dump(document), "connected_at", since_, "last_heartbeat", now});
    // The status is whatever it is: only a worker that nobody knows yet is told as idle.
    server_.tell({"HSETNX", key, "status", "idle"});
    server_.tell({"HSETNX", key, "total_jobs_completed", "0"});
    server_.tell({"HSETNX", key, "total_jobs_failed", "0"});
    server_.tell({"SADD", keys::workers, worker});
    server_.tell({"SADD", keys::our_workers, worker});
    server_.tell({"SETEX", keys::heartbeat(worker), std::to_string(policy_.lifetime_s), now});
    if (!is_new) return;
    ipc::Json data{{"id", worker}, {"status", "idle"}, {"capabilities", document}, {"connected_at", since_}};
    server_.tell({"PUBLISH", "worker:events",
                  ipc::ObjectText()
                      .add("type", "worker_connected")
                      .add("worker_id", worker)
                      .add("machine_id", teller_.machine)
                      .add("worker_data", data)
                      .add("timestamp", wall)
                      .end()});
}

void Presence::remove(const std::string& worker) {
    server_.tell({"PUBLISH", "worker:events",
                  ipc::ObjectText()
                      .add("type", "worker_disconnected")
                      .add("worker_id", worker)
                      .add("machine_id", teller_.machine)
                      .add("timestamp", server_.wall_ms())
                      .end()});
    server_.tell({"SREM", keys::workers, worker});
    server_.tell({"DEL", keys::worker(worker), keys::heartbeat(worker)});
}

}  // namespace emprops::redis
