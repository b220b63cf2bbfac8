#include "supervisor/jobs/state_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "supervisor/base/file_identity.h"
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

/// 0 or errno.
int take_lock(int fd) {
    while (::flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno != EINTR) return errno;
    }
    return 0;
}

}  // namespace

Result<StateLock> StateLock::acquire(const std::filesystem::path& state_dir) {
    const std::error_code failed = make_private_folder(state_dir);
    if (failed) {
        return Error{"state_dir", "cannot create the state folder " + state_dir.string() + ": " +
                                      failed.message() + " (worker.state_dir names another one)"};
    }
    if (const std::string careless = others_may_write(state_dir, "worker.state_dir"); !careless.empty())
        return Error{"state_dir", careless};
    const std::filesystem::path file = state_dir / "lock";
    const int fd = open_own_file(file, O_RDWR | O_CREAT);
    if (fd < 0) {
        return Error{"state_dir", "cannot open " + file.string() + ": " + open_problem(errno) +
                                      " (worker.state_dir names another folder)"};
    }
    StateLock lock(fd, file);
    if (const int refused = take_lock(fd)) {
        if (means_no_locks(refused))
            return Error{"state_dir", "cannot lock the state folder " + state_dir.string() + ": " +
                                          without_locks(refused, "worker.state_dir")};
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

Result<bool> StateLock::look() {
    const auto here = FileIdentity::of(file_);
    if (here ? here == FileIdentity::of(fd_) : errno != ENOENT)
        return false;  // ours, or nothing can be said now
    auto again = acquire(file_.parent_path());
    if (!again) return again.error();
    std::swap(fd_, again->fd_);
    return true;
}

StateLock::~StateLock() {
    if (fd_ >= 0) ::close(fd_);
}

}  // namespace emprops::jobs
