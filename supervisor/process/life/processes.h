#pragma once
// The processes that one Life has at a time, and what becomes of each: usually one; during an overlapping restart
// the one that serves and the candidate that is to follow it; beside them those that are on their way out. What is
// started, and what follows from a death, is the Life's to decide. Pure; owned by the Life.

#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/process/life/options.h"
#include "supervisor/process/life/run.h"

namespace emprops::process {

/// What the shell measured for a tick.
struct Observations {
    std::uint64_t rss_bytes = 0;  ///< of the serving process tree; 0: not measured
    /// Generations with bytes waiting for their stdin: pings to them are put off.
    std::vector<std::uint64_t> stdin_backlog;
    /// What keeps a process from running, by generation: a sentence that completes "it is".
    std::map<std::uint64_t, std::string> stopped = {};
};

class Processes {
  public:
    enum class Role { candidate, serving, retiring };

    /// `options` are those of the Life, which may change; a process keeps the rules that it was started with.
    explicit Processes(const LifeOptions& options) : options_(options) {}

    /// A process was spawned: it is the candidate.
    Run& add(std::uint64_t generation, TimePoint now, Actions& out);
    /// A new process is to follow. A candidate is stopped. What serves leaves: now, if both must not run at the same
    /// time, else when the new one is up. True: the new one may be started now.
    bool make_way(StopReason reason, const std::string& text, bool overlapping, TimePoint now, Actions& out);
    /// The candidate is up: it serves from now on, and the process that served before leaves.
    void take_over(Run& candidate, bool pings, TimePoint now, Actions& out);
    /// The candidate has died as `how` says, and the old process goes on serving.
    void candidate_failed(const std::string& how, Actions& out);
    /// What serves and what starts leaves; jobs end first.
    void leave(const std::string& text, TimePoint now, Actions& out);
    /// Stop ladder, now; what becomes of the process decides nothing any more.
    void dismiss(Run& run, StopReason reason, const std::string& text, TimePoint now, Actions& out);
    void dismiss_all(StopReason reason, const std::string& text, TimePoint now, Actions& out);
    /// Somebody else counts the jobs that need these processes, this many now.
    void jobs_running(int jobs, TimePoint now, Actions& out);
    void tick(const Observations& seen, TimePoint now, Actions& out);
    /// The process has ended. `report` gets what is known of it here. Nothing: it is not one of these.
    std::optional<Role> exited(std::uint64_t generation, DeathReport& report, TimePoint now, Actions& out);

    Run* serving() { return with(Role::serving); }
    Run* candidate() { return with(Role::candidate); }
    const Run* serving() const { return const_cast<Processes*>(this)->serving(); }
    const Run* candidate() const { return const_cast<Processes*>(this)->candidate(); }
    Run* find(std::uint64_t generation);
    const Run* find(std::uint64_t generation) const { return const_cast<Processes*>(this)->find(generation); }
    /// The process that serves, else the candidate.
    const Run* foremost() const { return serving() != nullptr ? serving() : candidate(); }
    /// The foremost, else the last one on its way out.
    const Run* current() const;
    bool empty() const { return held_.empty(); }
    bool replacing() const { return serving() != nullptr && candidate() != nullptr; }
    int retiring() const;
    std::optional<TimePoint> next_wakeup() const;
    /// How a replacement stands: "; a new process is starting to take over (why)"; empty: there is none.
    std::string about_replacement() const;
    /// "; 2 older process(es) still finish their jobs"; empty: there are none.
    std::string about_retiring() const;

  private:
    struct Held {
        Role role;
        Run run;
    };
    struct Replacement {
        StopReason reason = StopReason::restart;
        std::string text;
        std::string problem;  // not empty: the new process never became ready
    };
    Run* with(Role role);
    void set_role(const Run& run, Role role);
    void retire(const Run& run);

    const LifeOptions& options_;
    std::list<Held> held_;  // in the order of their spawns
    Replacement replacement_;
    int jobs_ = 0;  // see jobs_running()
};

}  // namespace emprops::process
