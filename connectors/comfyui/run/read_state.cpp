// Reading what GET /queue and GET /history say.

#include <algorithm>
#include <tuple>

#include "connectors/comfyui/run/run.h"

namespace emprops::comfyui {
namespace {

std::vector<QueueItem> items(const Json& body, const char* key) {
    std::vector<QueueItem> out;
    if (!body.is_object() || !body.contains(key) || !body.at(key).is_array()) return out;
    // [number, prompt_id, prompt, extra_data, [output nodes]], and more in newer versions
    for (const Json& entry : body.at(key)) {
        if (!entry.is_array() || entry.size() < 2 || !entry[1].is_string()) continue;
        QueueItem item;
        if (entry[0].is_number()) item.number = entry[0];
        item.prompt_id = entry[1];
        if (entry.size() > 3 && entry[3].is_object()) item.mark = entry[3].value("emprops", Json());
        if (entry.size() > 4 && entry[4].is_array()) {
            for (const Json& node : entry[4]) {
                if (node.is_string()) item.outputs.push_back(node);
            }
        }
        out.push_back(std::move(item));
    }
    std::sort(out.begin(), out.end(), [](const QueueItem& a, const QueueItem& b) {
        return std::tie(a.number, a.prompt_id) < std::tie(b.number, b.prompt_id);
    });
    return out;
}

}  // namespace

std::string status_of(const Json& entry) {
    const Json::json_pointer at("/status/status_str");
    return entry.contains(at) && entry.at(at).is_string() ? entry.at(at).get<std::string>() : "success";
}

bool is_success(const Json& entry) {
    if (status_of(entry) != "success") return false;
    const Json status = entry.value("status", Json());
    if (!status.is_object()) return true;
    if (status.value("completed", Json()) == Json(false)) return false;
    const Json messages = status.value("messages", Json());
    return std::none_of(messages.begin(), messages.end(), [](const Json& message) {
        if (!message.is_array() || message.size() < 2 || !message[0].is_string()) return false;
        const auto event = read_event(message[0], message[1]);
        const auto* error = event ? std::get_if<NodeError>(&event->body) : nullptr;
        return error != nullptr && !error->blocked;
    });
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

Queue read_queue(const Json& body) {
    return {items(body, "queue_running"), items(body, "queue_pending")};
}

}  // namespace emprops::comfyui
