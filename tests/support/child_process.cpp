#include "tests/support/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <fstream>
#include <mutex>
#include <ostream>
#include <stdexcept>
#include <thread>
#include <utility>

#include "ipc/unique_fd.h"

extern char** environ;

namespace emprops::test {
namespace {

using Clock = std::chrono::steady_clock;

struct Pipe {
    UniqueFd read, write;
};

Pipe make_pipe() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) throw std::runtime_error("pipe2: " + std::string(std::strerror(errno)));
    return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

int remaining_ms(Clock::time_point deadline) {
    const auto left = std::chrono::duration_cast<Ms>(deadline - Clock::now()).count();
    return static_cast<int>(std::clamp<long long>(left, 0, 1'000'000));
}

/// What one output stream has produced, filled by a thread of its own.
class Stream {
  public:
    Stream(UniqueFd fd, std::size_t keep_bytes, bool held)
        : fd_(std::move(fd)), keep_bytes_(keep_bytes), stop_(make_pipe()), held_(held) {
        thread_ = std::thread([this] { pump(); });
    }
    ~Stream() {
        hold(false);
        stop_.write.reset();
        thread_.join();
    }
    void hold(bool held) {
        std::lock_guard lock(mutex_);
        held_ = held;
        changed_.notify_all();
    }

    std::optional<std::string> next_line(Clock::time_point deadline) {
        std::unique_lock lock(mutex_);
        std::size_t searched = position_;
        std::size_t newline = std::string::npos;
        changed_.wait_until(lock, deadline, [&] {
            newline = text_.find('\n', searched);
            searched = text_.size();
            return newline != std::string::npos || ended_;
        });
        if (newline == std::string::npos && (!ended_ || position_ == text_.size())) return std::nullopt;
        const std::size_t end = newline == std::string::npos ? text_.size() : newline;
        std::string line = text_.substr(position_, end - position_);
        position_ = std::min(end + 1, text_.size());
        if (position_ > (std::size_t{1} << 20)) {  // what was handed out is of no use any more
            text_.erase(0, position_);
            position_ = 0;
        }
        return line;
    }
    bool wait_for(std::string_view wanted, Clock::time_point deadline) {
        std::unique_lock lock(mutex_);
        const auto found = [&] { return text_.find(wanted) != std::string::npos; };
        changed_.wait_until(lock, deadline, [&] { return found() || ended_; });
        return found();
    }
    bool wait_end(Clock::time_point deadline) {
        std::unique_lock lock(mutex_);
        return changed_.wait_until(lock, deadline, [&] { return ended_; });
    }
    std::string text() const {
        std::lock_guard lock(mutex_);
        return text_;
    }

  private:
    void pump() {
        std::vector<char> block(64 * 1024);
        while (true) {
            pollfd fds[2] = {{fd_.get(), POLLIN, 0}, {stop_.read.get(), POLLIN, 0}};
            if (::poll(fds, 2, -1) < 0 && errno != EINTR) break;
            if (fds[1].revents != 0) break;
            if (fds[0].revents == 0) continue;
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock, [this] { return !held_; });
            }
            const ssize_t n = ::read(fd_.get(), block.data(), block.size());
            if (n < 0 && errno == EINTR) continue;
            if (n <= 0) break;
            std::lock_guard lock(mutex_);
            if (text_.size() < keep_bytes_) text_.append(block.data(), static_cast<std::size_t>(n));
            changed_.notify_all();
        }
        std::lock_guard lock(mutex_);
        ended_ = true;
        changed_.notify_all();
    }

    UniqueFd fd_;
    std::size_t keep_bytes_;
    Pipe stop_;
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    std::string text_;
    std::size_t position_ = 0;
    bool ended_ = false;
    bool held_;
    std::thread thread_;  // last: it uses the rest
};

std::vector<std::string> environment_of(const ChildOptions& options) {
    const auto name_of = [](const std::string& entry) { return entry.substr(0, entry.find('=')); };
    std::vector<std::string> all;
    for (char** entry = environ; options.inherit_env && *entry != nullptr; ++entry) {
        const std::string text = *entry;
        const bool replaced =
            std::any_of(options.env.begin(), options.env.end(),
                        [&](const std::string& own) { return name_of(own) == name_of(text); });
        if (!replaced) all.push_back(text);
    }
    all.insert(all.end(), options.env.begin(), options.env.end());
    return all;
}

std::vector<char*> pointers(std::vector<std::string>& texts) {
    std::vector<char*> result;
    for (auto& text : texts)
        result.push_back(text.data());
    result.push_back(nullptr);
    return result;
}

pid_t spawn(ChildOptions& options, int in, int out, int err) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, 0);
    posix_spawn_file_actions_adddup2(&actions, out, 1);
    posix_spawn_file_actions_adddup2(&actions, err, 2);
    if (!options.working_directory.empty())
        posix_spawn_file_actions_addchdir_np(&actions, options.working_directory.c_str());

    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes,
                             POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

    std::vector<std::string> environment = environment_of(options);
    auto argv = pointers(options.argv);
    auto envp = pointers(environment);
    pid_t pid = -1;
    const int error = ::posix_spawnp(&pid, argv[0], &actions, &attributes, argv.data(), envp.data());
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0)
        throw std::runtime_error("cannot start " + options.argv.at(0) + ": " + std::strerror(error));
    return pid;
}

}  // namespace

