#include "supervisor/process/os/open_beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

namespace emprops::process {
namespace {

/// An old kernel, or a container's profile that does not know openat2.
UniqueFd open_part_by_part(int at, const std::filesystem::path& path, int flags) {
    UniqueFd folder;
    const auto last = path.empty() ? path.end() : std::prev(path.end());
    for (auto part = path.begin(); part != path.end(); ++part) {
        if (*part == ".." || part->is_absolute()) {
            errno = EXDEV;
            return {};
        }
        const int how = part == last ? flags : O_PATH | O_DIRECTORY;
        UniqueFd next(::openat(folder ? folder.get() : at, part->c_str(), how | O_NOFOLLOW | O_CLOEXEC));
        if (!next) return next;
        folder = std::move(next);
    }
    return folder;
}

}  // namespace

UniqueFd open_beneath(int at, const std::filesystem::path& path, int flags) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    UniqueFd found(static_cast<int>(::syscall(SYS_openat2, at, path.c_str(), &how, sizeof how)));
    if (found || (errno != ENOSYS && errno != EPERM)) return found;
    return open_part_by_part(at, path, flags);
}

}  // namespace emprops::process
