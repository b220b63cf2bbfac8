#include "supervisor/local_hub/database_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "supervisor/base/privacy.h"

namespace emprops::local_hub {
namespace fs = std::filesystem;
namespace {

using sqlite::Run;

/// Who has the file open as SQLite opens it for us, for people; empty: nobody.
std::string user_of(const fs::path& file) {
    const int fd = open_own_file(file, O_RDWR);
    if (fd < 0) return {};
    struct flock lock {};
    lock.l_type = F_WRLCK;
    lock.l_whence = SEEK_SET;
    lock.l_start = 0x40000000;  // SQLite's lock bytes (its file format, "The Lock-Byte Page")
    lock.l_len = 512;
    const bool asked = ::fcntl(fd, F_GETLK, &lock) == 0;
    ::close(fd);
    if (!asked || lock.l_type == F_UNLCK) return {};
    return "another hub" + (lock.l_pid > 0 ? " (pid " + std::to_string(lock.l_pid) + ")" : "");
}

fs::path with(const fs::path& file, const std::string& suffix) {
    return file.string() + suffix;
}

/// Moves what lies at `file`, with its log, out of the way; gives its new name. Nothing of it is deleted.
Result<std::string> set_aside(const fs::path& file, const fs::path& log) {
    for (int number = 1;; ++number) {
        const fs::path aside = with(file, ".found-" + std::to_string(number));
        std::error_code failed;
        if (fs::exists(fs::symlink_status(aside, failed))) continue;
        fs::rename(file, aside, failed);
        if (failed)
            return Error{"database_failed",
                         fmt::format("cannot move {} out of the way: {}", file.string(), failed.message())};
        fs::rename(log, with(aside, "-wal"), failed);  // it may have none
        return aside.string();
    }
}

}  // namespace

Result<std::unique_ptr<DatabaseFile>> DatabaseFile::open(const fs::path& path) {
    std::unique_ptr<DatabaseFile> file(new DatabaseFile(path));
    if (auto opened = file->open_it(); !opened.ok()) return opened.error();
    return file;
}

Result<> DatabaseFile::open_it() {
    const std::string name = path_.string();
    const bool in_memory = name.front() == ':';
    // Payloads and results are in it: for its user only. SQLite gives its other files the same mode.
    if (const int made = in_memory ? -1 : ::open(name.c_str(), O_CREAT | O_CLOEXEC, 0600); made >= 0)
        ::close(made);
    sqlite3* raw = nullptr;
    const auto opened =
        sqlite3_open_v2(name.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, nullptr);
    database_.reset(raw);
    if (opened != SQLITE_OK) return with_advice(failure("open"));
    sqlite3_busy_timeout(database_.get(), 1000);  // a hub that is just being killed
    // EXCLUSIVE: a second hub on this file fails at once instead of running the same jobs again.
    // The order counts: how space is given back is decided before the first table.
    if (!run_script("PRAGMA auto_vacuum=INCREMENTAL; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; "
                    "PRAGMA synchronous=NORMAL; PRAGMA foreign_keys=ON; BEGIN IMMEDIATE; COMMIT;")) {
        return with_advice(failure("open"));
    }
    if (in_memory) return Ok{};
    const char* found = sqlite3_db_filename(database_.get(), "main");
    path_ = found;
    log_ = sqlite3_filename_wal(found);
    made_ = FileIdentity::of(path_);
    made_log_ = FileIdentity::of(log_);
    return Ok{};
}

Error DatabaseFile::failure(std::string_view doing) const {
    return {"database_failed",
            fmt::format("cannot {} the hub's database {}: {}{}", doing, name(), sqlite3_errmsg(get()),
                        damaged() ? "; move the file away to start with an empty queue" : "")};
}

bool DatabaseFile::run_script(const char* sql) {
    return sqlite3_exec(get(), sql, nullptr, nullptr, nullptr) == SQLITE_OK;
}

std::optional<std::int64_t> DatabaseFile::pragma(const char* question) {
    sqlite3_stmt* raw = nullptr;
    sqlite3_prepare_v2(get(), question, -1, &raw, nullptr);
    const sqlite::Prepared statement(raw);
    Run run(statement);
    if (!raw || run.step() != SQLITE_ROW) return {};
    return run.integer();
}

std::uint64_t DatabaseFile::free_bytes() {
    const auto pages = pragma("PRAGMA freelist_count");
    return static_cast<std::uint64_t>(pages.value_or(0) * pragma("PRAGMA page_size").value_or(0));
}

/// The errno of a lock in the database's folder, if that means that there are none; 0: there are. SQLite takes some
/// of these for a database that is in use.
int DatabaseFile::lack_of_locks() const {
    const fs::path probe = with(path_, "-lock-probe");
    const int fd = open_own_file(probe, O_RDWR | O_CREAT);
    if (fd < 0) return 0;
    struct flock lock {};
    lock.l_type = F_WRLCK;
    const int why = ::fcntl(fd, F_SETLK, &lock) == 0 ? 0 : errno;
    ::close(fd);
    ::unlink(probe.c_str());
    return why != 0 && means_no_locks(why) ? why : 0;
}

Error DatabaseFile::with_advice(Error error) const {
    const auto code = error_code();
    const int why = damaged() ? 0 : lack_of_locks();
    if (why != 0) {
        error.message += "; " + without_locks(why, "local_hub.database");
    } else if (code == SQLITE_BUSY || code == SQLITE_LOCKED) {
        error.message += "; another hub uses it: stop that one, or give this one another local_hub.database";
    } else if (!damaged()) {
        error.message += "; check that its folder exists and is writable, or set local_hub.database";
    }
    return error;
}

// ---- its place --------------------------------------------------------------------------------------------

std::string DatabaseFile::misplaced() const {
    for (const auto& [path, made] : {std::pair(&path_, &made_), std::pair(&log_, &made_log_)}) {
        if (!*made) continue;
        const auto here = FileIdentity::of(*path);
        if (here == *made) continue;
        if (here) return path->string() + " was replaced by another file";
        if (errno == ENOENT || errno == ENOTDIR)
            return path->string() + " was removed (by a cleaner of old files?)";
    }
    return {};
}

Result<> DatabaseFile::copy_to(const fs::path& beside) {
    ::unlink(beside.c_str());
    const int fd = open_own_file(beside, O_RDWR | O_CREAT | O_EXCL);
    if (fd < 0)
        return Error{"database_failed",
                     fmt::format("cannot write {}: {}", beside.string(), open_problem(errno))};
    Result<> copied = Ok{};
    sqlite3_stmt* raw = nullptr;
    const sqlite::Prepared statement((sqlite3_prepare_v2(get(), "VACUUM INTO ?", -1, &raw, nullptr), raw));
    const std::string target = beside.string();
    if (!raw || Run(statement).bind(std::string_view(target)).step() != SQLITE_DONE) {
        copied = failure("copy");
    } else if (::fsync(fd) != 0) {
        copied = Error{"database_failed", fmt::format("cannot sync {}: {}", target, open_problem(errno))};
    }
    ::close(fd);
    if (!copied.ok()) ::unlink(beside.c_str());
    return copied;
}

Result<std::string> DatabaseFile::put_back() {
    make_private_folder(path_.parent_path());  // if it fails, the next step says why
    const auto there = FileIdentity::of(path_);
    const bool foreign = there && there != made_;
    if (const std::string other = foreign ? user_of(path_) : ""; !other.empty())
        return Error{"database_failed", other + " has made " + path_.string() +
                                            " anew and uses it: stop one of the two, or give one another "
                                            "local_hub.database"};
    // Whoever finds our log in its place must find nothing in it: it would be taken for that of the new file.
    if (!run_script("PRAGMA wal_checkpoint(TRUNCATE)")) return failure("write back");
    const fs::path beside = with(path_, ".again");
    if (auto copied = copy_to(beside); !copied.ok()) return copied.error();
    std::string aside;
    if (foreign) {
        auto moved = set_aside(path_, log_);
        if (!moved.ok()) return moved.error();
        aside = *moved;
    }
    ::unlink(log_.c_str());
    std::error_code failed;
    fs::rename(beside, path_, failed);
    if (failed)
        return Error{"database_failed", fmt::format("cannot rename {} to {}: {}", beside.string(),
                                                    path_.string(), failed.message())};
    sync_folder(path_.parent_path());  // where that fails, the name is as safe as that of any new file there
    // SQLite would remove the log by its name, which is now that of the new one.
    sqlite3_db_config(get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
    return aside.empty() ? std::string()
                         : " (what was put there is now " + aside +
                               ": stop the hub before you give it another database)";
}

}  // namespace emprops::local_hub
