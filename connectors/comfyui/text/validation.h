#pragma once
// Why ComfyUI refuses a graph, or would: each problem with node, input, wanted value and the nearest allowed ones,
// so that a person can mend it. Pure.

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/comfyui/text/failure.h"
#include "connectors/comfyui/text/payload.h"

namespace emprops::comfyui {

/// The allowed values of an input, for near matches; empty when unknown. Called with (class, input).
using Choices = std::function<std::vector<std::string>(const std::string&, const std::string&)>;

/// The body of a 400 answer, or the node_errors of a 200. `body` as parsed.
Failure validation_failure(const Json& body, const std::vector<Node>& nodes, const Choices& choices,
                           const std::function<std::vector<std::string>()>& classes);

/// A value that ComfyUI refused and has under another spelling.
struct Respelling {
    std::string node, input, from, to;
};
/// Of a refusal that names nothing but such values; else empty.
std::vector<Respelling> respellings(const Json& body, const Choices& choices);

/// Where a model of this input lies in ComfyUI's models folder ("ckpt_name" -> "checkpoints"); nullopt when
/// the input names no model file.
std::optional<std::string> model_folder(std::string_view class_type, std::string_view input);

/// The choice list of an input out of an /object_info/{class} answer; empty if it is no choice.
std::vector<std::string> choices_of(const Json& object_info, const std::string& class_type,
                                    const std::string& input);

/// What has to stand behind the name of an uploaded file in this input, by an /object_info answer: nothing, or
/// " [input]" where the input means another folder. nullopt: the input takes no uploads.
std::optional<std::string> upload_mark(const Json& object_info, const std::string& class_type,
                                       const std::string& input);

/// Compares a graph with /object_info (whole): missing classes, missing required inputs and values that are
/// not in their list, the last two for nodes that an output needs. nullopt when nothing was found. ComfyUI's
/// own validation stays the judge.
std::optional<Failure> preflight(const Json& graph, const Json& object_info, const std::vector<Node>& nodes);

}  // namespace emprops::comfyui
