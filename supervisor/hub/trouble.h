#pragma once
// A Hub that could not do what a message of ours asked (its redis is away, most likely): how soon it is asked
// again. Pure; owned by the session.

#include <algorithm>

#include "supervisor/base/time.h"

namespace emprops::hub {

class Trouble {
  public:
    /// One more such error: nothing is asked again before the time that is returned. The pause doubles with
    /// each, several errors of one moment count as one.
    TimePoint pause(TimePoint now) {
        if (now >= until_) {
            const bool anew = now - until_ >= over;
            pause_ = anew ? shortest : std::min(2 * pause_, longest);
            until_ = now + pause_;
        }
        return until_;
    }
    /// Whether it is time to tell a person: each progress has such an answer. `news`: something waits.
    bool tells(TimePoint now, bool news) {
        if (now - told_ < shortest && !news) return false;
        told_ = now;
        return true;
    }

  private:
    static constexpr Ms shortest{1'000};
    static constexpr Ms longest{4'000};
    /// After this long without an error the next one is a new trouble.
    static constexpr Ms over{30'000};
    TimePoint until_{};
    Ms pause_{0};
    TimePoint told_{};
};

}  // namespace emprops::hub
