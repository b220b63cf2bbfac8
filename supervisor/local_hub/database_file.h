#pragma once
// The SQLite file of the store: opened for this hub alone, what its errors mean, and whether it is still where it was
// made. A path is not the object behind it: one that a cleaner removed, or that somebody replaced, is made again from
// what is open here. Owned by Store; event loop thread only.

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "ipc/result.h"
#include "supervisor/base/file_identity.h"
#include "supervisor/local_hub/sqlite.h"

namespace emprops::local_hub {

class DatabaseFile {
  public:
    /// Opens or creates it and locks it. Error "database_failed" (not writable, locked by another hub, not a database),
    /// saying what to do.
    static Result<std::unique_ptr<DatabaseFile>> open(const std::filesystem::path& path);

    sqlite3* get() const { return database_.get(); }
    std::string name() const { return path_.string(); }
    /// What the last call to SQLite failed with.
    Error failure(std::string_view doing) const;
    bool run_script(const char* sql);
    /// The answer to "PRAGMA name"; nullopt: there is none.
    std::optional<std::int64_t> pragma(const char* question);
    std::uint64_t free_bytes();

    /// What is wrong with its place, as a sentence's end ("was removed ..."); empty: nothing, or it has none (":memory:").
    std::string misplaced() const;
    /// Puts a copy of everything into its place, whole or not at all. What somebody put there is set aside and named in
    /// the answer, which completes "... is made again"; a file that another hub has open is left alone. After it this one
    /// is of no use but to be replaced by an open() of the path.
    Result<std::string> put_back();

  private:
    explicit DatabaseFile(std::filesystem::path path) : path_(std::move(path)) {}
    Result<> open_it();
    /// SQLite's code of the last error.
    int error_code() const { return sqlite3_errcode(database_.get()) & 0xFF; }
    /// A damaged file may be found by any statement: the first one that reads the damaged page.
    bool damaged() const { return error_code() == SQLITE_NOTADB || error_code() == SQLITE_CORRUPT; }
    int lack_of_locks() const;
    Error with_advice(Error error) const;
    Result<> copy_to(const std::filesystem::path& beside);

    std::filesystem::path path_;  // as it was given; then as SQLite sees it, without links
    std::filesystem::path log_;   // its WAL; empty: in memory
    sqlite::Database database_;
    std::optional<FileIdentity> made_, made_log_;
};

}  // namespace emprops::local_hub
