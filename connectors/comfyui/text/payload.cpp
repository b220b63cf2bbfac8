#include "connectors/comfyui/text/payload.h"

#include <algorithm>
#include <set>
#include <utility>

#include "connectors/comfyui/text/payload_form.h"
#include "connectors/comfyui/text/prompt_id.h"
#include "connectors/comfyui/text/tolerant_json.h"
#include "ipc/envelope.h"
#include "ipc/text/people.h"
#include "ipc/text/utf8.h"
#include "ipc/text/values.h"
#include "ipc/web/uuid.h"

namespace emprops::comfyui {
namespace {

Error refuse(const std::string& why) {
    return {"invalid_payload", why};
}

Result<std::vector<Node>> read_nodes(const Json& graph) {
    std::vector<Node> nodes;
    for (const auto& [id, value] : graph.items()) {
        const std::string where = "node \"" + id + "\"";
        if (!value.is_object()) {
            return refuse(where +
                          " is not an object; a workflow in API format maps node ids to {\"class_type\", "
                          "\"inputs\"}");
        }
        const auto type = value.find("class_type");
        if (type == value.end() || !type->is_string() || type->get_ref<const std::string&>().empty()) {
            return refuse(where + " has no class_type");
        }
        const auto inputs = value.find("inputs");
        // Such a node passes ComfyUI's validation when nothing needs it, and then ends its only worker
        // thread.
        if (inputs == value.end() || !inputs->is_object()) {
            return refuse(where + " (" + type->get<std::string>() + ") has no \"inputs\" object");
        }
        Node node{id, *type, *type, {}};
        if (const auto meta = value.find("_meta"); meta != value.end() && meta->is_object()) {
            const auto title = meta->find("title");
            if (title != meta->end() && title->is_string() && !title->get_ref<const std::string&>().empty()) {
                node.title = *title;
            }
        }
        for (const auto& [name, input] : inputs->items()) {
            const bool link = input.is_array() && input.size() == 2 && input[1].is_number();
            if (!link) continue;
            if (!input[0].is_string()) {
                if (!input[0].is_number()) continue;
                return refuse(where + " (" + node.class_type + "), input \"" + name + "\": the link " +
                              dump(input) + " must name its node as text, [\"" + dump(input[0]) + "\", ...]");
            }
            node.sources.push_back(input[0]);
        }
        nodes.push_back(std::move(node));
    }
    return nodes;
}

Result<std::vector<std::string>> text_list(const Json& value, const std::string& where) {
    std::vector<std::string> out;
    if (!value.is_array()) return refuse(where + " must be a list of texts");
    for (const Json& entry : value) {
        if (!entry.is_string()) return refuse(where + " must be a list of texts");
        out.push_back(entry);
    }
    return out;
}

/// The nodes that destinations name: the worker has checked everything else about them.
std::vector<std::string> nodes_of_destinations(const Json& to) {
    std::vector<std::string> nodes;
    if (!to.is_array()) return nodes;
    for (const Json& each : to) {
        const Json match = each.is_object() ? each.value("match", Json()) : Json();
        const Json node = match.is_object() ? match.value("node", Json()) : Json();
        if (node.is_string()) nodes.push_back(node);
        if (const auto number = ipc::whole_number(node)) nodes.push_back(std::to_string(*number));
    }
    return nodes;
}

/// `seen_by_worker`: the worker has read it, too (ipc/PROTOCOL.md, "Files").
Result<OutputWishes> read_wishes(const Json& value, bool seen_by_worker) {
    OutputWishes wishes;
    if (!value.is_object()) return refuse("\"outputs\" must be an object");
    for (const auto& [key, content] : value.items()) {
        if (key == "deliver") {
            auto list = text_list(content.is_string() ? Json::array({content}) : content, "outputs.deliver");
            if (!list.ok()) return list.error();
            wishes.deliver = *list;
        } else if (key == "nodes") {
            auto list = text_list(content, "outputs.nodes");
            if (!list.ok()) return list.error();
            wishes.nodes = *list;
        } else if (key == "temp" || key == "strip_metadata") {
            if (!content.is_boolean()) return refuse("outputs." + key + " must be true or false");
            (key == "temp" ? wishes.temp : wishes.strip_metadata) = content.get<bool>();
        } else if (key == "inline_max_bytes") {
            if (!content.is_number_unsigned())
                return refuse("outputs.inline_max_bytes must be a number of bytes");
            wishes.inline_max_bytes = content.get<std::uint64_t>();
        } else if (key == "to" || key == "convert") {
            if (content.is_null()) continue;
            if (!seen_by_worker)
                return refuse(
                    "outputs." + key +
                    " is the worker's to read, which looks into the payload's own \"outputs\" only, an "
                    "object beside the workflow; move it there");
            if (key == "to") wishes.destination_nodes = nodes_of_destinations(content);
        } else {
            return refuse("outputs." + key +
                          " is unknown; known are deliver, temp, strip_metadata, "
                          "inline_max_bytes, nodes, to and convert");
        }
    }
    return wishes;
}

/// `text`, an object, with a member more: before its own, of which one of the same name wins in Python.
std::string with_first(std::string_view text, const std::string& key, std::string_view value) {
    const auto inside = text.find_first_not_of(" \t\r\n", 1);
    const bool empty = inside == std::string_view::npos || text[inside] == '}';
    return "{" + dump(key) + ":" + std::string(value) + (empty ? "" : ",") + std::string(text.substr(1));
}

/// The editor's workflow lies where nodes and saved pictures look for it.
std::string with_editor_workflow(const std::string& extra_data, const std::string& workflow) {
    ipc::ScanLimits limits;
    limits.max_fields_bytes = extra_data.size() + 1;
    const auto scan = ipc::scan_envelope(extra_data, {"extra_pnginfo"}, limits);
    const auto info = scan.envelope ? scan.envelope->find("extra_pnginfo") : std::nullopt;
    if (!info) return with_first(extra_data, "extra_pnginfo", with_first("{}", "workflow", workflow));
    const std::string with = info->front() == '{' ? with_first(*info, "workflow", workflow)
                             : *info == "null"    ? with_first("{}", "workflow", workflow)
                                                  : std::string(*info);
    const auto at = static_cast<std::size_t>(info->data() - extra_data.data());
    return extra_data.substr(0, at) + with + extra_data.substr(at + info->size());
}

Result<std::string> read_extra_data(const PayloadForm& form) {
    std::string extra = form.member("extra_data").value_or("{}");
    if (extra.front() != '{') return refuse("\"extra_data\" must be an object");
    if (!form.editor_text().empty()) extra = with_editor_workflow(extra, form.editor_text());
    for (const char* name : {"comfy_org_api_key", "api_key_comfy_org"}) {
        const auto key = form.member(name);
        if (key && key->front() != '"') return refuse("\"" + std::string(name) + "\" must be text");
        if (key) extra = with_first(extra, "api_key_comfy_org", *key);
    }
    return extra;
}

/// Files of "inputs", "images" and of the nodes themselves.
std::optional<Error> read_files(const PayloadForm& form, Payload& payload) {
    const auto add = [&](Result<std::vector<InputFile>> files) -> std::optional<Error> {
        if (!files.ok()) return files.error();
        for (InputFile& file : *files) {
            for (const InputFile& other : payload.inputs) {
                if (other.key == file.key) return refuse(other.what + " and " + file.what + " have one name");
            }
            payload.inputs.push_back(std::move(file));
        }
        return {};
    };
    if (const auto inputs = form.member("inputs")) {
        if (auto wrong = add(read_inputs(parse_part(*inputs)))) return wrong;
    }
    if (const auto images = form.member("images")) {
        if (auto wrong = add(read_images(parse_part(*images), form.graph()))) return wrong;
    }
    payload.fields = read_fields(form.graph());
    const auto wanted = wanted_inputs(payload.graph_text);
    std::string there;
    for (const InputFile& file : payload.inputs) {
        add_item(there, file.what);
        if (!file.places.empty() || text::has_item(wanted, file.key)) continue;
        payload.notes.push_back(file.what + " is used by no node: put its name, or {\"$input\": " +
                                dump(file.key) + "}, where the workflow needs the file");
    }
    for (const std::string& key : wanted) {
        const bool found = std::any_of(payload.inputs.begin(), payload.inputs.end(),
                                       [&](const InputFile& file) { return file.key == key; });
        if (found) continue;
        return refuse("the workflow asks for {\"$input\": " + dump(key) +
                      "}, which \"inputs\" does not have" +
                      (there.empty() ? "" : " (there is " + there + ")"));
    }
    return {};
}

}  // namespace

Result<Payload> read_payload(std::string_view text) {
    const auto form = PayloadForm::find(text);
    if (!form.ok()) return form.error();
    Payload payload;
    payload.graph_text = form->graph_text();
    auto nodes = read_nodes(form->graph());
    if (!nodes.ok()) return nodes.error();
    payload.nodes = std::move(*nodes);
    auto extra = read_extra_data(*form);
    if (!extra.ok()) return extra.error();
    payload.extra_data_text = std::move(*extra);
    for (const std::string& name : form->unread()) {
        payload.notes.push_back("the payload's " + dump(text::cut(name, 100)) + " was not read");
    }
    if (const auto wrong = read_files(*form, payload)) return *wrong;
    if (const auto part = form->member("outputs")) {
        auto wishes = read_wishes(parse_part(*part), form->is_own_object("outputs"));
        if (!wishes.ok()) return wishes.error();
        payload.outputs = std::move(*wishes);
    }
    if (const auto part = form->member("allow_partial")) {
        if (*part != "true" && *part != "false") return refuse("\"allow_partial\" must be true or false");
        payload.allow_partial = *part == "true";
    }
    if (const auto part = form->member("partial_execution_targets")) {
        auto targets = text_list(parse_part(*part), "partial_execution_targets");
        if (!targets.ok()) return targets.error();
        payload.targets = std::move(*targets);
    }
    for (const auto* ids : {&payload.outputs.nodes, &payload.outputs.destination_nodes}) {
        for (const std::string& id : *ids) {
            const bool there = std::any_of(payload.nodes.begin(), payload.nodes.end(),
                                           [&](const Node& node) { return node.id == id; });
            if (there) continue;
            return refuse((ids == &payload.outputs.nodes ? "outputs.nodes" : "a match of outputs.to") +
                          std::string(" names \"") + std::string(text::cut(id, 100)) +
                          "\", and the workflow has no node of that id");
        }
    }
    return payload;
}

std::string graph_shape(const std::vector<Node>& nodes) {
    std::map<std::string, const Node*> by_id;
    for (const Node& node : nodes) {
        by_id[node.id] = &node;
    }
    std::multiset<std::string> lines;  // ids do not matter, and neither does the order
    for (const Node& node : nodes) {
        std::multiset<std::string> sources;
        for (const std::string& id : node.sources) {
            sources.insert(by_id.count(id) > 0 ? by_id[id]->class_type : "?");
        }
        std::string line = node.class_type + "(";
        for (const std::string& source : sources) {
            line += source + ",";
        }
        lines.insert(line + ")");
    }
    std::string all;
    for (const std::string& line : lines) {
        all += line + ";";
    }
    return uuid_v5("", all);
}

}  // namespace emprops::comfyui
