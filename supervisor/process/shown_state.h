#pragma once
// The state of a Life as `status` shows it, and since when it has lasted. Owned by the shell of the Life.

#include "supervisor/process/child.h"
#include "supervisor/process/life/life.h"
#include "supervisor/process/status.h"

namespace emprops::process {

class ShownState {
  public:
    /// To be called after each change.
    void update(State state, TimePoint now) {
        if (state == state_) return;
        state_ = state;
        since_ = now;
    }
    /// Fills in what is shown of any supervised thing. `child`: the process that counts, or null.
    void fill(ProcessStatus& status, const Life& life, const Child* child, TimePoint now) const {
        status.state = life.state();
        status.in_state = between(since_, now);
        if (const auto at = life.next_attempt()) status.next_attempt_in = between(now, *at);
        status.last_death = life.last_death();
        status.why = life.why(now);
        if (child == nullptr) return;
        status.pid = child->pid();
        status.uptime = between(child->started_at(), now);
        status.rss_bytes = child->rss_bytes();
    }

  private:
    State state_ = State::stopped;
    TimePoint since_ = Clock::now();
};

}  // namespace emprops::process
