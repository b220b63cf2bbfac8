#include "supervisor/process/os/process_host.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <map>
#include <set>

#include "supervisor/base/lifetime.h"
#include "supervisor/base/log.h"
#include "supervisor/process/os/cgroup.h"
#include "supervisor/process/os/launcher.h"
#include "supervisor/process/os/proc_tree.h"

namespace emprops::process {

namespace asio = boost::asio;

namespace {

Ms to_ms(const timeval& time) {
    return std::chrono::duration_cast<Ms>(std::chrono::seconds(time.tv_sec) +
                                          std::chrono::microseconds(time.tv_usec));
}

/// A process, addressed so that its pid cannot have become another process's in the meantime.
UniqueFd open_pid(pid_t pid) {
    return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
}

bool send(const UniqueFd& pidfd, int signal) {
    return ::syscall(SYS_pidfd_send_signal, pidfd.get(), signal, nullptr, 0) == 0;
}

class OsProcessHost : public ProcessHost {
  public:
    explicit OsProcessHost(asio::any_io_executor executor) : executor_(std::move(executor)) {
        ::prctl(PR_SET_CHILD_SUBREAPER, 1);
        ::signal(SIGPIPE, SIG_IGN);
    }

    Result<Started> start(const LaunchSpec& spec, ExitHandler on_exit) override;
    void signal_group(int pid, int signal) override {
        if (running_.count(pid) > 0) ::kill(-pid, signal);
    }
    int stopped_by(int pid) const override;
    std::string heir(int pid, int descriptor, Ms time) const override;
    void remember_tree(int pid) override;
    std::size_t sweep(const std::set<std::string>& markers) override;
    std::size_t sweep_all() override;
    void reap_orphans() override { reap(children_of(::getpid())); }
    std::uint64_t tree_rss_bytes(int pid) override;
    PortOwner port_owner(std::uint16_t port, int pid, const std::string& marker) override;

  private:
    /// Start times by pid: a pid alone may have become somebody else.
    using Seen = std::map<pid_t, std::uint64_t>;
    struct Running {
        std::shared_ptr<asio::posix::stream_descriptor> pidfd;
        ExitHandler on_exit;
        std::string cgroup;
        std::string marker;
        Seen descendants;
    };

    std::string join_cgroup(const LaunchSpec& spec, std::string& name);
    void watch(int pid);
    void look(int pid);
    bool adopted(pid_t pid) const;
    void reap(const std::vector<pid_t>& children) const;
    std::vector<pid_t> strays(const std::vector<pid_t>& children, const std::set<std::string>& markers) const;
    std::size_t left_behind(int leader, const std::string& marker) const;
    std::vector<pid_t> look_at_tree(int pid);
    bool kill_escaped(pid_t pid, std::uint64_t started);
    std::size_t sweep_remembered(const std::string& marker);

