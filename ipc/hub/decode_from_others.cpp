// What workers, clients and monitors say, as a hub reads it.

#include "ipc/envelope.h"
#include "ipc/hub/codec.h"
#include "ipc/hub/errors.h"
#include "ipc/hub/fields.h"
#include "ipc/json_text.h"

namespace emprops::hub {
namespace {

Refused unsupported(std::string_view type) {
    return {unsupported_text(type), nullptr};
}

Refused invalid(const std::string& why) {
    return {invalid_format_text, Json{{"reason", why}}};
}

/// The Hub tells text that is no JSON from JSON that is no object.
Refused not_a_message(std::string_view text, const ipc::ScanError& error) {
    if (!ipc::check_json(text)) return {server_trouble_text(error.reason), nullptr};
    return {invalid_json_text, Json{{"reason", error.reason}, {"offset", error.offset}}};
}

bool is_object(std::string_view json) {
    return !json.empty() && json.front() == '{';
}

/// An opaque member that must be an object; null and missing give `missing`.
std::string_view object_text(const ipc::Envelope& envelope, const char* key, std::string_view missing,
                             Fields& fields) {
    const auto found = envelope.find(key);
    if (!found || *found == "null") return missing;
    if (!is_object(*found)) fields.refuse(key);
    return *found;
}

/// Of a message about no job: the Hub takes the worker from the address, so nothing here is an offence.
Stamp stamp_of(const Json& object) {
    return {0, ipc::text_or_empty(object, "worker_id")};
}

/// JSON text of what a worker can do, an object or null, as small as a scan's own fields: whoever decodes it makes a DOM,
/// which is many times larger.
std::string_view capabilities_text(const ipc::Envelope& envelope, Fields& fields) {
    const std::string_view text = object_text(envelope, "capabilities", "null", fields);
    if (text.size() <= ipc::ScanLimits{}.max_fields_bytes) return text;
    fields.refuse("capabilities");
    return "null";
}

/// The Hub takes a list of strings, a JSON string of one, or a single name.
std::vector<std::string> job_types_of(std::string_view capabilities) {
    std::vector<std::string> types;
    const auto said = ipc::member_text(capabilities, "supported_job_types");
    auto value = said ? ipc::decoded(*said).value_or(nullptr) : Json();
    if (value.is_string()) {
        const auto& text = value.get_ref<const std::string&>();
        // A text that begins with "[" holds a flat list; nothing deeper is worth a parser's stack.
        auto parsed = text.starts_with("[") && !ipc::check_json(text, {.max_depth = 2})
                          ? Json::parse(text, nullptr, false)
                          : Json();
        value = parsed.is_array() ? std::move(parsed) : Json::array({text});
    }
    if (!value.is_array()) return types;
    for (const auto& type : value) {
        if (type.is_string()) types.push_back(type.get<std::string>());
    }
    return types;
}

/// "[crashed] the connector died": "crashed"; anything else: "".
std::string code_in(std::string_view error) {
    if (!error.starts_with('[')) return {};
    const auto end = error.find(']');
    if (end == std::string_view::npos) return {};
    const auto code = error.substr(1, end - 1);
    const auto fits = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-';
    };
    for (const char c : code) {
        if (!fits(c)) return {};
    }
    return std::string(code);
}

/// The texts in a list that the Hub does not know: its type makes nothing invalid.
std::vector<std::string> texts_in(const Json& object, const char* key) {
    std::vector<std::string> texts;
    const auto list = object.find(key);
    if (list == object.end() || !list->is_array()) return texts;
    for (const auto& text : *list) {
        if (text.is_string()) texts.push_back(text.get<std::string>());
    }
    return texts;
}

/// At least 1, at most 1000.
std::optional<int> small_number_in(const Json& object, const char* key) {
    const auto found = object.find(key);
    if (found == object.end() || !found->is_number_integer()) return std::nullopt;
    return static_cast<int>(std::clamp<std::int64_t>(found->get<std::int64_t>(), 1, 1000));
}

bool flag(const Json& object, const char* key, bool missing) {
    const auto found = object.find(key);
    return found != object.end() && found->is_boolean() ? found->get<bool>() : missing;
}

FailJob fail_job(Fields& fields, const Json& object) {
    FailJob fail;
    fail.job_id = fields.text("job_id");
    fail.stamp.worker_id = fields.text("worker_id");
    fail.error = fields.text_or_null("error").value_or("Unknown error");
    // The extra fields are read with good will: the Hub knows none of them, so their type makes nothing
    // invalid.
    const auto code = object.find("error_code");
    fail.error_code =
        code != object.end() && code->is_string() ? code->get<std::string>() : code_in(fail.error);
    fail.retryable = flag(object, "retryable", true);
    fail.begun = flag(object, "begun", true);
    return fail;
}

JobProgress job_progress(Fields& fields, const ipc::Envelope& envelope) {
    JobProgress progress;
    progress.job_id = fields.text("job_id");
    progress.stamp.worker_id = fields.text("worker_id");
    const auto value = fields.integer("progress", 0);
    if (value < -1 || value > 100) fields.refuse("progress");
    progress.progress = static_cast<int>(std::clamp<std::int64_t>(value, -1, 100));
    progress.status = fields.text("status", "processing");
    progress.message = fields.text_or_null("message");
    progress.connector_details = object_text(envelope, "connector_details", "null", fields);
    progress.begun = flag(envelope.fields, "begun", true);
    return progress;
}

std::optional<FromWorker> from_worker(std::string_view type, Fields& fields, const ipc::Envelope& envelope) {
    const auto& object = envelope.fields;
    if (type == "register_worker") {
        RegisterWorker message;
        message.stamp = stamp_of(object);
        message.capabilities = capabilities_text(envelope, fields);
        message.subscribe_to_jobs = fields.boolean("subscribe_to_jobs", true);
        message.status = fields.text("status", "idle");
        message.job_types = job_types_of(message.capabilities);
        return message;
    }
    if (type == "worker_heartbeat")
        return WorkerHeartbeat{stamp_of(object), fields.text_or_null("status", "idle")};
    if (type == "worker_status") {
        const auto capabilities = ipc::decoded(capabilities_text(envelope, fields));
        if (!capabilities) fields.refuse("capabilities");
        WorkerStatus message{stamp_of(object), fields.text_or_null("status", "idle"),
                             capabilities.value_or(nullptr), fields.object_or_null("connector_statuses")};
        if (object.contains("ahead_job_types")) message.ahead_job_types = texts_in(object, "ahead_job_types");
        message.offers_at_once = small_number_in(object, "offers_at_once");
        message.declined_offers = texts_in(object, "declined_offers");
        return message;
    }
    if (type == "claim_job")
        return ClaimJob{stamp_of(object), fields.text("job_id"), texts_in(object, "earlier_worker_ids")};
    if (type == "update_job_progress") return job_progress(fields, envelope);
    if (type == "fail_job") return fail_job(fields, object);
    // Members are read in the order of these lists: the first one that does not fit is named.
    std::string job_id = type == "connector_ws_status" ? "" : fields.text("job_id");
    Stamp stamp{0, fields.text("worker_id")};
    if (type == "complete_job")
        return CompleteJob{stamp, job_id, object_text(envelope, "result", "{}", fields)};
    if (type == "connector_ws_status")
        return ConnectorWsStatus{stamp,
                                 fields.text("connector_type"),
                                 fields.boolean("connected", false),
                                 fields.text("service_name"),
                                 fields.object_or_null("details"),
                                 object.value("last_ping", Json())};
    if (type == "service_request")
        return ServiceRequest{stamp, job_id, fields.text("service"), fields.text("request_type"),
                              object_text(envelope, "content", "{}", fields)};
    return std::nullopt;
}

/// Types that the Hub's message model knows but does not take from a worker.
bool known_elsewhere(std::string_view type) {
    for (const auto* other :
         {"submit_job", "cancel_job", "subscribe", "subscribe_job", "subscribe_stats", "request_stats",
          "request_job_status", "stay_alive", "force_retry_job", "get_system_status", "job_available",
          "job_assigned", "job_accepted", "error", "ack"}) {
        if (type == other) return true;
    }
    return false;
}

SubmitJob submit_job(Fields& fields, const ipc::Envelope& envelope, const char* id_key) {
    SubmitJob job;
    job.job_id = fields.text_or_null(id_key).value_or("");
    job.job_type = fields.text("job_type", "unknown");
    job.priority = fields.integer("priority", 0);
    job.payload = object_text(envelope, "payload", "{}", fields);
    return job;
}

std::optional<FromClient> from_client(std::string_view type, Fields& fields, const ipc::Envelope& envelope) {
    if (type == "submit_job") return submit_job(fields, envelope, "message_id");
    if (type == "request_job_status") return RequestJobStatus{fields.text("job_id")};
    if (type == "subscribe_job") return SubscribeJob{fields.text("job_id")};
    if (type == "subscribe_stats") return SubscribeStats{};
    if (type == "request_stats") return RequestStats{};
    if (type == "cancel_job") {
        CancelJob message;
        message.job_id = fields.text("job_id");
        message.reason = fields.text_or_null("reason").value_or("Manually cancelled");
        return message;
    }
    if (type == "force_retry_job") return ForceRetryJob{fields.text("job_id")};
    if (type == "stay_alive") return StayAlive{};
    return std::nullopt;
}

}  // namespace

