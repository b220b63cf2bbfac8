#include "connectors/comfyui/run/place.h"

#include <algorithm>

namespace emprops::comfyui {

void Place::on_queue(const Queue& queue, const std::string& prompt_id, const OwnMark& own, TimePoint now) {
    const QueueItem* running = find_prompt(queue.running, prompt_id);
    const QueueItem* waiting = running == nullptr ? find_prompt(queue.pending, prompt_id) : nullptr;
    queue_length_ = queue.length();
    if (!was_gone_) others_ = queue_length_ - (running != nullptr || waiting != nullptr ? 1 : 0);
    if (running != nullptr) {
        take(*running, own);
        begun();
    } else if (waiting != nullptr) {
        take(*waiting, own);
        runs_ = false;
        const auto before =
            (waiting - queue.pending.data()) + static_cast<std::ptrdiff_t>(queue.running.size());
        position_ = std::max(static_cast<int>(before), 1);
        watch_head(queue, own, now);
    }
}

void Place::take(const QueueItem& item, const OwnMark& own) {
    if (!item.outputs.empty()) outputs_ = item.outputs;
    directed_ = !item.mark.is_object() || !item.mark.contains("instance") ||
                item.mark.at("instance") == Json(own.instance);
}

void Place::begun() {
    position_ = 0;
    runs_ = true;
    idle_since_.reset();
    head_.reset();
}

void Place::watch_head(const Queue& queue, const OwnMark& own, TimePoint now) {
    if (queue.running.empty()) {
        head_.reset();
        if (!idle_since_) idle_since_ = now;
        return;
    }
    idle_since_.reset();
    const QueueItem& head = queue.running.front();
    // Prompts of our own are watched by their jobs, which also see their events.
    if (is_ours(head.mark, own.space)) {
        head_.reset();
    } else if (!head_ || head_->prompt_id != head.prompt_id) {
        head_ = Head{head.prompt_id, head.mark, now};
    }
}

}  // namespace emprops::comfyui
