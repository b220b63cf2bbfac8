#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include "ipc/codec.h"
#include "ipc/field_reader.h"
#include "ipc/known_loggers.h"
#include "ipc/lead.h"
#include "ipc/result_files.h"
#include "ipc/stray.h"
#include "ipc/text/values.h"

namespace emprops::ipc {
namespace {

Features to_features(const std::vector<std::string>& names) {
    const auto has = [&](const char* name) { return text::has_item(names, name); };
    Features features;
    features.cancel = has("cancel");
    features.ping = has("ping");
    features.status = has("status");
    features.resume = has("resume");
    features.prepare = has("prepare");
    features.files = has("files");
    return features;
}

FromConnector read_ready(FieldReader& in, const Envelope&) {
    Ready message;
    message.protocol = static_cast<int>(in.integer("protocol", 0, std::numeric_limits<int>::max()));
    message.job_types = in.texts("job_types");
    message.name = in.text("name", "");
    message.version = in.text("version", "");
    message.capabilities = in.object("capabilities", Json::object());
    message.concurrency = static_cast<int>(in.integer("concurrency", 1, max_concurrency, 1));
    std::vector<std::string> features = in.texts("features");
    message.features = to_features(features);
    std::erase_if(features, [](const std::string& name) {
        return std::find(std::begin(feature_names), std::end(feature_names), name) != std::end(feature_names);
    });
    message.unknown_features = std::move(features);
    return message;
}

FromConnector read_init_failed(FieldReader& in, const Envelope&) {
    return InitFailed{in.job_error("error")};
}

FromConnector read_preparing(FieldReader& in, const Envelope&) {
    Preparing message;
    message.progress = in.percent("progress");
    message.message = in.text("message", "");
    return message;
}

FromConnector read_accepted(FieldReader& in, const Envelope&) {
    return Accepted{in.nonempty_text("job_id")};
}

FromConnector read_released(FieldReader& in, const Envelope&) {
    return Released{in.nonempty_text("job_id")};
}

FromConnector read_progress(FieldReader& in, const Envelope&) {
    Progress message;
    message.job_id = in.nonempty_text("job_id");
    message.progress = in.percent("progress");
    message.status = in.text("status", message.status);
    if (message.status.empty()) message.status = Progress{}.status;
    message.message = in.text("message", "");
    message.details = in.object("details", nullptr);
    return message;
}

FromConnector read_result(FieldReader& in, const Envelope& envelope) {
    JobResult message;
    message.job_id = in.nonempty_text("job_id");
    const auto result = envelope.find("result");
    if (!result) {
        in.fail("the field \"result\" is missing");
    } else if (result->front() != '{') {
        in.fail("the field \"result\" must be an object");
    } else {
        message.result = on_one_line(*result);
    }
    if (const auto text = envelope.find("files")) {
        auto files = read_files(*text);
        if (files)
            message.files = std::move(*files);
        else
            in.fail(files.error().message);
    }
    return message;
}

FromConnector read_failed(FieldReader& in, const Envelope&) {
    Failed message;
    message.job_id = in.nonempty_text("job_id");
    message.error = in.job_error("error");
    return message;
}

FromConnector read_status(FieldReader& in, const Envelope&) {
    Status message;
    message.connected = in.flag("connected");
    message.available = in.flag("available", message.connected);
    message.reason = in.text("reason", "");
    message.service = in.text("service", "");
    message.details = in.object("details", nullptr);
    return message;
}

FromConnector read_restart_service(FieldReader& in, const Envelope&) {
    return RestartService{in.text("reason", "")};
}

FromConnector read_service_request(FieldReader& in, const Envelope&) {
    ServiceRequest message;
    message.job_id = in.nonempty_text("job_id");
    message.service = in.text("service", "");
    message.request_type = in.text("request_type", "");
    message.content = in.object("content", Json::object());
    return message;
}

FromConnector read_log(FieldReader& in, const Envelope&) {
    LogLine message;
    // Levels are mapped, not refused: other loggers say "warning" or "critical", and a log line is no reason to fail.
    message.level = logger_level(in.text("level", message.level)).value_or(message.level);
    message.message = in.text("message");
    message.fields = in.object("fields", nullptr);
    return message;
}

FromConnector read_capabilities(FieldReader& in, const Envelope&) {
    Capabilities message;
    if (in.has("capabilities")) message.capabilities = in.object("capabilities", Json::object());
    if (in.has("job_types")) message.job_types = in.texts("job_types");
    if (in.has("concurrency"))
        message.concurrency = static_cast<int>(in.integer("concurrency", 1, max_concurrency));
    return message;
}

FromConnector read_metrics(FieldReader& in, const Envelope&) {
    return Metrics{in.object("counters", Json::object()), in.object("gauges", Json::object())};
}

FromConnector read_pong(FieldReader& in, const Envelope&) {
    return Pong{in.unsigned_integer("id")};
}

using Reader = FromConnector (*)(FieldReader&, const Envelope&);
constexpr std::pair<const char*, Reader> readers[] = {
    {"ready", read_ready},
    {"init_failed", read_init_failed},
    {"preparing", read_preparing},
    {"accepted", read_accepted},
    {"progress", read_progress},
    {"released", read_released},
    {"result", read_result},
    {"failed", read_failed},
    {"status", read_status},
    {"restart_service", read_restart_service},
    {"service_request", read_service_request},
    {"log", read_log},
    {"capabilities", read_capabilities},
    {"metrics", read_metrics},
    {"pong", read_pong},
};

/// Only a `result` has files; in a logger's line it is a member like others.
void files_as_field(Envelope& envelope, const ScanLimits& limits) {
    const auto text = envelope.find("files");
    if (!text || text->size() > limits.max_fields_bytes) return;
    if (auto value = decoded(*text)) envelope.fields["files"] = std::move(*value);
}

}  // namespace

const std::string* job_id_of(const FromConnector& message) {
    return std::visit(
        [](const auto& each) -> const std::string* {
            if constexpr (requires { each.job_id; })
                return &each.job_id;
            else
                return nullptr;
        },
        message);
}

const std::vector<std::string>& types_from_connector() {
    static const std::vector<std::string> types = [] {
        std::vector<std::string> names;
        for (const auto& [name, read] : readers)
            names.emplace_back(name);
        return names;
    }();
    return types;
}

Decoded decode_from_connector(std::string_view line, const ScanLimits& limits) {
    const std::string_view text = without_lead(line);
    if (!text.starts_with('{')) return judge_text(line, limits);

    ScanOutcome scanned = scan_envelope(text, {"result", "files"}, limits);
    if (!scanned.envelope) return judge_broken(text, scanned.error);
    Envelope& envelope = *scanned.envelope;
    const auto type = envelope.fields.find("type");
    if (type == envelope.fields.end() || *type != "result") files_as_field(envelope, limits);
    if (type == envelope.fields.end() || !type->is_string())
        return judge_object(text, envelope, "the message has no field \"type\" that is a string");
    const std::string name = type->get<std::string>();
    for (const auto& [known, read] : readers) {
        if (name != known) continue;
        FieldReader in(envelope.fields, "message \"" + name + "\"");
        FromConnector message = read(in, envelope);
        if (in.failed()) return judge_object(text, envelope, in.reason());
        return message;
    }
    if (known_logger(envelope.fields)) return judge_object(text, envelope, {});
    return FromConnector{Unknown{name}};
}

}  // namespace emprops::ipc