std::variant<FromWorker, Refused> decode_from_worker(std::string_view text) {
    const auto scan =
        ipc::scan_envelope(text, {"result", "content", "connector_details", "payload", "capabilities"});
    if (!scan.envelope) return not_a_message(text, scan.error);
    Fields fields(scan.envelope->fields);
    const auto type = fields.text("type");
    auto message = from_worker(type, fields, *scan.envelope);
    if (!message) return known_elsewhere(type) ? unsupported(type) : invalid("unknown type \"" + type + "\"");
    if (!fields.wrong().empty()) return invalid("\"" + fields.wrong() + "\" has a wrong type or value");
    return *std::move(message);
}

std::variant<FromClient, Refused> decode_from_client(std::string_view text) {
    const auto scan = ipc::scan_envelope(text, {"payload"});
    if (!scan.envelope) return not_a_message(text, scan.error);
    Fields fields(scan.envelope->fields);
    const auto type = fields.text("type");
    auto message = from_client(type, fields, *scan.envelope);
    if (!message) return unsupported(type);
    if (!fields.wrong().empty()) return invalid("\"" + fields.wrong() + "\" has a wrong type");
    return *std::move(message);
}

std::variant<FromMonitor, Refused> decode_from_monitor(std::string_view text) {
    const auto scan = ipc::scan_envelope(text, {});
    if (!scan.envelope) return not_a_message(text, scan.error);
    Fields fields(scan.envelope->fields);
    const auto type = fields.text("type");
    if (type == "get_system_status") return GetSystemStatus{};
    if (type == "stay_alive") return StayAlive{};
    if (type != "subscribe") return unsupported(type);
    Subscribe message;
    const auto& object = scan.envelope->fields;
    const auto channels = object.find("channels");
    if (channels == object.end() || !channels->is_array()) return message;
    for (const auto& channel : *channels) {
        if (channel.is_string()) message.channels.push_back(channel.get<std::string>());
    }
    return message;
}

