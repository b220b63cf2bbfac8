// What a Hub says, as a worker or a client reads it.

#include <algorithm>
#include <array>
#include <utility>

#include "ipc/envelope.h"
#include "ipc/hub/codec.h"
#include "ipc/hub/errors.h"
#include "ipc/json_string.h"
#include "ipc/json_text.h"

namespace emprops::hub {
namespace {

using ipc::text_or_empty;

/// Null and a missing member are an empty text; nullopt when it is something else.
std::optional<std::string> text_of(const Json& fields, const char* key) {
    const auto it = fields.find(key);
    if (it != fields.end() && !it->is_null() && !it->is_string()) return std::nullopt;
    return text_or_empty(fields, key);
}

std::optional<std::uint64_t> count_of(const Json& fields, const char* key) {
    const auto it = fields.find(key);
    if (it == fields.end() || !it->is_number_integer()) return std::nullopt;
    if (!it->is_number_unsigned() && it->get<std::int64_t>() < 0) return std::nullopt;
    return it->get<std::uint64_t>();
}

BadFrame bad(const std::string& type, const std::string& what) {
    return {type + ": " + what};
}

HubFrame decode_offer(const ipc::Envelope& envelope) {
    Offer offer{text_or_empty(envelope.fields, "job_id"), text_or_empty(envelope.fields, "job_type")};
    if (offer.job_id.empty()) return bad("job_available", "no job_id");
    if (offer.job_type.empty()) return bad("job_available", "no job_type for job " + offer.job_id);
    return offer;
}

/// `joined`: the text of the envelope if it may be taken.
HubFrame decode_assignment(const ipc::Envelope& envelope, std::string* joined) {
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
        if (joined != nullptr) {
            ipc::keep_on_one_line(*joined, *params);
            assignment.params = std::move(*joined);
        } else {
            assignment.params = ipc::on_one_line(*params);
        }
    }
    return assignment;
}

/// All that is wanted of an offer stands before its payload, in the first piece.
HubFrame decode_offer_piece(const Chunk& chunk, std::string_view content) {
    constexpr std::size_t enough_bytes = 16 * 1024;
    if (chunk.chunk_id > 0) return chunk;
    const std::string beginning = ipc::unescaped_beginning(content.substr(0, enough_bytes));
    HubFrame offer = decode_offer(ipc::scan_beginning(beginning));
    if (const auto* bad = std::get_if<BadFrame>(&offer))
        return unreadable("job_available", chunk.job_id, bad->reason);
    return offer;
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
    if (chunk.original_type == "job_available") return decode_offer_piece(chunk, *content);
    chunk.content = ipc::unescaped(*content);
    return chunk;
}

/// A whole number, or a fraction that is cut; `missing` for anything else.
int number_of(const Json& fields, const char* key, int missing) {
    const auto it = fields.find(key);
    if (it == fields.end() || !it->is_number()) return missing;
    return static_cast<int>(std::clamp(it->get<double>(), -1e9, 1e9));
}

JobStatus job_status(const ipc::Envelope& envelope) {
    JobStatus status{text_or_empty(envelope.fields, "job_id"), text_or_empty(envelope.fields, "status"),
                     text_or_empty(envelope.fields, "worker_id"), text_or_empty(envelope.fields, "message")};
    status.result = envelope.find("result").value_or("{}");
    return status;
}

constexpr std::array known_but_unused = {"worker_registered", "job_notifications_subscribed",
                                         "worker_heartbeat_ack", "subscription_confirmed"};

Ignored ignored(const std::string& type) {
    const bool known =
        std::find(known_but_unused.begin(), known_but_unused.end(), type) != known_but_unused.end();
    return {type, known};
}

HubFrame decode(std::string_view text, std::string* joined) {
    const auto scan = ipc::scan_envelope(
        text, {"params", "job_request_payload", "payload", "result", "content", "chunk_data"});
    if (!scan.envelope)
        return unreadable(
            scan.error.type.value_or(""), scan.error.job_id.value_or(""),
            "not a message: " + scan.error.reason + " at byte " + std::to_string(scan.error.offset));
    const ipc::Envelope& envelope = *scan.envelope;
    const auto type = text_of(envelope.fields, "type");
    if (!type || type->empty()) return BadFrame{"message without a type"};
    if (*type == "connection_established") {
        const auto takes = envelope.fields.find("takes_jobs_back");
        return Welcome{{}, 0, takes != envelope.fields.end() && *takes == Json(true)};
    }
    if (*type == "job_available") return decode_offer(envelope);
    if (*type == "job_assigned") return decode_assignment(envelope, joined);
    if (*type == "chunked_message") return decode_chunk(envelope);
    if (*type == "response_job_status") {
        JobStatus status = job_status(envelope);
        if (status.job_id.empty() || status.status.empty()) return bad(*type, "no job_id or no status");
        return status;
    }
    if (*type == "error") {
        const auto error = text_of(envelope.fields, "error");
        if (!error) return bad(*type, "its text is no text");
        return classify_error(*error);
    }
    std::string job_id = text_or_empty(envelope.fields, "job_id");
    if (*type == "job_completed_ack" || *type == "job_failed_ack" || *type == "cancel_job" ||
        *type == "return_job") {
        if (job_id.empty()) return bad(*type, "no job_id");
        if (*type == "job_completed_ack") return CompletedAck{std::move(job_id)};
        if (*type == "job_failed_ack") return FailedAck{std::move(job_id)};
        if (*type == "return_job") return ReturnJob{std::move(job_id)};
        return CancelJob{std::move(job_id), text_or_empty(envelope.fields, "reason")};
    }
    return ignored(*type);
}

}  // namespace

HubFrame unreadable(const std::string& type, const std::string& job_id, const std::string& reason) {
    if (!job_id.empty() && type == "job_available") return Offer{job_id, "", reason};
    if (!job_id.empty() && type == "job_assigned") return Assignment{job_id, "", 0, std::nullopt, reason};
    return BadFrame{reason};
}

HubFrame decode_hub_frame(std::string_view text) {
    return decode(text, nullptr);
}

HubFrame decode_joined_frame(std::string& joined) {
    return decode(joined, &joined);
}

ClientFrame decode_client_frame(std::string_view text) {
    const auto scan = ipc::scan_envelope(text, {"result"});
    if (!scan.envelope) return BadFrame{"not a message: " + scan.error.reason};
    const Json& fields = scan.envelope->fields;
    const std::string type = text_or_empty(fields, "type");
    std::string job_id = text_or_empty(fields, "job_id");
    if (type == "connection_established") return Welcome{};
    if (type == "error") return classify_error(text_or_empty(fields, "error"));
    if (type == "response_job_status") return job_status(*scan.envelope);
    if (type == "job_accepted") {
        const int position = number_of(fields, "position", 0);
        return JobAccepted{std::move(job_id), static_cast<std::size_t>(std::max(position, 0))};
    }
    if (type == "update_job_progress")
        return JobProgress{{},
                           std::move(job_id),
                           number_of(fields, "progress", -1),
                           text_or_empty(fields, "status"),
                           text_or_empty(fields, "message")};
    if (type == "complete_job")
        return CompleteJob{{}, std::move(job_id), scan.envelope->find("result").value_or("{}")};
    if (type == "fail_job") return AttemptFailed{{}, std::move(job_id), text_or_empty(fields, "error")};
    return ignored(type);
}

}  // namespace emprops::hub
