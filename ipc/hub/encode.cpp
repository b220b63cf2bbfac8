#include <algorithm>

#include "ipc/hub/codec.h"
#include "ipc/json_text.h"
#include "ipc/object_text.h"
#include "ipc/text/utf8.h"

namespace emprops::hub {
namespace {

using ipc::ObjectText;

/// `type` is the first member, a timestamp of 0 is left out, as the Hub does in some of its messages.
ObjectText begin(const char* type, double timestamp = 0) {
    ObjectText message;
    message.add("type", type).add_if(timestamp > 0, "timestamp", timestamp);
    return message;
}
ObjectText begin(const char* type, const Stamp& stamp) {
    ObjectText message;
    message.add("type", type).add("timestamp", stamp.timestamp).add("worker_id", stamp.worker_id);
    return message;
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

std::string with_job_types(std::string_view capabilities, const std::vector<std::string>& job_types) {
    std::string all(capabilities.starts_with('{') ? capabilities : "{}");
    all.pop_back();
    // Of two members with one name the last one counts.
    return all.append(all.size() == 1 ? "" : ",")
        .append(ObjectText().add("supported_job_types", job_types).members())
        .append("}");
}

std::string encode(const RegisterWorker& message) {
    return begin("register_worker", message.stamp)
        .add_raw("capabilities", message.capabilities)
        .add("subscribe_to_jobs", message.subscribe_to_jobs)
        .add("status", message.status)
        .end();
}

std::string encode(const WorkerHeartbeat& message) {
    return begin("worker_heartbeat", message.stamp)
        .add("status", message.status)
        .add("load", message.load)
        .end();
}

std::string encode(const WorkerStatus& message) {
    const bool to_monitor = !message.message_id.empty();
    return begin("worker_status", message.stamp)
        .add_if(to_monitor, "message_id", message.message_id)
        .add("status", message.status)
        .add_if(to_monitor || !message.capabilities.is_null(), "capabilities", message.capabilities)
        .add_if(to_monitor || !message.connector_statuses.is_null(), "connector_statuses",
                message.connector_statuses)
        .add_if(message.ahead_job_types.has_value(), "ahead_job_types", message.ahead_job_types)
        .add_if(message.offers_at_once.has_value(), "offers_at_once", message.offers_at_once)
        .add_if(!message.declined_offers.empty(), "declined_offers", message.declined_offers)
        .end();
}

std::string encode(const ClaimJob& message) {
    return begin("claim_job", message.stamp)
        .add("job_id", message.job_id)
        .add("claim_timeout", 30)  // what the Hub always uses, whatever is sent
        .add_if(!message.earlier_worker_ids.empty(), "earlier_worker_ids", message.earlier_worker_ids)
        .end();
}

std::string encode(const JobProgress& message) {
    return begin("update_job_progress", message.stamp)
        .add("job_id", message.job_id)
        .add("progress", std::clamp(message.progress, -1, 100))
        .add("status", message.status)
        .add("message", message.message)
        .add_if(!message.begun, "begun", false)
        .add_raw("connector_details", message.connector_details)
        .end();
}

std::string encode(const CompleteJob& message) {
    const std::string_view result = trimmed(message.result);
    ObjectText out = begin("complete_job", message.stamp);
    out.add("job_id", message.job_id);
    if (result.starts_with('{') && !is_empty_object(result)) return out.add_raw("result", result).end();
    ObjectText wrapped;
    wrapped.add_raw("result", result.empty() ? "null" : result);
    return out.add_raw("result", wrapped.end()).end();
}

std::string encode(const FailJob& message) {
    return begin("fail_job", message.stamp)
        .add("job_id", message.job_id)
        .add("error", safe_text(message.error))
        .add("error_code", safe_text(message.error_code))
        .add("retryable", message.retryable)
        .add_if(!message.begun, "begun", false)
        .end();
}

std::string encode(const ConnectorWsStatus& message) {
    return begin("connector_ws_status", message.stamp)
        .add("connector_type", message.connector_type)
        .add("connected", message.connected)
        .add("service_name", message.service_name)
        .add("details", message.details)
        .add("last_ping", message.last_ping)
        .end();
}

std::string encode(const ServiceRequest& message) {
    return begin("service_request", message.stamp)
        .add("job_id", message.job_id)
        .add("service", message.service)
        .add("request_type", message.request_type)
        .add_raw("content", message.content)
        .end();
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
    return begin("submit_job")
        .add_if(!message.job_id.empty(), "message_id", message.job_id)
        .add("job_type", message.job_type)
        .add("priority", message.priority)
        .add_raw("payload", message.payload)
        .end();
}

std::string encode(const RequestJobStatus& message) {
    return begin("request_job_status").add("job_id", message.job_id).end();
}

std::string encode(const CancelJob& message) {
    return begin("cancel_job", message.timestamp)
        .add("job_id", message.job_id)
        .add("reason", message.reason)
        .end();
}

// ---- Hub -> worker

std::string encode(const Welcome& message) {
    return begin("connection_established", message.timestamp)
        .add("message", message.message)
        .add_if(message.takes_jobs_back, "takes_jobs_back", true)
        .end();
}

std::string encode(const ReturnJob& message) {
    return begin("return_job").add("job_id", message.job_id).end();
}

std::string encode(const WorkerRegistered& message) {
    return begin("worker_registered", message.stamp).add("status", "active").end();
}

std::string encode(const NotificationsSubscribed& message) {
    return begin("job_notifications_subscribed", message.stamp).end();
}

std::string encode(const HeartbeatAck& message) {
    return begin("worker_heartbeat_ack", message.stamp).end();
}

std::string encode_offer(double timestamp, std::string_view job_id, std::string_view job_type,
                         std::int64_t priority, std::string_view payload) {
    return begin("job_available", timestamp)
        .add("job_id", job_id)
        .add("job_type", job_type)
        .add("priority", priority)
        .add_raw("job_request_payload", payload)
        .end();
}

std::string encode_assignment(const Stamp& stamp, std::string_view job_id, std::string_view job_type,
                              std::int64_t priority, std::string_view payload) {
    return begin("job_assigned", stamp)
        .add("job_id", job_id)
        .add("job_type", job_type)
        .add("priority", priority)
        .add_raw("params", payload)
        .end();
}

std::string encode(const CompletedAck& message) {
    return begin("job_completed_ack", message.stamp).add("job_id", message.job_id).end();
}

std::string encode(const FailedAck& message) {
    return begin("job_failed_ack", message.stamp)
        .add("job_id", message.job_id)
        .add("error", message.error)
        .end();
}

std::string encode(const Chunk& message) {
    return begin("chunked_message")
        .add("chunk_id", message.chunk_id)
        .add("total_chunks", message.total_chunks)
        .add("message_id", message.message_id)
        .add("message_hash", message.message_hash)
        .add("original_type", message.original_type)
        .add("job_id", message.job_id)
        .add("content", message.content)
        .end();
}

// ---- Hub -> client and monitor

std::string encode(const JobStatus& message) {
    return begin("response_job_status", message.timestamp)
        .add("job_id", message.job_id)
        .add("status", message.status)
        .add("progress", message.progress)
        .add_or_null(!message.worker_id.empty(), "worker_id", message.worker_id)
        .add_or_null(message.started_at > 0, "started_at", message.started_at)
        .add_or_null(message.completed_at > 0, "completed_at", message.completed_at)
        .add("message", message.message)
        .add_raw("result", message.result)
        .end();
}

std::string encode(const JobAccepted& message) {
    return begin("job_accepted", message.timestamp)
        .add("job_id", message.job_id)
        .add("status", "pending")
        .add("position", message.position)
        .add("estimated_start", nullptr)
        .add("notified_workers", 0)
        .end();
}

std::string encode(const AttemptFailed& message) {
    return begin("fail_job", message.stamp)
        .add("job_id", message.job_id)
        .add("error", message.error)
        .add("final", message.last)
        .add("attempts", message.attempts)
        .end();
}

std::string encode(const SubscriptionConfirmed& message) {
    const bool of_a_job = !message.job_id.empty();
    return begin("subscription_confirmed", message.timestamp)
        .add_if(of_a_job, "job_id", message.job_id)
        .add_if(of_a_job, "monitor_id", message.monitor_id)
        .add("channels", message.channels)
        .end();
}

std::string encode(const MonitorAck& message) {
    return begin("ack", message.timestamp)
        .add("message_id", message.message_id)
        .add_or_null(!message.original_id.empty(), "original_id", message.original_id)
        .add("original_type", message.original_type)
        .end();
}

std::string encode(const StatsBroadcast& message) {
    return begin("stats_broadcast", message.timestamp)
        .add("message_id", message.message_id)
        .add_members(message.stats)
        .end();
}

std::string encode(const StayAliveResponse& message) {
    return begin("stay_alive_response", message.timestamp).end();
}

std::string encode_error(std::string_view error, double timestamp, const Json& details) {
    return begin("error", timestamp).add("error", error).add("details", details).end();
}

std::string encode_error(std::string_view error) {
    return begin("error").add("error", error).end();
}

std::string with_client_id(std::string message, std::string_view client_id) {
    message.back() = ',';
    return message.append("\"client_id\":").append(ipc::dump(Json(client_id))).append("}");
}

}  // namespace emprops::hub
