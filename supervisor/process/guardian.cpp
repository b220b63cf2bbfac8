#include "supervisor/process/guardian.h"

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

#include "supervisor/process/proc_tree.h"

namespace emprops::process {

namespace {

constexpr int forwarded[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};
constexpr std::chrono::seconds sweep_limit{5};

/// Kills what descends from us until nothing is left. New processes can appear while we look, hence the
/// rounds; a process in uninterruptible sleep cannot be killed, hence the limit. Returns how many were found.
std::size_t kill_descendants() {
    std::size_t killed = 0;
    const auto deadline = std::chrono::steady_clock::now() + sweep_limit;
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
        if (childless || std::chrono::steady_clock::now() > deadline) return killed;
        ::usleep(2000);
    }
}

[[noreturn]] void be_supervisor(const std::function<int()>& supervisor, pid_t guardian,
                                const sigset_t& mask) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (::getppid() != guardian) ::_exit(EXIT_FAILURE);
    ::setpgid(0, 0);
    // Outside the terminal's foreground group a log line would stop us under `stty tostop`.
    ::signal(SIGTTOU, SIG_IGN);
    ::pthread_sigmask(SIG_SETMASK, &mask, nullptr);
    int code = 70;
    try {
        code = supervisor();
    } catch (const std::exception& error) {
        std::fprintf(stderr, "emprops-worker: internal error: %s\n", error.what());
    }
    std::exit(code);
}

}  // namespace

int run_guarded(const std::function<int()>& supervisor) {
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
        return 70;
    }
    if (child == 0) be_supervisor(supervisor, guardian, before);
    ::prctl(PR_SET_CHILD_SUBREAPER, 1);

    int status = 0;
    for (;;) {
        siginfo_t info{};
        const int signal = ::sigwaitinfo(&watched, &info);
        if (signal < 0) continue;  // EINTR
        if (signal != SIGCHLD) {
            ::kill(child, signal);
            continue;
        }
        bool ended = false;
        int any = 0;
        // Orphans of a supervisor that still lives are adopted by the supervisor itself; whoever arrives here
        // is reaped.
        for (pid_t pid = 0; (pid = ::waitpid(-1, &any, WNOHANG)) > 0;) {
            if (pid != child) continue;
            status = any;
            ended = true;
        }
        if (ended) break;
    }
    const std::size_t killed = kill_descendants();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
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
