#include <algorithm>

#include "ipc/hub/codec.h"
#include "ipc/json_text.h"
#include "ipc/text/utf8.h"

namespace emprops::hub {
namespace {

using Members = nlohmann::ordered_json;

/// `type` is the first member, a timestamp of 0 is left out, as the Hub does in some of its messages.
Members begin(const char* type, double timestamp = 0) {
    Members message{{"type", type}};
    if (timestamp > 0) message["timestamp"] = timestamp;
    return message;
}
Members begin(const char* type, const Stamp& stamp) {
    return {{"type", type}, {"timestamp", stamp.timestamp}, {"worker_id", stamp.worker_id}};
}

std::string message_text(Members message, const Members& more = Members::object()) {
    message.update(more);
    return ipc::dump(message);
}

/// With a large last member, whose JSON text goes in as it is.
std::string message_text(Members message, const Members& more, const char* key, std::string_view value) {
    std::string whole = message_text(std::move(message), more);
    whole.reserve(whole.size() + value.size() + 64);
    whole.back() = ',';
    return whole.append("\"").append(key).append("\":").append(value).append("}");
}

template <class Value>
Members or_null(bool known, const Value& value) {
    return known ? Members(value) : Members(nullptr);
}
template <class Value>
Members or_null(const std::optional<Value>& value) {
    return value ? Members(*value) : Members(nullptr);
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/// Error texts go to clients and logs of others: no control characters, no novels.
std::string safe_text(std::string text) {
    constexpr std::size_t limit_bytes = 1000;
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
    return text::shortened(text, limit_bytes);
}

}  // namespace

// ---- worker -> Hub

Json with_job_types(const Json& capabilities, const std::vector<std::string>& job_types) {
    Json all = capabilities.is_object() ? capabilities : Json::object();
    all["supported_job_types"] = job_types;
    return all;
}

std::string encode(const RegisterWorker& message) {
    return message_text(begin("register_worker", message.stamp),
                        {{"capabilities", with_job_types(message.capabilities, message.job_types)},
                         {"subscribe_to_jobs", message.subscribe_to_jobs},
                         {"status", message.status}});
}

std::string encode(const WorkerHeartbeat& message) {
    return message_text(begin("worker_heartbeat", message.stamp),
                        {{"status", or_null(message.status)}, {"load", message.load}});
}

std::string encode(const WorkerStatus& message) {
    Members out = begin("worker_status", message.stamp);
    const bool to_monitor = !message.message_id.empty();
    if (to_monitor) out["message_id"] = message.message_id;
    out["status"] = or_null(message.status);
    if (to_monitor || !message.capabilities.is_null()) out["capabilities"] = message.capabilities;
    if (to_monitor || !message.connector_statuses.is_null())
        out["connector_statuses"] = message.connector_statuses;
    if (message.ahead_job_types) out["ahead_job_types"] = *message.ahead_job_types;
    return message_text(std::move(out));
}

std::string encode(const ClaimJob& message) {
    Members out = begin("claim_job", message.stamp);
    out["job_id"] = message.job_id;
    out["claim_timeout"] = 30;  // what the Hub always uses, whatever is sent
    if (!message.earlier_worker_ids.empty()) out["earlier_worker_ids"] = message.earlier_worker_ids;
    return message_text(std::move(out));
}

std::string encode(const JobProgress& message) {
    Members more{{"job_id", message.job_id},
                 {"progress", std::clamp(message.progress, -1, 100)},
                 {"status", message.status},
                 {"message", or_null(message.message)}};
    if (!message.begun) more["begun"] = false;
    return message_text(begin("update_job_progress", message.stamp), more, "connector_details",
                        message.connector_details);
}

std::string encode(const CompleteJob& message) {
    const Members out = begin("complete_job", message.stamp);
    const Members job{{"job_id", message.job_id}};
    const std::string_view result = trimmed(message.result);
    if (result.starts_with('{') && !is_empty_object(result)) return message_text(out, job, "result", result);
    const std::string wrapped = R"({"result":)" + std::string(result.empty() ? "null" : result) + "}";
    return message_text(out, job, "result", wrapped);
}

std::string encode(const FailJob& message) {
    Members out = begin("fail_job", message.stamp);
    out.update(Members{{"job_id", message.job_id},
                       {"error", safe_text(message.error)},
                       {"error_code", safe_text(message.error_code)},
                       {"retryable", message.retryable}});
    if (!message.begun) out["begun"] = false;
    return message_text(std::move(out));
}

std::string encode(const ConnectorWsStatus& message) {
    return message_text(begin("connector_ws_status", message.stamp),
                        {{"connector_type", message.connector_type},
                         {"connected", message.connected},
                         {"service_name", message.service_name},
                         {"details", message.details},
                         {"last_ping", message.last_ping}});
}

std::string encode(const ServiceRequest& message) {
    return message_text(
        begin("service_request", message.stamp),
        {{"job_id", message.job_id}, {"service", message.service}, {"request_type", message.request_type}},
        "content", message.content);
}

// ---- what a connector says, in the words of the Hub

std::string encode_progress(const Stamp& stamp, const ipc::Progress& progress) {
    const std::string details = progress.details.is_object() ? ipc::dump(progress.details) : "null";
    JobProgress message{stamp, progress.job_id, progress.progress.value_or(-1), progress.status};
    if (!progress.message.empty()) message.message = progress.message;
    message.connector_details = details;
    return encode(message);
}

std::string encode_keepalive(const Stamp& stamp, std::string_view job_id, bool waits) {
    if (waits)
        return encode(
            JobProgress{stamp, std::string(job_id), -1, "waiting", "waits for the slot", "null", false});
    return encode(JobProgress{stamp, std::string(job_id), -1, "heartbeat"});
}

std::string encode_fail(const Stamp& stamp, std::string_view job_id, const ipc::JobError& error, bool begun) {
    return encode(FailJob{stamp, std::string(job_id), "[" + error.code + "] " + error.message, error.code,
                          error.retryable, begun});
}

Json connector_status_object(std::string_view connector, const ipc::Status& status) {
    Json object = Json::object();
    object["connected"] = status.connected;
    object["available"] = status.available;
    object["service"] = status.service.empty() ? std::string(connector) : status.service;
    object["details"] = status.details.is_object() ? status.details : Json::object();
    if (!status.reason.empty()) object["reason"] = status.reason;
    return object;
}

std::string encode_connector_status(const Stamp& stamp, std::string_view connector,
                                    const ipc::Status& status) {
    const Json object = connector_status_object(connector, status);
    return encode(ConnectorWsStatus{stamp, std::string(connector), status.connected, object["service"],
                                    object, stamp.timestamp});
}

std::string encode_service_request(const Stamp& stamp, const ipc::ServiceRequest& request) {
    const std::string content = request.content.is_object() ? ipc::dump(request.content) : "{}";
    return encode(ServiceRequest{stamp, request.job_id, request.service, request.request_type, content});
}

// ---- client -> Hub

std::string encode(const SubmitJob& message) {
    Members out = begin("submit_job");
    if (!message.job_id.empty()) out["message_id"] = message.job_id;
    return message_text(std::move(out), {{"job_type", message.job_type}, {"priority", message.priority}},
                        "payload", message.payload);
}

std::string encode(const RequestJobStatus& message) {
    return message_text(begin("request_job_status"), {{"job_id", message.job_id}});
}

std::string encode(const CancelJob& message) {
    return message_text(begin("cancel_job", message.timestamp),
                        {{"job_id", message.job_id}, {"reason", message.reason}});
}

// ---- Hub -> worker

std::string encode(const Welcome& message) {
    Members out = begin("connection_established", message.timestamp);
    out["message"] = message.message;
    if (message.takes_jobs_back) out["takes_jobs_back"] = true;
    return message_text(std::move(out));
}

std::string encode(const ReturnJob& message) {
    return message_text(begin("return_job"), {{"job_id", message.job_id}});
}

std::string encode(const WorkerRegistered& message) {
    return message_text(begin("worker_registered", message.stamp), {{"status", "active"}});
}

std::string encode(const NotificationsSubscribed& message) {
    return message_text(begin("job_notifications_subscribed", message.stamp));
}

std::string encode(const HeartbeatAck& message) {
    return message_text(begin("worker_heartbeat_ack", message.stamp));
}

std::string encode_offer(double timestamp, std::string_view job_id, std::string_view job_type,
                         std::int64_t priority, std::string_view payload) {
    return message_text(begin("job_available", timestamp),
                        {{"job_id", job_id}, {"job_type", job_type}, {"priority", priority}},
                        "job_request_payload", payload);
}

std::string encode_assignment(const Stamp& stamp, std::string_view job_id, std::string_view job_type,
                              std::int64_t priority, std::string_view payload) {
    return message_text(begin("job_assigned", stamp),
                        {{"job_id", job_id}, {"job_type", job_type}, {"priority", priority}}, "params",
                        payload);
}

std::string encode(const CompletedAck& message) {
    return message_text(begin("job_completed_ack", message.stamp), {{"job_id", message.job_id}});
}

std::string encode(const FailedAck& message) {
    return message_text(begin("job_failed_ack", message.stamp),
                        {{"job_id", message.job_id}, {"error", message.error}});
}

std::string encode(const Chunk& message) {
    return message_text(begin("chunked_message"), {{"chunk_id", message.chunk_id},
                                                   {"total_chunks", message.total_chunks},
                                                   {"message_id", message.message_id},
                                                   {"message_hash", message.message_hash},
                                                   {"original_type", message.original_type},
                                                   {"job_id", message.job_id},
                                                   {"content", message.content}});
}

// ---- Hub -> client and monitor

std::string encode(const JobStatus& message) {
    return message_text(begin("response_job_status", message.timestamp),
                        {{"job_id", message.job_id},
                         {"status", message.status},
                         {"progress", or_null(message.progress)},
                         {"worker_id", or_null(!message.worker_id.empty(), message.worker_id)},
                         {"started_at", or_null(message.started_at > 0, message.started_at)},
                         {"completed_at", or_null(message.completed_at > 0, message.completed_at)},
                         {"message", or_null(message.message)}},
                        "result", message.result);
}

std::string encode(const JobAccepted& message) {
    return message_text(begin("job_accepted", message.timestamp), {{"job_id", message.job_id},
                                                                   {"status", "pending"},
                                                                   {"position", message.position},
                                                                   {"estimated_start", nullptr},
                                                                   {"notified_workers", 0}});
}

std::string encode(const AttemptFailed& message) {
    return message_text(begin("fail_job", message.stamp), {{"job_id", message.job_id},
                                                           {"error", message.error},
                                                           {"final", message.last},
                                                           {"attempts", message.attempts}});
}

std::string encode(const SubscriptionConfirmed& message) {
    Members out = begin("subscription_confirmed", message.timestamp);
    if (!message.job_id.empty())
        out.update(Members{{"job_id", message.job_id}, {"monitor_id", message.monitor_id}});
    return message_text(std::move(out), {{"channels", message.channels}});
}

std::string encode(const MonitorAck& message) {
    return message_text(begin("ack", message.timestamp),
                        {{"message_id", message.message_id},
                         {"original_id", or_null(!message.original_id.empty(), message.original_id)},
                         {"original_type", message.original_type}});
}

std::string encode(const StatsBroadcast& message) {
    Members out = begin("stats_broadcast", message.timestamp);
    out["message_id"] = message.message_id;
    return message_text(std::move(out), message.stats);
}

std::string encode(const StayAliveResponse& message) {
    return message_text(begin("stay_alive_response", message.timestamp));
}

std::string encode_error(std::string_view error, double timestamp, const Json& details) {
    return message_text(begin("error", timestamp), {{"error", error}, {"details", details}});
}

std::string encode_error(std::string_view error) {
    return message_text(begin("error"), {{"error", error}});
}

std::string with_client_id(std::string message, std::string_view client_id) {
    message.back() = ',';
    return message.append("\"client_id\":").append(ipc::dump(Json(client_id))).append("}");
}

}  // namespace emprops::hub
