#include "supervisor/jobs/drains.h"

namespace emprops::jobs {

DrainMode drain_mode(std::string_view name) {
    if (name == "now") return DrainMode::now;
    return name == "deadline" ? DrainMode::deadline : DrainMode::graceful;
}

void Drains::begin(const std::string& who, DrainMode mode, TimePoint deadline) {
    drains_[who] = {mode, deadline, false};
}

std::vector<std::string> Drains::take_due(TimePoint now) {
    std::vector<std::string> due;
    for (auto& [who, drain] : drains_) {
        const bool over =
            drain.mode == DrainMode::now || (drain.mode == DrainMode::deadline && drain.deadline <= now);
        if (!over || drain.gives_back) continue;
        drain.gives_back = true;
        due.push_back(who);
    }
    return due;
}

std::optional<TimePoint> Drains::next_wakeup() const {
    Earliest next;
    for (const auto& [who, drain] : drains_)
        if (drain.mode == DrainMode::deadline && !drain.gives_back) next.add(drain.deadline);
    return next.at();
}

bool Drains::gives_back(const std::string& who) const {
    const auto found = drains_.find(who);
    return found != drains_.end() && found->second.gives_back;
}

}  // namespace emprops::jobs
