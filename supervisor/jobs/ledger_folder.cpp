#include "supervisor/jobs/ledger_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "supervisor/base/file_identity.h"
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

class OpenFile : public journal::File {
  public:
    OpenFile(fs::path path, int fd, bool sync)
        : path_(std::move(path)), fd_(fd), identity_(FileIdentity::of(fd)), sync_(sync) {}
    ~OpenFile() override { ::close(fd_); }
    OpenFile(const OpenFile&) = delete;
    OpenFile& operator=(const OpenFile&) = delete;

    Result<> write(std::uint64_t offset, std::string_view bytes) override {
        while (!bytes.empty()) {
            const ssize_t written = ::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
            if (written < 0 && errno == EINTR) continue;
            if (written < 0) return disk_error("write", path_, errno);
            offset += static_cast<std::uint64_t>(written);
            bytes.remove_prefix(static_cast<std::size_t>(written));
        }
        return Ok{};
    }
    Result<> sync() override {
        if (sync_ && ::fdatasync(fd_) != 0) return disk_error("sync", path_, errno);
        return Ok{};
    }
    bool is_in_place() const override { return identity_ && identity_ == FileIdentity::of(path_); }
    std::optional<std::string> read(std::uint64_t offset, std::size_t size) const override {
        std::string content(size, '\0');
        std::size_t filled = 0;
        while (filled < size) {
            const ssize_t got =
                ::pread(fd_, content.data() + filled, size - filled, static_cast<off_t>(offset + filled));
            if (got < 0 && errno == EINTR) continue;
            if (got < 0) return {};
            if (got == 0) break;
            filled += static_cast<std::size_t>(got);
        }
        content.resize(filled);
        return content;
    }

  private:
    const fs::path path_;
    const int fd_;
    const std::optional<FileIdentity> identity_;
    const bool sync_;
};

/// A new file; a folder that a cleaner of old files took is made again.
Result<std::shared_ptr<OpenFile>> make_file(const fs::path& path, bool sync) {
    constexpr int flags = O_RDWR | O_CREAT | O_TRUNC;
    int fd = open_own_file(path, flags);
    if (fd < 0 && errno == ENOENT) {
        make_private_folder(path.parent_path());  // if it fails, the next line says why
        fd = open_own_file(path, flags);
    }
    if (fd < 0) return disk_error("write", path, errno);
    return std::make_shared<OpenFile>(path, fd, sync);
}

/// Not done: it gives back the space that it took.
template <class Value>
Result<Value> undone(const fs::path& path, const Error& error) {
    ::unlink(path.c_str());
    return error;
}

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

Result<std::shared_ptr<journal::File>> LedgerFolder::create(const std::string& name, std::uint64_t bytes) {
    const fs::path path = folder_ / name;
    const auto file = make_file(path, sync_);
    if (!file.ok()) return file.error();
    static const std::array<char, 256 << 10> zeros{};
    for (std::uint64_t at = 0; at < bytes; at += zeros.size()) {
        const std::string_view piece(zeros.data(), std::min<std::uint64_t>(zeros.size(), bytes - at));
        if (const auto written = (*file)->write(at, piece); !written.ok())
            return undone<std::shared_ptr<journal::File>>(path, written.error());
    }
    Result<> synced = (*file)->sync();
    if (synced.ok()) synced = sync_names();
    if (!synced.ok()) return undone<std::shared_ptr<journal::File>>(path, synced.error());
    return std::shared_ptr<journal::File>(*file);
}

Result<std::shared_ptr<journal::File>> LedgerFolder::store(const std::string& name,
                                                           std::string_view content) {
    const fs::path path = folder_ / name;
    const auto file = make_file(path, sync_);
    if (!file.ok()) return file.error();
    if (const auto written = (*file)->write(0, content); !written.ok())
        return undone<std::shared_ptr<journal::File>>(path, written.error());
    return std::shared_ptr<journal::File>(*file);
}

Result<> LedgerFolder::replace(const std::string& name, std::string_view content) {
    const fs::path file = folder_ / name;
    const std::string beside = name + half_done;
    const auto stored = store(beside, content);
    if (!stored.ok()) return stored.error();
    if (const auto synced = (*stored)->sync(); !synced.ok()) return synced;
    if (::rename((folder_ / beside).c_str(), file.c_str()) != 0) return disk_error("rename", file, errno);
    return sync_names();
}

Result<> LedgerFolder::sync_names() {
    if (!sync_folder_) return Ok{};
    const int failed = sync_folder(folder_);
    if (failed == 0) return Ok{};
    if (!has_no_folder_sync(failed)) return disk_error("sync", folder_, failed);
    sync_folder_ = false;
    warning_ = "the file system of " + folder_.string() + " cannot sync a folder (" + std::strerror(failed) +
               "): after a power cut the newest records may be missing; worker.state_dir names another disk, "
               "worker.durability = \"process\" says that this is enough";
    return Ok{};
}

Result<> LedgerFolder::remove(const std::string& name) {
    const fs::path file = folder_ / name;
    if (::unlink(file.c_str()) == 0 || errno == ENOENT) return Ok{};
    return disk_error("remove", file, errno);
}

Result<std::vector<std::string>> LedgerFolder::list() const {
    std::vector<std::string> names;
    std::error_code failed;
    for (const auto& entry : fs::directory_iterator(folder_, failed))
        names.push_back(entry.path().filename().string());
    if (failed) return disk_error("read", folder_, failed.value());
    return names;
}

std::shared_ptr<journal::File> LedgerFolder::open(const std::string& name) const {
    const fs::path path = folder_ / name;
    const int fd = open_own_file(path, O_RDONLY);
    return fd < 0 ? nullptr : std::make_shared<OpenFile>(path, fd, sync_);
}

std::optional<std::string> LedgerFolder::read(const std::string& name) const {
    std::error_code failed;
    const std::uintmax_t size = fs::file_size(folder_ / name, failed);
    const auto file = open(name);
    if (!file || failed) return {};
    return file->read(0, size);
}

std::string LedgerFolder::set_aside(const std::string& name, std::string_view content, std::size_t keep) {
    const fs::path bad = folder_ / "bad";
    std::error_code failed;
    fs::create_directories(bad, failed);
    const auto file = make_file(bad / name, false);
    if (!file.ok() || !(*file)->write(0, content).ok()) return (bad / name).string() + " (not written)";

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
    return (bad / name).string();
}

}  // namespace emprops::jobs
