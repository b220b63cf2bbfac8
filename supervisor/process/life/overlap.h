#pragma once
// The processes that one Life has at a time: usually one; during an overlapping restart the one that serves and
// the candidate that shall follow it; beside them those that are on their way out. Pure; owned by the Life.

#include <cstdint>
#include <list>
#include <optional>

#include "supervisor/process/life/run.h"

namespace emprops::process {

class Overlap {
  public:
    enum class Role { candidate, serving, retiring };

    void add_candidate(Run run);
    /// The candidate serves now.
    void promote() { set_role(candidate(), Role::serving); }
    /// It neither serves nor will: what happens to it decides nothing any more.
    void retire(Run& run) { set_role(&run, Role::retiring); }
    /// The process is gone. Nothing: it is not one of these.
    std::optional<Role> remove(std::uint64_t generation);

    Run* serving() { return with(Role::serving); }
    Run* candidate() { return with(Role::candidate); }
    const Run* serving() const { return const_cast<Overlap*>(this)->serving(); }
    const Run* candidate() const { return const_cast<Overlap*>(this)->candidate(); }
    Run* find(std::uint64_t generation);
    const Run* find(std::uint64_t generation) const { return const_cast<Overlap*>(this)->find(generation); }
    /// The process that serves, else the one that starts, else the last one on its way out.
    const Run* current() const;
    bool empty() const { return held_.empty(); }
    int retiring() const;
    std::optional<TimePoint> next_wakeup() const;
    template <class Function>
    void for_each(Function function) {
        for (Held& each : held_)
            function(each.run);
    }

  private:
    struct Held {
        Role role;
        Run run;
    };
    Run* with(Role role);
    void set_role(const Run* run, Role role);

    std::list<Held> held_;  // in the order of their spawns
};

}  // namespace emprops::process
