#include "ipc/hub/frames.h"
#include "ipc/text/utf8.h"

#include <algorithm>

namespace emprops::hub {
namespace {

using Ordered = nlohmann::ordered_json;

std::string dump(const Ordered& message) {
    return message.dump(-1, ' ', false, Ordered::error_handler_t::replace);
}

Ordered begin(const char* type, const Stamp& stamp) {
    Ordered message;
    message["type"] = type;
    message["timestamp"] = stamp.timestamp;
    message["worker_id"] = stamp.worker_id;
    return message;
}

ipc::Json with_job_types(const ipc::Json& capabilities, const std::vector<std::string>& job_types) {
    ipc::Json all = capabilities.is_object() ? capabilities : ipc::Json::object();
    all["supported_job_types"] = job_types;
    return all;
}

Ordered object_or_null(const ipc::Json& value) {
    return value.is_object() ? Ordered(value) : Ordered(nullptr);
}

std::string_view trimmed(std::string_view text) {
    const auto first = text.find_first_not_of(" \t\r\n");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

bool is_non_empty_object(std::string_view json) {
    return json.size() > 2 && json.front() == '{' && !trimmed(json.substr(1, json.size() - 2)).empty();
}

/// Error texts go to clients and logs of others: no control characters, no novels.
std::string safe_text(std::string text) {
    constexpr std::size_t limit_bytes = 1000;
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
    return text::shortened(text, limit_bytes);
}

}  // namespace

std::string encode_register(const Stamp& stamp, const ipc::Json& capabilities,
                            const std::vector<std::string>& job_types, std::string_view status) {
    Ordered message = begin("register_worker", stamp);
    message["capabilities"] = with_job_types(capabilities, job_types);
    message["subscribe_to_jobs"] = true;
    message["status"] = status;
    return dump(message);
}

std::string encode_heartbeat(const Stamp& stamp, std::optional<std::string_view> status, double load) {
    Ordered message = begin("worker_heartbeat", stamp);
    message["status"] = status ? Ordered(*status) : Ordered(nullptr);
    message["load"] = load;
    return dump(message);
}

std::string encode_status(const Stamp& stamp, std::string_view status) {
    Ordered message = begin("worker_status", stamp);
    message["status"] = status;
    return dump(message);
}

std::string encode_full_status(const Stamp& stamp, std::string_view status, const ipc::Json& capabilities,
                               const std::vector<std::string>& job_types,
                               const ipc::Json& connector_statuses) {
    Ordered message = begin("worker_status", stamp);
    message["status"] = status;
    message["capabilities"] = with_job_types(capabilities, job_types);
    message["capabilities"]["connector_statuses"] = connector_statuses;
    message["connector_statuses"] = connector_statuses;
    return dump(message);
}

std::string encode_claim(const Stamp& stamp, std::string_view job_id,
                         const std::vector<std::string>& earlier_ids) {
    Ordered message = begin("claim_job", stamp);
    message["job_id"] = job_id;
    message["claim_timeout"] = 30;  // what the Hub always uses, whatever is sent
    if (!earlier_ids.empty()) message["earlier_worker_ids"] = earlier_ids;
    return dump(message);
}

std::string encode_progress(const Stamp& stamp, const ipc::Progress& progress) {
    Ordered message = begin("update_job_progress", stamp);
    message["job_id"] = progress.job_id;
    message["progress"] = progress.progress ? std::clamp(*progress.progress, -1, 100) : -1;
    message["status"] = progress.status;
    message["message"] = progress.message.empty() ? Ordered(nullptr) : Ordered(progress.message);
    message["connector_details"] = object_or_null(progress.details);
    return dump(message);
}

std::string encode_keepalive(const Stamp& stamp, std::string_view job_id) {
    ipc::Progress progress;
    progress.job_id = std::string(job_id);
    progress.status = "heartbeat";
    return encode_progress(stamp, progress);
}

std::string encode_complete(const Stamp& stamp, std::string_view job_id, const ipc::RawJson& result) {
    Ordered message = begin("complete_job", stamp);
    message["job_id"] = job_id;
    std::string text = dump(message);
    text.pop_back();
    const std::string_view value = trimmed(result.text);
    text.reserve(text.size() + value.size() + 32);
    text += ",\"result\":";
    if (is_non_empty_object(value)) {
        text += value;
    } else {
        text += "{\"result\":";
        text += value.empty() ? std::string_view("null") : value;
        text += '}';
    }
    text += '}';
    return text;
}

std::string encode_fail(const Stamp& stamp, std::string_view job_id, const ipc::JobError& error, bool begun) {
    Ordered message = begin("fail_job", stamp);
    message["job_id"] = job_id;
    message["error"] = safe_text("[" + error.code + "] " + error.message);
    message["error_code"] = safe_text(error.code);
    message["retryable"] = error.retryable;
    if (!begun) message["begun"] = false;
    return dump(message);
}

ipc::Json connector_status_object(std::string_view connector, const ipc::Status& status) {
    ipc::Json object = ipc::Json::object();
    object["connected"] = status.connected;
    object["available"] = status.available;
    object["service"] = status.service.empty() ? std::string(connector) : status.service;
    object["details"] = status.details.is_object() ? status.details : ipc::Json::object();
    if (!status.reason.empty()) object["reason"] = status.reason;
    return object;
}

std::string encode_connector_status(const Stamp& stamp, std::string_view connector,
                                    const ipc::Status& status) {
    Ordered message = begin("connector_ws_status", stamp);
    message["connector_type"] = connector;
    message["connected"] = status.connected;
    message["service_name"] = status.service.empty() ? std::string(connector) : status.service;
    message["details"] = connector_status_object(connector, status);
    message["last_ping"] = stamp.timestamp;
    return dump(message);
}

std::string encode_service_request(const Stamp& stamp, const ipc::ServiceRequest& request) {
    Ordered message = begin("service_request", stamp);
    message["job_id"] = request.job_id;
    message["service"] = request.service;
    message["request_type"] = request.request_type;
    message["content"] = request.content.is_object() ? request.content : ipc::Json::object();
    return dump(message);
}

std::string encode_request_job_status(std::string_view job_id) {
    Ordered message;
    message["type"] = "request_job_status";
    message["job_id"] = job_id;
    return dump(message);
}

std::string encode_cancel_job(std::string_view job_id, std::string_view reason) {
    Ordered message;
    message["type"] = "cancel_job";
    message["job_id"] = job_id;
    message["reason"] = reason;
    return dump(message);
}

}  // namespace emprops::hub