struct ChildProcess::State {
    pid_t pid = -1;
    UniqueFd pidfd, in;
    std::unique_ptr<Stream> out, err;
    std::optional<ExitStatus> exit;
};

ChildProcess::ChildProcess(ChildOptions options) : state_(std::make_unique<State>()) {
    ::signal(SIGPIPE, SIG_IGN);  // a write to a dead child must fail, not end the test program
    Pipe in = make_pipe(), out = make_pipe(), err = make_pipe();
    state_->pid = spawn(options, in.read.get(), out.write.get(), err.write.get());
    state_->pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, state_->pid, 0)));
    ::fcntl(in.write.get(), F_SETFL, O_NONBLOCK);
    state_->in = std::move(in.write);
    state_->out = std::make_unique<Stream>(std::move(out.read), options.keep_bytes, options.hold_stdout);
    state_->err = std::make_unique<Stream>(std::move(err.read), options.keep_bytes, false);
}

ChildProcess::~ChildProcess() {
    signal_group(SIGKILL);
    if (!state_->exit) {
        int status = 0;
        ::waitpid(state_->pid, &status, 0);
    }
}

pid_t ChildProcess::pid() const {
    return state_->pid;
}

bool ChildProcess::write(std::string_view bytes, Ms deadline) {
    const auto until = Clock::now() + deadline;
    while (!bytes.empty()) {
        const ssize_t n = ::write(state_->in.get(), bytes.data(), bytes.size());
        if (n > 0) {
            bytes.remove_prefix(static_cast<std::size_t>(n));
        } else if (errno == EAGAIN || errno == EINTR) {
            pollfd fd{state_->in.get(), POLLOUT, 0};
            if (remaining_ms(until) == 0 || ::poll(&fd, 1, remaining_ms(until)) == 0) return false;
        } else {
            return false;
        }
    }
    return true;
}

bool ChildProcess::write_line(std::string_view line, Ms deadline) {
    return write(std::string(line) + "\n", deadline);
}

void ChildProcess::close_stdin() {
    state_->in.reset();
}

std::optional<std::string> ChildProcess::read_line(Ms deadline) {
    return state_->out->next_line(Clock::now() + deadline);
}

std::optional<std::string> ChildProcess::read_until(std::string_view text, Ms deadline) {
    const std::string wanted(text);
    return read_until([&](const std::string& line) { return line.find(wanted) != std::string::npos; },
                      deadline);
}

std::optional<std::string> ChildProcess::read_until(const std::function<bool(const std::string&)>& wanted,
                                                    Ms deadline) {
    const auto until = Clock::now() + deadline;
    while (auto line = state_->out->next_line(until))
        if (wanted(*line)) return line;
    return std::nullopt;
}

void ChildProcess::hold_stdout() {
    state_->out->hold(true);
}

void ChildProcess::release_stdout() {
    state_->out->hold(false);
}

bool ChildProcess::wait_stdout_end(Ms deadline) {
    return state_->out->wait_end(Clock::now() + deadline);
}

bool ChildProcess::wait_stderr_end(Ms deadline) {
    return state_->err->wait_end(Clock::now() + deadline);
}

std::string ChildProcess::stderr_text() const {
    return state_->err->text();
}

bool ChildProcess::wait_stderr(std::string_view text, Ms deadline) {
    return state_->err->wait_for(text, Clock::now() + deadline);
}

std::optional<ExitStatus> ChildProcess::wait(Ms deadline) {
    const auto until = Clock::now() + deadline;
    while (!state_->exit) {
        int status = 0;
        const pid_t reaped = ::waitpid(state_->pid, &status, WNOHANG);
        if (reaped == state_->pid) {
            ExitStatus exit;
            if (WIFSIGNALED(status)) exit.signal = WTERMSIG(status);
            if (WIFEXITED(status)) exit.code = WEXITSTATUS(status);
            state_->exit = exit;
        } else if (remaining_ms(until) == 0) {
            return std::nullopt;
        } else {
            pollfd fd{state_->pidfd.get(), POLLIN, 0};
            ::poll(&fd, 1, remaining_ms(until));
        }
    }
    return state_->exit;
}

void ChildProcess::signal(int number) {
    if (!state_->exit) ::kill(state_->pid, number);
}

void ChildProcess::signal_group(int number) {
    ::kill(-state_->pid, number);
}

std::ostream& operator<<(std::ostream& out, const ExitStatus& status) {
    if (status.signal != 0) return out << "killed by signal " << status.signal;
    return out << "exit code " << status.code;
}

bool wait_until(const std::function<bool()>& condition, Ms deadline) {
    const auto until = Clock::now() + deadline;
    while (!condition()) {
        if (Clock::now() >= until) return false;
        std::this_thread::sleep_for(Ms(5));
    }
    return true;
}

bool process_alive(pid_t pid) {
    std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
    std::string text;
    if (!std::getline(stat, text)) return false;
    const auto name_end = text.rfind(')');
    return name_end != std::string::npos && name_end + 2 < text.size() && text[name_end + 2] != 'Z';
}

}  // namespace emprops::test
