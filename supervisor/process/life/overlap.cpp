#include "supervisor/process/life/overlap.h"

#include <algorithm>
#include <utility>

namespace emprops::process {

void Overlap::add_candidate(Run run) {
    held_.push_back({Role::candidate, std::move(run)});
}

std::optional<Overlap::Role> Overlap::remove(std::uint64_t generation) {
    const auto found = std::find_if(held_.begin(), held_.end(),
                                    [&](const Held& each) { return each.run.generation() == generation; });
    if (found == held_.end()) return std::nullopt;
    const Role role = found->role;
    held_.erase(found);
    return role;
}

Run* Overlap::find(std::uint64_t generation) {
    for (Held& each : held_) {
        if (each.run.generation() == generation) return &each.run;
    }
    return nullptr;
}

const Run* Overlap::current() const {
    if (const Run* run = serving()) return run;
    if (const Run* run = candidate()) return run;
    return held_.empty() ? nullptr : &held_.back().run;
}

int Overlap::retiring() const {
    return static_cast<int>(std::count_if(held_.begin(), held_.end(),
                                          [](const Held& each) { return each.role == Role::retiring; }));
}

std::optional<TimePoint> Overlap::next_wakeup() const {
    Earliest first;
    for (const Held& each : held_)
        first.add(each.run.next_wakeup());
    return first.at();
}

Run* Overlap::with(Role role) {
    for (Held& each : held_) {
        if (each.role == role) return &each.run;
    }
    return nullptr;
}

void Overlap::set_role(const Run* run, Role role) {
    for (Held& each : held_) {
        if (&each.run == run) each.role = role;
    }
}

}  // namespace emprops::process
