#include "supervisor/local_hub/messages.h"

namespace emprops::local_hub {
namespace {

std::string dumped(const Json& value) {
    return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

std::string with_member(std::string object, std::string_view key, const Json& value) {
    object.pop_back();
    if (object.back() != '{') object += ',';
    object += dumped(Json(key));
    object += ':';
    object += dumped(value);
    object += '}';
    return object;
}

std::string message_text(std::string_view type, double timestamp, const Json& fields,
                         std::string_view raw_key, std::string_view raw_value) {
    auto text = with_member(with_member("{}", "type", type), "timestamp", timestamp);
    text.pop_back();
    for (const auto& [key, value] : fields.items()) {
        text += ',';
        text += dumped(Json(key));
        text += ':';
        text += dumped(value);
    }
    if (!raw_key.empty()) {
        text += ',';
        text += dumped(Json(raw_key));
        text += ':';
        text += raw_value;
    }
    text += '}';
    return text;
}

std::string error_text(std::string_view error, double timestamp, const Json& details) {
    return message_text("error", timestamp, Json{{"error", error}, {"details", details}});
}

std::string job_status_text(const Job& job, std::string_view status, double timestamp,
                            const std::optional<std::string>& message, std::string_view result) {
    const auto or_null = [](bool known, const auto& value) { return known ? Json(value) : Json(); };
    const Json fields{
        {"job_id", job.id},
        {"status", status},
        {"progress", or_null(job.progress.has_value(), job.progress.value_or(0))},
        {"worker_id", or_null(!job.worker_id.empty(), job.worker_id)},
        {"started_at", or_null(job.claimed_at > 0, job.claimed_at)},
        {"completed_at", or_null(job.completed_at > 0, job.completed_at)},
        {"message", or_null(message.has_value(), message.value_or(""))},
    };
    return message_text("response_job_status", timestamp, fields, "result", result.empty() ? "null" : result);
}

bool is_empty_object(std::string_view json) {
    if (json.size() < 2 || json.front() != '{') return false;
    return json.find_first_not_of(" \t\r\n", 1) == json.size() - 1;
}

}  // namespace emprops::local_hub
