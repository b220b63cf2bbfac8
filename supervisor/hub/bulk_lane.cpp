#include "supervisor/hub/bulk_lane.h"

#include <algorithm>
#include <utility>

#include "ipc/text/people.h"
#include "supervisor/hub/pacing.h"

namespace emprops::hub {

BulkLane::Way BulkLane::way(TimePoint now, std::size_t bytes, bool taken) const {
    if (!possible_ || bytes < policy_.at_least) return Way::first;
    if (refused_until_ && now < *refused_until_) return Way::first;
    return state_ == State::open && !taken ? Way::bulk : Way::wait;
}

BulkLane::Step BulkLane::steer(TimePoint now, bool wanted, bool taken) {
    switch (state_) {
        case State::closed:
            if (!wanted || (pause_until_ && now < *pause_until_)) return Step::none;
            state_ = State::opening;
            since_ = now;
            ++connections_;
            return Step::open;
        case State::opening:
            if (now - since_ < policy_.open_patience) return Step::none;
            on_ended(now, false);
            return Step::refused;
        case State::open:
            if (wanted || taken) since_ = now;
            if (now - since_ < policy_.linger) return Step::none;
            state_ = State::closed;
            return Step::close;
    }
    return Step::none;
}

std::optional<TimePoint> BulkLane::next_wakeup(bool wanted, bool taken) const {
    switch (state_) {
        case State::closed:
            return wanted ? pause_until_ : std::nullopt;
        case State::opening:
            return since_ + policy_.open_patience;
        case State::open:
            if (!wanted && !taken) return since_ + policy_.linger;
    }
    return std::nullopt;
}

std::string BulkLane::next_id(const std::string& worker_id) {
    return worker_id + "-bulk" + (connections_ > 1 ? std::to_string(connections_) : "");
}

void BulkLane::on_welcomed(TimePoint now) {
    if (state_ != State::opening) return;
    state_ = State::open;
    since_ = now;
}

bool BulkLane::on_ended(TimePoint now, bool cut) {
    const State before = std::exchange(state_, State::closed);
    if (before == State::opening) {
        refused_until_ = now + policy_.refused_for;
        return true;
    }
    if (before == State::open && cut) {
        const unsigned doublings = std::min(cuts_in_a_row_++, 16u);
        pause_until_ = now + std::min(policy_.pause_max, policy_.pause_min * (1 << doublings));
    }
    return false;
}

void BulkLane::on_delivered(TimePoint now) {
    since_ = now;
    cuts_in_a_row_ = 0;
    pause_until_.reset();
}

void Upload::begin(TimePoint now, std::size_t bytes) {
    begun_ = now;
    bytes_ = bytes;
}

double Upload::rate(TimePoint now, std::size_t left) const {
    const std::chrono::duration<double> passed = now - begun_;
    if (passed.count() <= 0) return 0;
    return static_cast<double>(bytes_ - std::min(left, bytes_)) / passed.count();
}

std::optional<std::string> Upload::cut(TimePoint now, std::size_t left, const BulkPolicy& policy) {
    if (lasted(now) < policy.slow_after) return std::nullopt;
    ++cuts_;
    const bool power_of_two = (cuts_ & (cuts_ - 1)) == 0;
    if (cuts_ < policy.cuts_to_tell || (cuts_ > policy.cuts_to_tell && !power_of_two)) return std::nullopt;
    return "the link is too slow for this result: " + std::to_string(bytes_) + " bytes at " +
           human_rate(rate(now, left)) + "; cut " + std::to_string(cuts_) + " times, now after " +
           human_duration(lasted(now));
}

}  // namespace emprops::hub
