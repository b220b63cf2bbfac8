#include "supervisor/local_hub/client_desk.h"

#include <fmt/format.h>

#include "ipc/hub/codec.h"
#include "ipc/hub/errors.h"
#include "supervisor/local_hub/job_status.h"

namespace emprops::local_hub {

void ClientDesk::received(ConnectionId connection, const std::string& client_id, std::string_view text,
                          Turn& turn) {
    const auto decoded = hub::decode_from_client(text);
    if (const auto* refused = std::get_if<hub::Refused>(&decoded))
        return turn.refuse(connection, refused->error, refused->details);
    const From from{connection, client_id};
    std::visit([&](const auto& message) { handle(from, message, turn); }, std::get<hub::FromClient>(decoded));
}

Result<std::string> ClientDesk::submit(hub::SubmitJob message, const std::string& client_id, const Now& now) {
    if (message.job_id.empty()) message.job_id = new_job_id_();
    if (auto added = jobs_.add(message, client_id, now); !added.ok()) return added.error();
    return message.job_id;
}

void ClientDesk::handle(const From& from, const hub::SubmitJob& message, Turn& turn) {
    const auto accepted = submit(message, from.client_id, turn.now);
    if (!accepted.ok())
        return turn.refuse(from.connection, accepted.error().message, Json{{"code", accepted.error().code}});
    const auto position = offers_.queue().ahead_of(jobs_.find(*accepted)->job) + 1;
    turn.send(from.connection, encode(hub::JobAccepted{*accepted, position, turn.now.epoch_seconds}));
}

std::optional<StoredJob> ClientDesk::known_job(const From& from, const std::string& job_id, Turn& turn) {
    auto found = jobs_.view(job_id);
    if (found.ok() && found.value()) return std::move(found.value()->stored);
    turn.refuse(from.connection, found.ok() ? hub::not_found_text(job_id) : found.error().message);
    return std::nullopt;
}

void ClientDesk::handle(const From& from, const hub::RequestJobStatus& message, Turn& turn) {
    const auto known = known_job(from, message.job_id, turn);
    if (!known) return;
    const auto& job = known->job;
    auto shown = status_of(job, name_of(job.status), turn.now.epoch_seconds,
                           job.status == JobStatus::failed ? job.error : job.message);
    if (known->result) shown.result = *known->result;
    turn.send(from.connection, encode(shown));
}

void ClientDesk::handle(const From& from, const hub::SubscribeJob& message, Turn& turn) {
    jobs_.subscribe(message.job_id, from.client_id);
    const hub::SubscriptionConfirmed confirmed{message.job_id, nullptr, nullptr, turn.now.epoch_seconds};
    turn.send(from.connection, encode(confirmed));
}

void ClientDesk::handle(const From& from, const hub::SubscribeStats&, Turn& turn) {
    const hub::SubscriptionConfirmed confirmed{"stats", nullptr, Json::array({"stats"}),
                                               turn.now.epoch_seconds};
    turn.send(from.connection, encode(confirmed));
}

void ClientDesk::handle(const From& from, const hub::RequestStats&, Turn& turn) {
    turn.refuse(from.connection, "Stats requests are restricted to monitors only");
}

void ClientDesk::handle(const From& from, const hub::StayAlive&, Turn& turn) {
    hub::JobStatus alive{"keep-alive", "acknowledged", "", "Connection is alive"};
    alive.timestamp = turn.now.epoch_seconds;
    turn.send(from.connection, encode(alive));
}

void ClientDesk::handle(const From& from, const hub::CancelJob& message, Turn& turn) {
    if (message.job_id.empty()) return turn.refuse(from.connection, "Missing job_id in cancel_job request");
    const auto* cancelled = jobs_.find(message.job_id);
    if (!cancelled) {
        return turn.refuse(
            from.connection,
            fmt::format("Failed to cancel job {}. Job may not exist or is already in a terminal state.",
                        message.job_id));
    }
    auto job = cancelled->job;
    job.status = JobStatus::cancelled;
    job.message = fmt::format("Job cancelled: {}", message.reason);
    const auto ended = jobs_.finish(std::move(job), nullptr, turn.now);
    if (!ended.ok()) return turn.refuse(from.connection, ended.error().message);
    turn.out.push_back(Finished{message.job_id});
    const auto now = turn.now.epoch_seconds;
    if (ended->holder) turn.send(*ended->holder, encode(hub::CancelJob{message.job_id, message.reason, now}));
    const auto shown = status_of(ended->job, "cancelled", now, ended->job.message);
    audience_.publish(ended->job, ended->subscribers, encode(shown), turn, from.connection);
}

void ClientDesk::handle(const From& from, const hub::ForceRetryJob& message, Turn& turn) {
    const auto known = known_job(from, message.job_id, turn);
    if (!known) return;
    const auto status = known->job.status;
    const auto now = turn.now.epoch_seconds;
    if (status == JobStatus::claimed || status == JobStatus::completed) {
        const auto why = fmt::format("Job is {}; there is nothing to retry.", name_of(status));
        return turn.send(from.connection, encode(status_of(known->job, name_of(status), now, why)));
    }
    const auto retried = jobs_.revive(known->job, from.client_id);
    if (!retried.ok()) return turn.refuse(from.connection, retried.error().message);
    offers_.forget_hindrances(message.job_id);
    workers_.forget_cancelled(message.job_id);
    const auto shown = status_of(retried->job, "pending", now,
                                 "Job failure history cleared. Job can now be assigned to any worker.");
    audience_.publish(retried->job, retried->subscribers, encode(shown), turn, from.connection);
}

}  // namespace emprops::local_hub
