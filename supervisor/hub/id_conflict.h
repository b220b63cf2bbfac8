#pragma once
// Two workers with one fixed id end each other's connections: the Hub closes one when the other comes, or because it
// counts the signs of life of only one of them. Sees that this is likely. Pure; owned by the connection.

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "supervisor/base/time.h"

namespace emprops::hub {

class IdConflict {
  public:
    /// A welcomed connection has ended, as `reason` says. True: the conflict is likely since now.
    bool ended(TimePoint now, const std::string& reason) {
        if (!reason.starts_with("the Hub closed the connection (1000")) return false;
        forget(now);
        ends_.push_back(now);
        return ends_.size() == suspicious;
    }
    /// One that was welcomed at `since` lives: longer than one does that has a rival, and nothing is likely any more.
    void lives(TimePoint now, TimePoint since) {
        if (now - since >= longer_than_a_rival_leaves) ends_.clear();
    }
    /// How many connections have ended so; 0 while there is nothing to suspect.
    std::size_t likely() const { return ends_.size() >= suspicious ? ends_.size() : 0; }

  private:
    static constexpr std::size_t suspicious = 3;
    static constexpr Ms remembered{600'000};
    /// The Hub gives a silent worker up after 60 s.
    static constexpr Ms longer_than_a_rival_leaves{120'000};

    void forget(TimePoint now) {
        std::erase_if(ends_, [&](TimePoint at) { return now - at > remembered; });
    }

    std::vector<TimePoint> ends_;
};

}  // namespace emprops::hub
