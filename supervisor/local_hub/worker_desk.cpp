#include "supervisor/local_hub/worker_desk.h"

#include <fmt/format.h>

#include "ipc/hub/chunking.h"
#include "ipc/hub/codec.h"
#include "ipc/hub/errors.h"
#include "ipc/messages.h"
#include "ipc/text/values.h"
#include "supervisor/local_hub/job_status.h"

namespace emprops::local_hub {

// ---- coming and going

void WorkerDesk::connected(ConnectionId connection, const std::string& id, Turn& turn) {
    if (const auto older = workers_.connection_of(id)) {
        disconnected(*older, false, turn);
        turn.out.push_back(Close{*older, 1000, "Replaced by a newer connection with this id"});
    }
    workers_.add(connection, id, turn.now);
}

void WorkerDesk::disconnected(ConnectionId connection, bool leaving, Turn& turn) {
    const auto* worker = workers_.find(connection);
    if (!worker) return;
    if (leaving) give_back(*worker, turn);
    jobs_.lose_holder(connection, turn.now);
    offers_.forget_worker(connection);
    workers_.remove(connection);
}

void WorkerDesk::give_back(const Worker& worker, Turn& turn) {
    for (const auto& job_id : jobs_.held_by(worker.connection)) {
        const Attempt attempt{
            .worker_id = worker.id, .error = fmt::format("worker {} left", worker.id), .counts = false};
        if (auto ended = end_attempt(job_id, attempt, turn); !ended.ok()) turn.warn(ended.error().message);
    }
}

void WorkerDesk::received_part(ConnectionId connection, const Now& now) {
    if (!workers_.find(connection)) return;
    workers_.sign_of_life(connection, now.steady);
    jobs_.sign_of_life(connection, now);
}

void WorkerDesk::tick(Turn& turn) {
    for (const auto connection : workers_.silent(turn.now.steady)) {
        const auto id = workers_.find(connection)->id;
        disconnected(connection, false, turn);
        turn.out.push_back(Close{connection, 1000, fmt::format("Worker {} disconnected", id)});
    }
    take_back_lost(turn);
    offers_.expire(turn.now.steady);
}

void WorkerDesk::take_back_lost(Turn& turn) {
    for (const auto& [job_id, attempt] : jobs_.overdue(turn.now.steady)) {
        const auto ended = end_attempt(job_id, attempt, turn);
        const auto failure = ended.ok() ? std::string() : ended.error().message;
        // It is tried again several times a second.
        if (!failure.empty() && failure != last_store_failure_) turn.warn(failure);
        last_store_failure_ = failure;
    }
}

/// An attempt brought no result. The client hears of each one, as with the Hub; `final` and `attempts` tell it
/// whether more follow.
Result<> WorkerDesk::end_attempt(const std::string& job_id, const Attempt& attempt, Turn& turn) {
    const auto changed = jobs_.end_attempt(job_id, attempt, turn.now);
    if (!changed.ok()) return changed.error();
    const auto& job = changed->job;
    if (is_final(job.status)) turn.out.push_back(Finished{job.id});
    const hub::Stamp stamp{turn.now.epoch_seconds, attempt.worker_id};
    const hub::AttemptFailed failed{stamp, job.id, attempt.error, is_final(job.status), job.attempts};
    audience_.publish(job, changed->subscribers, encode(failed), turn);
    return Ok{};
}

// ---- offers

void WorkerDesk::make_offers(Turn& turn) {
    const auto fits = [&](const std::string& job_id, const Worker& worker) {
        const auto& job = jobs_.find(job_id)->job;
        return job.last_failer != worker.id || !workers_.others_take(job.type, worker.connection);
    };
    offers_.make(workers_, turn.now.steady, fits, [&](const std::string& job_id, const Worker& worker) {
        return offer(job_id, worker, turn);
    });
    for (const auto& job_id : moves_.wanted(workers_, offers_, jobs_, turn.now.steady, fits))
        ask_back(job_id, turn);
}

void WorkerDesk::ask_back(const std::string& job_id, Turn& turn) const {
    turn.send(*jobs_.find(job_id)->holder, encode(hub::ReturnJob{job_id}));
}

std::optional<std::size_t> WorkerDesk::offer(const std::string& job_id, const Worker& worker, Turn& turn) {
    const auto payload = jobs_.payload(job_id);
    if (!payload.ok()) {
        turn.warn(payload.error().message);
        return std::nullopt;
    }
    const auto& job = jobs_.find(job_id)->job;
    auto text = hub::encode_offer(turn.now.epoch_seconds, job.id, job.type, job.priority, *payload);
    turn.out.push_back(SendTo{worker.connection, hub::to_frames(std::move(text), "job_available", job.id)});
    return payload->size();
}

// ---- what they say of themselves

void WorkerDesk::received(const Worker& worker, std::string_view text, Turn& turn) {
    workers_.sign_of_life(worker.connection, turn.now.steady);
    const auto decoded = hub::decode_from_worker(text);
    if (const auto* refused = std::get_if<hub::Refused>(&decoded))
        return turn.refuse(worker.connection, refused->error, refused->details);
    const auto& message = std::get<hub::FromWorker>(decoded);
    if (refused_for_bulk(worker, message, turn)) return;
    std::visit([&](const auto& each) { handle(worker, each, turn); }, message);
}

/// A connection for large results holds no job: its end, its silence and its status mean nothing, so it must
/// not claim, and progress must not make it the holder.
bool WorkerDesk::refused_for_bulk(const Worker& worker, const hub::FromWorker& message, Turn& turn) const {
    if (!worker.bulk_of || std::holds_alternative<hub::CompleteJob>(message) ||
        std::holds_alternative<hub::RegisterWorker>(message))
        return false;
    turn.refuse(worker.connection, fmt::format("{} has not registered: it may only complete the jobs of {}",
                                               worker.id, *worker.bulk_of));
    return true;
}

void WorkerDesk::set_status(const Worker& worker, const std::optional<std::string>& status, Turn& turn) {
    if (!status || status->empty()) return;
    workers_.set_status(worker.connection, *status);
    if (!worker.idle()) {
        // It does not want the offers: others may. Unless it was one to prepare.
        withdraw_offers(worker, [&](const std::string& type) { return !worker.ahead.contains(type); });
    }
    if (*status == hub::leaving_status) give_back(worker, turn);
}

void WorkerDesk::withdraw_offers(const Worker& worker,
                                 const std::function<bool(const std::string& job_type)>& unwanted) {
    for (const auto& job_id : offers_.all_open_to(worker.connection))
        if (const auto* job = jobs_.find(job_id); job && unwanted(job->job.type))
            offers_.withdraw(worker.connection, job_id);
}

void WorkerDesk::handle(const Worker& worker, const hub::RegisterWorker& message, Turn& turn) {
    if (const auto why = workers_.refusal(message); !why.empty()) {
        return turn.refuse(worker.connection, fmt::format("Failed to register worker {}", worker.id),
                           Json{{"reason", why}});
    }
    workers_.enroll(worker.connection, message, turn.now);
    set_status(worker, message.status, turn);
    // An offer of a type that it has just withdrawn goes to the others.
    withdraw_offers(worker, [&](const std::string& type) { return !worker.job_types.contains(type); });
    const hub::Stamp stamp{turn.now.epoch_seconds, worker.id};
    turn.send(worker.connection, encode(hub::WorkerRegistered{stamp}));
    if (message.subscribe_to_jobs) turn.send(worker.connection, encode(hub::NotificationsSubscribed{stamp}));
}

void WorkerDesk::handle(const Worker& worker, const hub::WorkerHeartbeat& message, Turn& turn) {
    workers_.heartbeat(worker.connection, turn.now);
    set_status(worker, message.status, turn);
    audience_.show_worker_status(worker.id, worker.status, nullptr, nullptr, turn);
    turn.send(worker.connection, encode(hub::HeartbeatAck{{turn.now.epoch_seconds, worker.id}}));
}

void WorkerDesk::handle(const Worker& worker, const hub::WorkerStatus& message, Turn& turn) {
    if (const auto& ahead = message.ahead_job_types)
        workers_.set_ahead(worker.connection, {ahead->begin(), ahead->end()});
    if (message.offers_at_once) workers_.set_offers_at_once(worker.connection, *message.offers_at_once);
    set_status(worker, message.status, turn);
    for (const auto& job_id : message.declined_offers) {
        const auto* job = jobs_.find(job_id);
        if (job == nullptr || !offers_.is_open_to(worker.connection, job_id)) continue;
        // What it takes no more now was withdrawn already; else the same offer would come back at once, for ever.
        const std::string& type = job->job.type;
        if ((worker.idle() && worker.job_types.contains(type)) || worker.ahead.contains(type))
            offers_.no_place(worker.connection, job_id, turn.now.steady);
        else
            offers_.withdraw(worker.connection, job_id);
    }
    // More than it wants now: others may have them.
    auto open = offers_.all_open_to(worker.connection);
    for (; open.size() > static_cast<std::size_t>(worker.offers_at_once); open.pop_back())
        offers_.withdraw(worker.connection, open.back());
    audience_.show_worker_status(worker.id, worker.status, message.capabilities, message.connector_statuses,
                                 turn);
}

void WorkerDesk::handle(const Worker&, const hub::ConnectorWsStatus& message, Turn& turn) {
    auto forwarded = message;
    forwarded.stamp.timestamp = turn.now.epoch_seconds;
    audience_.show_to_all(encode(forwarded), turn);
}

void WorkerDesk::handle(const Worker&, const hub::ServiceRequest& message, Turn& turn) {
    auto forwarded = message;
    forwarded.stamp.timestamp = turn.now.epoch_seconds;
    audience_.show("service_request", encode(forwarded), {}, turn);
}

// ---- what they say of jobs

void WorkerDesk::handle(const Worker& worker, const hub::ClaimJob& message, Turn& turn) {
    const auto* claimed = jobs_.find(message.job_id);
    const bool pending = claimed && claimed->job.status == JobStatus::pending;
    // A worker that still runs a job which was taken back from it may have it again, idle or not.
    const auto& earlier = message.earlier_worker_ids;
    const bool again =
        pending && !claimed->job.worker_id.empty() &&
        (claimed->job.worker_id == worker.id || text::has_item(earlier, claimed->job.worker_id));
    const bool ahead = pending && worker.ahead.contains(claimed->job.type);
    // Of several offers the first claim makes it busy: the others are as good.
    const bool offered = offers_.is_open_to(worker.connection, message.job_id);
    if (!worker.idle() && !again && !ahead && !offered)
        return turn.refuse(worker.connection, hub::not_idle_text(message.job_id, worker.id));
    const auto failed = [&](std::string_view reason) {
        turn.refuse(worker.connection, hub::claim_failed_text(message.job_id), Json{{"reason", reason}});
    };
    if (!pending) return failed("it is not pending");
    const auto payload = jobs_.payload(message.job_id);
    if (!payload.ok()) return failed(payload.error().message);
    const auto taken = jobs_.claim(message.job_id, worker.connection, worker.id, turn.now);
    if (!taken.ok()) return failed(taken.error().message);
    // It took another job than the offered one: that one is free again.
    if (worker.offers_at_once == 1) offers_.withdraw(worker.connection);
    // What it takes beside this one it says next.
    if (worker.idle()) workers_.set_status(worker.connection, working_status);
    workers_.set_ahead(worker.connection, {});
    const auto& job = claimed->job;
    const auto now = turn.now.epoch_seconds;
    auto text = hub::encode_assignment({now, worker.id}, job.id, job.type, job.priority, *payload);
    turn.out.push_back(SendTo{worker.connection, hub::to_frames(std::move(text), "job_assigned", job.id)});
    audience_.publish(job, claimed->subscribers, encode(status_of(job, "processing", now)), turn);
}

/// Who runs a job may report on it. So may anybody when its holder is gone or has been silent for as long as
/// a lost one is waited for: a worker has a new id after a reconnect, and the old connection may look alive.
bool WorkerDesk::may_report(const Jobs::Active& active, const Worker& worker, std::string_view named_worker,
                            const Now& now) const {
    if (!active.holder || *active.holder == worker.connection) return true;
    if (active.job.worker_id == worker.reports_as() || active.job.worker_id == named_worker) return true;
    return now.steady - active.last_sign >= policy_.requeue_after;
}

void WorkerDesk::handle(const Worker& worker, const hub::JobProgress& message, Turn& turn) {
    const auto* reported = jobs_.find(message.job_id);
    if (!reported) return tell_if_cancelled(worker, message.job_id, turn);
    if (reported->job.status != JobStatus::claimed) return;
    if (!may_report(*reported, worker, message.stamp.worker_id, turn.now)) return;
    jobs_.adopt(message.job_id, worker.connection, turn.now);
    jobs_.set_waits(message.job_id, !message.begun);
    jobs_.report_progress(message.job_id, message.progress, message.message);
    auto forwarded = message;
    forwarded.stamp.timestamp = turn.now.epoch_seconds;
    if (forwarded.stamp.worker_id.empty()) forwarded.stamp.worker_id = worker.id;
    audience_.publish(reported->job, reported->subscribers, encode(forwarded), turn);
}

/// A worker that was away when its job was cancelled learns it from its first progress.
void WorkerDesk::tell_if_cancelled(const Worker& worker, const std::string& job_id, Turn& turn) {
    if (worker.told_cancelled.contains(job_id)) return;
    const auto stored = jobs_.stored(job_id);
    if (!stored.ok() || !stored.value() || stored.value()->job.status != JobStatus::cancelled) return;
    workers_.tell_cancelled(worker.connection, job_id);
    const hub::CancelJob told{job_id, stored.value()->job.message.value_or(""), turn.now.epoch_seconds};
    turn.send(worker.connection, encode(told));
}

void WorkerDesk::handle(const Worker& worker, const hub::CompleteJob& message, Turn& turn) {
    const auto failed = [&](std::string_view why) {
        turn.refuse(worker.connection, fmt::format("Failed to complete job {}: {}", message.job_id, why));
    };
    const auto acknowledge = [&] {
        const hub::Stamp stamp{turn.now.epoch_seconds, worker.id};
        turn.send(worker.connection, encode(hub::CompletedAck{message.job_id, stamp}));
    };
    if (hub::is_empty_object(message.result)) return failed("the result must be an object that is not empty");
    const auto* done = jobs_.find(message.job_id);
    if (!done) {
        const auto stored = jobs_.stored(message.job_id);
        if (!stored.ok()) return failed(stored.error().message);
        if (!stored.value()) return failed("no such job");
        workers_.worked(worker.connection);
        return acknowledge();  // it has ended: a repetition, or a result that is too late to change anything
    }
    auto job = done->job;
    if (job.status == JobStatus::claimed && !may_report(*done, worker, message.stamp.worker_id, turn.now))
        return failed(fmt::format("it is claimed by worker {}", job.worker_id));
    job.status = JobStatus::completed;
    if (job.worker_id.empty()) job.worker_id = worker.reports_as();
    const auto finished = jobs_.finish(std::move(job), &message.result, turn.now);
    if (!finished.ok()) return failed(finished.error().message);
    turn.out.push_back(Finished{message.job_id});
    workers_.worked(worker.connection);
    const hub::Stamp stamp{turn.now.epoch_seconds, worker.reports_as()};
    audience_.publish(finished->job, finished->subscribers,
                      encode(hub::CompleteJob{stamp, message.job_id, message.result}), turn);
    acknowledge();
}

void WorkerDesk::handle(const Worker& worker, const hub::FailJob& message, Turn& turn) {
    const auto failed = [&](std::string_view reason) {
        turn.refuse(worker.connection, hub::fail_refused_text(message.job_id), Json{{"reason", reason}});
    };
    const auto acknowledge = [&] {
        workers_.worked(worker.connection);
        const hub::Stamp stamp{turn.now.epoch_seconds, worker.id};
        turn.send(worker.connection, encode(hub::FailedAck{message.job_id, stamp, message.error}));
    };
    const auto* failing = jobs_.find(message.job_id);
    if (!failing) {
        const auto stored = jobs_.stored(message.job_id);
        if (!stored.ok()) return failed(stored.error().message);
        if (!stored.value()) return failed("no such job");
        if (stored.value()->job.status == JobStatus::completed) return failed("it is completed");
        return acknowledge();
    }
    if (failing->job.status != JobStatus::claimed) return failed("it is back in the queue");
    if (!may_report(*failing, worker, message.stamp.worker_id, turn.now))
        return failed(fmt::format("it is claimed by worker {}", failing->job.worker_id));
    if (!message.begun) {
        offers_.declined(worker.connection, message.job_id, turn.now.steady);
        const auto back = jobs_.take_back(message.job_id);
        if (!back.ok()) return failed(back.error().message);
        const auto status = status_of(back->job, "pending", turn.now.epoch_seconds);
        audience_.publish(back->job, back->subscribers, encode(status), turn);
        return acknowledge();
    }
    const Attempt attempt{.worker_id = worker.id,
                          .error = message.error,
                          .counts = message.error_code != ipc::code::drained,
                          .retryable = message.retryable};
    if (auto ended = end_attempt(message.job_id, attempt, turn); !ended.ok())
        return failed(ended.error().message);
    if (const auto* waits = jobs_.find(message.job_id); waits && attempt.counts)
        offers_.pause(message.job_id, turn.now.steady + policy_.pause_after(waits->job.attempts));
    acknowledge();
}

}  // namespace emprops::local_hub
