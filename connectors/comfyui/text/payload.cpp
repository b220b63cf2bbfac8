#include "connectors/comfyui/text/payload.h"

#include <algorithm>
#include <set>
#include <utility>

#include "connectors/comfyui/text/prompt_id.h"
#include "connectors/comfyui/text/tolerant_json.h"
#include "ipc/envelope.h"
#include "ipc/text/utf8.h"
#include "ipc/text/values.h"
#include "ipc/web/uuid.h"

namespace emprops::comfyui {
namespace {

Error refuse(const std::string& why) {
    return {"invalid_payload", why};
}

bool is_node(const Json& value) {
    return value.is_object() && value.contains("class_type");
}

bool is_editor_format(const Json& value) {
    return value.is_object() && value.contains("nodes") && value.at("nodes").is_array();
}

Error editor_format() {
    return refuse(
        "the workflow is in the editor's own format (\"nodes\", \"links\"); ComfyUI runs the API format "
        "only: in ComfyUI use Workflow > Export (API)");
}

Result<std::vector<Node>> read_nodes(const Json& graph) {
    if (is_editor_format(graph)) return editor_format();
    if (graph.empty()) return refuse("the workflow has no nodes");
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

std::string plain_name(std::string_view name) {
    const auto slash = name.find_last_of("/\\");
    if (slash != std::string_view::npos) name.remove_prefix(slash + 1);
    std::string out;
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        out += byte < 0x20 || c == '"' || c == ':' || c == '*' || c == '?' || c == '<' || c == '>' || c == '|'
                   ? '_'
                   : c;
    }
    if (out.size() > 120) out.erase(0, out.size() - 120);  // keeps the extension
    return out == "." || out == ".." ? std::string() : out;
}

bool is_web_address(std::string_view text) {
    const std::string begin = text::lower(text.substr(0, 8));
    return begin.rfind("http://", 0) == 0 || begin == "https://";
}

std::string extension_for(std::string_view data_url) {
    static const std::map<std::string, std::string, std::less<>> known{
        {"image/png", ".png"},   {"image/jpeg", ".jpg"}, {"image/webp", ".webp"},
        {"image/gif", ".gif"},   {"audio/wav", ".wav"},  {"audio/mpeg", ".mp3"},
        {"audio/flac", ".flac"}, {"video/mp4", ".mp4"},  {"video/webm", ".webm"}};
    const auto type = data_url.substr(5, data_url.find_first_of(";,") - 5);
    const auto at = known.find(type);
    return at == known.end() ? ".bin" : at->second;
}

Result<InputFile> read_input(const std::string& key, const Json& value) {
    const std::string where = "inputs[\"" + key + "\"]";
    InputFile file;
    file.key = key;
    std::string data;
    std::string name;
    if (value.is_string()) {
        data = value;
    } else if (value.is_object()) {
        for (const char* field : {"data", "url", "base64"}) {
            if (!value.contains(field)) continue;
            if (!value.at(field).is_string() || !data.empty()) {
                return refuse(where + " must have one of \"data\", \"base64\" and \"url\", as text");
            }
            data = value.at(field);
        }
        if (value.contains("filename")) {
            if (!value.at("filename").is_string()) return refuse(where + ".filename must be text");
            name = value.at("filename");
        }
    }
    if (data.empty()) {
        return refuse(where +
                      " must be base64, a data URL or an http(s) URL, or an object with \"data\" or "
                      "\"url\" and \"filename\"");
    }
    if (is_web_address(data)) {
        file.url = data;
        if (name.empty()) name = plain_name(data.substr(0, data.find_first_of("?#")));
    } else if (data.rfind("data:", 0) == 0) {
        const auto comma = data.find(',');
        if (comma == std::string::npos || data.substr(0, comma).find(";base64") == std::string::npos) {
            return refuse(where + " is a data URL that is not base64");
        }
        if (name.empty()) name = "input" + extension_for(data);
        file.base64 = data.substr(comma + 1);
    } else {
        file.base64 = data;
    }
    file.filename = plain_name(name.empty() ? key : name);
    if (file.filename.empty()) file.filename = "input.bin";
    return file;
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

Result<OutputWishes> read_wishes(const Json& value) {
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
        } else {
            return refuse("outputs." + key +
                          " is unknown; known are deliver, temp, strip_metadata, "
                          "inline_max_bytes and nodes");
        }
    }
    return wishes;
}

}  // namespace

