#pragma once
// ComfyUI's WebSocket messages as typed values. Pure.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace emprops::comfyui {

using Json = nlohmann::json;

/// What one node is doing, from `progress_state`.
struct NodeState {
    std::string id;          ///< may belong to an expansion ("2.0.0.1")
    std::string display_id;  ///< the node of the sent graph that it belongs to
    double value = 0;
    double max = 1;
    bool finished = false;
};

struct Started {};  ///< execution_start
struct Cached {
    std::vector<std::string> nodes;
};  ///< execution_cached
struct Executing {
    std::string node;
};  ///< display id where known
struct NodeProgress {
    std::string node;
    double value = 0, max = 1;
};
struct ProgressState {
    std::vector<NodeState> nodes;
};
struct Executed {
    std::string node;
    Json output;
};  ///< output of one node; null for a cached one without UI
struct Succeeded {};
struct Interrupted {
    std::string node;
};
/// A node failed. `blocked`: an ExecutionBlocker's message, after which the prompt goes on.
struct NodeError {
    std::string node, node_type, exception_type, message;
    std::vector<std::string> traceback;
    bool blocked = false;
};
/// executing with node null: the prompt is over and in the history, whatever its end was.
struct Ended {};

using EventBody = std::variant<Started, Cached, Executing, NodeProgress, ProgressState, Executed, Succeeded,
                               Interrupted, NodeError, Ended>;

struct Event {
    std::string prompt_id;  ///< empty for the "current node" message after a reconnect (no id on the wire)
    EventBody body;
    std::size_t bytes = 0;  ///< of the frame that it came in
};

/// `status`, which everybody gets.
struct QueueStatus {
    int remaining = 0;
};

using SocketMessage = std::variant<std::monostate, Event, QueueStatus>;

/// Reads a text frame; monostate for what does not concern us (other types, custom nodes, broken text).
SocketMessage read_message(std::string_view text);

/// The prompt of a `progress_state` frame, without parsing the frame: it names every node that has begun, and
/// comes with each step. nullopt for other messages, and for one that is not written as ComfyUI writes it.
std::optional<std::string_view> progress_state_prompt(std::string_view frame);

/// The same for a message's {"type","data"} pair, as the history's status.messages holds them.
std::optional<Event> read_event(const std::string& type, const Json& data);

/// A picture out of a binary frame.
struct Preview {
    std::string prompt_id;  ///< empty for the legacy frame, which names none
    std::string node;       ///< display id where known; empty for the legacy frame
    std::string mime_type;
    std::string_view picture;  ///< into the frame
};

/// What a picture is: by its first bytes, else what was said about it.
std::string picture_type(std::string_view picture, std::string_view said);

/// Reads a binary frame; nullopt for text frames (type 3), unknown types and wrong lengths.
std::optional<Preview> read_preview(std::string_view frame);

/// What a node says of itself while it runs, such as how long a paid one has waited. Goes to everybody, and names no
/// prompt.
struct NodeText {
    std::string node;  ///< as ComfyUI runs it: may belong to an expansion
    std::string text;  ///< on one line, cut
};

/// Reads a text frame (type 3); nullopt for others, and for an empty text.
std::optional<NodeText> read_node_text(std::string_view frame);

}  // namespace emprops::comfyui
