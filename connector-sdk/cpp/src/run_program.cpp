#include "emprops/run_program.h"

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
#include <ctime>
#include <exception>
#include <string_view>
#include <utility>

#include "connector-sdk/cpp/src/json_limits.h"
#include "ipc/messages.h"
#include "ipc/text/utf8.h"
#include "ipc/time/clock.h"
#include "ipc/unique_fd.h"

namespace emprops {
namespace {

constexpr auto grace = std::chrono::milliseconds(2000);            // between SIGTERM and SIGKILL
constexpr auto read_after_exit = std::chrono::milliseconds(1000);  // a grandchild may hold a pipe
constexpr int look_ms = 50;                                        // for a cancel
constexpr std::size_t most_line_bytes = 1000;

struct Pipe {
    UniqueFd read;
    UniqueFd write;
    bool make() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return false;
        read.reset(ends[0]);
        write.reset(ends[1]);
        return true;
    }
};

/// The newest bytes of a stream, and its lines.
class Kept {
  public:
    Kept(std::size_t limit, const std::function<void(const std::string&)>& on_line)
        : limit_(limit), on_line_(on_line) {}

    void add(std::string_view bytes) {
        text_ += bytes;
        // Not each time: moving the rest costs as much as the rest.
        if (text_.size() > 2 * limit_) cut();
        if (!on_line_) return;
        for (const char byte : bytes) {
            if (byte == '\n' || byte == '\r')
                end_line();
            else if (line_.size() < limit_)
                line_ += byte;
        }
    }
    void end_line() {
        if (!line_.empty()) on_line_(std::exchange(line_, {}));
    }
    std::string take() {
        if (on_line_) end_line();
        if (text_.size() > limit_) cut();
        if (truncated_) {  // not from the middle of a character
            const auto is_rest = [](char c) { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; };
            text_.erase(text_.begin(), std::find_if_not(text_.begin(), text_.end(), is_rest));
        }
        return std::move(text_);
    }
    bool truncated() const { return truncated_; }

  private:
    void cut() {
        text_.erase(0, text_.size() - limit_);
        truncated_ = true;
    }

