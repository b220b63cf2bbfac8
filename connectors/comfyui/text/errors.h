#pragma once
// What went wrong in ComfyUI, in a class that a program can act on and with a cure that a person can follow.
// Pure.

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "connectors/comfyui/text/events.h"
#include "connectors/comfyui/text/payload.h"

namespace emprops::comfyui {

/// Why a job failed: what the connector throws as JobFailure.
struct Failure {
    std::string code;  ///< of ipc/PROTOCOL.md
    std::string message;
    bool retryable = true;
    Json details = Json::object();
};

/// Out of memory, by type and text of the exception (torch's names changed over the years).
bool is_out_of_memory(const NodeError& error);
/// A fault after which every later prompt of that process fails; only a restart helps.
bool is_sticky_gpu_fault(const NodeError& error);

/// A node's exception: out_of_memory, or service_error; names node, title and class. `current_inputs` of
/// ComfyUI's message never gets here (prompts, private).
Failure node_failure(const NodeError& error, const std::vector<Node>& nodes);

/// The allowed values of an input, for near matches; empty when unknown. Called with (class, input).
using Choices = std::function<std::vector<std::string>(const std::string&, const std::string&)>;

/// The body of a 400 answer, or the node_errors of a 200. `body` as parsed.
Failure validation_failure(const Json& body, const std::vector<Node>& nodes, const Choices& choices,
                           const std::function<std::vector<std::string>()>& classes);

/// Where a model of this input lies in ComfyUI's models folder ("ckpt_name" -> "checkpoints"); nullopt when
/// the input names no model file.
std::optional<std::string> model_folder(std::string_view class_type, std::string_view input);

/// The choice list of an input out of an /object_info/{class} answer; empty if it is no choice.
std::vector<std::string> choices_of(const Json& object_info, const std::string& class_type,
                                    const std::string& input);

/// Compares a graph with /object_info (whole): missing classes, missing required inputs and values that are
/// not in their list, the last two for nodes that an output needs. nullopt when nothing was found. ComfyUI's
/// own validation stays the judge.
std::optional<Failure> preflight(const Json& graph, const Json& object_info, const std::vector<Node>& nodes);

/// Access refused by a proxy in front of ComfyUI: 401, 403, 407, or a redirect or page in HTML.
bool is_access_problem(long status, std::string_view content_type);
Failure access_failure(long status, const std::string& server);

}  // namespace emprops::comfyui
