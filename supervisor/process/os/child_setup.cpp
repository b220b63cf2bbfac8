#include "supervisor/process/os/child_setup.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <iterator>

#include "supervisor/process/os/inherited.h"

namespace emprops::process {

namespace {

/// errno of a call that returns -1 on failure.
int checked(long result) {
    return result == -1 ? errno : 0;
}

int write_file(const char* path, const char* text, std::size_t size) {
    const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return errno;
    const int error = checked(::write(fd, text, size));
    ::close(fd);
    return error;
}

int limit(decltype(RLIMIT_CORE) resource, rlim_t value) {
    const rlimit wanted{value, value};
    if (::setrlimit(resource, &wanted) == 0) return 0;
    if (errno != EPERM) return errno;
    // Without privileges the hard limit cannot be raised; what can be had is taken.
    rlimit current{};
    if (::getrlimit(resource, &current) != 0) return errno;
    current.rlim_cur = current.rlim_max;
    return checked(::setrlimit(resource, &current));
}

/// Everything but 0, 1 and 2 is closed by the exec; the pipe that reports a failed exec stays open until
/// then.
int seal_descriptors() {
    if (::syscall(SYS_close_range, 3u, ~0u, static_cast<unsigned>(CLOSE_RANGE_CLOEXEC)) == 0) return 0;
    if (errno != ENOSYS && errno != EINVAL && errno != EPERM) return errno;
    rlimit files{};
    ::getrlimit(RLIMIT_NOFILE, &files);
    const int last = static_cast<int>(std::min<rlim_t>(files.rlim_cur, 65'536));
    for (int fd = 3; fd < last; ++fd)
        ::fcntl(fd, F_SETFD, FD_CLOEXEC);
    return 0;
}

}  // namespace

const char* ChildSetup::describe(Step step) {
    static constexpr const char* words[] = {
        "cannot execute it",
        "cannot make a session",
        "cannot enter its cgroup",
        "cannot set the resource limits (limit_address_space, limit_open_files, limit_core)",
        "cannot set `nice`",
        "cannot set `cpu_affinity`",
        "cannot set `oom_score_adj`",
        "cannot enter its working directory",
        "cannot change to `user`",
        "cannot set `no_new_privs`",
        "cannot set the parent-death signal",
        "cannot close descriptors",
        "cannot execute it",
    };
    static_assert(std::size(words) == static_cast<std::size_t>(Step::execute) + 1);
    return words[static_cast<int>(step)];
}

ChildSetup ChildSetup::prepare(const LaunchSpec& spec, std::string cgroup_procs) {
    ChildSetup setup;
    setup.parent_ = ::getpid();
    setup.working_dir_ = spec.working_dir.string();
    setup.cgroup_procs_ = std::move(cgroup_procs);
    setup.limits_ = spec.limits;
    const Inherited& ours = inherited();
    setup.umask_ = ours.umask;
    setup.open_files_ = ours.open_files;
    setup.processes_ = ours.processes;
    // What protects the worker from the OOM killer must not protect what it supervises.
    if (spec.limits.oom_score_adj || ours.oom_score_adj < 0)
        setup.oom_score_ = std::to_string(spec.limits.oom_score_adj.value_or(0));
    if (!spec.limits.cpu_affinity.empty()) {
        setup.set_affinity_ = true;
        for (const int cpu : spec.limits.cpu_affinity) {
            if (cpu >= 0 && cpu < CPU_SETSIZE) CPU_SET(static_cast<unsigned>(cpu), &setup.cpus_);
        }
    }
    setup.user_ = spec.user;
    return setup;
}

int ChildSetup::run(volatile Step* failed) const {
    for (int next = static_cast<int>(Step::session); next < static_cast<int>(Step::execute); ++next) {
        *failed = static_cast<Step>(next);
        const int error = step(static_cast<Step>(next));
        if (error != 0) return error;
    }
    *failed = Step::execute;
    return 0;
}

int ChildSetup::step(Step step) const {
    switch (step) {
        case Step::session:
            // A process group of its own, and no terminal: who asks for a password there is not stopped for
            // ever.
            return checked(::setsid());
        case Step::cgroup:
            return cgroup_procs_.empty() ? 0 : write_file(cgroup_procs_.c_str(), "0", 1);
        case Step::limits: {
            int error = limit(RLIMIT_CORE, limits_.limit_core);
            if (error == 0 && limits_.limit_address_space > 0)
                error = limit(RLIMIT_AS, limits_.limit_address_space);
            if (error == 0 && limits_.limit_open_files > 0)
                error = limit(RLIMIT_NOFILE, limits_.limit_open_files);
            else if (error == 0)
                ::setrlimit(RLIMIT_NOFILE, &open_files_);  // programs with select() need a low one
            ::setrlimit(RLIMIT_NPROC, &processes_);
            ::umask(umask_);
            return error;
        }
        case Step::niceness:
            return limits_.nice ? checked(::setpriority(PRIO_PROCESS, 0, *limits_.nice)) : 0;
        case Step::affinity:
            return set_affinity_ ? checked(::sched_setaffinity(0, sizeof cpus_, &cpus_)) : 0;
        case Step::oom_score:
            // A fork of a worker that hides its memory: without this the file is root's.
            if (!oom_score_.empty()) ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
            return oom_score_.empty()
                       ? 0
                       : write_file("/proc/self/oom_score_adj", oom_score_.c_str(), oom_score_.size());
        case Step::working_dir:
            return checked(::chdir(working_dir_.c_str()));
        case Step::user:
            if (!user_) return 0;
            if (::setgroups(user_->groups.size(), user_->groups.data()) != 0) return errno;
            if (::setgid(user_->gid) != 0) return errno;
            return checked(::setuid(user_->uid));
        case Step::privileges:
            return limits_.no_new_privs ? checked(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)) : 0;
        case Step::death_signal:
            // A change of user clears it: it comes after. Whoever lost its parent before this line leaves.
            if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return errno;
            if (::getppid() != parent_) ::_exit(EXIT_FAILURE);
            default_signals();
            return 0;
        case Step::descriptors:
            return seal_descriptors();
        case Step::none:
        case Step::execute:
            return 0;
    }
    return 0;
}

}  // namespace emprops::process
