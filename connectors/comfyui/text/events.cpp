#include "connectors/comfyui/text/events.h"

#include "connectors/comfyui/text/tolerant_json.h"
#include "ipc/text/people.h"
#include "ipc/text/utf8.h"

namespace emprops::comfyui {
namespace {

double number(const Json& data, const char* key, double otherwise) {
    const auto at = data.find(key);
    return at != data.end() && at->is_number() ? at->get<double>() : otherwise;
}

std::vector<std::string> texts(const Json& data, const char* key) {
    std::vector<std::string> out;
    const auto at = data.find(key);
    if (at == data.end() || !at->is_array()) return out;
    for (const Json& entry : *at) {
        out.push_back(entry.is_string() ? entry.get<std::string>() : dump(entry));
    }
    return out;
}

ProgressState progress_state(const Json& data) {
    ProgressState out;
    const auto nodes = data.find("nodes");
    if (nodes == data.end() || !nodes->is_object()) return out;
    for (const auto& [id, node] : nodes->items()) {
        if (!node.is_object()) continue;
        NodeState state;
        state.id = id;
        state.display_id = text_of(node, "display_node_id");
        if (state.display_id.empty()) state.display_id = id;
        state.value = number(node, "value", 0);
        state.max = number(node, "max", 1);
        state.finished = text_of(node, "state") == "finished";
        out.nodes.push_back(std::move(state));
    }
    return out;
}

std::uint32_t big_endian(std::string_view bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = at; i < at + 4; ++i) {
        value = (value << 8) | static_cast<unsigned char>(bytes[i]);
    }
    return value;
}

}  // namespace

std::optional<Event> read_event(const std::string& type, const Json& data) {
    if (!data.is_object()) return {};
    Event event;
    event.prompt_id = text_of(data, "prompt_id");
    if (type == "execution_start") {
        event.body = Started{};
    } else if (type == "execution_cached") {
        event.body = Cached{texts(data, "nodes")};
    } else if (type == "executing") {
        const std::string display = text_of(data, "display_node");
        const std::string node = display.empty() ? text_of(data, "node") : display;
        if (node.empty()) {
            event.body = Ended{};
        } else {
            event.body = Executing{node};
        }
    } else if (type == "progress") {
        event.body = NodeProgress{text_of(data, "node"), number(data, "value", 0), number(data, "max", 1)};
    } else if (type == "progress_state") {
        event.body = progress_state(data);
    } else if (type == "executed") {
        const std::string display = text_of(data, "display_node");
        event.body = Executed{display.empty() ? text_of(data, "node") : display,
                              data.contains("output") ? data.at("output") : Json()};
    } else if (type == "execution_success") {
        event.body = Succeeded{};
    } else if (type == "execution_interrupted") {
        event.body = Interrupted{text_of(data, "node_id")};
    } else if (type == "execution_error") {
        NodeError error;
        error.node = text_of(data, "node_id");
        error.node_type = text_of(data, "node_type");
        error.exception_type = text_of(data, "exception_type");
        error.message = text_of(data, "exception_message");
        error.traceback = texts(data, "traceback");
        error.blocked = error.exception_type == "ExecutionBlocked";
        event.body = std::move(error);
    } else {
        return {};
    }
    // Only the reminder after a reconnect comes without an id; anything else without one is nobody's.
    if (event.prompt_id.empty() && !std::holds_alternative<Executing>(event.body)) return {};
    return event;
}

SocketMessage read_message(std::string_view frame) {
    const auto message = parse_tolerant(frame);
    if (!message || !message->is_object()) return {};
    const std::string type = text_of(*message, "type");
    const auto data = message->find("data");
    if (data == message->end() || !data->is_object()) return {};
    if (type == "status") {
        const Json::json_pointer remaining("/status/exec_info/queue_remaining");
        if (!data->contains(remaining) || !data->at(remaining).is_number_integer()) return {};
        return QueueStatus{data->at(remaining).get<int>()};
    }
    if (auto event = read_event(type, *data)) return std::move(*event);
    return {};
}

std::optional<std::string_view> progress_state_prompt(std::string_view frame) {
    std::size_t at = 0;
    const auto takes = [&](std::string_view token) {
        while (at < frame.size() && frame[at] == ' ') {
            ++at;
        }
        if (frame.substr(at, token.size()) != token) return false;
        at += token.size();
        return true;
    };
    for (const std::string_view token : {"{", "\"type\"", ":", "\"progress_state\"", ",", "\"data\"", ":",
                                         "{", "\"prompt_id\"", ":", "\""}) {
        if (!takes(token)) return {};
    }
    const auto end = frame.find_first_of("\\\"", at);
    if (end == std::string_view::npos || frame[end] != '"') return {};
    return frame.substr(at, end - at);
}

std::string picture_type(std::string_view picture, std::string_view said) {
    const auto starts = [&](std::string_view with, std::size_t at = 0) {
        return picture.size() >= at && picture.substr(at, with.size()) == with;
    };
    if (starts("\x89PNG\r\n\x1a\n")) return "image/png";
    if (starts("\xFF\xD8\xFF")) return "image/jpeg";
    if (starts("RIFF") && starts("WEBP", 8)) return "image/webp";
    if (starts("GIF8")) return "image/gif";
    if (starts("ftypavif", 4) || starts("ftypavis", 4)) return "image/avif";
    if (starts("BM")) return "image/bmp";
    if (starts(std::string_view("II*\0", 4)) || starts(std::string_view("MM\0*", 4))) return "image/tiff";
    return said.empty() ? "application/octet-stream" : std::string(said);
}

std::optional<Preview> read_preview(std::string_view frame) {
    if (frame.size() < 8) return {};
    const std::uint32_t type = big_endian(frame, 0);
    const std::uint32_t second = big_endian(frame, 4);
    Preview preview;
    if (type == 1) {
        // 1 and 2 are ComfyUI's own words; nodes of others send what they like, and the bytes tell.
        const char* said = second == 1 ? "image/jpeg" : second == 2 ? "image/png" : "";
        preview.picture = frame.substr(8);
        preview.mime_type = picture_type(preview.picture, said);
        if (preview.mime_type != "application/octet-stream") return preview;
        preview.picture = frame.substr(4);  // without the word for the format
        preview.mime_type = picture_type(preview.picture, "");
        if (preview.mime_type == "application/octet-stream") return {};
        return preview;
    }
    if (type != 4 || second > frame.size() - 8) return {};
    const auto about = parse_tolerant(frame.substr(8, second));
    if (!about || !about->is_object()) return {};
    preview.prompt_id = text_of(*about, "prompt_id");
    preview.node = text_of(*about, "display_node_id");
    if (preview.node.empty()) preview.node = text_of(*about, "node_id");
    preview.picture = frame.substr(8 + second);
    preview.mime_type = picture_type(preview.picture, text_of(*about, "image_type"));
    return preview;
}

std::optional<NodeText> read_node_text(std::string_view frame) {
    constexpr std::size_t longest = 300;
    if (frame.size() < 8 || big_endian(frame, 0) != 3) return {};
    const std::uint32_t length = big_endian(frame, 4);
    if (length > frame.size() - 8) return {};
    NodeText out{std::string(frame.substr(8, length)),
                 in_one_line(text::cut(frame.substr(8 + length), 4 * longest))};
    if (out.text.empty()) return {};
    out.text = text::shortened(out.text, longest);
    return out;
}

}  // namespace emprops::comfyui
