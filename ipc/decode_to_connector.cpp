#include <limits>

#include "ipc/codec.h"
#include "ipc/field_reader.h"
#include "ipc/lead.h"

namespace emprops::ipc {
namespace {

constexpr std::int64_t max_int = std::numeric_limits<int>::max();

constexpr std::int64_t max_ms = std::int64_t{1} << 53;

FilesOffer read_offer(FieldReader& in) {
    FilesOffer offer;
    const Json object = in.object("files", Json::object());
    FieldReader inner(object, "inside the field \"files\"");
    offer.stores = inner.texts("stores");
    offer.max_files = static_cast<int>(inner.integer("max_files", 0, max_int, offer.max_files));
    offer.released = static_cast<int>(inner.integer("released", 0, max_int, offer.released));
    offer.max_bytes = inner.unsigned_integer("max_bytes", offer.max_bytes);
    offer.deliver = inner.texts("deliver");
    offer.jobs = inner.texts("jobs");
    if (inner.failed()) in.fail(inner.reason());
    return offer;
}

Hello read_hello(FieldReader& in) {
    Hello message;
    message.protocol_versions = in.integers("protocol_versions");
    if (message.protocol_versions.empty()) in.fail("the field \"protocol_versions\" is missing or empty");
    message.worker_id = in.text("worker_id", "");
    message.connector = in.text("connector", "");
    message.instance = static_cast<int>(in.integer("instance", 0, max_int, 0));
    message.settings = in.object("settings", Json::object());
    message.max_line_bytes = in.unsigned_integer("max_line_bytes", message.max_line_bytes);
    message.work_dir = in.text("work_dir", "");
    message.hub = in.text("hub", "");
    if (in.has("prepare_timeout_ms"))
        message.prepare_timeout = Ms(in.integer("prepare_timeout_ms", 0, max_ms));
    if (in.has("concurrency"))
        message.concurrency = static_cast<int>(in.integer("concurrency", 1, max_concurrency));
    if (in.has("files")) message.files = read_offer(in);
    const Json heartbeat = in.object("heartbeat", Json::object());
    FieldReader inner(heartbeat, "inside the field \"heartbeat\"");
    message.heartbeat_interval =
        Ms(inner.integer("interval_ms", 0, max_ms, message.heartbeat_interval.count()));
    message.heartbeat_missed =
        static_cast<int>(inner.integer("missed", 0, max_int, message.heartbeat_missed));
    if (inner.failed()) in.fail(inner.reason());
    return message;
}

Job read_job(FieldReader& in, const Envelope& envelope) {
    Job message;
    message.job_id = in.nonempty_text("job_id");
    message.job_type = in.nonempty_text("job_type");
    using Limits = std::numeric_limits<std::int64_t>;
    message.priority = in.integer("priority", Limits::min(), Limits::max(), 0);
    message.attempt = static_cast<int>(in.integer("attempt", 1, max_int, 1));
    message.resume = in.flag("resume", false);
    message.prepare = in.flag("prepare", false);
    if (in.has("timeout_ms")) message.timeout = Ms(in.integer("timeout_ms", 0, max_ms));
    message.traceparent = in.text("traceparent", "");
    message.work_dir = in.text("work_dir", "");
    const auto payload = envelope.find("payload");
    if (!payload || payload->front() != '{') {
        in.fail("the field \"payload\" must be an object");
    } else {
        message.payload = on_one_line(*payload);
    }
    return message;
}

std::optional<ToConnector> read(const std::string& type, FieldReader& in, const Envelope& envelope) {
    if (type == "hello") return read_hello(in);
    if (type == "job") return read_job(in, envelope);
    if (type == "begin") return Begin{in.nonempty_text("job_id")};
    if (type == "cancel") {
        Cancel message;
        message.job_id = in.nonempty_text("job_id");
        message.reason = in.text("reason", "");
        return message;
    }
    if (type == "ping") return Ping{in.unsigned_integer("id")};
    if (type == "drain") return Drain{};
    if (type == "shutdown") return Shutdown{Ms(in.integer("grace_ms", 0, max_ms, Shutdown{}.grace.count()))};
    return std::nullopt;
}

}  // namespace

Result<std::optional<ToConnector>> decode_to_connector(std::string_view line, const ScanLimits& limits) {
    const ScanOutcome scanned = scan_envelope(without_lead(line), {"payload"}, limits);
    if (!scanned.envelope) {
        return Error{code::protocol_error, "not valid JSON at byte " + std::to_string(scanned.error.offset) +
                                               ": " + scanned.error.reason};
    }
    const Envelope& envelope = *scanned.envelope;
    FieldReader head(envelope.fields, "a message from the supervisor");
    const std::string type = head.text("type");
    if (head.failed()) return Error{code::protocol_error, head.reason()};
    FieldReader in(envelope.fields, "message \"" + type + "\"");
    std::optional<ToConnector> message = read(type, in, envelope);
    if (in.failed()) return Error{code::protocol_error, in.reason()};
    return message;
}

}  // namespace emprops::ipc
