// What clients say, and what they are told.

#include <fmt/format.h>

#include "supervisor/local_hub/core.h"

namespace emprops::local_hub {

void Core::publish(const Job& job, const std::set<std::string>& subscribers, const std::string& text,
                   Turn& turn, std::optional<ConnectionId> also) {
    if (also) send(*also, text, turn);
    for (const auto& client_id : subscribers) {
        const auto connections = clients_by_id_.find(client_id);
        if (connections == clients_by_id_.end()) continue;
        for (const auto connection : connections->second) {
            if (connection != also) send(connection, text, turn);
        }
    }
    if (!monitors_.empty()) to_monitors_unfiltered(with_member(text, "client_id", job.client_id), turn);
}

void Core::on_client(ConnectionId connection, const std::string& client_id, std::string_view text,
                     Turn& turn) {
    const auto decoded = decode_from_client(text);
    if (const auto* refused = std::get_if<Refused>(&decoded)) {
        refuse(connection, refused->error, turn, refused->details);
        return;
    }
    const auto& message = std::get<FromClient>(decoded);
    const auto now = turn.now.epoch_seconds;
    const auto confirm = [&](const std::string& what, const Json& channels) {
        const Json fields{{"job_id", what}, {"monitor_id", nullptr}, {"channels", channels}};
        send(connection, message_text("subscription_confirmed", now, fields), turn);
    };
    if (const auto* submitted = std::get_if<SubmitJob>(&message)) {
        auto accepted = accept(*submitted, client_id, turn);
        if (!accepted.ok()) {
            refuse(connection, accepted.error().message, turn, Json{{"code", accepted.error().code}});
            return;
        }
        const Json fields{{"job_id", *accepted},
                          {"status", "pending"},
                          {"position", queue_.ahead_of(active_.at(*accepted).job) + 1},
                          {"estimated_start", nullptr},
                          {"notified_workers", 0}};
        send(connection, message_text("job_accepted", now, fields), turn);
    } else if (const auto* asked = std::get_if<RequestJobStatus>(&message)) {
        job_status(connection, asked->job_id, turn);
    } else if (const auto* subscribe = std::get_if<SubscribeJob>(&message)) {
        if (auto* job = active(subscribe->job_id)) job->subscribers.insert(client_id);
        confirm(subscribe->job_id, nullptr);
    } else if (std::holds_alternative<SubscribeStats>(message)) {
        confirm("stats", Json::array({"stats"}));
    } else if (std::holds_alternative<RequestStats>(message)) {
        refuse(connection, "Stats requests are restricted to monitors only", turn);
    } else if (const auto* cancelled = std::get_if<CancelJob>(&message)) {
        cancel(connection, *cancelled, turn);
    } else if (const auto* retry = std::get_if<ForceRetryJob>(&message)) {
        force_retry(connection, client_id, retry->job_id, turn);
    } else {
        Job keep_alive;
        keep_alive.id = "keep-alive";
        send(connection, job_status_text(keep_alive, "acknowledged", now, "Connection is alive"), turn);
    }
}

void Core::job_status(ConnectionId connection, const std::string& job_id, Turn& turn) {
    const auto found = view(job_id);
    if (!found.ok()) return refuse(connection, found.error().message, turn);
    if (!found.value()) return refuse(connection, fmt::format("Job {} not found", job_id), turn);
    const auto& [job, result] = found.value()->stored;
    const auto& message = job.status == JobStatus::failed ? job.error : job.message;
    send(connection,
         job_status_text(job, name_of(job.status), turn.now.epoch_seconds, message, result.value_or("")),
         turn);
}

void Core::cancel(ConnectionId connection, const CancelJob& message, Turn& turn) {
    if (message.job_id.empty()) return refuse(connection, "Missing job_id in cancel_job request", turn);
    auto* cancelled = active(message.job_id);
    if (!cancelled) {
        return refuse(
            connection,
            fmt::format("Failed to cancel job {}. Job may not exist or is already in a terminal state.",
                        message.job_id),
            turn);
    }
    auto job = cancelled->job;
    job.status = JobStatus::cancelled;
    job.message = fmt::format("Job cancelled: {}", message.reason);
    const auto holder = cancelled->holder;
    const auto subscribers = cancelled->subscribers;
    if (auto stored = finish(*cancelled, job, nullptr, turn); !stored.ok()) {
        return refuse(connection, stored.error().message, turn);
    }
    if (holder) {
        send(*holder,
             message_text("cancel_job", turn.now.epoch_seconds,
                          Json{{"job_id", job.id}, {"reason", message.reason}}),
             turn);
    }
    publish(job, subscribers, job_status_text(job, "cancelled", turn.now.epoch_seconds, job.message), turn,
            connection);
}

void Core::force_retry(ConnectionId connection, const std::string& client_id, const std::string& job_id,
                       Turn& turn) {
    const auto found = view(job_id);
    if (!found.ok()) return refuse(connection, found.error().message, turn);
    if (!found.value()) return refuse(connection, fmt::format("Job {} not found", job_id), turn);
    auto job = found.value()->stored.job;
    if (job.status == JobStatus::claimed || job.status == JobStatus::completed) {
        send(connection,
             job_status_text(job, name_of(job.status), turn.now.epoch_seconds,
                             fmt::format("Job is {}; there is nothing to retry.", name_of(job.status))),
             turn);
        return;
    }
    const auto was = job.status;
    job.status = JobStatus::pending;
    job.attempts = 0;
    job.last_failer.clear();
    job.completed_at = 0;
    job.claimed_at = 0;
    job.progress.reset();
    job.message.reset();
    if (auto stored = store_.update(job); !stored.ok())
        return refuse(connection, stored.error().message, turn);
    if (is_final(was)) {
        finished_[was] -= std::min<std::uint64_t>(finished_[was], 1);
        queue_.add(job);
    }
    auto& retried = active_[job.id];
    retried.job = job;
    retried.subscribers.insert({client_id, job.client_id});
    for (auto& [worker_connection, worker] : workers_) {
        worker.passed_by.erase(job.id);
        worker.told_cancelled.erase(job.id);
    }
    publish(job, retried.subscribers,
            job_status_text(job, "pending", turn.now.epoch_seconds,
                            "Job failure history cleared. Job can now be assigned to any worker."),
            turn, connection);
}

}  // namespace emprops::local_hub
