#pragma once
// The files of a payload: what "inputs" and "images" name, and what nodes have in their own fields. Pure.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "ipc/result.h"

namespace emprops::comfyui {

using Json = nlohmann::json;

/// A value of a node.
struct InputPlace {
    std::string node;
    std::string input;
    std::string mark{};  ///< behind the file's name; see upload_mark()
    bool operator<(const InputPlace& other) const {
        return std::tie(node, input) < std::tie(other.node, other.input);
    }
};

/// A file to upload before the run. Exactly one of `base64` (also the content of a data URL) and `url` is
/// set.
struct InputFile {
    std::string what;      ///< where it stands in the payload, for people: inputs["photo"]
    std::string key;       ///< the name in {"$input": key}; empty: no such name
    std::string filename;  ///< what ComfyUI is to call it; a plain name without folders
    std::string base64;
    std::string url;
    std::vector<InputPlace> places;  ///< values that are to become its name, besides {"$input": key}
};

/// "inputs": name -> file, or a list of files with names. Code "invalid_payload" in every Error.
Result<std::vector<InputFile>> read_inputs(const Json& inputs);

/// "images", as RunPod's workers take it: a list of {"name", "image"}. A node that has such a name as the value of
/// an input gets the file.
Result<std::vector<InputFile>> read_images(const Json& images, const Json& graph);

/// Values of nodes that are web addresses or data URLs. Which of them are files is what ComfyUI says of the input
/// (upload_mark()).
std::vector<InputFile> read_fields(const Json& graph);

}  // namespace emprops::comfyui
