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
    /// created, opened or locked, or others may write in it).
    static Result<StateLock> acquire(const std::filesystem::path& state_dir);
    ~StateLock();
    StateLock(StateLock&& other) noexcept
        : fd_(std::exchange(other.fd_, -1)), file_(std::move(other.file_)) {}
    StateLock& operator=(StateLock&&) = delete;

    /// A cleaner of old files may have removed what is locked: then it is made and locked again, which is true.
    /// Error: that cannot be, because another worker was faster, say.
    Result<bool> look();

  private:
    StateLock(int fd, std::filesystem::path file) : fd_(fd), file_(std::move(file)) {}
    int fd_;
    std::filesystem::path file_;
};

}  // namespace emprops::jobs
