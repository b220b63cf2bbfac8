#pragma once
// One worker per state folder: an exclusive lock on STATE_DIR/lock, held for the life of the object and given
// back by the system when the process ends, however it ends. The file holds the pid for people.

#include <filesystem>
#include <utility>

#include "ipc/result.h"

namespace emprops::jobs {

class StateLock {
  public:
    /// Creates the folder if needed. Errors: "locked" (names the pid that has it), "state_dir" (cannot be
    /// created or opened).
    static Result<StateLock> acquire(const std::filesystem::path& state_dir);
    ~StateLock();
    StateLock(StateLock&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    StateLock& operator=(StateLock&&) = delete;

  private:
    explicit StateLock(int fd) : fd_(fd) {}
    int fd_;
};

}  // namespace emprops::jobs
