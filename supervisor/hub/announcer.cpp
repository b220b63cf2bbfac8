#include "supervisor/hub/announcer.h"

#include <algorithm>
#include <iterator>

namespace emprops::hub {
namespace {

using Types = std::vector<std::string>;

/// A job type that comes and goes is offered again at most this often.
constexpr Ms flapping_gap{1000};
constexpr Ms registration_gap{1000};
/// Beyond this many the lost types are forgotten: each may then flap once more.
constexpr std::size_t most_lost = 1000;

bool has(const Types& types, const std::string& type) {
    return std::find(types.begin(), types.end(), type) != types.end();
}

Types both(const Types& a, const Types& b) {
    Types common;
    std::copy_if(a.begin(), a.end(), std::back_inserter(common),
                 [&](const auto& type) { return has(b, type); });
    return common;
}

}  // namespace

std::vector<std::string> Announcer::without_flapping(TimePoint now, const Types& able) {
    flapping_until_.reset();
    std::erase_if(returned_at_, [&](const auto& each) { return now - each.second >= flapping_gap; });
    if (lost_.size() > most_lost) lost_.clear();
    for (const auto& type : types_)
        if (!has(able, type)) lost_.insert(type);
    Types allowed;
    for (const auto& type : able) {
        const auto returned = returned_at_.find(type);
        if (lost_.count(type) != 0 && returned != returned_at_.end() &&
            now - returned->second < flapping_gap) {
            const TimePoint until = returned->second + flapping_gap;
            flapping_until_ = flapping_until_ ? std::min(*flapping_until_, until) : until;
            continue;
        }
        allowed.push_back(type);
    }
    return allowed;
}

Announcer::Wish Announcer::wish(TimePoint now, const Situation& situation) {
    const jobs::Capacity& capacity = *situation.capacity;
    Wish wish;
    wish.allowed = without_flapping(now, capacity.draining ? Types{} : capacity.job_types);
    Types free;
    for (const auto& [type, slots] : capacity.free_slots)
        if (slots > 0 && has(wish.allowed, type)) free.push_back(type);
    wish.idle = !situation.hold && capacity.idle() && !free.empty();
    wish.types = wish.idle ? free : both(types_, wish.allowed);
    return wish;
}

void Announcer::tell(TimePoint now, Types types, bool idle) {
    for (const auto& type : types)
        if (lost_.erase(type) != 0) returned_at_[type] = now;
    types_ = std::move(types);
    idle_ = idle;
}

Announcement::Registration Announcer::on_connected(TimePoint now, const Situation& situation) {
    types_.clear();
    Wish want = wish(now, situation);
    if (!want.idle) want.types = want.allowed;
    status_owed_.reset();
    registration_owed_.reset();
    last_status_ = now;
    last_registration_ = now;
    tell(now, want.types, want.idle);
    return {want.types, false};
}

void Announcer::owe_status(TimePoint not_before) {
    // The earlier wish wins: a message that is due now settles a later one too.
    status_owed_ = status_owed_ ? std::min(*status_owed_, not_before) : not_before;
}

Announcement Announcer::decide(TimePoint now, const Situation& situation) {
    Announcement announcement;
    Wish want = wish(now, situation);
    const bool must_withdraw = both(types_, want.allowed).size() != types_.size();
    if (situation.outcomes) owe_status(now);

    if (must_withdraw && (situation.outcomes || situation.claim || !want.idle)) {
        announcement.withdraw = Announcement::Registration{both(types_, want.allowed), false};
        tell(now, announcement.withdraw->job_types, false);
        registration_owed_.reset();
        last_registration_ = now;
        owe_status(now);
    }
    if (situation.claim) return announcement;

    const bool due = status_owed_ && *status_owed_ <= now;
    if (want.types != types_ || (registration_owed_ && *registration_owed_ <= now)) {
        announcement.registration = Announcement::Registration{want.types, want.idle};
        if (!want.idle) announcement.status = false;
        registration_owed_.reset();
        last_registration_ = now;
    } else if (due || want.idle != idle_) {
        announcement.status = want.idle;
    } else {
        return announcement;
    }
    tell(now, want.types, want.idle);
    status_owed_.reset();
    last_status_ = now;
    return announcement;
}

void Announcer::owe_registration(TimePoint now) {
    if (registration_owed_) return;
    registration_owed_ = last_registration_ ? std::max(now, *last_registration_ + registration_gap) : now;
}

std::optional<TimePoint> Announcer::next_wakeup() const {
    std::optional<TimePoint> first = flapping_until_;
    for (const auto& at : {status_owed_, registration_owed_})
        if (at && (!first || *at < *first)) first = at;
    return first;
}

}  // namespace emprops::hub
