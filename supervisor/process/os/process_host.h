#pragma once
// The one door to the operating system: starting, signalling, waiting for and measuring connector processes.
// Nothing else in the supervisor forks, kills or reaps (but for the guardian, which is a process of its own).
//
// Owned by the program's root, used by the fleet on the event loop thread only (the parent-death signal fires
// when the thread that started a child ends). No call blocks, but for the short time from fork to exec.

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/settings.h"
#include "ipc/result.h"
#include "ipc/unique_fd.h"
#include "supervisor/base/time.h"
#include "supervisor/process/os/listen_port.h"
#include "supervisor/process/os/user_ids.h"

namespace emprops::process {

/// The variable by which a process is attributed to its instance even after it left its group and session.
inline constexpr const char* marker_variable = "EMPROPS_INSTANCE";

struct LaunchSpec {
    std::filesystem::path executable;        ///< absolute
    std::vector<std::string> arguments;      ///< without argv[0]
    std::map<std::string, std::string> env;  ///< the whole environment, but for the marker
    std::filesystem::path working_dir;
    std::string marker;           ///< value of EMPROPS_INSTANCE: "<connector>/<index>/<generation>" or, of
                                  ///< a companion service, "<connector>/<index>/service-<generation>"
    std::optional<UserIds> user;  ///< whose process it becomes; empty: ours
    config::LaunchSettings limits;
};

/// A process that was started.
struct Started {
    int pid = 0;         ///< also its process group
    UniqueFd stdin_fd;   ///< ours to write, non-blocking, close-on-exec
    UniqueFd stdout_fd;  ///< ours to read, likewise
    UniqueFd stderr_fd;  ///< ours to read, likewise
};

struct ExitStatus {
    std::optional<int> exit_code;
    std::optional<int> signal;
    bool core_dumped = false;
    std::size_t left_behind = 0;       ///< with exit code 0: processes of its that lived on until then
    std::uint64_t peak_rss_bytes = 0;  ///< of it and the children it waited for
    Ms cpu{0};                         ///< user + system, likewise
};

class ProcessHost {
  public:
    using ExitHandler = std::function<void(const ExitStatus&)>;
    virtual ~ProcessHost() = default;

    /// Starts a process: group of its own, killed when this thread ends, descriptors 0, 1 and 2 only, default
    /// signals. `on_exit` is called once, later, from the loop; everything left in its process group has been
    /// killed by then. Errors ("start_failed") name what could not be done; no zombie is left.
    virtual Result<Started> start(const LaunchSpec& spec, ExitHandler on_exit) = 0;
    /// Sends a signal to the process group of a started process; nothing happens once its exit was reported.
    virtual void signal_group(int pid, int signal) = 0;
    /// By which signal a started process is stopped now (state T); 0: it is not.
    virtual int stopped_by(int pid) const = 0;
    /// Of the programs that a started process has started within `time`, the first that has inherited this descriptor
    /// (0 or 1): "ffmpeg (pid 7)"; empty: there is none, or it cannot be seen.
    virtual std::string heir(int pid, int descriptor, Ms time) const = 0;
    /// Remembers the descendants that a started process has now, so that sweep() finds them later even when
    /// they have left its group, its session and its environment. Call it now and then; costs a look into
    /// /proc.
    virtual void remember_tree(int pid) = 0;
    /// Kills what carries one of these markers, or was remembered, although its leader has exited, and reaps adopted
    /// orphans. Processes can appear while it looks: call it again a little later. Returns how many were killed.
    /// One look for all of them, which costs the same however many other children run.
    virtual std::size_t sweep(const std::set<std::string>& markers) = 0;
    /// Kills everything that descends from started processes, attributed or not. For the very end.
    virtual std::size_t sweep_all() = 0;
    /// Collects adopted processes that have ended.
    virtual void reap_orphans() = 0;
    /// Resident memory of a started process and its descendants.
    virtual std::uint64_t tree_rss_bytes(int pid) = 0;
    /// Who listens on a TCP port of this machine. `ours`: a descendant of ours that carries this marker (as
    /// every process of a tree does, unless it cleared its environment), or the tree of `pid` (0: none).
    virtual PortOwner port_owner(std::uint16_t port, int pid, const std::string& marker) = 0;
};

/// The real one. Makes this process the reaper of orphaned descendants (PR_SET_CHILD_SUBREAPER) and ignores
/// SIGPIPE.
std::unique_ptr<ProcessHost> make_process_host(boost::asio::any_io_executor executor);

}  // namespace emprops::process