bool is_empty_object(std::string_view json) {
    if (json.size() < 2 || json.front() != '{') return false;
    return json.find_first_not_of(" \t\r\n", 1) == json.size() - 1;
}

std::variant<RestSubmit, Json> decode_rest_submit(std::string_view body) {
    const auto problem = [](const char* kind, Json where, std::string_view text) {
        return Json::array({Json{{"type", kind}, {"loc", std::move(where)}, {"msg", text}}});
    };
    const auto scan = ipc::scan_envelope(body, {"payload"});
    if (!scan.envelope)
        return problem("json_invalid", Json::array({"body", scan.error.offset}), scan.error.reason);
    const auto& object = scan.envelope->fields;
    if (!object.contains("job_type"))
        return problem("missing", Json::array({"body", "job_type"}), "Field required");
    const auto payload = scan.envelope->find("payload");
    if (!payload) return problem("missing", Json::array({"body", "payload"}), "Field required");
    if (!is_object(*payload)) {
        return problem("dict_type", Json::array({"body", "payload"}), "Input should be a valid dictionary");
    }
    Fields fields(object);
    RestSubmit submit;
    submit.job = submit_job(fields, *scan.envelope, "job_id");
    submit.wait = fields.boolean("wait", false);
    submit.timeout_seconds = fields.number("timeout", 300);
    if (!fields.wrong().empty()) {
        return problem("type_error", Json::array({"body", fields.wrong()}), "Input has a wrong type");
    }
    return submit;
}

}  // namespace emprops::hub
