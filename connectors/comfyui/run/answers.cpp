#include "connectors/comfyui/run/answers.h"

#include <algorithm>
#include <tuple>

namespace emprops::comfyui {
namespace {

std::vector<QueueItem> queue_items(const Json& body, const char* key) {
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

const QueueItem* find_prompt(const std::vector<QueueItem>& items, const std::string& prompt_id) {
    const auto at = std::find_if(items.begin(), items.end(),
                                 [&](const QueueItem& item) { return item.prompt_id == prompt_id; });
    return at == items.end() ? nullptr : &*at;
}

bool has_prompt(const Queue& queue, const std::string& prompt_id) {
    return find_prompt(queue.running, prompt_id) != nullptr ||
           find_prompt(queue.pending, prompt_id) != nullptr;
}

Queue read_queue(const Json& body) {
    return {queue_items(body, "queue_running"), queue_items(body, "queue_pending")};
}

}  // namespace emprops::comfyui
