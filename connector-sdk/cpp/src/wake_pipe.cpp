#include "connector-sdk/cpp/src/wake_pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <system_error>

namespace emprops::sdk {
namespace {

std::atomic<int> signal_fd{-1};
static_assert(std::atomic<int>::is_always_lock_free, "the signal handler reads it");

void write_byte(int fd, char what) {
    const int saved = errno;
    [[maybe_unused]] const auto written = ::write(fd, &what, 1);  // a full pipe will wake the reader anyway
    errno = saved;
}

/// Not SIG_IGN: what a connector starts would inherit that, and a program whose reader has gone would run on.
void on_pipe(int) {}

void on_term(int) {
    write_byte(signal_fd.load(), WakePipe::terminate);
}

}  // namespace

WakePipe::WakePipe() {
    if (::pipe2(fds_, O_CLOEXEC | O_NONBLOCK) != 0)
        throw std::system_error(errno, std::generic_category(), "cannot create a pipe");
    signal_fd = fds_[1];
    struct sigaction action {};
    action.sa_handler = on_pipe;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGPIPE, &action, nullptr);
    action.sa_handler = on_term;
    action.sa_flags = SA_RESTART;
    ::sigaction(SIGTERM, &action, nullptr);
}

WakePipe::~WakePipe() {
    ::signal(SIGTERM, SIG_DFL);
    ::close(fds_[0]);
    ::close(fds_[1]);
}

void WakePipe::wake(char what) {
    write_byte(fds_[1], what);
}

}  // namespace emprops::sdk
