#include "supervisor/process/os/guardian.h"
#include "supervisor/base/exit_codes.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>

#include "ipc/time/clock.h"
#include "supervisor/process/os/inherited.h"
#include "supervisor/process/os/proc_tree.h"

namespace emprops::process {

namespace {

constexpr int forwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
constexpr std::chrono::seconds sweep_limit{5};
/// The supervisor is looked at this often even if no signal tells of its end.
constexpr timespec look_interval{5, 0};

/// Kills what descends from us until nothing is left. New processes can appear while we look, hence the
/// rounds; a process in uninterruptible sleep cannot be killed, hence the limit. Returns how many were found.
std::size_t kill_descendants() {
    std::size_t killed = 0;
    const ClockWatch watch;
    const TimePoint deadline = Clock::now() + sweep_limit;
    for (;;) {
        std::size_t alive = 0;
        for (const pid_t pid : descendants_of(::getpid())) {
            const auto stat = proc_stat(pid);
            if (!stat || stat->state == 'Z') continue;
            ++alive;
            ::kill(pid, SIGKILL);
        }
        killed += alive;
        pid_t reaped = 0;
        while ((reaped = ::waitpid(-1, nullptr, WNOHANG)) > 0) {
        }
        const bool childless = reaped == -1 && errno == ECHILD;
        if (childless || Clock::now() > deadline) return killed;
        ::usleep(2000);
    }
}

[[noreturn]] void be_supervisor(const std::function<int()>& supervisor, pid_t guardian) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != guardian) ::_exit(EXIT_FAILURE);
    // No terminal: it stops nobody there, neither for a log line nor for a key.
    ::setsid();
    sigset_t none;
    ::sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
    int code = exit_internal;
    try {
        code = supervisor();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "emprops-worker: internal error: %s\n", error.what());
    }
    std::exit(code);
}

enum class Seen { running, ended, lost };

/// Reaps whoever has ended: orphans of a supervisor that lives are adopted by the supervisor itself, but some
/// may arrive here. `lost`: the supervisor is gone and somebody else had its status.
Seen look_at(pid_t supervisor, int& status) {
    int any = 0;
    pid_t pid = 0;
    Seen seen = Seen::running;
    while ((pid = ::waitpid(-1, &any, WNOHANG)) > 0) {
        if (pid != supervisor) continue;
        status = any;
        seen = Seen::ended;
    }
    return seen == Seen::running && pid < 0 && errno == ECHILD ? Seen::lost : seen;
}

}  // namespace

int run_guarded(const std::function<int()>& supervisor) {
    take_over();
    sigset_t watched;
    sigset_t before;
    ::sigemptyset(&watched);
    ::sigaddset(&watched, SIGCHLD);
    for (const int signal : forwarded)
        ::sigaddset(&watched, signal);
    ::pthread_sigmask(SIG_BLOCK, &watched, &before);
    std::fflush(nullptr);

    const pid_t guardian = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) {
        std::fprintf(stderr, "emprops-worker: cannot start the supervisor process: %s\n",
                     std::strerror(errno));
        ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
        return exit_internal;
    }
    if (child == 0) be_supervisor(supervisor, guardian);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);

    int status = 0;
    Seen seen = Seen::running;
    while (seen == Seen::running) {
        siginfo_t info{};
        const int signal = ::sigtimedwait(&watched, &info, &look_interval);
        if (signal > 0 && signal != SIGCHLD) ::kill(child, signal);
        seen = look_at(child, status);
    }
    const std::size_t killed = kill_descendants();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (seen == Seen::lost) {
        std::fprintf(stderr, "emprops-worker: the supervisor process is gone and left no exit code\n");
        return exit_internal;
    }
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    const int signal = WTERMSIG(status);
    std::fprintf(
        stderr,
        "emprops-worker: the supervisor process was killed by signal %d (%s); its connectors were killed too "
        "(%zu processes)\n",
        signal, ::strsignal(signal), killed);
    return 128 + signal;
}

}  // namespace emprops::process
