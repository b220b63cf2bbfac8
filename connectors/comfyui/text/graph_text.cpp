// A graph as text: what is put into it in its places, while every other byte stays as it came.

#include <algorithm>
#include <set>
#include <utility>

#include "connectors/comfyui/text/payload.h"
#include "connectors/comfyui/text/tolerant_json.h"
#include "ipc/text/values.h"

namespace emprops::comfyui {
namespace {

struct Place {
    std::size_t begin, end;  // of the whole object
    std::string key;
};

std::size_t skip_space(std::string_view text, std::size_t at) {
    while (at < text.size() &&
           (text[at] == ' ' || text[at] == '\n' || text[at] == '\r' || text[at] == '\t')) {
        ++at;
    }
    return at;
}

/// The end of the string that begins at `at`, after its closing quote.
std::size_t string_end(std::string_view text, std::size_t at) {
    for (++at; at < text.size(); ++at) {
        if (text[at] == '\\') {
            ++at;
        } else if (text[at] == '"') {
            return at + 1;
        }
    }
    return text.size();
}

std::optional<Place> place_at(std::string_view text, std::size_t begin) {
    std::size_t at = skip_space(text, begin + 1);
    constexpr std::string_view name = "\"$input\"";
    if (text.substr(at, name.size()) != name) return {};
    at = skip_space(text, at + name.size());
    if (at >= text.size() || text[at] != ':') return {};
    at = skip_space(text, at + 1);
    if (at >= text.size() || text[at] != '"') return {};
    const std::size_t end = string_end(text, at);
    const Json key = parse_tolerant(text.substr(at, end - at)).value_or(Json());
    at = skip_space(text, end);
    if (!key.is_string() || at >= text.size() || text[at] != '}') return {};
    return Place{begin, at + 1, key};
}

std::vector<Place> places(std::string_view text) {
    std::vector<Place> out;
    for (std::size_t at = 0; at < text.size();) {
        if (text[at] == '"') {
            at = string_end(text, at);
        } else if (auto place = text[at] == '{' ? place_at(text, at) : std::nullopt) {
            at = place->end;
            out.push_back(std::move(*place));
        } else {
            ++at;
        }
    }
    return out;
}

/// Calls `object` with the path and the place of each "{", and `string` with those of each string that is a
/// value; of a path, "" is the graph, then the node's id, then "inputs", then the input's name.
template <class Object, class String>
void walk(std::string_view text, const Object& object, const String& string) {
    std::vector<std::string> path;  // the key under which each open object or array stands
    std::string key;
    bool is_key = false;  // a string that comes now is one
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        if (c == '{' || c == '[') {
            path.push_back(std::exchange(key, {}));
            if (c == '{') object(path, at);
            is_key = c == '{';
        } else if ((c == '}' || c == ']') && !path.empty()) {
            path.pop_back();
            is_key = false;
        } else if (c == ',') {
            is_key = true;  // wrong inside an array, where no string is followed by a colon
        } else if (c == '"') {
            const std::size_t end = string_end(text, at);
            const std::size_t next = skip_space(text, end);
            if (is_key && next < text.size() && text[next] == ':') {
                key = parse_tolerant(text.substr(at, end - at)).value_or(Json("")).get<std::string>();
                is_key = false;
                at = next;
                continue;
            }
            string(path, key, at);
            at = end - 1;
        }
    }
}

bool is_inputs(const std::vector<std::string>& path) {
    return path.size() == 3 && path[2] == "inputs";
}

/// Calls `each(place, begin)` for the strings that are inputs of nodes.
template <class Each>
void each_input(std::string_view text, const Each& each) {
    walk(
        text, [](const auto&, std::size_t) {},
        [&](const auto& path, const std::string& key, std::size_t at) {
            if (is_inputs(path)) each(InputPlace{path[1], key}, at);
        });
}

}  // namespace

Result<std::string> substitute_inputs(std::string_view graph_text,
                                      const std::map<std::string, std::string>& names) {
    std::string out;
    std::size_t from = 0;
    for (const Place& place : places(graph_text)) {
        const auto name = names.find(place.key);
        if (name == names.end())
            return Error{"invalid_payload", "no file for {\"$input\": \"" + place.key + "\"}"};
        out += graph_text.substr(from, place.begin - from);
        out += dump(name->second);
        from = place.end;
    }
    out += graph_text.substr(from);
    return out;
}

