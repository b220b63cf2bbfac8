#include "supervisor/process/os/inherited.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>
#include <cstring>
#include <fstream>

#include "ipc/text/people.h"

namespace emprops::process {

namespace {

/// What a supervisor of many connectors can ever need; above it a table of descriptors costs more than it
/// helps.
constexpr rlim_t wanted_files = 65'536;

std::string name_of(int signal) {
    const char* name = ::sigabbrev_np(signal);
    return name != nullptr ? std::string("SIG") + name : "signal " + std::to_string(signal);
}

bool is_ignored(int signal) {
    struct sigaction action {};
    return ::sigaction(signal, nullptr, &action) == 0 && (action.sa_flags & SA_SIGINFO) == 0 &&
           action.sa_handler == SIG_IGN;
}

/// Ones whose being ignored is common and harms nothing (nohup, Python, a script's background job), or that
/// are ignored by us anyway, are not told.
bool told_when_ignored(int signal) {
    return signal != SIGHUP && signal != SIGPIPE && signal != SIGXFSZ && signal != SIGINT &&
           signal != SIGQUIT;
}

void note_signals(std::vector<std::string>& notes) {
    std::string ignored;
    std::string blocked;
    sigset_t mask;
    ::sigemptyset(&mask);
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    for (int signal = 1; signal < NSIG; ++signal) {
        if (told_when_ignored(signal) && is_ignored(signal)) add_item(ignored, name_of(signal));
        if (::sigismember(&mask, signal) == 1) add_item(blocked, name_of(signal));
    }
    if (!ignored.empty())
        notes.push_back("whoever started this worker ignores " + ignored + "; set to the default");
    if (!blocked.empty()) notes.push_back("whoever started this worker blocks " + blocked + "; unblocked");
}

void note_limit(decltype(RLIMIT_CORE) resource, const char* what, std::vector<std::string>& notes) {
    rlimit limit{};
    if (::getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return;
    notes.push_back(
        std::string("this worker was started with a limit of ") + what + " (" +
        std::to_string(limit.rlim_cur) +
        "), which ends it, or what it starts, when it is reached; lift it where the worker is started");
}

mode_t current_umask() {
    // Asking by changing it would change it for other threads too, for a moment.
    std::ifstream status("/proc/self/status");
    for (std::string key, value; status >> key && std::getline(status, value);) {
        if (key == "Umask:") return static_cast<mode_t>(std::stoul(value, nullptr, 8));
    }
    const mode_t mask = ::umask(022);
    ::umask(mask);
    return mask;
}

bool directory_is_gone() {
    char path[PATH_MAX];
    return ::getcwd(path, sizeof path) == nullptr && errno == ENOENT;
}

Inherited look() {
    Inherited found;
    note_signals(found.notes);
    found.umask = current_umask();
    ::getrlimit(RLIMIT_NOFILE, &found.open_files);
    ::getrlimit(RLIMIT_NPROC, &found.processes);
    if (std::ifstream score("/proc/self/oom_score_adj"); score) score >> found.oom_score_adj;
    note_limit(RLIMIT_CPU, "CPU seconds (ulimit -t)", found.notes);
    note_limit(RLIMIT_FSIZE, "bytes per file (ulimit -f)", found.notes);
    note_limit(RLIMIT_AS, "bytes of address space (ulimit -v)", found.notes);
    note_limit(RLIMIT_DATA, "bytes of data (ulimit -d)", found.notes);
    if (directory_is_gone())
        found.notes.push_back(
            "the directory in which this worker was started does not exist any more; relative paths of its "
            "configuration now begin at /");
    return found;
}

void unblock_signals() {
    sigset_t none;
    ::sigemptyset(&none);
    ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
}

/// Handlers cannot be inherited: one that is there was set by this program or by a sanitizer.
void undo_ignored_signals() {
    for (int signal = 1; signal < NSIG; ++signal) {
        if (signal != SIGHUP && is_ignored(signal)) ::signal(signal, SIG_DFL);
    }
    ::signal(SIGPIPE, SIG_IGN);
    ::signal(SIGXFSZ, SIG_IGN);  // a file size limit is a write that fails, no reason to die
}

void raise(decltype(RLIMIT_CORE) resource, rlimit limit, rlim_t most) {
    const rlim_t soft = std::min(limit.rlim_max, most);
    if (limit.rlim_cur >= soft) return;
    limit.rlim_cur = soft;
    ::setrlimit(resource, &limit);
}

}  // namespace

void clean_start() {
    inherited();
    for (int fd = 0; fd <= 2; ++fd) {
        // The lowest free number is taken: 0 is seen to before 1 and 2.
        if (::fcntl(fd, F_GETFD) == -1 && errno == EBADF)
            (void)::open("/dev/null", fd == 0 ? O_RDONLY : O_WRONLY);
    }
    unblock_signals();
}

const Inherited& inherited() {
    static const Inherited found = look();
    return found;
}

const Inherited& take_over() {
    const Inherited& found = inherited();
    static const bool done = [&] {
        clean_start();
        undo_ignored_signals();
        ::umask((found.umask | 022) & ~static_cast<mode_t>(0700));
        raise(RLIMIT_NOFILE, found.open_files, wanted_files);
        raise(RLIMIT_NPROC, found.processes, RLIM_INFINITY);
        if (directory_is_gone()) (void)!::chdir("/");
        return true;
    }();
    (void)done;
    return found;
}

void default_signals() {
    // The kernel's own call: the library's refuses the two signals that it uses itself, and they may have
    // been left ignored. All zero is SIG_DFL, no flags, no mask, on every architecture.
    constexpr std::size_t kernel_mask_bytes = 8;
    const unsigned long nothing[8] = {};
    for (int signal = 1; signal < NSIG; ++signal)
        ::syscall(SYS_rt_sigaction, signal, nothing, nullptr, kernel_mask_bytes);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace emprops::process
