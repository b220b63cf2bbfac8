#include "connectors/comfyui/text/outputs.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "connectors/comfyui/text/tolerant_json.h"
#include "connectors/comfyui/text/web.h"
#include "ipc/text/percent.h"
#include "ipc/text/values.h"

namespace emprops::comfyui {
namespace {

std::string text_or(const Json& value, const char* key, const char* otherwise) {
    const auto at = value.find(key);
    return at != value.end() && at->is_string() ? at->get<std::string>() : otherwise;
}

constexpr int deepest = 8;

bool is_type(std::string_view word) {
    return word == "output" || word == "temp" || word == "input";
}

/// What /view wants to know of a file.
struct Named {
    std::string filename, subfolder, type = "output";
};

/// ComfyUI drops folders that stand in a filename, and takes "name [temp]" in its nodes.
Named tidy(Named named) {
    for (const std::string_view type : {"output", "temp", "input"}) {
        const std::string mark = " [" + std::string(type) + "]";
        if (named.filename.size() <= mark.size() || !named.filename.ends_with(mark)) continue;
        named.filename.resize(named.filename.size() - mark.size());
        named.type = type;
    }
    const auto slash = named.filename.find_last_of("/\\");
    if (slash != std::string::npos) {
        const std::string folder = named.filename.substr(0, slash);
        named.subfolder += (named.subfolder.empty() || folder.empty() ? "" : "/") + folder;
        named.filename.erase(0, slash + 1);
    }
    return named;
}

/// "/view?filename=a.png&type=temp", with or without a server and a prefix before it.
std::optional<Named> view_link(std::string_view text) {
    constexpr std::string_view mark = "/view?";
    const auto at = text.find(mark);
    if (at == std::string_view::npos || text.find_first_of(" \n") != std::string_view::npos) return {};
    if (at > 0 && text.front() != '/' && text.substr(0, 4) != "http") return {};
    Named named;
    std::string_view rest = text.substr(at + mark.size());
    rest = rest.substr(0, rest.find('#'));
    while (!rest.empty()) {
        const std::string_view pair = rest.substr(0, rest.find('&'));
        rest.remove_prefix(std::min(pair.size() + 1, rest.size()));
        const auto equals = std::min(pair.find('='), pair.size());
        const std::string_view key = pair.substr(0, equals);
        std::string* into = key == "filename"    ? &named.filename
                            : key == "subfolder" ? &named.subfolder
                            : key == "type"      ? &named.type
                                                 : nullptr;
        if (into != nullptr) *into = text::percent_decode(pair.substr(std::min(equals + 1, pair.size())));
    }
    if (named.filename.empty() || !is_type(named.type)) return {};
    return named;
}

std::optional<Named> file_object(const Json& value) {
    if (!value.is_object()) return {};
    Named named{text_or(value, "filename", ""), text_or(value, "subfolder", ""),
                text_or(value, "type", "output")};
    if (!named.filename.empty()) return tidy(std::move(named));
    // As an upload is answered: {"name", "subfolder", "type"}.
    named.filename = text_or(value, "name", "");
    const bool placed = value.contains("subfolder") || is_type(text_or(value, "type", ""));
    if (!named.filename.empty() && placed && is_type(named.type)) return tidy(std::move(named));
    for (const char* key : {"url", "src", "href"}) {
        if (auto link = view_link(text_or(value, key, ""))) return tidy(std::move(*link));
    }
    return {};
}

/// [filename, subfolder, type]
std::optional<Named> file_triple(const Json& value) {
    if (!value.is_array() || value.size() != 3) return {};
    for (const Json& part : value) {
        if (!part.is_string()) return {};
    }
    Named named{value[0], value[1], value[2]};
    if (named.filename.empty() || !is_type(named.type)) return {};
    return tidy(std::move(named));
}

bool holds_file(const Json& value, int depth) {
    if (file_object(value) || file_triple(value)) return true;
    // (An object's values are walked like a list's.)
    return value.is_structured() && depth < deepest &&
           std::any_of(value.begin(), value.end(),
                       [&](const Json& part) { return holds_file(part, depth + 1); });
}

/// A path as text: under ComfyUI's output folder, or an absolute one that leads into it.
std::optional<Named> path_text(const std::string& kind, std::string text) {
    static const std::set<std::string, std::less<>> prose{
        "text",    "texts",    "string", "strings", "value", "values", "prompt",
        "caption", "captions", "info",   "message", "tags",  "title",  "description"};
    if (prose.count(kind) > 0 || text.size() > 1024 || text.find_first_of("\n\t\"<>|*?") != std::string::npos)
        return {};
    std::replace(text.begin(), text.end(), '\\', '/');
    Named named{std::move(text), "", "output"};
    if (named.filename.find("..") != std::string::npos || named.filename.find("://") != std::string::npos)
        return {};
    const bool absolute = named.filename.rfind('/', 0) == 0 || named.filename.find(":/") == 1;
    if (absolute) {
        bool inside = false;
        for (const std::string_view type : {"output", "temp"}) {
            const std::string folder = "/" + std::string(type) + "/";
            const auto at = named.filename.rfind(folder);
            if (at == std::string::npos) continue;
            named.filename.erase(0, at + folder.size());
            named.type = type;
            inside = true;
            break;
        }
        if (!inside) return {};
    }
    named = tidy(std::move(named));
    if (named.filename.empty() || mime_type_of(named.filename) == "application/octet-stream") return {};
    return named;
}

class Collector {
  public:
    Collector(Outputs& out, bool with_temp) : out_(out), with_temp_(with_temp) {}

