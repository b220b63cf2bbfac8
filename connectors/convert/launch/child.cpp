#include "connectors/convert/launch/child.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <utility>

#include "ipc/text/people.h"
#include "ipc/time/clock.h"
#include "ipc/unique_fd.h"

namespace emprops::convert {
namespace {

constexpr std::size_t most_said = 64 * 1024, most_input = 32 * 1024;
constexpr int tick_ms = 100, first_descriptor = 3, first_free = 64;

bool make_pipe(UniqueFd& read, UniqueFd& write) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return false;
    read = UniqueFd(ends[0]);
    write = UniqueFd(ends[1]);
    return true;
}

/// Null-terminated, as exec wants it.
std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (const std::string& text : texts)
        out.push_back(const_cast<char*>(text.c_str()));
    out.push_back(nullptr);
    return out;
}

struct Spawn {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    Spawn() {
        posix_spawn_file_actions_init(&actions);
        posix_spawnattr_init(&attributes);
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        posix_spawnattr_setflags(&attributes,
                                 POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }
    Spawn(const Spawn&) = delete;
    Spawn& operator=(const Spawn&) = delete;
    ~Spawn() {
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
    }
};

/// A process that was started: killed with its session and reaped, whatever happens.
class Started {
  public:
    Started(pid_t pid, UniqueFd output)
        : pid_(pid),
          output_(std::move(output)),
          watch_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))) {}
    Started(const Started&) = delete;
    Started& operator=(const Started&) = delete;
    ~Started() { end(); }

    /// It has ended; not reaped yet, so that nobody else has its number.
    bool ended() const {
        siginfo_t about{};
        return ::waitid(P_PID, static_cast<id_t>(pid_), &about, WEXITED | WNOHANG | WNOWAIT) != 0 ||
               about.si_pid == pid_;
    }
    /// What there is to read, after waiting a little for it or for the end. (poll passes over what is closed, and over the
    /// watch of a kernel before 5.3.)
    void listen(int wait_ms) {
        pollfd both[] = {{output_.get(), POLLIN, 0}, {pid_ > 0 ? watch_.get() : -1, POLLIN, 0}};
        if (::poll(both, 2, wait_ms) <= 0 || both[0].revents == 0) return;
        char piece[4096];
        const auto got = ::read(output_.get(), piece, sizeof piece);
        if (got <= 0) return output_.reset();
        said_.append(piece, static_cast<std::size_t>(got));
        if (said_.size() > most_said) said_.erase(0, said_.size() - most_said);
    }
    /// How it ended, as wait() says it.
    int end() {
        if (pid_ <= 0) return status_;
        ::kill(-pid_, SIGKILL);
        while (::waitpid(pid_, &status_, 0) < 0 && errno == EINTR) {
        }
        pid_ = 0;
        const TimePoint until = Clock::now() + std::chrono::seconds(1);
        while (output_.get() >= 0 && Clock::now() < until)
            listen(tick_ms);
        return status_;
    }
    std::string& said() { return said_; }

  private:
    pid_t pid_;
    UniqueFd output_, watch_;
    std::string said_;
    int status_ = 0;
};

}  // namespace

std::string ChildEnd::sentence() const {
    if (how == How::late) return "it took too long";
    if (how == How::unwanted) return "it is not wanted any more";
    if (how == How::exited) return "it ended with exit code " + std::to_string(code);
    if (code == SIGXCPU) return "it took too much time of the processor";
    if (code == SIGXFSZ) return "it wrote too large a file";
    const char* name = ::strsignal(code);
    return "it was ended by signal " + std::to_string(code) +
           (name == nullptr ? "" : " (" + std::string(name) + ")");
}

Result<ChildEnd> run_child(const ChildOptions& options, const std::function<bool()>& go_on) {
    const auto refused = [&](int why) {
        return Error{"not_started", options.command[0] + " cannot be started: " + std::strerror(why)};
    };
    UniqueFd input, to_child, output, from_child;
    if (options.input.size() > most_input) return refused(E2BIG);
    if (!make_pipe(input, to_child) || !make_pipe(output, from_child)) return refused(errno);
    // It fits into the pipe: nobody waits.
    if (::write(to_child.get(), options.input.data(), options.input.size()) !=
        static_cast<ssize_t>(options.input.size()))
        return refused(errno);
    to_child.reset();

    // Those that are handed on may have the very numbers that others are to get.
    Spawn spawn;
    std::vector<UniqueFd> high;
    const auto hand_on = [&](int descriptor, int as) {
        high.emplace_back(::fcntl(descriptor, F_DUPFD_CLOEXEC, first_free));
        return high.back().get() >= 0 &&
               posix_spawn_file_actions_adddup2(&spawn.actions, high.back().get(), as) == 0;
    };
    int next = first_descriptor;
    bool ready = hand_on(input.get(), STDIN_FILENO) && hand_on(from_child.get(), STDOUT_FILENO);
    for (const int descriptor : options.descriptors)
        ready = ready && hand_on(descriptor, next++);
    if (!ready || posix_spawn_file_actions_addclosefrom_np(&spawn.actions, next) != 0 ||
        posix_spawn_file_actions_addchdir_np(&spawn.actions, options.folder.c_str()) != 0)
        return refused(errno);
    pid_t pid = 0;
    const int failed = ::posix_spawn(&pid, options.command[0].c_str(), &spawn.actions, &spawn.attributes,
                                     pointers(options.command).data(), pointers(options.environment).data());
    if (failed != 0) return refused(failed);
    high.clear();
    from_child.reset();

    Started child(pid, std::move(output));
    ChildEnd end;
    const TimePoint until = Clock::now() + options.timeout;
    while (!child.ended()) {
        if (!go_on())
            end.how = ChildEnd::How::unwanted;
        else if (Clock::now() >= until)
            end.how = ChildEnd::How::late;
        if (end.how != ChildEnd::How::exited) break;
        child.listen(tick_ms);
    }
    const int status = child.end();
    end.said = std::move(child.said());
    if (end.how != ChildEnd::How::exited) return end;
    if (WIFSIGNALED(status)) return ChildEnd{ChildEnd::How::killed, WTERMSIG(status), std::move(end.said)};
    end.code = WEXITSTATUS(status);
    return end;
}

}  // namespace emprops::convert