namespace {

/// Savers of files that are outputs: other classes that begin so save models, or take a prefix for a path.
bool is_saver(std::string_view class_type) {
    static constexpr std::string_view known[] = {
        "SaveImage",    "SaveAnimatedPNG", "SaveAnimatedWEBP", "SaveWEBM", "SaveVideo",   "SaveAudio",
        "SaveAudioMP3", "SaveAudioOpus",   "SaveLatent",       "SaveGLB",  "SaveSVGNode", "VHS_VideoCombine"};
    return std::find(std::begin(known), std::end(known), class_type) != std::end(known);
}

}  // namespace

std::string with_values(std::string_view graph_text, const std::map<InputPlace, std::string>& values) {
    if (values.empty()) return std::string(graph_text);
    std::string out;
    std::size_t from = 0;
    each_input(graph_text, [&](const InputPlace& place, std::size_t begin) {
        const auto value = values.find(place);
        if (value == values.end()) return;
        out += graph_text.substr(from, begin - from);
        out += dump(value->second);
        from = string_end(graph_text, begin);
    });
    return out + std::string(graph_text.substr(from));
}

std::string with_output_folder(std::string_view graph_text, const std::vector<Node>& nodes,
                               const std::string& folder) {
    std::set<std::string, std::less<>> savers;
    for (const Node& node : nodes) {
        if (is_saver(node.class_type)) savers.insert(node.id);
    }
    std::string out;
    std::size_t from = 0;
    each_input(graph_text, [&](const InputPlace& place, std::size_t begin) {
        if (place.input != "filename_prefix" || savers.count(place.node) == 0) return;
        // A prefix that leads elsewhere is left to the user; with an empty one the folder would be the name.
        const char first = begin + 1 < graph_text.size() ? graph_text[begin + 1] : '"';
        if (first == '"' || first == '/' || first == '\\' || first == '.') return;
        out += graph_text.substr(from, begin + 1 - from);
        out += folder + "/";
        from = begin + 1;
    });
    return out + std::string(graph_text.substr(from));
}

std::string with_fresh_input(std::string_view graph_text, const std::set<std::string>& nodes,
                             const std::string& value) {
    std::string out;
    std::size_t from = 0;
    walk(
        graph_text,
        [&](const auto& path, std::size_t at) {
            if (!is_inputs(path) || nodes.count(path[1]) == 0) return;
            out += graph_text.substr(from, at + 1 - from);
            out += "\"emprops_fresh\":" + dump(value);
            const std::size_t next = skip_space(graph_text, at + 1);
            if (next < graph_text.size() && graph_text[next] != '}') out += ",";
            from = at + 1;
        },
        [](const auto&, const std::string&, std::size_t) {});
    return out + std::string(graph_text.substr(from));
}

std::vector<std::string> wanted_inputs(std::string_view graph_text) {
    std::vector<std::string> out;
    for (const Place& place : places(graph_text)) {
        if (!text::has_item(out, place.key)) out.push_back(place.key);
    }
    return out;
}

std::string prompt_body(std::string_view graph_text, const Payload& payload, const std::string& client_id,
                        const std::string& prompt_id, const ExtraData& ours) {
    const std::string_view extra = payload.extra_data_text;
    const std::size_t inside = skip_space(extra, 1);
    std::string body = "{\"prompt\":";
    body += graph_text;
    body += ",\"client_id\":" + dump(client_id) + ",\"prompt_id\":" + dump(prompt_id);
    if (!payload.targets.empty()) body += ",\"partial_execution_targets\":" + dump(payload.targets);
    // In Python the last of two equal keys wins: what the payload says goes before our defaults, and our mark before
    // what the payload says.
    body += ",\"extra_data\":{";
    for (const auto& [key, value] : ours.defaults.items()) {
        body += dump(key) + ":" + dump(value) + ",";
    }
    if (inside < extra.size() && extra[inside] != '}')
        body += std::string(extra.substr(1, extra.rfind('}') - 1)) + ",";
    body += "\"emprops\":" + dump(ours.mark) + "}}";
    return body;
}

}  // namespace emprops::comfyui
