#pragma once
// What a child does between fork and exec, and the preparation for it that is not allowed there (lookups,
// memory). prepare() runs in the parent; run() in the child calls async-signal-safe functions only.

#include <sched.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <optional>
#include <string>

#include "supervisor/process/os/process_host.h"

namespace emprops::process {

class ChildSetup {
  public:
    /// The steps, in their order; the number of the failing one is left in shared memory for the parent.
    enum class Step : int {
        none,
        session,
        cgroup,
        limits,
        niceness,
        affinity,
        oom_score,
        working_dir,
        user,
        privileges,
        death_signal,
        descriptors,
        execute,
    };
    static const char* describe(Step step);

    /// `cgroup_procs`: file to join, or empty.
    static ChildSetup prepare(const LaunchSpec& spec, std::string cgroup_procs);

    /// In the child. 0, or the errno of the step written to `*failed`.
    int run(volatile Step* failed) const;

  private:
    int step(Step step) const;

    pid_t parent_ = 0;
    std::string working_dir_;
    std::string cgroup_procs_;
    std::string oom_score_;
    std::optional<UserIds> user_;
    bool set_affinity_ = false;
    cpu_set_t cpus_{};
    mode_t umask_ = 022;
    rlimit open_files_{};
    rlimit processes_{};
    config::LaunchSettings limits_;
};

}  // namespace emprops::process
