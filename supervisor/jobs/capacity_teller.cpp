#include "supervisor/jobs/capacity_teller.h"

#include <utility>

namespace emprops::jobs {

void CapacityTeller::set_healthy(bool healthy, const std::string& reason) {
    if (std::exchange(healthy_, healthy) == healthy) return;
    if (healthy)
        records_.note(Note::Level::info, "", "", "claims jobs again: " + reason);
    else
        records_.note(Note::Level::error, "", "", "claims no new jobs: " + reason);
}

std::shared_ptr<const Capacity> CapacityTeller::capacity() const {
    if (records_.drains.drained(Drains::whole_worker)) {
        Capacity nothing;
        nothing.draining = true;
        return std::make_shared<const Capacity>(std::move(nothing));
    }
    auto capacity = records_.pool.capacity();
    if (healthy_) return capacity;
    Capacity full = *capacity;
    full.free_slots.clear();
    full.ahead.clear();
    return std::make_shared<const Capacity>(std::move(full));
}

void CapacityTeller::tell() {
    auto now = capacity();
    const bool same = now == told_ || *now == *told_;
    told_ = std::move(now);
    if (!same) records_.actions.push_back(CapacityChanged{told_});
}

}  // namespace emprops::jobs
