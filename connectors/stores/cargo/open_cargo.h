#pragma once
// Opens the file of a result as something that somebody else wrote and may still change: only inside of the spool, through
// no link, only a regular file, only of the right owner; and says whether it was changed while it was read. Blocking; any
// thread.

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "ipc/result.h"
#include "ipc/unique_fd.h"

namespace emprops::stores {

class OpenCargo {
  public:
    OpenCargo(UniqueFd file, const struct stat& about) : file_(std::move(file)), about_(about) {}

    int descriptor() const { return file_.get(); }
    std::uint64_t size() const { return static_cast<std::uint64_t>(about_.st_size); }
    /// When it was written, since 1970.
    std::int64_t modified_ns() const {
        return std::int64_t{about_.st_mtim.tv_sec} * 1'000'000'000 + about_.st_mtim.tv_nsec;
    }
    uid_t owner() const { return about_.st_uid; }
    /// Size and times are what they were at the begin, or at the last renew().
    bool is_unchanged() const;
    /// What it is now counts from now on.
    void renew();

  private:
    UniqueFd file_;
    struct stat about_;
};

/// `relative`: from the folder `spool`, without "..". Errors: "not_found", "forbidden" (a link, a pipe, somebody else's, a
/// path that leads elsewhere), "unreadable".
Result<OpenCargo> open_cargo(const std::string& spool, const std::string& relative);

/// The same for another folder than the spool, in which anybody may own the files.
Result<OpenCargo> open_inside(const std::string& folder, const std::string& relative);

/// The way without openat2(2), for kernels before 5.6 and for sandboxes that forbid it; open_cargo() takes it there.
Result<OpenCargo> open_cargo_by_parts(const std::string& spool, const std::string& relative);

}  // namespace emprops::stores
