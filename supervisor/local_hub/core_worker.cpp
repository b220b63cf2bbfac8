// What workers say.

#include <fmt/format.h>

#include <algorithm>

#include "ipc/messages.h"
#include "supervisor/local_hub/chunking.h"
#include "supervisor/local_hub/core.h"

namespace emprops::local_hub {

void Core::on_worker(Worker& worker, std::string_view text, Turn& turn) {
    worker.last_sign = turn.now.steady;
    const auto decoded = decode_from_worker(text);
    if (const auto* refused = std::get_if<Refused>(&decoded)) {
        refuse(worker.connection, refused->error, turn, refused->details);
        return;
    }
    const auto& message = std::get<FromWorker>(decoded);
    if (refused_for_bulk(worker, message, turn)) return;
    std::visit([&](const auto& each) { handle(worker, each, turn); }, message);
}

/// A connection for large results holds no job: its end, its silence and its status mean nothing, so it must
/// not claim, and progress must not make it the holder.
bool Core::refused_for_bulk(const Worker& worker, const FromWorker& message, Turn& turn) {
    if (!worker.bulk_of || std::holds_alternative<CompleteJob>(message) ||
        std::holds_alternative<RegisterWorker>(message))
        return false;
    refuse(
        worker.connection,
        fmt::format("{} has not registered: it may only complete the jobs of {}", worker.id, *worker.bulk_of),
        turn);
    return true;
}

void Core::set_status(Worker& worker, const std::optional<std::string>& status, Turn& turn) {
    if (!status || status->empty()) return;
    worker.status = *status;
    if (worker.status != "idle" && worker.offer) {  // it does not want the offer: others may
        if (auto* offered = active(worker.offer->job_id)) clear_offer(*offered);
    }
    if (*status == "leaving") {
        worker.leaving = true;
        give_back(worker, turn);
    }
}

/// They are looked at with every offer, and shown to every monitor.
std::string Core::refused_types(const std::vector<std::string>& types) const {
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

void Core::handle(Worker& worker, const RegisterWorker& message, Turn& turn) {
    if (const auto why = refused_types(message.job_types); !why.empty()) {
        return refuse(worker.connection, fmt::format("Failed to register worker {}", worker.id), turn,
                      Json{{"reason", why}});
    }
    worker.registered = true;
    worker.bulk_of.reset();  // a worker whose id happens to end so
    worker.leaving = false;
    worker.subscribed = message.subscribe_to_jobs;
    worker.capabilities = message.capabilities;
    worker.job_types = {message.job_types.begin(), message.job_types.end()};
    worker.last_heartbeat = turn.now.epoch_seconds;
    set_status(worker, message.status, turn);
    if (worker.offer) {  // an offer of a type that it has just withdrawn goes to the others
        auto* offered = active(worker.offer->job_id);
        if (offered && !worker.job_types.contains(offered->job.type)) clear_offer(*offered);
    }
    const auto now = turn.now.epoch_seconds;
    send(worker.connection,
         message_text("worker_registered", now, Json{{"worker_id", worker.id}, {"status", "active"}}), turn);
    if (message.subscribe_to_jobs) {
        send(worker.connection,
             message_text("job_notifications_subscribed", now, Json{{"worker_id", worker.id}}), turn);
    }
}

void Core::handle(Worker& worker, const WorkerHeartbeat& message, Turn& turn) {
    worker.last_heartbeat = turn.now.epoch_seconds;
    set_status(worker, message.status, turn);
    worker_status_to_monitors(worker, nullptr, nullptr, turn);
    send(worker.connection,
         message_text("worker_heartbeat_ack", turn.now.epoch_seconds, Json{{"worker_id", worker.id}}), turn);
}

void Core::handle(Worker& worker, const WorkerStatus& message, Turn& turn) {
    set_status(worker, message.status, turn);
    worker_status_to_monitors(worker, message.capabilities, message.connector_statuses, turn);
}

void Core::handle(Worker& worker, const ClaimJob& message, Turn& turn) {
    auto* claimed = active(message.job_id);
    const bool pending = claimed && claimed->job.status == JobStatus::pending;
    // A worker that still runs a job which was taken back from it may have it again, idle or not.
    const auto& earlier = message.earlier_worker_ids;
    const bool again = pending && !claimed->job.worker_id.empty() &&
                       (claimed->job.worker_id == worker.id ||
                        std::find(earlier.begin(), earlier.end(), claimed->job.worker_id) != earlier.end());
    if (worker.status != "idle" && !again) {
        refuse(worker.connection,
               fmt::format("Cannot claim job {}: Worker {} is not idle", message.job_id, worker.id), turn);
        return;
    }
    const auto failed = [&](std::string_view reason) {
        refuse(worker.connection, fmt::format("Failed to claim job {}", message.job_id), turn,
               Json{{"reason", reason}});
    };
    if (!pending) return failed("it is not pending");
    auto payload = store_.payload(message.job_id);
    if (!payload.ok()) return failed(payload.error().message);
    auto job = claimed->job;
    job.status = JobStatus::claimed;
    job.worker_id = worker.id;
    job.claimed_at = turn.now.epoch_seconds;
    job.progress.reset();
    job.message.reset();
    if (auto stored = store_.update(job); !stored.ok()) return failed(stored.error().message);

    queue_.remove(job);
    clear_offer(*claimed);
    if (worker.offer) {  // it took another job than the offered one: that one is free for the others
        if (auto* offered = active(worker.offer->job_id)) clear_offer(*offered);
    }
    claimed->job = job;
    claimed_.insert(job.id);
    adopt(*claimed, worker, turn.now);
    worker.status = "working";
    const Json fields{
        {"job_id", job.id}, {"worker_id", worker.id}, {"job_type", job.type}, {"priority", job.priority}};
    auto text = message_text("job_assigned", turn.now.epoch_seconds, fields, "params", *payload);
    turn.out.push_back(SendTo{worker.connection, to_frames(std::move(text), "job_assigned", job.id)});
    publish(job, claimed->subscribers,
            job_status_text(job, "processing", turn.now.epoch_seconds, std::nullopt), turn);
}

/// Who runs a job may report on it. So may anybody when its holder is gone or has been silent for as long as
/// a lost one is waited for: a worker has a new id after a reconnect, and the old connection may look alive.
bool Core::may_report(const ActiveJob& active, const Worker& worker, std::string_view named_worker,
                      const Now& now) const {
    if (!active.holder || *active.holder == worker.connection) return true;
    if (active.job.worker_id == worker.reports_as() || active.job.worker_id == named_worker) return true;
    return now.steady - active.last_sign >= policy_.requeue_after;
}

void Core::adopt(ActiveJob& active, Worker& worker, const Now& now) {
    if (active.holder && *active.holder != worker.connection) {
        if (const auto old = workers_.find(*active.holder); old != workers_.end()) {
            old->second.held.erase(active.job.id);
        }
    }
    active.holder = worker.connection;
    active.last_sign = now.steady;
    active.lost_at.reset();
    active.lost_by_restart = false;
    worker.held.insert(active.job.id);
}

void Core::handle(Worker& worker, const JobProgress& message, Turn& turn) {
    auto* reported = active(message.job_id);
    if (!reported) return tell_if_cancelled(worker, message.job_id, turn);
    if (reported->job.status != JobStatus::claimed) return;
    if (!may_report(*reported, worker, message.worker_id, turn.now)) return;
    adopt(*reported, worker, turn.now);
    reported->job.progress = message.progress;
    reported->job.message = message.message;
    const Json fields{{"job_id", message.job_id},
                      {"worker_id", message.worker_id.empty() ? worker.id : message.worker_id},
                      {"progress", message.progress},
                      {"status", message.status},
                      {"message", message.message ? Json(*message.message) : Json()}};
    publish(reported->job, reported->subscribers,
            message_text("update_job_progress", turn.now.epoch_seconds, fields, "connector_details",
                         message.connector_details),
            turn);
}

/// A worker that was away when its job was cancelled learns it from its first progress.
void Core::tell_if_cancelled(Worker& worker, const std::string& job_id, Turn& turn) {
    if (worker.told_cancelled.contains(job_id)) return;
    const auto stored = store_.find(job_id);
    if (!stored.ok() || !stored.value() || stored.value()->job.status != JobStatus::cancelled) return;
    worker.told_cancelled.insert(job_id);
    send(worker.connection,
         message_text("cancel_job", turn.now.epoch_seconds,
                      Json{{"job_id", job_id}, {"reason", stored.value()->job.message.value_or("")}}),
         turn);
}

/// A worker that never says "idle" itself is idle again when it has answered, as at the Hub.
void Core::worked(Worker& worker) {
    if (worker.bulk_of) {  // its worker has said since what it is; only the book is kept
        const auto owner = worker_by_id_.find(*worker.bulk_of);
        if (owner != worker_by_id_.end()) ++workers_.at(owner->second).jobs_processed;
        return;
    }
    ++worker.jobs_processed;
    if (worker.status == "working") worker.status = "idle";
}

void Core::handle(Worker& worker, const CompleteJob& message, Turn& turn) {
    const auto failed = [&](std::string_view why) {
        refuse(worker.connection, fmt::format("Failed to complete job {}: {}", message.job_id, why), turn);
    };
    const auto acknowledge = [&] {
        send(worker.connection,
             message_text("job_completed_ack", turn.now.epoch_seconds,
                          Json{{"job_id", message.job_id}, {"worker_id", worker.id}}),
             turn);
    };
    if (is_empty_object(message.result)) return failed("the result must be an object that is not empty");
    auto* done = active(message.job_id);
    if (!done) {
        const auto stored = store_.find(message.job_id);
        if (!stored.ok()) return failed(stored.error().message);
        if (!stored.value()) return failed("no such job");
        worked(worker);
        return acknowledge();  // it has ended: a repetition, or a result that came too late and changes
                               // nothing
    }
    auto job = done->job;
    if (job.status == JobStatus::claimed && !may_report(*done, worker, message.worker_id, turn.now)) {
        return failed(fmt::format("it is claimed by worker {}", job.worker_id));
    }
    job.status = JobStatus::completed;
    if (job.worker_id.empty()) job.worker_id = worker.reports_as();
    const auto subscribers = done->subscribers;
    if (auto stored = finish(*done, job, &message.result, turn); !stored.ok()) {
        return failed(stored.error().message);
    }
    worked(worker);
    publish(
        job, subscribers,
        message_text("complete_job", turn.now.epoch_seconds,
                     Json{{"job_id", job.id}, {"worker_id", worker.reports_as()}}, "result", message.result),
        turn);
    acknowledge();
}

void Core::handle(Worker& worker, const FailJob& message, Turn& turn) {
    const auto failed = [&](std::string_view reason) {
        refuse(worker.connection, fmt::format("Failed to mark job {} as failed", message.job_id), turn,
               Json{{"reason", reason}});
    };
    const auto acknowledge = [&] {
        send(worker.connection,
             message_text(
                 "job_failed_ack", turn.now.epoch_seconds,
                 Json{{"job_id", message.job_id}, {"worker_id", worker.id}, {"error", message.error}}),
             turn);
    };
    auto* job = active(message.job_id);
    if (!job) {
        const auto stored = store_.find(message.job_id);
        if (!stored.ok()) return failed(stored.error().message);
        if (!stored.value()) return failed("no such job");
        if (stored.value()->job.status == JobStatus::completed) return failed("it is completed");
        worked(worker);
        return acknowledge();
    }
    if (job->job.status != JobStatus::claimed) return failed("it is back in the queue");
    if (!may_report(*job, worker, message.worker_id, turn.now)) {
        return failed(fmt::format("it is claimed by worker {}", job->job.worker_id));
    }
    if (!message.begun) {
        worker.passed_by[message.job_id] = turn.now.steady + policy_.offer_again_after;
        if (auto back = take_back(*job, turn); !back.ok()) return failed(back.error().message);
        worked(worker);
        return acknowledge();
    }
    const Attempt attempt{.worker_id = worker.id,
                          .error = message.error,
                          .counts = message.error_code != ipc::code::drained,
                          .retryable = message.retryable};
    if (auto ended = end_attempt(*job, attempt, turn); !ended.ok()) return failed(ended.error().message);
    worked(worker);
    acknowledge();
}

void Core::handle(Worker&, const ConnectorWsStatus& message, Turn& turn) {
    to_monitors_unfiltered(message_text("connector_ws_status", turn.now.epoch_seconds, message.fields), turn);
}

void Core::handle(Worker&, const ServiceRequest& message, Turn& turn) {
    const auto text =
        message_text("service_request", turn.now.epoch_seconds, message.fields, "content", message.content);
    to_monitors("service_request", text, {}, turn);
}

}  // namespace emprops::local_hub