    void take(const std::string& node, const std::string& kind, const Json& value, int depth = 0) {
        if (auto named = file_object(value)) {
            file(node, kind, std::move(*named), text_or(value, "format", ""));
        } else if (auto triple = file_triple(value)) {
            file(node, kind, std::move(*triple), "");
        } else if ((value.is_array() && depth == 0) || holds_file(value, depth)) {
            for (const Json& element : value) {
                take(node, kind, element, depth + 1);
            }
        } else if (value.is_object() && value.value("source", Json()) == Json("websocket")) {
            return;
        } else if (value.is_string()) {
            string(node, kind, value);
        } else if (!value.is_null() && !(value.is_boolean() && kind == "animated")) {
            text(node, kind, dump(value));
        }
    }

    /// Texts that may name files come last: what is named as a file is one already.
    void finish() {
        for (Guess& guess : guesses_) {
            file(guess.node, guess.kind, std::move(guess.named), "", guess.text);
        }
    }

  private:
    void string(const std::string& node, const std::string& kind, const std::string& value) {
        if (auto link = view_link(value)) {
            file(node, kind, tidy(std::move(*link)), "");
        } else if (auto named = path_text(kind, value)) {
            guesses_.push_back({node, kind, std::move(*named), value});
        } else {
            text(node, kind, value);
        }
    }
    void file(const std::string& node, const std::string& kind, Named named, const std::string& format,
              const std::string& named_by = {}) {
        if (named.type == "input") {  // what a node shows of its own source: connectors/comfyui/API.md 5.2
            ++out_.inputs_left_out;
            return;
        }
        if (!seen_.emplace(named.type, named.subfolder, named.filename).second) return;
        if (named.type == "temp" && !with_temp_) {
            ++out_.temp_left_out;
            return;
        }
        OutputFile file{
            node, kind,    std::move(named.filename), std::move(named.subfolder), std::move(named.type),
            {},   named_by};
        // Video helper packs say "video/h264-mp4", which no browser knows.
        file.mime_type = mime_type_of(file.filename);
        const bool usable =
            format.find('/') != std::string::npos &&
            std::all_of(format.begin(), format.end(), [](char c) { return c > ' ' && c < 0x7F; });
        if (usable && file.mime_type == "application/octet-stream") file.mime_type = format;
        out_.files.push_back(std::move(file));
    }
    void text(const std::string& node, const std::string& kind, std::string text) {
        out_.texts.push_back({node, kind, std::move(text)});
    }

    struct Guess {
        std::string node, kind;
        Named named;
        std::string text;
    };
    Outputs& out_;
    bool with_temp_;
    std::set<std::tuple<std::string, std::string, std::string>> seen_;
    std::vector<Guess> guesses_;
};

}  // namespace

bool is_of_node(const std::string& id, const std::string& wanted) {
    return id == wanted ||
           (id.size() > wanted.size() && id.rfind(wanted, 0) == 0 && id[wanted.size()] == '.');
}

bool is_servable(const OutputFile& file) {
    const std::string path = file.subfolder + "/" + file.filename;
    const bool drive = file.subfolder.size() > 1 && file.subfolder[1] == ':';
    const bool absolute = drive || file.subfolder.starts_with('/') || file.subfolder.starts_with('\\') ||
                          file.filename.starts_with('/') || file.filename.empty();
    const bool odd = std::any_of(path.begin(), path.end(), [](char c) { return c >= 0 && c < 0x20; });
    return !absolute && !odd && path.find("..") == std::string::npos &&
           path.find("\xEF\xBF\xBD") == std::string::npos;
}

Outputs collect_outputs(const Json& outputs, bool with_temp, const std::vector<std::string>& nodes) {
    Outputs out;
    if (!outputs.is_object()) return out;
    Collector collector(out, with_temp);
    for (const auto& [node, ui] : outputs.items()) {
        if (!ui.is_object()) continue;
        const std::string& id = node;
        const bool wanted = nodes.empty() || std::any_of(nodes.begin(), nodes.end(), [&](const auto& each) {
                                return is_of_node(id, each);
                            });
        if (!wanted) {
            out.others_left_out += ui.empty() ? 0 : 1;
            continue;
        }
        for (const auto& [kind, value] : ui.items()) {
            collector.take(node, kind, value);
        }
    }
    collector.finish();
    return out;
}

}  // namespace emprops::comfyui
