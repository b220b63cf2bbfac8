#include "connectors/comfyui/job/failing.h"

#include <utility>

#include "connectors/comfyui/job/raise.h"
#include "connectors/comfyui/text/errors.h"
#include "connectors/comfyui/text/outputs.h"
#include "connectors/comfyui/text/validation.h"

namespace emprops::comfyui {

Failure Failing::failure_of_run(const Outcome& outcome) const {
    switch (outcome.kind) {
        case Outcome::Kind::cancelled:
            return failure_of(Cause::cancelled,
                              outcome.abandoned
                                  ? "cancelled; ComfyUI has not let go of the prompt yet, it is being watched"
                                  : "cancelled; the prompt was taken out of ComfyUI");
        case Outcome::Kind::refused:
            return validation_failure(
                outcome.refusal, scope_.payload.nodes,
                [this](const std::string& type, const std::string& input) {
                    return scope_.choices(type, input);
                },
                [this] { return classes(); });
        case Outcome::Kind::node_failed:
            return node_failure(outcome.node_error, scope_.payload.nodes);
        case Outcome::Kind::failed:
        case Outcome::Kind::succeeded:
            break;
    }
    return outcome.failure;
}

Json files_left(const JobScope& scope, const Outcome& outcome) {
    constexpr std::size_t most = 100;
    Json out = Json::array();
    for (const OutputFile& file :
         collect_outputs(outcome.outputs, scope.wanted.temp, scope.payload.outputs.nodes).files) {
        if (!file.named_by.empty() || out.size() >= most) continue;
        out.push_back({{"node", file.node},
                       {"kind", file.kind},
                       {"filename", file.filename},
                       {"subfolder", file.subfolder},
                       {"type", file.type},
                       {"url", scope.api.public_view_url(file)}});
    }
    return out;
}

void Failing::fail(const Outcome& outcome) const {
    Failure failure = failure_of_run(outcome);
    Json left = files_left(scope_, outcome);
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
