#pragma once
// What an entry of ComfyUI's history says: whether the prompt did what it should, whose it is, how it ended.
// Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "connectors/comfyui/settings.h"
#include "connectors/comfyui/text/events.h"

namespace emprops::comfyui {

/// "success" or "error" of a history entry; "success" where an old server says nothing.
std::string status_of(const Json& entry);
/// Whether a history entry is of a prompt that did all that it should: no other word than "success",
/// complete, and no error among its messages.
bool is_success(const Json& entry);

/// extra_data.emprops of a history entry; null for other people's prompts.
Json mark_of(const Json& entry);
/// The output nodes that ComfyUI accepted, from a history entry.
std::vector<std::string> outputs_of(const Json& entry);

/// How a prompt ended. An error among the messages counts more than the status: a dynamic circle can leave
/// the last prompt's word there.
struct Ending {
    Json outputs = Json::object();
    std::optional<NodeError> error;
    bool interrupted = false;
    std::optional<std::vector<std::string>> cached_nodes;
    std::optional<Ms> execute;                ///< from the first message's time to the last one's
    std::optional<std::int64_t> ended_at_ms;  ///< of the last one, since 1970, by ComfyUI's clock
};
Ending read_ending(const Json& entry);

}  // namespace emprops::comfyui