    asio::any_io_executor executor_;
    Launcher launcher_;
    std::map<int, Running> running_;
    std::map<std::string, Seen> left_behind_;  // by marker, of processes that have ended
    std::optional<Result<CgroupParent>> cgroup_;
    Lifetime lifetime_;
};

Result<Started> OsProcessHost::start(const LaunchSpec& spec, ExitHandler on_exit) {
    std::string cgroup;
    const std::string cgroup_procs = join_cgroup(spec, cgroup);
    Result<Started> child = launcher_.launch(spec, cgroup_procs);
    if (!child) {
        if (!cgroup.empty()) (*cgroup_)->remove(cgroup);
        return child;
    }
    UniqueFd pidfd = open_pid(child->pid);
    if (!pidfd) {
        const std::string why = std::strerror(errno);
        ::kill(-child->pid, SIGKILL);
        ::waitpid(child->pid, nullptr, 0);
        return start_failed("this system has no pidfd_open (kernel 5.3, or a seccomp profile forbids it): " +
                            why);
    }
    Running running;
    running.pidfd = std::make_shared<asio::posix::stream_descriptor>(executor_, pidfd.release());
    running.on_exit = std::move(on_exit);
    running.cgroup = cgroup;
    running.marker = spec.marker;
    running_[child->pid] = std::move(running);
    watch(child->pid);
    return child;
}

std::string OsProcessHost::join_cgroup(const LaunchSpec& spec, std::string& name) {
    if (spec.limits.cgroup_memory_max == 0) return {};
    if (!cgroup_) {
        cgroup_.emplace(CgroupParent::open());
        if (!*cgroup_) logger("process")->warn("{}", cgroup_->error().message);
    }
    if (!*cgroup_) return {};
    name = "connector-" + spec.marker;
    std::replace(name.begin(), name.end(), '/', '-');
    const auto procs = (*cgroup_)->make(name, spec.limits.cgroup_memory_max);
    if (procs) return procs->string();
    logger("process")->warn("{}", procs.error().message);
    name.clear();
    return {};
}

void OsProcessHost::watch(int pid) {
    auto& pidfd = *running_.at(pid).pidfd;
    pidfd.async_wait(asio::posix::stream_descriptor::wait_read,
                     lifetime_.guard([this, pid](const boost::system::error_code& error) {
                         if (!error) look(pid);
                     }));
}

void OsProcessHost::look(int pid) {
    const auto found = running_.find(pid);
    if (found == running_.end()) return;
    siginfo_t info{};
    // A readiness event may be spurious; a blocking wait here would stop the whole worker.
    const int seen = ::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT);
    // ECHILD: somebody else in this program has reaped it. All that is known then is that it has ended.
    const bool stolen = seen != 0 && errno == ECHILD;
    if (!stolen && (seen != 0 || info.si_pid == 0)) {
        watch(pid);
        return;
    }
    const bool well = !stolen && info.si_code == CLD_EXITED && info.si_status == 0;
    const std::size_t left = well ? left_behind(pid, found->second.marker) : 0;
    // While the leader is not reaped its id cannot be used again: the group is surely its own.
    if (!stolen) ::kill(-pid, SIGKILL);
    int status = 0;
    rusage usage{};
    ExitStatus exit;
    exit.left_behind = left;
    if (!stolen && ::wait4(pid, &status, WNOHANG, &usage) == pid) {
        if (WIFEXITED(status)) exit.exit_code = WEXITSTATUS(status);
        if (WIFSIGNALED(status)) {
            exit.signal = WTERMSIG(status);
            exit.core_dumped = WCOREDUMP(status);
        }
        exit.peak_rss_bytes = static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
        exit.cpu = to_ms(usage.ru_utime) + to_ms(usage.ru_stime);
    }
    Running ended = std::move(found->second);
    running_.erase(found);
    if (!ended.descendants.empty()) left_behind_[ended.marker] = std::move(ended.descendants);
    if (!ended.cgroup.empty()) (*cgroup_)->remove(ended.cgroup);
    ended.on_exit(exit);
}

bool OsProcessHost::adopted(pid_t pid) const {
    if (running_.count(pid) > 0) return false;
    const auto stat = proc_stat(pid);
    // Connectors and what they start are never in our own process group; whoever is was started by somebody
    // else here.
    return stat && stat->parent == ::getpid() && stat->group != ::getpgrp();
}

/// What may be left of processes with these markers. A process that outlived its ancestors is a child of ours, or below
/// one, that we have not started: the trees of the others need no look, however many there are.
std::vector<pid_t> OsProcessHost::strays(const std::vector<pid_t>& children,
                                         const std::set<std::string>& markers) const {
    std::vector<pid_t> found;
    for (const pid_t child : children) {
        const auto running = running_.find(child);
        if (running == running_.end())
            found.push_back(child);
        else if (markers.count(running->second.marker) == 0)
            continue;
        const std::vector<pid_t> tree = descendants_of(child);
        found.insert(found.end(), tree.begin(), tree.end());
    }
    return found;
}

/// Processes that the exited leader of a group has left: in its group, or with its marker.
std::size_t OsProcessHost::left_behind(int leader, const std::string& marker) const {
    std::size_t count = 0;
    for (const pid_t pid : strays(children_of(::getpid()), {marker})) {
        const auto stat = proc_stat(pid);
        if (!stat || stat->state == 'Z') continue;
        if (stat->group == leader || environment_has(pid, marker_variable, {marker})) ++count;
    }
    return count;
}

void OsProcessHost::reap(const std::vector<pid_t>& children) const {
    for (const pid_t pid : children) {
        if (adopted(pid)) ::waitpid(pid, nullptr, WNOHANG);
    }
}

std::vector<pid_t> OsProcessHost::look_at_tree(int pid) {
    std::vector<pid_t> tree = descendants_of(pid);
    const auto found = running_.find(pid);
    if (found == running_.end()) return tree;
    Seen& seen = found->second.descendants;
    // One that was seen and has left the tree since is kept while it lives: that is what this is for.
    std::erase_if(seen, [](const auto& each) {
        const auto stat = proc_stat(each.first);
        return !stat || stat->started != each.second;
    });
    for (const pid_t each : tree) {
        if (const auto stat = proc_stat(each)) seen[each] = stat->started;
    }
    return tree;
}

int OsProcessHost::stopped_by(int pid) const {
    siginfo_t info{};
    if (running_.count(pid) == 0) return 0;
    // Not taken: it is told each time, as long as the process is stopped.
    if (::waitid(P_PID, static_cast<id_t>(pid), &info, WSTOPPED | WNOHANG | WNOWAIT) != 0) return 0;
    return info.si_pid == pid && info.si_code == CLD_STOPPED ? info.si_status : 0;
}

std::string OsProcessHost::heir(int pid, int descriptor, Ms time) const {
    const std::string pipe = running_.count(pid) > 0 ? open_file(pid, descriptor) : "";
    if (pipe.empty()) return {};
    const std::string own = command_line(pid);
    for (const pid_t each : descendants_of(pid)) {
        const auto age = age_of(each);
        if (!age || *age >= time) continue;
        // A fork of itself, as of a shell for `$(...)`, does what the connector's author wrote.
        if (open_file(each, descriptor) == pipe && command_line(each) != own)
            return program_name(each) + " (pid " + std::to_string(each) + ")";
    }
    return {};
}

void OsProcessHost::remember_tree(int pid) {
    if (running_.count(pid) > 0) look_at_tree(pid);
}

bool OsProcessHost::kill_escaped(pid_t pid, std::uint64_t started) {
    if (running_.count(pid) > 0) return false;
    const UniqueFd pidfd = open_pid(pid);
    const auto stat = proc_stat(pid);
    return pidfd && stat && stat->started == started && stat->state != 'Z' && send(pidfd, SIGKILL);
}

/// Those that were seen in the tree of the ended process, and what they have started since.
std::size_t OsProcessHost::sweep_remembered(const std::string& marker) {
    const auto found = left_behind_.find(marker);
    if (found == left_behind_.end()) return 0;
    std::size_t killed = 0;
    Seen next;
    for (const auto& [pid, started] : found->second) {
        const auto stat = proc_stat(pid);
        if (!stat || stat->started != started) continue;
        for (const pid_t each : descendants_of(pid)) {
            if (const auto below = proc_stat(each)) next[each] = below->started;
        }
        next[pid] = started;
    }
    for (const auto& [pid, started] : next)
        killed += kill_escaped(pid, started) ? 1 : 0;
    if (next.empty())
        left_behind_.erase(found);
    else
        found->second = std::move(next);
    return killed;
}

std::size_t OsProcessHost::sweep(const std::set<std::string>& markers) {
    std::size_t killed = 0;
    for (const std::string& marker : markers)
        killed += sweep_remembered(marker);
    const std::vector<pid_t> children = children_of(::getpid());
    for (const pid_t pid : strays(children, markers)) {
        const UniqueFd pidfd = open_pid(pid);
        if (pidfd && environment_has(pid, marker_variable, markers) && send(pidfd, SIGKILL)) ++killed;
    }
    reap(children);
    return killed;
}

std::size_t OsProcessHost::sweep_all() {
    std::size_t killed = 0;
    std::vector<pid_t> victims;
    for (const pid_t pid : children_of(::getpid())) {
        if (running_.count(pid) == 0 && !adopted(pid)) continue;
        victims.push_back(pid);
        const std::vector<pid_t> more = descendants_of(pid);
        victims.insert(victims.end(), more.begin(), more.end());
    }
    for (const pid_t pid : victims) {
        const auto stat = proc_stat(pid);
        if (stat && stat->state != 'Z' && ::kill(pid, SIGKILL) == 0) ++killed;
    }
    reap_orphans();
    return killed;
}

std::uint64_t OsProcessHost::tree_rss_bytes(int pid) {
    std::uint64_t sum = resident_bytes(pid);
    for (const pid_t each : look_at_tree(pid))
        sum += resident_bytes(each);
    return sum;
}

PortOwner OsProcessHost::port_owner(std::uint16_t port, int pid, const std::string& marker) {
    PortOwner owner;
    const std::set<std::uint64_t> inodes = listening_sockets(port);
    owner.listening = !inodes.empty();
    if (!owner.listening) return owner;
    const auto holds = [&](pid_t each) { return holds_socket(each, inodes); };
    std::vector<pid_t> tree;
    if (pid > 0) {
        tree = descendants_of(pid);
        tree.push_back(pid);
    }
    auto found = std::find_if(tree.begin(), tree.end(), holds);
    if (found == tree.end() && !marker.empty()) {
        // One that left the tree: adopted by us, with the marker of its instance.
        tree = strays(children_of(::getpid()), {marker});
        found = std::find_if(tree.begin(), tree.end(), [&](pid_t each) {
            return environment_has(each, marker_variable, {marker}) && holds(each);
        });
    }
    owner.ours = found != tree.end();
    if (owner.ours) {
        owner.pid = *found;
    } else {
        const std::vector<pid_t> all = all_processes();
        const auto stranger = std::find_if(all.begin(), all.end(), holds);
        if (stranger != all.end()) owner.pid = *stranger;
    }
    if (owner.pid != 0) owner.command = shown_command(command_line(owner.pid));
    return owner;
}

}  // namespace

std::unique_ptr<ProcessHost> make_process_host(asio::any_io_executor executor) {
    return std::make_unique<OsProcessHost>(std::move(executor));
}

}  // namespace emprops::process
