#include "supervisor/hub/announcer.h"

#include <algorithm>
#include <iterator>

namespace emprops::hub {
namespace {

using Types = std::vector<std::string>;

/// A job type that comes and goes is offered again at most this often.
constexpr Ms flapping_gap{1000};
constexpr Ms registration_gap{1000};
/// How long the outcome of a job is waited for before its slot is told without it (the disk is slow).
constexpr Ms ending_patience{250};
/// A list longer than this is not sent twice for a job that is over in a moment: the worker is busy instead.
constexpr std::size_t long_list = 500;
constexpr Ms narrowing_patience{100};
/// Beyond this many the lost types are forgotten: each may then flap once more.
constexpr std::size_t most_lost = 1000;

// Job types are sorted lists without doubles here (jobs::Capacity), walked side by side: a connector may name
// a thousand of them, and this runs with every message.

Types both(const Types& a, const Types& b) {
    Types common;
    std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(common));
    return common;
}

bool all_in(const Types& some, const Types& all) {
    return std::includes(all.begin(), all.end(), some.begin(), some.end());
}

}  // namespace

std::vector<std::string> Announcer::without_flapping(TimePoint now, const Types& able) {
    flapping_until_.reset();
    std::erase_if(returned_at_, [&](const auto& each) { return now - each.second >= flapping_gap; });
    if (lost_.size() > most_lost) lost_.clear();
    std::set_difference(types_.begin(), types_.end(), able.begin(), able.end(),
                        std::inserter(lost_, lost_.end()));
    if (returned_at_.empty()) return able;  // nothing has come back lately
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
    auto allowed = wish.allowed.begin();
    for (const auto& [type, slots] : capacity.free_slots) {
        while (allowed != wish.allowed.end() && *allowed < type)
            ++allowed;
        if (slots > 0 && allowed != wish.allowed.end() && *allowed == type) free.push_back(type);
    }
    if (!situation.hold && !capacity.draining) {
        const Types ahead = both({capacity.ahead.begin(), capacity.ahead.end()}, wish.allowed);
        if (situation.takes_back) {
            wish.ahead = ahead;
        } else {  // it offers to idle workers only
            Types more;
            std::set_union(free.begin(), free.end(), ahead.begin(), ahead.end(), std::back_inserter(more));
            free = std::move(more);
        }
    }
    wish.idle = !situation.hold && !capacity.draining && !free.empty();
    wish.types = wish.idle ? std::move(free) : both(types_, wish.allowed);
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
    ahead_.clear();
    quiet_.reset();
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

/// While they are on their way nothing more is promised than is told already.
bool Announcer::waits_for_outcomes(TimePoint now, const Situation& situation) {
    if (!situation.ending) {
        ending_until_.reset();
        ending_late_ = false;
        return false;
    }
    if (ending_late_) return false;
    if (!ending_until_) ending_until_ = now + ending_patience;
    if (now < *ending_until_) return true;
    ending_until_.reset();
    ending_late_ = true;
    return false;
}

/// With thousands of job types even looking costs; it is done with every message.
bool Announcer::nothing_new(TimePoint now, const Situation& situation) const {
    const auto due = [now](const std::optional<TimePoint>& at) { return at && *at <= now; };
    return quiet_ && situation.shared && situation.shared == quiet_->shared && !situation.outcomes &&
           situation.claim == quiet_->claim && situation.ending == quiet_->ending &&
           situation.hold == quiet_->hold && situation.takes_back == quiet_->takes_back &&
           !due(status_owed_) && !due(registration_owed_);
}

Announcement Announcer::decide(TimePoint now, const Situation& situation) {
    if (nothing_new(now, situation)) return {};
    Announcement announcement = look(now, situation);
    const bool time_decides = flapping_until_ || ending_until_ || narrow_at_ || !returned_at_.empty();
    quiet_.reset();
    if (announcement == Announcement{} && !situation.outcomes && !time_decides) quiet_ = situation;
    return announcement;
}

bool Announcer::narrows_too_soon(TimePoint now, const Wish& want) {
    const bool narrower = want.idle && types_.size() > long_list && want.types.size() < types_.size() &&
                          all_in(want.types, types_) && all_in(types_, want.allowed);
    if (!narrower) {
        narrow_at_.reset();
        return false;
    }
    if (!narrow_at_) narrow_at_ = now + narrowing_patience;
    return now < *narrow_at_;
}

Announcement Announcer::look(TimePoint now, const Situation& situation) {
    Announcement announcement;
    Wish want = wish(now, situation);
    const bool must_withdraw = !all_in(types_, want.allowed);
    if (waits_for_outcomes(now, situation)) {
        want.idle = want.idle && idle_;
        want.types = both(types_, want.idle ? want.types : want.allowed);
        want.ahead = both(ahead_, want.ahead);
    }
    if (narrows_too_soon(now, want)) {
        want.idle = false;
        want.types = types_;
    }
    // An outcome makes us idle at the Hub, but it offers nothing then. If it takes us for idle already and
    // still should, there is nothing to say: each idle makes it scan its queue.
    if (situation.outcomes && !(idle_ && want.idle && !situation.claim)) owe_status(now);

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
        if (!want.idle || want.ahead != ahead_) announcement.status = want.idle;
        registration_owed_.reset();
        last_registration_ = now;
    } else if (due || want.idle != idle_ || want.ahead != ahead_) {
        announcement.status = want.idle;
    } else {
        return announcement;
    }
    tell(now, want.types, want.idle);
    ahead_ = std::move(want.ahead);
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
    for (const auto& at : {status_owed_, registration_owed_, ending_until_, narrow_at_})
        if (at && (!first || *at < *first)) first = at;
    return first;
}

}  // namespace emprops::hub
