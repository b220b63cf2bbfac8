#include "connectors/comfyui/job/failing.h"

#include <utility>

#include "connectors/comfyui/job/raise.h"
#include "connectors/comfyui/text/errors.h"
#include "connectors/comfyui/text/outputs.h"
#include "connectors/comfyui/text/validation.h"
#include "ipc/text/percent.h"

namespace emprops::comfyui {

Failure Failing::failure_of_run(const Outcome& outcome) const {
    switch (outcome.kind) {
        case Outcome::Kind::cancelled:
            return {"cancelled",
                    outcome.abandoned
                        ? "cancelled; ComfyUI has not let go of the prompt yet, it is being watched"
                        : "cancelled; the prompt was taken out of ComfyUI",
                    false, Json::object()};
        case Outcome::Kind::refused:
            return validation_failure(
                outcome.refusal, scope_.payload.nodes,
                [this](const std::string& type, const std::string& input) { return choices(type, input); },
                [this] { return classes(); });
        case Outcome::Kind::node_failed:
            return node_failure(outcome.node_error, scope_.payload.nodes);
        case Outcome::Kind::failed:
            if (outcome.failure.code == "access_denied") {
                return access_failure(outcome.failure.details.value("http_status", 0L),
                                      scope_.settings().server.text());
            }
            break;
        case Outcome::Kind::succeeded:
            break;
    }
    return outcome.failure;
}

Json Failing::files_left(const Outcome& outcome) const {
    constexpr std::size_t most = 100;
    Json out = Json::array();
    for (const OutputFile& file :
         collect_outputs(outcome.outputs, scope_.rules.temp, scope_.payload.outputs.nodes).files) {
        if (!file.named_by.empty() || out.size() >= most) continue;
        out.push_back({{"node", file.node},
                       {"kind", file.kind},
                       {"filename", file.filename},
                       {"subfolder", file.subfolder},
                       {"type", file.type},
                       {"url", scope_.api.public_view_url(file)}});
    }
    return out;
}

void Failing::fail(const Outcome& outcome) const {
    Failure failure = failure_of_run(outcome);
    Json left = files_left(outcome);
    // What the prompt may still read stays where it is, and so does what is named here.
    if (!outcome.abandoned) scope_.clean_up(left.empty());
    failure.details["prompt_id"] = outcome.prompt_id;
    Json notes = outcome.notes;
    for (const std::string& note : scope_.payload.notes) {
        notes.push_back(note);
    }
    if (!notes.empty()) failure.details["notes"] = std::move(notes);
    if (!left.empty()) {
        failure.message += "; what other nodes put out lies in ComfyUI's folders (" +
                           std::to_string(left.size()) + (left.size() == 1 ? " file" : " files") +
                           ", see details.files); allow_partial would deliver it";
        failure.details["files"] = std::move(left);
    }
    raise(failure);
}

std::vector<std::string> Failing::choices(const std::string& type, const std::string& input) const {
    const auto info =
        scope_.api.get_json("/object_info/" + text::percent_encode(type), scope_.settings().limits.response);
    const auto* value = std::get_if<Json>(&info);
    return value == nullptr ? std::vector<std::string>{} : choices_of(*value, type, input);
}

std::vector<std::string> Failing::classes() const {
    std::vector<std::string> out;
    const auto info = scope_.api.get_json("/object_info", scope_.settings().limits.response);
    if (const auto* value = std::get_if<Json>(&info); value != nullptr && value->is_object()) {
        for (const auto& entry : value->items()) {
            out.push_back(entry.key());
        }
    }
    return out;
}

}  // namespace emprops::comfyui
