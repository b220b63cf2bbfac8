#pragma once
// Tries again what may pass, with growing pauses, until its time is over. One object per source or store and job; on the
// job's thread, blocking. Time and pauses are given to it.

#include <chrono>
#include <functional>
#include <string>
#include <utility>

#include "ipc/time/clock.h"

namespace emprops::stores {

using Ms = std::chrono::milliseconds;

/// How long is waited between two tries: `first`, then twice as long each time.
struct Pauses {
    Ms first{500};
    Ms longest{10'000};
    /// 0 to 1, drawn anew for each pause, which is then up to a quarter shorter: those who fail together do not come back
    /// together. Empty: pauses are exact.
    std::function<double()> chance{};
};

/// What Tries reads of a setback. For a type of its own a caller has a function told() that gives it.
struct Told {
    std::string& message;
    bool passing = false;
    Ms wait{0};
};

class Tries {
  public:
    using Now = std::function<TimePoint()>;
    /// Sleeps between two tries, of which the last had a setback with this message; true when the job was cancelled
    /// meanwhile.
    using Sleep = std::function<bool(Ms, const std::string& message)>;

    /// `limit`: without success or a sign of life.
    Tries(Ms limit, Sleep sleep, Pauses pauses = {}, Now now = Clock::now);

    /// Runs `attempt`, which returns an optional setback, until it has none, or one that does not pass, or the time is
    /// over. After that, each further call makes one attempt only, until one succeeds: what is away is waited for once.
    template <class Attempt>
    auto run(Attempt attempt) -> decltype(attempt()) {
        begin();
        for (;;) {
            auto setback = attempt();
            if (!setback) {
                spent_ = false;
                return setback;
            }
            const Told what = told(*setback);
            if (!what.passing || !waited(what)) return setback;
        }
    }
    /// There was a sign of life: the time begins anew.
    void alive() { since_ = now_(); }

  private:
    void begin();
    /// False: no further try; the message then says how many there were.
    bool waited(const Told& what);

    const Ms limit_;
    const Sleep sleep_;
    const Pauses pauses_;
    const Now now_;
    TimePoint began_, since_;
    Ms pause_{0};
    int count_ = 0;
    bool spent_ = false;
};

}  // namespace emprops::stores
