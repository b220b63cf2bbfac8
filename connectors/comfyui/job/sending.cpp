#include "connectors/comfyui/job/sending.h"

#include <algorithm>
#include <map>
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
    const std::vector<InputFile> of_nodes = fields();
    std::vector<const InputFile*> files;
    for (const auto* list : {&payload.inputs, &of_nodes}) {
        for (const InputFile& file : *list) {
            files.push_back(&file);
        }
    }
    if (!files.empty()) report_.tell(0, "uploading input files");
    const InputWays ways{settings.inputs, settings.limits.unreachable, scope_.pause, scope_.cancelled};
    const auto provided = provide_inputs(scope_.api, files, ways, scope_.own_folder, scope_.job.work_dir);
    if (const auto* failure = std::get_if<Failure>(&provided)) {
        scope_.clean_up(true);
        raise(*failure);
    }
    const auto& names = std::get<std::vector<std::string>>(provided);
    std::map<std::string, std::string> by_key;
    std::map<InputPlace, std::string> by_place;
    for (std::size_t i = 0; i < files.size(); ++i) {
        if (!files[i]->key.empty()) by_key[files[i]->key] = names[i];
        for (const InputPlace& place : files[i]->places) {
            by_place[place] = names[i] + place.mark;
        }
    }
    auto graph = substitute_inputs(payload.graph_text, by_key);
    if (!graph.ok()) raise_invalid(graph.error());
    graph_ = with_values(*graph, by_place);
    if (settings.own_output_folder()) graph_ = with_output_folder(graph_, payload.nodes, scope_.own_folder);
}

/// Addresses and data URLs in inputs that ComfyUI marks as uploads. Where ComfyUI does not say it, they stay as they
/// are: some nodes fetch what such an address names.
std::vector<InputFile> Sending::fields() const {
    std::vector<InputFile> out = scope_.payload.fields;
    std::map<std::string, Json> classes;
    const auto mark_of = [&](const InputPlace& place) -> std::optional<std::string> {
        const auto& nodes = scope_.payload.nodes;
        const auto node =
            std::find_if(nodes.begin(), nodes.end(), [&](const Node& each) { return each.id == place.node; });
        if (node == nodes.end()) return {};
        const auto [info, fresh] = classes.try_emplace(node->class_type);
        if (fresh) info->second = node_class(node->class_type);
        return upload_mark(info->second, node->class_type, place.input);
    };
    for (InputFile& file : out) {
        std::vector<InputPlace> places;
        for (InputPlace& place : file.places) {
            const auto mark = mark_of(place);
            if (mark) places.push_back({std::move(place.node), std::move(place.input), *mark});
        }
        file.places = std::move(places);
    }
    std::erase_if(out, [](const InputFile& file) { return file.places.empty(); });
    return out;
}

/// Waits for a ComfyUI that is away: without its word an address would be sent as if it were a name.
Json Sending::node_class(const std::string& name) const {
    Json info;
    const auto setback = Tries(scope_.settings().limits.unreachable, scope_.pause).run([&] {
        auto answer = scope_.api.node_class(name);
        const auto* problem = std::get_if<Unreachable>(&answer);
        if (problem == nullptr) info = std::move(std::get<Json>(answer));
        return problem == nullptr
                   ? std::optional<Setback>()
                   : Setback{failure_of(Cause::unreachable, "ComfyUI did not say which inputs of " + name +
                                                                " are files: " + problem->what),
                             true};
    });
    if (scope_.cancelled()) raise_cancelled();
    if (setback) raise(setback->failure);
    return info;
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
    auto answer = post_once(send);
    return respell(answer) ? post_once(send) : answer;
}

/// True: ComfyUI refused nothing but values that it has under another spelling, and now the graph has that one.
bool Sending::respell(const PostAnswer& answer) {
    const auto* refused = std::get_if<Refused>(&answer);
    if (refused == nullptr) return false;
    const auto choices = [this](const std::string& type, const std::string& input) {
        return scope_.choices(type, input);
    };
    std::map<InputPlace, std::string> texts;
    for (const Respelling& each : respellings(refused->body, choices)) {
        texts[{each.node, each.input}] = each.to;
        notes_.push_back("node " + each.node + ", input \"" + each.input + "\": \"" + each.from +
                         "\" is there as \"" + each.to + "\", and was sent so");
    }
    const std::string before = std::exchange(graph_, with_values(graph_, texts));
    return graph_ != before;
}

PostAnswer Sending::post_once(const SendPrompt& send) const {
    return scope_.api.post_prompt(
        prompt_body(refresh_.empty() ? graph_ : with_fresh_input(graph_, refresh_, send.prompt_id),
                    scope_.payload, scope_.shared.client_id, send.prompt_id, extra_data(send.submission)));
}

ExtraData Sending::extra_data(int submission) const {
    ExtraData out{mark_json(mark_, submission)};
    // ComfyUI makes no previews unless it is told to; servers before December 2025 do not know this.
    if (scope_.settings().previews.enabled) out.defaults["preview_method"] = "auto";
    return out;
}

}  // namespace emprops::comfyui
