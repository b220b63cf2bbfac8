#include "connectors/comfyui/run/entry.h"

#include <algorithm>

namespace emprops::comfyui {
namespace {

/// The messages of an entry that are written as [type, data].
std::vector<const Json*> messages_of(const Json& entry) {
    const Json::json_pointer at("/status/messages");
    std::vector<const Json*> out;
    if (!entry.contains(at) || !entry.at(at).is_array()) return out;
    for (const Json& message : entry.at(at)) {
        if (message.is_array() && message.size() >= 2 && message[0].is_string()) out.push_back(&message);
    }
    return out;
}

std::optional<double> time_of(const Json& data) {
    if (!data.is_object() || !data.contains("timestamp") || !data.at("timestamp").is_number()) return {};
    return data.at("timestamp").get<double>();
}

}  // namespace

std::string status_of(const Json& entry) {
    const Json::json_pointer at("/status/status_str");
    return entry.contains(at) && entry.at(at).is_string() ? entry.at(at).get<std::string>() : "success";
}

bool is_success(const Json& entry) {
    if (status_of(entry) != "success") return false;
    const Json::json_pointer completed("/status/completed");
    if (entry.contains(completed) && entry.at(completed) == Json(false)) return false;
    return !read_ending(entry).error;
}

Json mark_of(const Json& entry) {
    return entry.contains("prompt") && entry.at("prompt").is_array() && entry.at("prompt").size() > 3 &&
                   entry.at("prompt")[3].is_object()
               ? entry.at("prompt")[3].value("emprops", Json())
               : Json();
}

std::vector<std::string> outputs_of(const Json& entry) {
    std::vector<std::string> out;
    if (!entry.is_object() || !entry.contains("prompt")) return out;
    const Json& prompt = entry.at("prompt");
    if (!prompt.is_array() || prompt.size() < 5 || !prompt[4].is_array()) return out;
    for (const Json& node : prompt[4]) {
        if (node.is_string()) out.push_back(node);
    }
    return out;
}

Ending read_ending(const Json& entry) {
    Ending ending;
    std::optional<double> began, ended;
    for (const Json* message : messages_of(entry)) {
        const std::string type = message->at(0);
        const Json& data = message->at(1);
        if (const auto at = time_of(data)) (type == "execution_start" ? began : ended) = at;
        auto event = read_event(type, data);
        if (!event) continue;
        if (auto* failed = std::get_if<NodeError>(&event->body); failed != nullptr && !failed->blocked) {
            ending.error = std::move(*failed);
        }
        if (auto* cached = std::get_if<Cached>(&event->body)) ending.cached_nodes = std::move(cached->nodes);
        ending.interrupted = ending.interrupted || std::holds_alternative<Interrupted>(event->body);
    }
    if (began && ended && *ended >= *began) ending.execute = Ms{static_cast<std::int64_t>(*ended - *began)};
    if (ended) ending.ended_at_ms = static_cast<std::int64_t>(*ended);
    if (entry.contains("outputs") && entry.at("outputs").is_object()) ending.outputs = entry.at("outputs");
    return ending;
}

}  // namespace emprops::comfyui
