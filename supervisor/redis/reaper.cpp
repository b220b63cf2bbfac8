#include "supervisor/redis/reaper.h"

#include <charconv>
#include <utility>

#include "supervisor/redis/rules/keys.h"

namespace emprops::redis {
namespace {

constexpr const char* office = "emprops:reaper";

/// "uptime_in_seconds:17" of INFO server.
std::int64_t uptime_of(const std::string& info) {
    const std::string name = "uptime_in_seconds:";
    const auto at = info.find(name);
    std::int64_t seconds = 0;
    if (at != info.npos) std::from_chars(info.data() + at + name.size(), info.data() + info.size(), seconds);
    return seconds;
}

}  // namespace

void Reaper::connected(TimePoint now) {
    connected_ = true;
    ++epoch_;
    sights_.clear();
    since_ = now;
    next_ = now + policy_.every;
}

void Reaper::disconnected() {
    connected_ = false;
}

std::optional<TimePoint> Reaper::next_wakeup() const {
    return connected_ ? std::optional(next_) : std::nullopt;
}

void Reaper::on_time(TimePoint now) {
    now_ = now;
    if (!connected_ || next_ > now) return;
    // A little apart from the others, so that not all ask for the office at once.
    next_ = now + policy_.every + std::chrono::duration_cast<Ms>(policy_.every * (server_.random() / 4));
    const auto seconds = std::chrono::ceil<std::chrono::seconds>(policy_.every * 2).count();
    server_.ask({"SET", office, teller_.worker, "NX", "EX", std::to_string(seconds)},
                [this, epoch = epoch_, seconds](const Reply& reply) {
                    if (!is_current(epoch) || reply.failed()) return;
                    if (!reply.is_nil()) return round();
                    server_.ask({"GET", office}, [this, epoch, seconds](const Reply& holder) {
                        if (!is_current(epoch) || holder.text != teller_.worker) return;
                        server_.tell({"EXPIRE", office, std::to_string(seconds)});
                        round();
                    });
                });
}

void Reaper::round() {
    const std::uint64_t now = ++rounds_;
    std::erase_if(sights_, [&](const auto& each) { return each.second.round + 1 < now; });
    server_.ask({"INFO", "server"}, [this, epoch = epoch_](const Reply& info) {
        if (!is_current(epoch) || info.failed()) return;
        if (std::chrono::seconds(uptime_of(info.text)) < policy_.settled) return;
        server_.ask({"SMEMBERS", policy_.foreign ? keys::workers : keys::our_workers},
                    [this, epoch](const Reply& workers) {
                        if (!is_current(epoch) || workers.failed()) return;
                        for (const Reply& each : workers.list)
                            look_at_worker(each.text);
                    });
    });
}

void Reaper::look_at_worker(const std::string& worker) {
    server_.ask({"EXISTS", keys::heartbeat(worker)}, [this, worker, epoch = epoch_](const Reply& alive) {
        if (!is_current(epoch) || alive.failed() || alive.number != 0) return;
        server_.ask({"HKEYS", keys::active(worker)}, [this, worker, epoch](const Reply& jobs) {
            if (!is_current(epoch) || jobs.failed()) return;
            // Nobody of this name is there, and nothing of it is left.
            if (jobs.list.empty()) server_.tell({"SREM", keys::our_workers, worker});
            for (const Reply& each : jobs.list)
                look_at_job(worker, each.text);
        });
    });
}

void Reaper::look_at_job(const std::string& worker, const std::string& job_id) {
    server_.ask({"HMGET", keys::job(job_id), "worker_id", "assigned_at", "status"},
                [this, worker, job_id, epoch = epoch_](const Reply& state) {
                    if (!is_current(epoch) || state.failed()) return;
                    if (state.at(0) != worker || !is_active(state.at(2)))
                        return server_.call(forget_script(), {keys::job(job_id), keys::active(worker)},
                                            {worker, job_id}, [](const Reply&) {});
                    Sight& sight = sights_[worker + "\n" + job_id];
                    if (sight.token != state.at(1)) sight = {state.at(1), now_, rounds_};
                    sight.round = rounds_;
                    if (now_ - sight.since < policy_.settled || now_ - since_ < policy_.settled) return;
                    reap(worker, state.at(1), job_id);
                });
}

void Reaper::reap(const std::string& worker, const std::string& token, const std::string& job_id) {
    Command command{"HMGET", keys::job(job_id)};
    command.insert(command.end(), matching_fields().begin(), matching_fields().end());
    server_.ask(std::move(command), [this, worker, token, job_id, epoch = epoch_](const Reply& fields) {
        const auto job = fields.failed() ? std::nullopt : job_of_fields(job_id, fields);
        if (!is_current(epoch) || !job) return;
        const std::int64_t wall = server_.wall_ms();
        const std::string deaths = std::to_string(policy_.deaths);
        const ipc::JobError error{ipc::code::poison,
                                  "its workers died " + deaths + " times while they had it, the last one (" +
                                      worker + ") without a heartbeat since",
                                  false,
                                  {}};
        const Failure failure =
            failure_of(*job, Teller{worker, teller_.machine, teller_.version}, error, false, wall);
        server_.call(
            reap_script(),
            {keys::job(job_id), keys::active(worker), keys::pending, keys::heartbeat(worker), keys::failed,
             failure.attestation_key},
            {worker, token, job_id, iso_of_ms(wall), job->score(), std::to_string(job->retry_count + 1),
             deaths, failure.entry, failure.attestation, failure.message},
            [this, worker, job_id](const Reply& reply) {
                if (reply.kind == Reply::Kind::error) return server_.trouble("take a job back", reply);
                if (reply.text != "back" && reply.text != "poison") return;
                ++taken_back;
                server_.note(Note::Level::warn,
                             "its worker " + worker + " is gone: " +
                                 (reply.text == "back" ? "it waits in the queue again"
                                                       : "it failed as poison, after too many such deaths"),
                             job_id);
            });
    });
}

}  // namespace emprops::redis
