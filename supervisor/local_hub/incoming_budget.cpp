#include "supervisor/local_hub/incoming_budget.h"

namespace emprops::local_hub {

std::vector<IncomingBudget::Holder> IncomingBudget::hold(Holder holder, std::uint64_t bytes, TimePoint now) {
    Held& mine = held_[holder];
    bytes_ += bytes - mine.bytes;
    mine = {bytes, now};
    std::vector<Holder> given_up;
    while (bytes_ > limit_) {
        auto stalled = held_.end();
        for (auto it = held_.begin(); it != held_.end(); ++it) {
            if (now - it->second.last < stalled_after) continue;
            if (stalled == held_.end() || it->second.last < stalled->second.last) stalled = it;
        }
        const Holder victim = stalled == held_.end() ? holder : stalled->first;
        given_up.push_back(victim);
        release(victim);
        if (victim == holder) break;
    }
    return given_up;
}

void IncomingBudget::release(Holder holder) {
    const auto held = held_.find(holder);
    if (held == held_.end()) return;
    bytes_ -= held->second.bytes;
    held_.erase(held);
}

}  // namespace emprops::local_hub