Result<Payload> read_payload(std::string_view text) {
    ipc::ScanLimits limits;
    limits.max_fields_bytes = text.size() + 1;
    const auto scan = ipc::scan_envelope(text,
                                         {"prompt", "workflow", "extra_data", "inputs", "outputs",
                                          "allow_partial", "partial_execution_targets"},
                                         limits);
    if (!scan.envelope) return refuse("the payload is not usable JSON: " + scan.error.reason);
    // Python writes half a character as "\\ud83d", and such text is sent on byte for byte; here it is only
    // read.
    const auto parse = [](std::string_view part) { return parse_tolerant(part).value_or(Json()); };

    Payload payload;
    payload.extra_data_text = "{}";
    std::optional<Json> graph;
    for (const char* key : {"prompt", "workflow"}) {
        const auto part = scan.envelope->find(key);
        if (!part || part->front() != '{') continue;
        Json value = parse(*part);
        if (is_node(value)) continue;  // a bare graph with a node that is called so
        graph = std::move(value);
        payload.graph_text = *part;
        break;
    }
    const bool bare = !graph.has_value();
    if (bare) {
        Json whole = parse(text);
        const bool has_node = std::any_of(whole.begin(), whole.end(), is_node);
        if (is_editor_format(whole)) return editor_format();
        if (!has_node) {
            return refuse(
                "the payload has no workflow: send the graph in API format as the payload itself or under "
                "\"prompt\" or \"workflow\"");
        }
        graph = std::move(whole);
        payload.graph_text = text;
    }
    auto nodes = read_nodes(*graph);
    if (!nodes.ok()) return nodes.error();
    payload.nodes = std::move(*nodes);
    if (!bare) {
        if (const auto part = scan.envelope->find("extra_data"); part && *part != "null") {
            if (part->front() != '{') return refuse("\"extra_data\" must be an object");
            payload.extra_data_text = *part;
        }
        if (const auto part = scan.envelope->find("inputs")) {
            const Json inputs = parse(*part);
            if (!inputs.is_object() && !inputs.is_null()) {
                return refuse("\"inputs\" must be an object: name -> file");
            }
            for (const auto& [key, value] : inputs.items()) {
                auto file = read_input(key, value);
                if (!file.ok()) return file.error();
                payload.inputs.push_back(std::move(*file));
            }
        }
        if (const auto part = scan.envelope->find("outputs"); part && *part != "null") {
            auto wishes = read_wishes(parse(*part));
            if (!wishes.ok()) return wishes.error();
            payload.outputs = std::move(*wishes);
        }
        if (const auto part = scan.envelope->find("allow_partial")) {
            if (*part != "true" && *part != "false") return refuse("\"allow_partial\" must be true or false");
            payload.allow_partial = *part == "true";
        }
        if (const auto part = scan.envelope->find("partial_execution_targets"); part && *part != "null") {
            auto targets = text_list(parse(*part), "partial_execution_targets");
            if (!targets.ok()) return targets.error();
            payload.targets = std::move(*targets);
        }
    }
    for (const std::string& id : payload.outputs.nodes) {
        const bool there = std::any_of(payload.nodes.begin(), payload.nodes.end(),
                                       [&](const Node& node) { return node.id == id; });
        if (!there) {
            return refuse("outputs.nodes names \"" + std::string(text::cut(id, 100)) +
                          "\", and the workflow has no node of that id");
        }
    }
    for (const std::string& key : wanted_inputs(payload.graph_text)) {
        const bool there = std::any_of(payload.inputs.begin(), payload.inputs.end(),
                                       [&](const InputFile& file) { return file.key == key; });
        if (!there)
            return refuse("the workflow asks for {\"$input\": \"" + key +
                          "\"}, which \"inputs\" does not have");
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
