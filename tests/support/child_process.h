#pragma once
// A program under test with pipes on stdin, stdout and stderr, in a process group of its own. For integration
// tests only: every wait has a deadline, and the destructor kills the whole group and reaps, so that a failed
// test leaves nothing behind. stdout and stderr are read by threads of their own all the time (a child is
// never blocked by a test that does not look); all functions are for the test's thread.

#include <sys/types.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace emprops::test {

using Ms = std::chrono::milliseconds;

/// How a process ended: `signal` 0 means by itself, with `code`.
struct ExitStatus {
    int code = -1;
    int signal = 0;
    bool operator==(const ExitStatus&) const = default;
};
std::ostream& operator<<(std::ostream& out, const ExitStatus& status);

struct ChildOptions {
    std::vector<std::string> argv;  ///< argv[0]: a path, or a name looked up in PATH
    std::vector<std::string> env;   ///< "NAME=value", over the inherited environment
    bool inherit_env = true;        ///< false: only `env`
    std::string working_directory;  ///< empty: the test's own
    bool hold_stdout = false;  ///< read nothing from stdout before release_stdout(): a reader that stalls
    std::size_t keep_bytes = 256u << 20;  ///< of each stream; what comes after that is read and dropped
};

class ChildProcess {
  public:
    /// Starts it; throws std::runtime_error naming the program when that fails.
    explicit ChildProcess(ChildOptions options);
    ~ChildProcess();
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    pid_t pid() const;

    /// Writes everything; false when the child closed its stdin or did not take it in time.
    bool write(std::string_view bytes, Ms deadline = Ms(10'000));
    bool write_line(std::string_view line, Ms deadline = Ms(10'000));
    void close_stdin();

    /// The next line of stdout without its "\n" (the rest before an end of file counts as one); nullopt at
    /// the end of file or after the deadline.
    std::optional<std::string> read_line(Ms deadline = Ms(10'000));
    /// Reads lines until one contains `text` and returns that one; the others are skipped.
    std::optional<std::string> read_until(std::string_view text, Ms deadline = Ms(10'000));
    /// As above, with a condition of the test's own.
    std::optional<std::string> read_until(const std::function<bool(const std::string&)>& wanted,
                                          Ms deadline = Ms(10'000));
    /// From now on stdout is not read any more (one block that is under way may still be), until it is
    /// released.
    void hold_stdout();
    void release_stdout();
    /// True once stdout is at its end (everything before it may still be unread).
    bool wait_stdout_end(Ms deadline = Ms(10'000));

    /// Everything written to stderr so far.
    std::string stderr_text() const;
    /// True once stderr is at its end: nobody can add to stderr_text() any more.
    bool wait_stderr_end(Ms deadline = Ms(10'000));
    /// Waits until stderr contains `text`.
    bool wait_stderr(std::string_view text, Ms deadline = Ms(10'000));

    /// Waits for the end of the process (not of its pipes) and reaps it; may be called again afterwards.
    std::optional<ExitStatus> wait(Ms deadline = Ms(10'000));
    void signal(int number);
    void signal_group(int number);

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// Polls `condition` every few milliseconds until it is true; false after the deadline. For states that only
/// the outside shows (a file that appears, a process that is gone).
bool wait_until(const std::function<bool()>& condition, Ms deadline = Ms(10'000));

/// True while a process with this id exists that is no zombie.
bool process_alive(pid_t pid);

}  // namespace emprops::test
