#include "connectors/comfyui/job/sending.h"

#include <utility>

#include "connectors/comfyui/job/raise.h"
#include "connectors/comfyui/text/tolerant_json.h"
#include "connectors/comfyui/text/validation.h"
#include "connectors/comfyui/transfer/inputs.h"

namespace emprops::comfyui {

void Sending::provide() {
    if (std::exchange(provided_, true)) return;
    check();
    const Payload& payload = scope_.payload;
    const Settings& settings = scope_.settings();
    if (!payload.inputs.empty()) report_.tell(0, "uploading input files");
    const auto names =
        provide_inputs(scope_.api, payload, settings.inputs, scope_.own_folder, scope_.job.work_dir,
                       scope_.cancelled, {settings.limits.unreachable, scope_.pause});
    if (!names.ok()) {
        scope_.clean_up(true);
        raise(names.error());
    }
    auto graph = substitute_inputs(payload.graph_text, *names);
    if (!graph.ok()) raise(graph.error());
    graph_ = std::move(*graph);
    if (settings.own_output_folder()) graph_ = with_output_folder(graph_, payload.nodes, scope_.own_folder);
}

void Sending::check() const {
    const Settings& settings = scope_.settings();
    if (!settings.preflight) return;
    const auto info = scope_.shared.object_info.get(scope_.api, settings.limits.response);
    const auto graph = parse_tolerant(scope_.payload.graph_text);
    if (!info || !graph) return;  // ComfyUI's own validation is the judge
    if (const auto failure = preflight(*graph, *info, scope_.payload.nodes)) raise(*failure);
}

PostAnswer Sending::post(const SendPrompt& send) {
    return scope_.api.post_prompt(prompt_body(
        refresh_.empty() ? graph_ : with_fresh_input(graph_, refresh_, send.prompt_id), scope_.payload,
        scope_.shared.client_id, send.prompt_id, mark_json(mark_, send.submission)));
}

}  // namespace emprops::comfyui
