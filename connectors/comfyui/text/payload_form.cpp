#include "connectors/comfyui/text/payload_form.h"

#include <algorithm>
#include <utility>

#include "connectors/comfyui/text/tolerant_json.h"
#include "ipc/text/people.h"
#include "ipc/text/utf8.h"

namespace emprops::comfyui {
namespace {

constexpr int most_wrappers = 3;

/// Names under which the graph lies, the first one that has one wins; any of them may hold the editor's form.
constexpr std::string_view graph_names[] = {"prompt", "workflow", "workflow_json", "workflow_api"};
/// Names of what wraps it all: RunPod's "input", a payload in a payload, the whole body of a POST /prompt.
constexpr std::string_view wrapper_names[] = {"input", "payload", "prompt", "workflow"};

/// The JSON that a JSON text holds ("{\"1\": ...}"), perhaps several times wrapped; else the value as it is.
std::string opened(std::string_view value) {
    std::string out(value);
    for (int i = 0; i < most_wrappers && !out.empty() && out.front() == '"'; ++i) {
        const Json held = parse_part(out);
        if (!held.is_string()) break;
        std::string_view inside = held.get_ref<const std::string&>();
        if (inside.starts_with("\xEF\xBB\xBF")) inside.remove_prefix(3);
        const auto first = inside.find_first_not_of(" \t\r\n");
        if (first == std::string_view::npos ||
            std::string_view("{[\"").find(inside[first]) == std::string::npos)
            break;
        out = inside.substr(first);
    }
    return out;
}

bool is_object(std::string_view text) {
    return !text.empty() && text.front() == '{';
}

/// is_node() of a text that may be large, without a DOM of its large parts.
bool is_node_text(std::string_view text) {
    if (!is_object(text)) return false;
    ipc::ScanLimits limits;
    limits.max_fields_bytes = text.size() + 1;
    const auto scan = ipc::scan_envelope(
        text, {"class_type", "inputs", "prompt", "workflow", "workflow_json", "workflow_api", "images"},
        limits);
    return scan.envelope && scan.envelope->find("class_type");
}

bool is_editor_format(const Json& value) {
    return value.is_object() && value.contains("nodes") && value.at("nodes").is_array();
}

bool is_graph(const Json& value) {
    return value.is_object() && std::any_of(value.begin(), value.end(), is_node);
}

std::string in_quotes(std::string_view name) {
    return "\"" + std::string(text::cut(name, 100)) + "\"";
}

std::string listed(const std::vector<std::string>& names) {
    constexpr std::size_t most = 12;
    std::string out;
    for (std::size_t i = 0; i < std::min(names.size(), most); ++i)
        add_item(out, in_quotes(names[i]));
    return out + (names.size() > most ? ", ..." : "");
}

}  // namespace

Json parse_part(std::string_view text) {
    return parse_tolerant(text).value_or(Json());
}

bool is_node(const Json& value) {
    return value.is_object() && value.contains("class_type");
}

Result<PayloadForm> PayloadForm::find(std::string_view text) {
    PayloadForm form;
    if (form.look(std::string(text), 0)) return form;
    return form.nothing_found();
}

bool PayloadForm::look(std::string text, int depth) {
    ipc::ScanLimits limits;
    limits.max_fields_bytes = text.size() + 1;
    const std::string& kept = texts_.emplace_back(std::move(text));
    auto scan = ipc::scan_envelope(kept,
                                   {"prompt", "workflow", "workflow_json", "workflow_api", "input", "payload",
                                    "extra_data", "inputs", "images", "outputs", "allow_partial",
                                    "partial_execution_targets", "api_key_comfy_org", "comfy_org_api_key"},
                                   limits);
    if (!scan.envelope) {
        if (depth == 0) broken_ = scan.error.reason;
        return false;
    }
    const std::size_t at = levels_.size();
    Level& level = levels_.emplace_back(Level{std::move(*scan.envelope), {}, false});
    if (depth == 0) {
        for (const auto& field : level.envelope.fields.items())
            names_.push_back(field.key());
        for (const auto& part : level.envelope.opaque)
            names_.push_back(part.first);
    }
    if (take_graph(level)) return true;
    const auto& opaque = level.envelope.opaque;
    level.bare =
        is_graph(level.envelope.fields) ||
        std::any_of(opaque.begin(), opaque.end(), [](const auto& part) { return is_node_text(part.second); });
    if (level.bare) {
        graph_text_ = kept;
        graph_ = parse_part(kept);
        return true;
    }
    if (is_editor_format(level.envelope.fields) && editor_at_.empty()) editor_at_ = "the payload";
    if (unwrap(at, depth)) return true;
    levels_.pop_back();
    return false;
}

/// Of one level: the graph under one of its names, and the editor's form beside it.
bool PayloadForm::take_graph(Level& level) {
    std::string editor, editor_name;
    std::string graph_name;
    for (const std::string_view name : graph_names) {
        const auto part = level.envelope.find(name);
        if (!part || *part == "null") continue;
        std::string text = opened(*part);
        if (!is_object(text)) {
            const char* kind = text.front() == '"' ? " is text that is no JSON object" : " is no object";
            seen_.push_back(in_quotes(name) + kind);
            continue;
        }
        Json value = parse_part(text);
        if (is_node(value)) continue;  // a bare graph with a node that is called so
        if (is_editor_format(value)) {
            if (editor_name.empty()) {
                editor = std::move(text);
                editor_name = name;
            }
        } else if (is_graph(value)) {
            if (!graph_name.empty()) continue;
            graph_text_ = std::move(text);
            graph_ = std::move(value);
            graph_name = name;
        } else if (!perhaps_) {
            perhaps_ = std::move(text);
        }
    }
    if (graph_name.empty()) {
        if (editor_at_.empty() && !editor_name.empty()) editor_at_ = in_quotes(editor_name);
        return false;
    }
    level.used.insert(graph_name);
    if (!editor_name.empty()) {
        level.used.insert(editor_name);
        editor_text_ = std::move(editor);
    }
    return true;
}

bool PayloadForm::unwrap(std::size_t at, int depth) {
    if (depth == most_wrappers) return false;
    for (const std::string_view name : wrapper_names) {
        const auto part = levels_[at].envelope.find(name);
        if (!part) continue;
        std::string text = opened(*part);
        if (!is_object(text) || !look(std::move(text), depth + 1)) continue;
        levels_[at].used.insert(std::string(name));
        return true;
    }
    return false;
}

Error PayloadForm::nothing_found() const {
    const auto refuse = [](const std::string& why) { return Error{"invalid_payload", why}; };
    if (!broken_.empty()) return refuse("the payload is not usable JSON: " + broken_);
    if (!editor_at_.empty()) {
        return refuse(
            editor_at_ +
            " is in the editor's own format (\"nodes\", \"links\"); ComfyUI runs the API format only: in "
            "ComfyUI use Workflow > Export (API)");
    }
    std::string what;
    if (perhaps_) {
        const Json object = parse_part(*perhaps_);
        what = object.empty() ? "the workflow has no nodes" : "";
        for (const auto& [id, value] : object.items()) {
            if (!what.empty()) break;
            what = "node " + in_quotes(id) +
                   (value.is_object() ? " has no class_type"
                                      : " is not an object; a workflow in API format maps node ids to "
                                        "{\"class_type\", \"inputs\"}");
        }
        return refuse(what);
    }
    for (const std::string& each : seen_) {
        what += "; " + each;
    }
    return refuse(
        "the payload has no workflow: send the graph in API format as the payload itself or under \"prompt\", "
        "\"workflow\" or \"workflow_json\"" +
        (names_.empty() ? std::string("; it is empty") : " (it has " + listed(names_) + what + ")"));
}

std::optional<std::string> PayloadForm::member(std::string_view key) const {
    for (auto level = levels_.rbegin(); level != levels_.rend(); ++level) {
        const auto part = level->bare ? std::nullopt : level->envelope.find(key);
        if (part && *part != "null") return opened(*part);
    }
    return {};
}

bool PayloadForm::is_own_object(std::string_view key) const {
    for (std::size_t i = levels_.size(); i > 0; --i) {
        const Level& level = levels_[i - 1];
        const auto part = level.bare ? std::nullopt : level.envelope.find(key);
        if (part && *part != "null") return i == 1 && part->starts_with('{');
    }
    return false;
}

std::vector<std::string> PayloadForm::unread() const {
    static constexpr std::string_view read[] = {
        "extra_data",        "inputs",           "images",
        "outputs",           "allow_partial",    "partial_execution_targets",
        "api_key_comfy_org", "comfy_org_api_key"};
    std::vector<std::string> out;
    for (const Level& level : levels_) {
        if (level.bare) continue;
        for (const auto& [name, value] : level.envelope.fields.items()) {
            if (!value.is_null()) out.push_back(name);
        }
        for (const auto& [name, value] : level.envelope.opaque) {
            const bool known = std::find(std::begin(read), std::end(read), name) != std::end(read);
            if (!known && value != "null" && !level.used.contains(name)) out.push_back(name);
        }
    }
    return out;
}

}  // namespace emprops::comfyui
