#include "connectors/stores/cargo/open_cargo.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "connectors/stores/names/key_template.h"

namespace emprops::stores {
namespace {

// Without O_NONBLOCK the open of a pipe would wait for its writer.
constexpr int open_flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

Error refused(const std::string& relative, int why) {
    const std::string file = "the file \"" + relative + "\" of the spool ";
    if (why == ENOENT) return {"not_found", file + "is not there any more"};
    if (why == ELOOP || why == ENOTDIR || why == EXDEV)
        return {"forbidden", file + "is reached through a link or leads out of it: it is not delivered"};
    return {why == EACCES ? "forbidden" : "unreadable", file + "cannot be opened: " + std::strerror(why)};
}

Result<OpenCargo> regular(UniqueFd file, const std::string& relative) {
    struct stat about {};
    if (::fstat(file.get(), &about) != 0) return refused(relative, errno);
    if (!S_ISREG(about.st_mode))
        return Error{"forbidden",
                     "the file \"" + relative + "\" of the spool is no regular file: it is not delivered"};
    return OpenCargo(std::move(file), about);
}

Result<OpenCargo> owned(Result<OpenCargo> file, const std::string& relative) {
    if (!file.ok() || file->owner() == ::geteuid()) return file;
    return Error{"forbidden", "the file \"" + relative + "\" of the spool belongs to the user " +
                                  std::to_string(file->owner()) +
                                  ", and files in it are the worker's: it is not delivered"};
}

/// Null: `relative` is a path inside.
std::optional<Error> outside(const std::string& relative) {
    if (!wrong_path(relative) && relative.find('\0') == std::string::npos) return {};
    return Error{"forbidden", "\"" + relative + "\" is no path inside of the spool"};
}

UniqueFd open_folder(const std::string& path) {
    return UniqueFd(::open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

Result<OpenCargo> open_by_parts(const std::string& spool, const std::string& relative) {
    if (const auto wrong = outside(relative)) return *wrong;
    UniqueFd folder = open_folder(spool);
    if (!folder)
        return Error{"unreadable", "the spool " + spool + " cannot be opened: " + std::strerror(errno)};
    std::string_view rest = relative;
    for (auto slash = rest.find('/'); slash != std::string_view::npos; slash = rest.find('/')) {
        const std::string part(rest.substr(0, slash));
        UniqueFd next(::openat(folder.get(), part.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!next) return refused(relative, errno);
        folder = std::move(next);
        rest.remove_prefix(slash + 1);
    }
    UniqueFd file(::openat(folder.get(), std::string(rest).c_str(), open_flags));
    if (!file) return refused(relative, errno);
    return regular(std::move(file), relative);
}

Result<OpenCargo> open_at_once(const std::string& spool, const std::string& relative) {
    if (const auto wrong = outside(relative)) return *wrong;
    const UniqueFd folder = open_folder(spool);
    if (!folder)
        return Error{"unreadable", "the spool " + spool + " cannot be opened: " + std::strerror(errno)};
    open_how how{};
    how.flags = open_flags;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    for (int tries = 0; tries < 100; ++tries) {
        UniqueFd file(
            static_cast<int>(::syscall(SYS_openat2, folder.get(), relative.c_str(), &how, sizeof how)));
        if (file) return regular(std::move(file), relative);
        if (errno == EINTR || errno == EAGAIN) continue;  // EAGAIN: somebody renamed folders meanwhile
        // Sandboxes that do not know the call say EPERM to it.
        if (errno == ENOSYS || errno == EPERM) return open_by_parts(spool, relative);
        break;
    }
    return refused(relative, errno);
}

}  // namespace

bool OpenCargo::is_unchanged() const {
    struct stat now {};
    const auto same = [](const timespec& a, const timespec& b) {
        return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
    };
    return ::fstat(file_.get(), &now) == 0 && now.st_size == about_.st_size &&
           same(now.st_mtim, about_.st_mtim) && same(now.st_ctim, about_.st_ctim);
}

void OpenCargo::renew() {
    struct stat now {};
    if (::fstat(file_.get(), &now) == 0) about_ = now;
}

Result<OpenCargo> open_cargo(const std::string& spool, const std::string& relative) {
    return owned(open_at_once(spool, relative), relative);
}

Result<OpenCargo> open_cargo_by_parts(const std::string& spool, const std::string& relative) {
    return owned(open_by_parts(spool, relative), relative);
}

Result<OpenCargo> open_inside(const std::string& folder, const std::string& relative) {
    return open_at_once(folder, relative);
}

}  // namespace emprops::stores
