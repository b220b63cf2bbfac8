#include "supervisor/process/escapes.h"

#include <algorithm>
#include <set>

namespace emprops::process {

namespace {
constexpr Ms reap_interval{5000};
constexpr Ms look_delays[] = {Ms{50}, Ms{250}, Ms{1000}};
}  // namespace

Escapes::Escapes(ProcessHost& host, TimePoint now) : host_(host), next_reap_(next_beat(now, reap_interval)) {}

void Escapes::child_ended(const std::string& marker, TimePoint now) {
    for (const Ms delay : look_delays)
        looks_.push_back({now + delay - delay / 4, now + delay, marker});
}

bool Escapes::none_left(TimePoint now) {
    if (host_.sweep_all() == 0 || --last_looks_left_ <= 0) return true;
    looks_.push_back({now + look_delays[0], now + look_delays[0], ""});
    return false;
}

void Escapes::tick(TimePoint now) {
    if (std::any_of(looks_.begin(), looks_.end(), [now](const Look& look) { return look.at <= now; })) {
        std::set<std::string> markers;
        std::erase_if(looks_, [&](const Look& look) {
            if (look.from <= now) markers.insert(look.marker);
            return look.from <= now;
        });
        host_.sweep(markers);
    }
    if (now < next_reap_) return;
    next_reap_ = next_beat(now, reap_interval);
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
