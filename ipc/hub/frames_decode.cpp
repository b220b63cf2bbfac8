#include <array>

#include "ipc/envelope.h"
#include "ipc/hub/frames.h"

namespace emprops::hub {
namespace {

using ipc::Json;

/// Text of a member, "" when it is missing or null; nullopt when it is something else.
std::optional<std::string> text_of(const Json& fields, const char* key) {
    const auto it = fields.find(key);
    if (it == fields.end() || it->is_null()) return std::string();
    if (!it->is_string()) return std::nullopt;
    return it->get<std::string>();
}

std::string text_or_empty(const Json& fields, const char* key) {
    return text_of(fields, key).value_or("");
}

std::optional<std::uint64_t> count_of(const Json& fields, const char* key) {
    const auto it = fields.find(key);
    if (it == fields.end() || !it->is_number_integer()) return std::nullopt;
    if (it->is_number_unsigned()) return it->get<std::uint64_t>();
    const auto number = it->get<std::int64_t>();
    if (number < 0) return std::nullopt;
    return static_cast<std::uint64_t>(number);
}

BadFrame bad(const std::string& type, const std::string& what) {
    return {type + ": " + what};
}

HubFrame decode_offer(const ipc::Envelope& envelope) {
    Offer offer{text_or_empty(envelope.fields, "job_id"), text_or_empty(envelope.fields, "job_type"), {}};
    if (offer.job_id.empty()) return bad("job_available", "no job_id");
    if (offer.job_type.empty()) return bad("job_available", "no job_type for job " + offer.job_id);
    return offer;
}

HubFrame decode_assignment(const ipc::Envelope& envelope) {
    Assignment assignment;
    assignment.job_id = text_or_empty(envelope.fields, "job_id");
    assignment.job_type = text_or_empty(envelope.fields, "job_type");
    if (assignment.job_id.empty()) return bad("job_assigned", "no job_id");
    const auto priority = envelope.fields.find("priority");
    if (priority != envelope.fields.end() && priority->is_number_integer())
        assignment.priority = priority->get<std::int64_t>();
    const auto params = envelope.find("params");
    if (!params || *params == "null") {
        assignment.params = ipc::RawJson{};
    } else if (params->front() == '{') {
        assignment.params = ipc::RawJson{ipc::on_one_line(*params)};
    }
    return assignment;
}

HubFrame decode_chunk(const ipc::Envelope& envelope) {
    Chunk chunk;
    chunk.message_id = text_or_empty(envelope.fields, "message_id");
    chunk.message_hash = text_or_empty(envelope.fields, "message_hash");
    chunk.original_type = text_or_empty(envelope.fields, "original_type");
    chunk.job_id = text_or_empty(envelope.fields, "job_id");
    const auto id = count_of(envelope.fields, "chunk_id");
    const auto total = count_of(envelope.fields, "total_chunks");
    if (chunk.message_id.empty()) return bad("chunked_message", "no message_id");
    if (!id || !total || *total == 0 || *id >= *total)
        return bad("chunked_message", "chunk number out of range");
    chunk.chunk_id = *id;
    chunk.total_chunks = *total;
    auto content = envelope.find("content");
    if (!content) content = envelope.find("chunk_data");  // the older name
    if (!content || content->empty() || content->front() != '"') return bad("chunked_message", "no content");
    Json text = Json::parse(*content, nullptr, false);  // a string: no depth to fear
    if (!text.is_string()) return bad("chunked_message", "content is no text");
    chunk.content = std::move(text.get_ref<std::string&>());
    return chunk;
}

HubFrame decode_job_status(const ipc::Envelope& envelope) {
    JobStatus status{text_or_empty(envelope.fields, "job_id"), text_or_empty(envelope.fields, "status"),
                     text_or_empty(envelope.fields, "worker_id"), text_or_empty(envelope.fields, "message")};
    if (status.job_id.empty() || status.status.empty())
        return bad("response_job_status", "no job_id or no status");
    return status;
}

std::optional<std::string> between(std::string_view text, std::string_view before, std::string_view after) {
    if (text.size() <= before.size() + after.size()) return std::nullopt;
    if (text.substr(0, before.size()) != before) return std::nullopt;
    if (text.substr(text.size() - after.size()) != after) return std::nullopt;
    return std::string(text.substr(before.size(), text.size() - before.size() - after.size()));
}

constexpr std::array known_but_unused = {"worker_registered", "job_notifications_subscribed",
                                         "worker_heartbeat_ack", "subscription_confirmed"};

}  // namespace

HubError classify_error(std::string text) {
    using Kind = HubError::Kind;
    HubError error{Kind::other, "", std::move(text)};
    if (auto id = between(error.text, "Failed to claim job ", "")) {
        error.kind = Kind::claim_failed;
        error.job_id = std::move(*id);
    } else if (auto rest = between(error.text, "Cannot claim job ", " is not idle")) {
        // The job id is the submitter's text and may contain anything: the worker part is the last one.
        const auto worker = rest->rfind(": Worker ");
        if (worker != std::string::npos) {
            error.kind = Kind::not_idle;
            error.job_id = rest->substr(0, worker);
        }
    } else if (auto marked = between(error.text, "Failed to mark job ", " as failed")) {
        error.kind = Kind::fail_refused;
        error.job_id = std::move(*marked);
    } else if (auto missing = between(error.text, "Job ", " not found")) {
        error.kind = Kind::not_found;
        error.job_id = std::move(*missing);
    } else if (error.text.rfind("Authentication failed", 0) == 0) {
        error.kind = Kind::bad_token;
    } else if (error.text.rfind("Server error processing message", 0) == 0) {
        error.kind = Kind::server_trouble;
    }
    return error;
}

HubFrame unreadable(const std::string& type, const std::string& job_id, const std::string& reason) {
    if (!job_id.empty() && type == "job_available") return Offer{job_id, "", reason};
    if (!job_id.empty() && type == "job_assigned") return Assignment{job_id, "", 0, std::nullopt, reason};
    return BadFrame{reason};
}

HubFrame decode_hub_frame(std::string_view text) {
    const auto scan = ipc::scan_envelope(
        text, {"params", "job_request_payload", "payload", "result", "content", "chunk_data"});
    if (!scan.envelope)
        return unreadable(
            scan.error.type.value_or(""), scan.error.job_id.value_or(""),
            "not a message: " + scan.error.reason + " at byte " + std::to_string(scan.error.offset));
    const ipc::Envelope& envelope = *scan.envelope;
    const auto type = text_of(envelope.fields, "type");
    if (!type || type->empty()) return BadFrame{"message without a type"};
    if (*type == "connection_established") return Welcome{};
    if (*type == "job_available") return decode_offer(envelope);
    if (*type == "job_assigned") return decode_assignment(envelope);
    if (*type == "chunked_message") return decode_chunk(envelope);
    if (*type == "response_job_status") return decode_job_status(envelope);
    if (*type == "error") {
        const auto error = text_of(envelope.fields, "error");
        if (!error) return bad(*type, "its text is no text");
        return classify_error(*error);
    }
    std::string job_id = text_or_empty(envelope.fields, "job_id");
    if (*type == "job_completed_ack" || *type == "job_failed_ack" || *type == "cancel_job") {
        if (job_id.empty()) return bad(*type, "no job_id");
        if (*type == "job_completed_ack") return CompletedAck{std::move(job_id)};
        if (*type == "job_failed_ack") return FailedAck{std::move(job_id)};
        return CancelJob{std::move(job_id), text_or_empty(envelope.fields, "reason")};
    }
    for (const char* known : known_but_unused)
        if (*type == known) return Ignored{*type, true};
    return Ignored{*type, false};
}

}  // namespace emprops::hub
