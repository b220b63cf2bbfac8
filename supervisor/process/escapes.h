#pragma once
// When processes are looked for that escaped from a child that has ended: an escaped process may appear while one
// looks. One look serves all children whose time has nearly come, so that many deaths cost little more than one.
// Owned by the fleet; event loop thread only.

#include <optional>
#include <string>
#include <vector>

#include "supervisor/base/time.h"
#include "supervisor/process/os/process_host.h"

namespace emprops::process {

class Escapes {
  public:
    Escapes(ProcessHost& host, TimePoint now);
    /// A child with this marker has ended: looks several times during the next second.
    void child_ended(const std::string& marker, TimePoint now);
    /// At the very end, when no child is left. False: something was found that may have forked meanwhile; ask again
    /// when a look was due.
    bool none_left(TimePoint now);
    void tick(TimePoint now);
    TimePoint next_wakeup() const;

  private:
    struct Look {
        TimePoint from;  ///< it may be joined to another one
        TimePoint at;
        std::string marker;
    };
    ProcessHost& host_;
    std::vector<Look> looks_;
    TimePoint next_reap_;
    int last_looks_left_ = 20;
};

}  // namespace emprops::process
