#pragma once
// What went wrong in ComfyUI, in a class that a program can act on and with a cure that a person can follow.
// Pure.

#include <string>
#include <string_view>
#include <vector>

#include "connectors/comfyui/text/events.h"
#include "connectors/comfyui/text/failure.h"
#include "connectors/comfyui/text/payload.h"

namespace emprops::comfyui {

/// Out of memory, by type and text of the exception (torch's names changed over the years).
bool is_out_of_memory(const NodeError& error);
/// A fault after which every later prompt of that process fails; only a restart helps.
bool is_sticky_gpu_fault(const NodeError& error);

/// "node "7" (KSampler, "its title")", for people; `class_type` empty: as in the graph.
std::string node_text(const std::string& id, const std::string& class_type, const std::vector<Node>& nodes);
/// Without white space at its end, and cut.
std::string trimmed(std::string text, std::size_t limit);

/// A node's exception: out_of_memory, or service_error; names node, title and class. `current_inputs` of
/// ComfyUI's message never gets here (prompts, private).
Failure node_failure(const NodeError& error, const std::vector<Node>& nodes);

/// Access refused by a proxy in front of ComfyUI: 401, 403, 407, or a redirect or page in HTML.
bool is_access_problem(long status, std::string_view content_type);
Failure access_failure(long status, const std::string& server);

}  // namespace emprops::comfyui
