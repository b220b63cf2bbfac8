#pragma once
// Reads what a prompt put out: files of any kind under any key, and texts. Pure.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/result.h"

namespace emprops::comfyui {

using Json = nlohmann::json;

struct OutputFile {
    std::string node;  ///< the first node that reported it
    std::string kind;  ///< the key it stood under: images, gifs, audio, 3d, ...
    std::string filename;
    std::string subfolder;
    std::string type;        ///< output, temp or input
    std::string mime_type;   ///< by the name, else what ComfyUI says (video helper packs)
    std::string named_by{};  ///< not empty: named by this text only, and a file only if ComfyUI has it
    bool operator==(const OutputFile&) const = default;
};

struct OutputText {
    std::string node;
    std::string kind;
    std::string text;  ///< strings as they are, other values as JSON text
    bool operator==(const OutputText&) const = default;
};

struct Outputs {
    std::vector<OutputFile> files;
    std::vector<OutputText> texts;
    int temp_left_out = 0;    ///< temp files that were not wanted
    int inputs_left_out = 0;  ///< files of type input: the job's own sources
    int others_left_out = 0;  ///< nodes that put something out and were not asked for
};

/// Whether an output of `id` is meant by the node `wanted`: itself, or of its expansion ("9.0.0.2").
bool is_of_node(const std::string& id, const std::string& wanted);

/// The node of the graph that a node of an expansion ("7.0.0.2") belongs to.
template <class Known>
std::string outer_node(const std::string& id, const Known& known) {
    std::string at = id;
    while (!known(at)) {
        const auto dot = at.rfind('.');
        if (dot == std::string::npos) return id;
        at.resize(dot);
    }
    return at;
}

/// Whether ComfyUI serves such a name at all (connectors/comfyui/API.md 5.3): not one that leads out of its folders, nor
/// one with bytes that were no text, which it cannot be asked for.
bool is_servable(const OutputFile& file);

/// Walks all nodes and keys of a history entry's `outputs`. Files are, at any depth: objects with a
/// `filename` (or a `name` and a `type` or `subfolder`), [filename, subfolder, type], links to /view, and,
/// under any key but `text` and the like, texts that are a path with the ending of a media file. Other values
/// are texts, but for `animated` (booleans that describe files) and announcements of pictures on the
/// WebSocket. One file reported twice is one file. `nodes` empty: all.
Outputs collect_outputs(const Json& outputs, bool with_temp, const std::vector<std::string>& nodes = {});

}  // namespace emprops::comfyui
