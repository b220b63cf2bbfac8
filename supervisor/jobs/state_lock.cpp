#include "supervisor/jobs/state_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "supervisor/base/privacy.h"

namespace emprops::jobs {
namespace {

std::string pid_in(int fd) {
    char text[32] = {};
    const ssize_t size = ::pread(fd, text, sizeof text - 1, 0);
    std::string digits(text, size > 0 ? static_cast<std::size_t>(size) : 0);
    digits.resize(std::min(digits.size(), digits.find_first_not_of("0123456789")));
    return digits;
}

}  // namespace

Result<StateLock> StateLock::acquire(const std::filesystem::path& state_dir) {
    const std::error_code failed = make_private_folder(state_dir);
    if (failed) {
        return Error{"state_dir", "cannot create the state folder " + state_dir.string() + ": " +
                                      failed.message() + " (worker.state_dir names another one)"};
    }
    const std::filesystem::path file = state_dir / "lock";
    const int fd = ::open(file.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        return Error{"state_dir", "cannot open " + file.string() + ": " + std::strerror(errno) +
                                      " (worker.state_dir names another folder)"};
    }
    StateLock lock(fd);
    if (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        const std::string pid = pid_in(fd);
        return Error{"locked", "another worker" + (pid.empty() ? "" : " (pid " + pid + ")") + " uses " +
                                   state_dir.string() +
                                   "; stop it, or give this one a worker.state_dir of its own"};
    }
    // The pid is for people: a full disk must not keep the worker from starting.
    const std::string pid = std::to_string(::getpid()) + "\n";
    if (::ftruncate(fd, 0) == 0) (void)!::pwrite(fd, pid.data(), pid.size(), 0);
    return lock;
}

StateLock::~StateLock() {
    if (fd_ >= 0) ::close(fd_);
}

}  // namespace emprops::jobs
