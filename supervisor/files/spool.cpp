#include "supervisor/files/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <numeric>
#include <utility>

#include "ipc/messages.h"
#include "supervisor/base/log.h"
#include "supervisor/base/privacy.h"
#include "supervisor/files/kept.h"
#include "supervisor/process/os/open_beneath.h"
#include "supervisor/process/os/remove_tree.h"

namespace emprops::files {
namespace {

namespace fs = std::filesystem;
using process::UniqueFd;

UniqueFd open_folder(const fs::path& folder) {
    return UniqueFd(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
}

Error no_file(const std::string& place, const std::string& why) {
    return {ipc::code::protocol_error, "the file \"" + place + "\" of the result cannot be taken: " + why};
}

std::string open_reason(int number) {
    if (number == ELOOP || number == EXDEV) return "it is a link or lies behind one; links are not followed";
    if (number == ENOENT) return "it is not in the job's work_dir";
    return std::strerror(number);
}

/// So many bytes: a file that goes on growing must not fill the disk.
Result<> copy_bytes(int from, int to, std::uint64_t bytes, const std::string& place) {
    std::vector<char> piece(1u << 20);
    while (bytes > 0) {
        const ssize_t count = ::read(from, piece.data(), std::min<std::uint64_t>(piece.size(), bytes));
        if (count == 0) break;
        if (count > 0) bytes -= static_cast<std::uint64_t>(count);
        if (count < 0 || ::write(to, piece.data(), static_cast<std::size_t>(count)) != count)
            return Error{"disk", "cannot copy \"" + place + "\" into the spool: " + std::strerror(errno)};
    }
    return Ok{};
}

/// A copy takes the place of the file.
Result<> make_own(int folder, int fd, std::uint64_t bytes, const std::string& place) {
    const fs::path path(place);
    const UniqueFd parent = path.has_parent_path()
                                ? process::open_beneath(folder, path.parent_path(), O_PATH | O_DIRECTORY)
                                : UniqueFd(::dup(folder));
    const std::string name = path.filename().string(), copy = ".own-" + name;
    ::unlinkat(parent.get(), copy.c_str(), 0);
    const UniqueFd to(::openat(parent.get(), copy.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!to) return no_file(place, std::strerror(errno));
    if (Result<> copied = copy_bytes(fd, to.get(), bytes, place); !copied) return copied;
    if (::renameat(parent.get(), copy.c_str(), parent.get(), name.c_str()) != 0)
        return no_file(place, std::strerror(errno));
    return Ok{};
}

/// It is a regular file, and ours from here on.
Result<std::uint64_t> look_at(int folder, const std::string& place) {
    const UniqueFd fd = process::open_beneath(folder, place, O_RDONLY | O_NONBLOCK);
    if (!fd) return no_file(place, open_reason(errno));
    struct stat found {};
    if (::fstat(fd.get(), &found) != 0) return no_file(place, std::strerror(errno));
    if (!S_ISREG(found.st_mode)) return no_file(place, "it is no regular file");
    if (found.st_nlink > 1) {
        // It has a second name, by which somebody could change it.
        if (Result<> own = make_own(folder, fd.get(), static_cast<std::uint64_t>(found.st_size), place); !own)
            return own.error();
        return static_cast<std::uint64_t>(found.st_size);
    }
    if (found.st_uid != ::geteuid() && ::fchown(fd.get(), ::geteuid(), ::getegid()) != 0)
        return no_file(place, std::string("it belongs to another user and cannot be made ours: ") +
                                  std::strerror(errno));
    return static_cast<std::uint64_t>(found.st_size);
}

Result<> copy_file(int from, int to, const std::string& place) {
    const UniqueFd source = process::open_beneath(from, place, O_RDONLY | O_NONBLOCK);
    if (!source) return no_file(place, open_reason(errno));
    struct stat found {};
    if (::fstat(source.get(), &found) != 0 || !S_ISREG(found.st_mode))
        return no_file(place, "it is no regular file");
    UniqueFd at(::dup(to));
    const fs::path path(place);
    for (const fs::path& part : path.parent_path()) {
        if (::mkdirat(at.get(), part.c_str(), 0700) != 0 && errno != EEXIST) break;
        at = UniqueFd(::openat(at.get(), part.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    }
    const UniqueFd target(
        ::openat(at.get(), path.filename().c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (target)
        return copy_bytes(source.get(), target.get(), static_cast<std::uint64_t>(found.st_size), place);
    return Error{"disk", "cannot copy \"" + place + "\" into the spool: " + std::strerror(errno)};
}

}  // namespace

Spool::Spool(boost::asio::any_io_executor executor, Options options)
    : executor_(std::move(executor)), options_(std::move(options)) {}

Spool::~Spool() {
    syncer_.stop();
    taker_.join();
    syncer_.join();
    remover_.join();
}

Result<> Spool::prepare() {
    if (const std::error_code error = make_private_folder(options_.folder))
        return Error{"state_dir",
                     "cannot make the spool " + options_.folder.string() + ": " + error.message()};
    return Ok{};
}

// ---- taking

void Spool::take(const fs::path& from, const std::string& name, std::vector<std::string> places, Taken done) {
    held_[name] = 0;
    auto taken =
        lifetime_.guard([this, name, done = std::move(done)](Result<std::vector<std::uint64_t>> sizes) {
            if (const auto held = held_.find(name); sizes && held != held_.end())
                held->second = std::accumulate(sizes->begin(), sizes->end(), std::uint64_t{0});
            if (!sizes || !held_.contains(name)) remove(name);  // or nobody wants it any more
            done(std::move(sizes));
        });
    boost::asio::post(
        taker_, [this, from, name, places = std::move(places), taken = std::move(taken)]() mutable {
            auto sizes = look(from, name, places);
            if (sizes && options_.sync)
                boost::asio::post(syncer_, [this, name, places] { sync(name, places); });
            boost::asio::post(executor_, [taken = std::move(taken), sizes = std::move(sizes)]() mutable {
                taken(std::move(sizes));
            });
        });
}

Result<std::vector<std::uint64_t>> Spool::look(const fs::path& from, const std::string& name,
                                               const std::vector<std::string>& places) const {
    const fs::path target = path_of(name);
    if (from != target) {
        if (Result<> brought = bring(from, name, places); !brought) return brought.error();
    }
    const UniqueFd folder = open_folder(target);
    if (!folder) return Error{"disk", "cannot open " + target.string() + ": " + std::strerror(errno)};
    struct stat found {};
    if (::fstat(folder.get(), &found) == 0 && found.st_uid != ::geteuid() &&
        ::fchown(folder.get(), ::geteuid(), ::getegid()) != 0)
        return Error{"disk", "cannot make " + target.string() + " ours: " + std::strerror(errno)};
    std::vector<std::uint64_t> sizes;
    for (const std::string& place : places) {
        if (place.empty()) {  // it lies at its url only
            sizes.push_back(0);
            continue;
        }
        const Result<std::uint64_t> size = look_at(folder.get(), place);
        if (!size) return size.error();
        sizes.push_back(*size);
    }
    return sizes;
}

/// Over the border of two file systems: the files are copied, all else goes with the folder.
Result<> Spool::bring(const fs::path& from, const std::string& name,
                      const std::vector<std::string>& places) const {
    const fs::path target = path_of(name);
    const UniqueFd source = open_folder(from);
    if (!source) return Error{"disk", "cannot open " + from.string() + ": " + std::strerror(errno)};
    if (::mkdir(target.c_str(), 0700) != 0 && errno != EEXIST)
        return Error{"disk", "cannot make " + target.string() + ": " + std::strerror(errno)};
    const UniqueFd into = open_folder(target);
    std::set<std::string> copied;
    Result<> result = Ok{};
    for (const std::string& place : places) {
        if (place.empty() || !copied.insert(place).second) continue;
        if (result = copy_file(source.get(), into.get(), place); !result) break;
    }
    const UniqueFd parent = open_folder(from.parent_path());
    if (parent) (void)process::remove_tree(parent.get(), from.filename().string());
    return result;
}

/// What cannot be synced now is found to be lost, if it is, when it is delivered.
void Spool::sync(const std::string& name, const std::vector<std::string>& places) const {
    const UniqueFd folder = open_folder(path_of(name));
    if (!folder) return;  // it is delivered already
    for (const std::string& place : places) {
        if (place.empty()) continue;
        if (const UniqueFd fd = process::open_beneath(folder.get(), place, O_RDONLY | O_NONBLOCK))
            ::fdatasync(fd.get());
        const fs::path parent = fs::path(place).parent_path();
        if (parent.empty()) continue;
        if (const UniqueFd names = process::open_beneath(folder.get(), parent, O_RDONLY | O_DIRECTORY))
            ::fsync(names.get());
    }
    ::fsync(folder.get());
    sync_folder(options_.folder);
}

// ---- letting go

void Spool::remove(const std::string& name) {
    held_.erase(name);
    boost::asio::post(remover_, [this, name] { remove_now(name); });
}

void Spool::remove_now(const std::string& name) const {
    const UniqueFd folder = open_folder(options_.folder);
    if (!folder) return;
    std::error_code ignored;
    fs::remove(note_path(options_.folder, name), ignored);
    if (const Result<> gone = process::remove_tree(folder.get(), name);
        !gone && gone.error().code != "not_found") {
        if (fs::exists(fs::symlink_status(path_of(name))))
            logger("files")->error("the spool's folder {} cannot be removed and keeps its space: {}",
                                   path_of(name).string(), gone.error().message);
    }
}

void Spool::clean(Ms age, std::uint64_t most_bytes) {
    std::set<std::string> held;
    for (const auto& [name, bytes] : held_)
        held.insert(name);
    boost::asio::post(remover_, [this, age, most_bytes, held = std::move(held)] {
        std::uint64_t bytes = 0;
        std::vector<Kept> all = all_kept(options_.folder);
        for (auto each = all.rbegin(); each != all.rend(); ++each) {  // the newest first
            const std::string& name = each->delivery.folder;
            bytes += each->delivery.bytes();
            const bool old = fs::file_time_type::clock::now() - each->since > age;
            if ((old || bytes > most_bytes) && !held.contains(name)) remove_now(name);
        }
    });
}

void Spool::remove_leftovers(std::set<std::string> wanted) {
    boost::asio::post(remover_, [this, wanted = std::move(wanted)] {
        std::vector<std::string> doomed;
        std::error_code error;
        for (fs::directory_iterator each(options_.folder, error), end; !error && each != end;
             each.increment(error)) {
            const std::string name = each->path().filename().string();
            std::error_code ignored;
            const bool kept =
                fs::exists(note_path(options_.folder, name), ignored) || name.ends_with(".json");
            if (!kept && !wanted.contains(name)) doomed.push_back(name);
        }
        for (const std::string& name : doomed)
            remove_now(name);
    });
}

std::uint64_t Spool::bytes() const {
    return std::accumulate(held_.begin(), held_.end(), std::uint64_t{0},
                           [](std::uint64_t sum, const auto& each) { return sum + each.second; });
}

}  // namespace emprops::files