    const std::size_t limit_;
    const std::function<void(const std::string&)>& on_line_;
    std::string text_;
    std::string line_;
    bool truncated_ = false;
};

std::string last_line(std::string_view text) {
    const auto end = text.find_last_not_of(" \t\r\n");
    if (end == std::string_view::npos) return {};
    text = text.substr(0, end + 1);
    return text::shortened(text.substr(text.find_last_of("\r\n") + 1), most_line_bytes);
}

/// write() that a broken pipe ends with EPIPE, also in a program that has not told what SIGPIPE is to do (a unit test).
ssize_t write_quietly(int fd, std::string_view bytes) {
    sigset_t pipe, before;
    ::sigemptyset(&pipe);
    ::sigaddset(&pipe, SIGPIPE);
    ::pthread_sigmask(SIG_BLOCK, &pipe, &before);
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    const int error = errno;
    if (n < 0 && error == EPIPE) {
        const timespec now{};
        ::sigtimedwait(&pipe, nullptr, &now);
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    errno = error;
    return n;
}

/// Without what says that the worker has started this process: a program that uses an SDK, too, would take its stdin and
/// stdout for the protocol.
std::vector<char*> programs_environment() {
    std::vector<char*> variables;
    for (char** each = environ; each != nullptr && *each != nullptr; ++each)
        if (std::string_view(*each).substr(0, 18) != "EMPROPS_CONNECTOR=") variables.push_back(*each);
    variables.push_back(nullptr);
    return variables;
}

class Program {
  public:
    Program(JobContext& context, const std::vector<std::string>& argv, const ProgramOptions& options)
        : context_(context),
          argv_(argv),
          options_(options),
          out_(options.max_output, options.on_line),
          err_(options.max_output, options.on_line) {}

    ~Program() {
        if (pid_ <= 0) return;
        ::kill(-pid_, SIGKILL);
        ::waitpid(pid_, nullptr, 0);
    }

    ProgramResult run() {
        if (context_.cancelled()) throw JobFailure(ipc::code::cancelled, context_.cancel_reason());
        if (const int error = start(); error != 0)
            throw JobFailure(ipc::code::internal, "cannot start " + name() + ": " + std::strerror(error));
        const TimePoint began = Clock::now();
        while (!ended_ || (Clock::now() < *ended_ + read_after_exit && (stdout_.read || stderr_.read))) {
            look(began);
            transfer();
            if (!ended_ && has_ended()) reap();
        }
        return outcome();
    }

  private:
    std::string name() const {
        return "`" + (argv_.empty() ? std::string() : sdk::shortened(argv_[0], 200)) + "`";
    }

    int start() {
        if (argv_.empty()) return ENOENT;
        if (!stdout_.make() || !stderr_.make() || (!options_.input.empty() && !stdin_.make())) return errno;
        posix_spawn_file_actions_t actions;
        posix_spawnattr_t attributes;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawnattr_init(&attributes);
        if (stdin_.read)
            ::posix_spawn_file_actions_adddup2(&actions, stdin_.read.get(), 0);
        else
            ::posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        ::posix_spawn_file_actions_adddup2(&actions, stdout_.write.get(), 1);
        ::posix_spawn_file_actions_adddup2(&actions, stderr_.write.get(), 2);
        if (!options_.cwd.empty()) ::posix_spawn_file_actions_addchdir_np(&actions, options_.cwd.c_str());
        sigset_t none;
        ::sigemptyset(&none);
        ::posix_spawnattr_setsigmask(&attributes, &none);
        sigset_t defaults;  // a library of the connector may have said SIG_IGN
        ::sigemptyset(&defaults);
        ::sigaddset(&defaults, SIGPIPE);
        ::posix_spawnattr_setsigdefault(&attributes, &defaults);
        ::posix_spawnattr_setflags(&attributes,
                                   POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
        std::vector<char*> words;
        for (const std::string& word : argv_)
            words.push_back(const_cast<char*>(word.c_str()));
        words.push_back(nullptr);
        std::vector<char*> variables = programs_environment();
        pid_t pid = -1;
        const int error =
            ::posix_spawnp(&pid, words[0], &actions, &attributes, words.data(), variables.data());
        ::posix_spawnattr_destroy(&attributes);
        ::posix_spawn_file_actions_destroy(&actions);
        if (error != 0) return error;
        pid_ = pid;
        pidfd_.reset(
            static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));  // an old kernel has none: every 50 ms then
        stdin_.read.reset();
        stdout_.write.reset();
        stderr_.write.reset();
        if (stdin_.write) ::fcntl(stdin_.write.get(), F_SETFL, O_NONBLOCK);
        return 0;
    }

    /// A cancel and the clock.
    void look(TimePoint began) {
        if (ended_) return;
        const TimePoint now = Clock::now();
        if (why_ == nullptr && context_.cancelled()) stop(ipc::code::cancelled, now);
        if (why_ == nullptr && options_.timeout && now >= began + *options_.timeout)
            stop(ipc::code::timeout, now);
        if (kill_at_ && now >= *kill_at_) ::kill(-pid_, SIGKILL);
    }

    void stop(const char* why, TimePoint now) {
        why_ = why;
        kill_at_ = now + grace;
        ::kill(-pid_, SIGTERM);
    }

    void transfer() {
        pollfd fds[] = {{stdout_.read.get(), POLLIN, 0},
                        {stderr_.read.get(), POLLIN, 0},
                        {stdin_.write.get(), POLLOUT, 0},
                        {ended_ ? -1 : pidfd_.get(), POLLIN, 0}};
        if (::poll(fds, 4, look_ms) <= 0) return;
        if (fds[0].revents != 0) read(stdout_.read, out_);
        if (fds[1].revents != 0) read(stderr_.read, err_);
        if (fds[2].revents != 0) feed();
    }

    void read(UniqueFd& from, Kept& into) {
        char block[64 * 1024];
        const ssize_t n = ::read(from.get(), block, sizeof block);
        if (n > 0)
            into.add({block, static_cast<std::size_t>(n)});
        else if (n == 0 || errno != EINTR)
            from.reset();
    }

    void feed() {
        const std::string& input = options_.input;
        const ssize_t n = write_quietly(stdin_.write.get(), std::string_view(input).substr(fed_));
        if (n > 0) fed_ += static_cast<std::size_t>(n);
        // It need not read all of it.
        if (fed_ == input.size() || (n < 0 && errno != EAGAIN && errno != EINTR)) stdin_.write.reset();
    }

    /// Without reaping it: its number is its group's until then.
    bool has_ended() const {
        siginfo_t info{};
        return ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
               info.si_pid != 0;
    }

    void reap() {
        ::kill(-pid_, SIGKILL);
        int status = 0;
        ::waitpid(std::exchange(pid_, -1), &status, 0);
        exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
        ended_ = Clock::now();
    }

    ProgramResult outcome() {
        ProgramResult result;
        result.exit_code = exit_code_;
        result.out = out_.take();
        result.err = err_.take();
        result.truncated = out_.truncated() || err_.truncated();
        if (why_ == ipc::code::cancelled) throw JobFailure(why_, context_.cancel_reason());
        if (why_ == ipc::code::timeout)
            throw JobFailure(
                why_, name() + " did not end within " + std::to_string(options_.timeout->count()) + " ms");
        if (options_.check && result.exit_code != 0) {
            const std::string how = result.exit_code > 0 ? "exit code " + std::to_string(result.exit_code)
                                                         : "signal " + std::to_string(-result.exit_code);
            const std::string last = last_line(result.err);
            throw JobFailure(
                ipc::code::internal,
                name() + " ended with " + how + (last.empty() ? "" : "; its last line on stderr: " + last));
        }
        return result;
    }

    JobContext& context_;
    const std::vector<std::string>& argv_;
    const ProgramOptions& options_;
    Kept out_;
    Kept err_;
    Pipe stdin_;
    Pipe stdout_;
    Pipe stderr_;
    UniqueFd pidfd_;
    pid_t pid_ = -1;
    std::size_t fed_ = 0;
    int exit_code_ = 0;
    const char* why_ = nullptr;  ///< a code of ipc::code
    std::optional<TimePoint> kill_at_;
    std::optional<TimePoint> ended_;
};

}  // namespace

ProgramResult run_program(JobContext& context, const std::vector<std::string>& argv,
                          const ProgramOptions& options) {
    return Program(context, argv, options).run();
}

}  // namespace emprops
