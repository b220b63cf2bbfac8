#pragma once
// Who takes no new jobs because an operator drains it or the worker leaves, and when its running jobs are
// given back. Pure; owned by the dispatcher.

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/base/time.h"

namespace emprops::jobs {

enum class DrainMode {
    graceful,  ///< running jobs finish, no limit
    deadline,  ///< running jobs finish until the deadline, then they are given back
    now,       ///< running jobs are given back at once
};
/// From its name in settings and requests, which has been checked: now, deadline, else graceful.
DrainMode drain_mode(std::string_view name);

class Drains {
  public:
    /// The name of a connector; `whole_worker`: of all.
    static constexpr const char* whole_worker = "";

    /// A second call replaces mode and deadline.
    void begin(const std::string& who, DrainMode mode, TimePoint deadline);
    void end(const std::string& who) { drains_.erase(who); }

    /// Whose jobs are to be given back now. Each is named once; what it still gets goes back as well.
    std::vector<std::string> take_due(TimePoint now);
    std::optional<TimePoint> next_wakeup() const;

    bool drained(const std::string& who) const { return drains_.contains(who); }
    /// Its jobs were given back, and so is what still comes.
    bool gives_back(const std::string& who) const;

  private:
    struct Drain {
        DrainMode mode = DrainMode::graceful;
        TimePoint deadline;
        bool gives_back = false;
    };
    std::map<std::string, Drain> drains_;  // the whole worker first
};

}  // namespace emprops::jobs
