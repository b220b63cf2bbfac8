#include "supervisor/process/news.h"

#include <algorithm>

namespace emprops::process {

void News::tell(Item item) {
    if (listener_ == nullptr) return;
    items_.push_back(std::move(item));
    turn_.request();
}

void News::close() {
    listener_ = nullptr;
    items_.clear();
}

void News::deliver() {
    const auto self = shared_from_this();  // the fleet may be destroyed by what it tells
    // What is told while this runs waits for the next turn, so that no flood keeps the loop here.
    std::deque<Item> now;
    now.swap(items_);
    for (Item& item : now) {
        if (listener_ == nullptr) return;
        item(*listener_);
    }
}

void News::trace(const TraceLine& line) {
    for (std::size_t index = 0; index < subscriptions_.size(); ++index) {
        const Subscription& each = subscriptions_[index];
        if (each.id == 0 || (!each.connector.empty() && each.connector != line.id.connector)) continue;
        if (each.for_people && !line.for_people()) continue;
        const auto on_line = each.on_line;
        on_line(line);
    }
    std::erase_if(subscriptions_, [](const Subscription& each) { return each.id == 0; });
}

bool News::protocol_is_watched() const {
    return std::any_of(subscriptions_.begin(), subscriptions_.end(),
                       [](const Subscription& each) { return each.id != 0 && !each.for_people; });
}

std::uint64_t News::subscribe(const std::string& connector, bool for_people,
                              std::function<void(const TraceLine&)> on_line) {
    subscriptions_.push_back({++last_subscription_, connector, for_people, std::move(on_line)});
    return last_subscription_;
}

void News::unsubscribe(std::uint64_t id) {
    for (Subscription& each : subscriptions_) {
        if (each.id == id) each.id = 0;
    }
}

}  // namespace emprops::process
