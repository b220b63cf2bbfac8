#pragma once
// What went wrong in ComfyUI, in a class that a program can act on and with a cure that a person can follow.
// Pure.

#include <string>
#include <string_view>
#include <vector>

#include "connectors/comfyui/text/events.h"
#include "connectors/comfyui/text/failure.h"
#include "connectors/comfyui/text/payload.h"
#include "connectors/comfyui/text/web.h"

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

/// What something in front of ComfyUI did in place of an answer.
struct Barrier {
    Meaning meaning = Meaning::denied;  ///< denied, page or redirect
    std::string answer;                 ///< answer_text()
    std::string server, path;           ///< what was asked: ComfyUI's address, and the rest
    std::string location;               ///< of a redirect
};
/// Who refused us, where a redirect leads, and what to set.
std::string barrier_text(const Barrier& barrier);

/// HTTP 413, for a request that carried `what`: names both limits, and the one that refused where the answer shows
/// it. `answer`: answer_text(). `instead`: what else can be done; empty: nothing.
Failure too_large_failure(const std::string& what, const std::string& answer, const std::string& instead);

}  // namespace emprops::comfyui
