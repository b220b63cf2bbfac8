#include "supervisor/files/job_files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <set>
#include <utility>

#include "ipc/messages.h"
#include "supervisor/process/os/open_beneath.h"
#include "supervisor/process/os/remove_tree.h"

namespace emprops::files {
namespace {

namespace fs = std::filesystem;

Error no_file(const std::string& place, const std::string& why) {
    return {ipc::code::protocol_error, "the file \"" + place + "\" of the result cannot be taken: " + why};
}

/// Trouble of the disk or of this process, and no word about the connector: it may pass.
Error no_disk(const std::string& place, int why) {
    return {"disk", "cannot take \"" + place + "\" into the spool: " + std::strerror(why)};
}

std::string open_reason(int number) {
    if (number == ELOOP || number == EXDEV) return "it is a link or lies behind one; links are not followed";
    if (number == ENOENT) return "it is not in the job's work_dir";
    return std::strerror(number);
}

struct Opened {
    UniqueFd fd;
    struct stat about {};
};

/// A regular file of the right owner.
Result<Opened> open_file(int folder, const std::string& place, const std::optional<uid_t>& user) {
    Opened file{UniqueFd(process::open_beneath(folder, place, O_RDONLY | O_NONBLOCK))};
    if (!file.fd) {
        const int why = errno;
        if (!is_lasting(why)) return no_disk(place, why);
        Error error = no_file(place, open_reason(why));
        if (why == ENOENT) error.code = ipc::code::lost;
        return error;
    }
    if (::fstat(file.fd.get(), &file.about) != 0) return no_disk(place, errno);
    if (!S_ISREG(file.about.st_mode)) return no_file(place, "it is no regular file");
    const uid_t owner = file.about.st_uid;
    // One of ours that a connector of another user links to is not its to give.
    const bool linked = user && *user != ::geteuid() && file.about.st_nlink > 1;
    if (owner == user || (owner == ::geteuid() && !linked)) return file;
    return no_file(place, "it belongs to user " + std::to_string(owner) +
                              (linked ? " and has a second name elsewhere" : "") +
                              "; a connector gives files of its own user" +
                              (user ? " (" + std::to_string(*user) + ")" : ""));
}

/// So many bytes: a file that goes on growing must not fill the disk.
Result<> copy_bytes(int from, int to, std::uint64_t bytes, const std::string& place) {
    std::vector<char> piece(1u << 20);
    while (bytes > 0) {
        const ssize_t count = ::read(from, piece.data(), std::min<std::uint64_t>(piece.size(), bytes));
        if (count == 0) break;
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return no_disk(place, errno);
        bytes -= static_cast<std::uint64_t>(count);
        for (ssize_t done = 0; done < count;) {
            const ssize_t wrote = ::write(to, piece.data() + done, static_cast<std::size_t>(count - done));
            if (wrote < 0 && errno != EINTR) return no_disk(place, errno);
            done += std::max<ssize_t>(wrote, 0);
        }
    }
    return Ok{};
}

/// A copy takes the place of the file.
Result<> put_copy(int folder, const Opened& file, const std::string& place) {
    const fs::path path(place);
    const UniqueFd parent = path.has_parent_path()
                                ? process::open_beneath(folder, path.parent_path(), O_PATH | O_DIRECTORY)
                                : UniqueFd(::dup(folder));
    const std::string name = path.filename().string(), copy = ".own-copy";  // not longer than a name may be
    ::unlinkat(parent.get(), copy.c_str(), 0);
    const UniqueFd to(::openat(parent.get(), copy.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!to) return no_disk(place, errno);
    const auto bytes = static_cast<std::uint64_t>(file.about.st_size);
    Result<> copied = copy_bytes(file.fd.get(), to.get(), bytes, place);
    if (copied && ::renameat(parent.get(), copy.c_str(), parent.get(), name.c_str()) != 0)
        copied = no_disk(place, errno);
    if (!copied) ::unlinkat(parent.get(), copy.c_str(), 0);
    return copied;
}

Result<> make_own(int folder, const Opened& file, const std::string& place) {
    if (file.about.st_nlink > 1) return put_copy(folder, file, place);
    if (file.about.st_uid == ::geteuid() || ::fchown(file.fd.get(), ::geteuid(), ::getegid()) == 0)
        return Ok{};
    if (errno != EPERM) return no_disk(place, errno);
    return no_file(place, std::string("it cannot be made ours: ") + std::strerror(EPERM));
}

Result<std::vector<std::uint64_t>> for_each_file(int folder, const JobFiles& files, bool own) {
    std::vector<std::uint64_t> sizes;
    for (const std::string& place : files.places) {
        sizes.push_back(0);
        if (place.empty()) continue;
        const auto file = open_file(folder, place, files.user);
        if (!file) return file.error();
        if (const Result<> owned = own ? make_own(folder, *file, place) : Ok{}; !owned) return owned.error();
        sizes.back() = static_cast<std::uint64_t>(file->about.st_size);
    }
    return sizes;
}

Result<> copy_file(int from, int to, const std::string& place, const std::optional<uid_t>& user) {
    const auto source = open_file(from, place, user);
    if (!source) return source.error();
    UniqueFd at(::dup(to));
    const fs::path path(place);
    for (const fs::path& part : path.parent_path()) {
        if (::mkdirat(at.get(), part.c_str(), 0700) != 0 && errno != EEXIST) break;
        at = UniqueFd(::openat(at.get(), part.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    }
    const UniqueFd target(
        ::openat(at.get(), path.filename().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (target)
        return copy_bytes(source->fd.get(), target.get(), static_cast<std::uint64_t>(source->about.st_size),
                          place);
    return no_disk(place, errno);
}

}  // namespace

bool is_lasting(int number) {
    static constexpr int all[] = {ENOENT, ELOOP, EXDEV,  ENOTDIR,      EACCES,
                                  EPERM,  ENXIO, ENODEV, ENAMETOOLONG, EINVAL};
    return std::find(std::begin(all), std::end(all), number) != std::end(all);
}

Result<UniqueFd> open_folder(const fs::path& folder) {
    UniqueFd fd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (fd) return fd;
    return Error{errno == ENOENT ? ipc::code::lost : "disk",
                 "cannot open " + folder.string() + ": " + std::strerror(errno)};
}

Result<std::vector<std::uint64_t>> look_at_files(int folder, const JobFiles& files) {
    auto sizes = for_each_file(folder, files, false);
    if (!sizes && sizes.error().code == ipc::code::lost)
        return Error{ipc::code::protocol_error, sizes.error().message};
    return sizes;
}

Result<std::vector<std::uint64_t>> own_files(int folder, const JobFiles& files) {
    struct stat found {};
    if (::fstat(folder, &found) == 0 && found.st_uid != ::geteuid() &&
        ::fchown(folder, ::geteuid(), ::getegid()) != 0)
        return Error{"disk", std::string("cannot make a job's folder ours: ") + std::strerror(errno)};
    return for_each_file(folder, files, true);
}

Result<> copy_files(const fs::path& from, const fs::path& to, const JobFiles& files) {
    const auto source = open_folder(from);
    const auto parent = open_folder(to.parent_path());
    if (!source) return source.error();
    if (!parent) return Error{"disk", parent.error().message};
    const std::string name = to.filename().string();
    (void)process::remove_tree(parent->get(), name);  // of a try that was interrupted
    if (::mkdirat(parent->get(), name.c_str(), 0700) != 0)
        return Error{"disk", "cannot make " + to.string() + ": " + std::strerror(errno)};
    const auto into = open_folder(to);
    if (!into) return into.error();
    std::set<std::string> copied;
    for (const std::string& place : files.places) {
        if (place.empty() || !copied.insert(place).second) continue;
        if (Result<> done = copy_file(source->get(), into->get(), place, files.user); !done) {
            (void)process::remove_tree(parent->get(), name);  // half a copy fills a full disk for others
            return done;
        }
    }
    return Ok{};
}

}  // namespace emprops::files
