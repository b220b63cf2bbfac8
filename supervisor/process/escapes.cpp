#include "supervisor/process/escapes.h"

namespace emprops::process {

namespace {
constexpr Ms reap_interval{5000};
constexpr Ms look_delays[] = {Ms{50}, Ms{250}, Ms{1000}};
}  // namespace

Escapes::Escapes(ProcessHost& host, TimePoint now) : host_(host), next_reap_(now + reap_interval) {}

void Escapes::child_ended(const std::string& marker, TimePoint now) {
    for (const Ms delay : look_delays)
        looks_.push_back({now + delay, marker});
}

bool Escapes::none_left(TimePoint now) {
    if (host_.sweep_all() == 0 || --last_looks_left_ <= 0) return true;
    looks_.push_back({now + look_delays[0], ""});
    return false;
}

void Escapes::tick(TimePoint now) {
    std::erase_if(looks_, [&](const Look& look) {
        if (now < look.at) return false;
        host_.sweep(look.marker);
        return true;
    });
    if (now < next_reap_) return;
    next_reap_ = now + reap_interval;
    host_.reap_orphans();
}

TimePoint Escapes::next_wakeup() const {
    Earliest first;
    first.add(next_reap_);
    for (const Look& look : looks_)
        first.add(look.at);
    return *first.at();
}

}  // namespace emprops::process
