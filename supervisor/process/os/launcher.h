#pragma once
// The fork and the exec of one child, with its three pipes. Owned by the ProcessHost; used on its thread only (the
// parent-death signal fires when the thread that started a child ends).

#include <boost/asio/io_context.hpp>
#include <string>

#include "supervisor/process/os/child_setup.h"
#include "supervisor/process/os/process_host.h"

namespace emprops::process {

/// With the code "start_failed".
Error start_failed(const std::string& what);

class Launcher {
  public:
    Launcher();
    ~Launcher();
    Launcher(const Launcher&) = delete;
    Launcher& operator=(const Launcher&) = delete;

    /// See ProcessHost::start. `cgroup_procs`: the file that moves the child into its cgroup; empty: it has none.
    Result<Started> launch(const LaunchSpec& spec, const std::string& cgroup_procs);

  private:
    Result<int> spawn(const LaunchSpec& spec, const ChildSetup& setup, int in, int out, int err);

    // A context of its own that is never run: launching must not tell the event loop about the fork.
    boost::asio::io_context context_{1};
    ChildSetup::Step own_step_ = ChildSetup::Step::none;
    volatile ChildSetup::Step* failed_step_ = nullptr;  // in memory that is shared with the child
};

}  // namespace emprops::process
