#include "supervisor/process/os/machine.h"

#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "ipc/unique_fd.h"

namespace emprops::process {
namespace {

std::string value_of(decltype(RLIMIT_CORE) resource) {
    rlimit limit{};
    if (::getrlimit(resource, &limit) != 0) return "unknown";
    return limit.rlim_cur == RLIM_INFINITY ? "unlimited" : std::to_string(limit.rlim_cur);
}

/// 0 or errno.
int answer(long result) {
    return result < 0 ? errno : 0;
}

bool denied(int number) {
    return number == EPERM || number == EACCES || number == ENOSYS;
}

}  // namespace

std::string limit_behind(int number) {
    switch (number) {
        case EMFILE:
            return "the limit of open files of this process is reached (" + value_of(RLIMIT_NOFILE) +
                   "; ulimit -n, LimitNOFILE= of systemd)";
        case ENFILE:
            return "the limit of open files of this machine is reached (sysctl fs.file-max)";
        case EAGAIN:
            return "the limit of processes is reached: of this user (" + value_of(RLIMIT_NPROC) +
                   "; ulimit -u, LimitNPROC= of systemd), or of the container (--pids-limit, pids.max)";
        case ENOMEM:
            return "there is no memory left for this process: its limit (ulimit -v " + value_of(RLIMIT_AS) +
                   "), or that of its container";
        default:
            return {};
    }
}

std::vector<std::string> denied_system_calls() {
    const UniqueFd self(static_cast<int>(::syscall(SYS_pidfd_open, ::getpid(), 0)));
    const int opened = self ? 0 : errno;
    int signal = 0;
    const struct {
        const char* name;
        int number;
    } calls[] = {
        {"pidfd_open", opened},
        {"pidfd_send_signal", self ? answer(::syscall(SYS_pidfd_send_signal, self.get(), 0, nullptr, 0)) : 0},
        {"prctl(PR_GET_PDEATHSIG)", answer(::prctl(PR_GET_PDEATHSIG, &signal))},
        {"prctl(PR_GET_CHILD_SUBREAPER)", answer(::prctl(PR_GET_CHILD_SUBREAPER, &signal))},
    };
    std::vector<std::string> sentences;
    for (const auto& [name, number] : calls) {
        if (denied(number))
            sentences.push_back(
                std::string("the system call ") + name + " is denied (" + std::strerror(number) +
                "), without which no connector can be supervised: the seccomp profile of this container does "
                "not know it (a newer Docker or containerd, or --security-opt seccomp=unconfined, allows it), "
                "or the kernel is older than 5.3");
    }
    return sentences;
}

}  // namespace emprops::process
