#include "supervisor/jobs/ledger_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "supervisor/base/privacy.h"

namespace emprops::jobs {
namespace fs = std::filesystem;
namespace {

constexpr const char* half_done = ".tmp";

Error disk_error(const std::string& what, const fs::path& file, int number) {
    const char* cure =
        what == "sync"
            ? " (worker.durability = \"process\" does without, worker.state_dir names another disk)"
            : "";
    return {number == ENOSPC || number == EDQUOT ? "disk_full" : "disk",
            "cannot " + what + " " + file.string() + ": " + open_problem(number) + cure};
}

/// The file system does not know how to sync a folder (CIFS, vboxsf, some FUSE); files it syncs all the same.
bool has_no_folder_sync(int number) {
    return number == EINVAL || number == ENOTSUP || number == ENOSYS;
}

class Descriptor {
  public:
    explicit Descriptor(int fd) : fd_(fd) {}
    ~Descriptor() {
        if (fd_ >= 0) ::close(fd_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    int get() const { return fd_; }

  private:
    int fd_;
};

}  // namespace

Result<> LedgerFolder::prepare() {
    std::error_code failed = make_private_folder(folder_);
    if (failed) return disk_error("create", folder_, failed.value());
    for (const auto& entry : fs::directory_iterator(folder_, failed)) {
        std::error_code ignored;  // what cannot be removed is overwritten or lies there harmlessly
        if (entry.path().extension() == half_done) fs::remove(entry.path(), ignored);
    }
    if (failed) return disk_error("read", folder_, failed.value());
    return Ok{};
}

Result<> LedgerFolder::write_beside(const Change& change) {
    const fs::path file = folder_ / (change.file + half_done);
    constexpr int flags = O_WRONLY | O_CREAT | O_TRUNC;
    int opened = open_own_file(file, flags);
    if (opened < 0 && errno == ENOENT) {
        // A cleaner of old files took the folder.
        std::error_code ignored;
        fs::create_directories(folder_, ignored);
        opened = open_own_file(file, flags);
    }
    const Descriptor fd(opened);
    if (fd.get() < 0) return disk_error("write", file, errno);
    std::string_view rest = *change.content;
    while (!rest.empty()) {
        const ssize_t written = ::write(fd.get(), rest.data(), rest.size());
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) {
            const Error error = disk_error("write", file, errno);
            ::unlink(file.c_str());  // gives the space back
            return error;
        }
        rest.remove_prefix(static_cast<std::size_t>(written));
    }
    if (sync_ && ::fdatasync(fd.get()) != 0) return disk_error("sync", file, errno);
    return Ok{};
}

Result<> LedgerFolder::sync_folder() {
    const Descriptor fd(::open(folder_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (fd.get() >= 0 && ::fsync(fd.get()) == 0) return Ok{};
    if (fd.get() < 0 || !has_no_folder_sync(errno)) return disk_error("sync", folder_, errno);
    sync_folder_ = false;
    warning_ = "the file system of " + folder_.string() + " cannot sync a folder (" + std::strerror(errno) +
               "): after a power cut the newest records may be missing; worker.state_dir names another disk, "
               "worker.durability = \"process\" says that this is enough";
    return Ok{};
}

std::vector<Result<>> LedgerFolder::apply(const std::vector<Change>& changes) {
    std::vector<Result<>> results;
    bool renamed = false;
    for (const Change& change : changes) {
        const fs::path file = folder_ / change.file;
        if (!change.content) {
            const bool gone = ::unlink(file.c_str()) == 0 || errno == ENOENT;
            results.push_back(gone ? Result<>(Ok{}) : Result<>(disk_error("remove", file, errno)));
            continue;
        }
        Result<> written = write_beside(change);
        if (written.ok() && ::rename((file.string() + half_done).c_str(), file.c_str()) != 0)
            written = disk_error("rename", file, errno);
        renamed = renamed || written.ok();
        results.push_back(std::move(written));
    }
    // One sync of the folder makes all the renames durable. Removals need none: a record that comes back
    // after a power cut is fenced.
    if (!sync_folder_ || !renamed) return results;
    if (const Result<> synced = sync_folder(); !synced.ok()) {
        for (std::size_t i = 0; i < changes.size(); ++i) {
            if (changes[i].content && results[i].ok()) results[i] = synced;
        }
    }
    return results;
}

std::optional<std::string> LedgerFolder::read(const std::string& file) const {
    const fs::path path = folder_ / file;
    const Descriptor fd(open_own_file(path, O_RDONLY));
    std::error_code failed;
    const std::uintmax_t size = fs::file_size(path, failed);
    if (fd.get() < 0 || failed) return std::nullopt;
    std::string content(size, '\0');
    std::size_t filled = 0;
    while (filled < content.size()) {
        const ssize_t got = ::read(fd.get(), content.data() + filled, content.size() - filled);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return std::nullopt;
        if (got == 0) break;
        filled += static_cast<std::size_t>(got);
    }
    content.resize(filled);
    return content;
}

Result<std::vector<std::string>> LedgerFolder::list() const {
    std::vector<std::string> files;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(folder_, failed)) {
        if (entry.path().extension() == ".json") files.push_back(entry.path().filename().string());
    }
    if (failed) return disk_error("read", folder_, failed.value());
    return files;
}

std::string LedgerFolder::set_aside(const std::string& file, std::size_t keep) {
    const fs::path bad = folder_ / "bad";
    std::error_code failed;
    fs::create_directories(bad, failed);
    fs::rename(folder_ / file, bad / file, failed);
    if (failed) return (folder_ / file).string();

    std::vector<std::pair<fs::file_time_type, fs::path>> files;
    for (const auto& entry : fs::directory_iterator(bad, failed)) {
        std::error_code unknown;
        files.emplace_back(entry.last_write_time(unknown), entry.path());
    }
    std::sort(files.begin(), files.end());
    for (std::size_t i = 0; i + keep < files.size(); ++i) {
        std::error_code ignored;
        fs::remove(files[i].second, ignored);
    }
    return (bad / file).string();
}

}  // namespace emprops::jobs
