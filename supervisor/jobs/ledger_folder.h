#pragma once
// The ledger's folder on disk: whole files written beside their name and renamed into place, several at once
// with as few syncs as possible; torn files set aside. Every call blocks. Used by one thread at a time: the
// opener, then the ledger's own.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/result.h"

namespace emprops::jobs {

class LedgerFolder {
  public:
    LedgerFolder(std::filesystem::path folder, bool sync)
        : folder_(std::move(folder)), sync_(sync), sync_folder_(sync) {}

    /// Creates the folder and forgets what a killed writer left half done.
    Result<> prepare();

    struct Change {
        std::string file;                    ///< name in the folder
        std::optional<std::string> content;  ///< empty: the file goes
    };
    /// Applies all changes; the results stand in the same order. A removal of a missing file succeeds. After
    /// a success the change survives what the durability promises.
    std::vector<Result<>> apply(const std::vector<Change>& changes);

    /// Names of all records.
    Result<std::vector<std::string>> list() const;
    /// The content of a file; empty: it cannot be read.
    std::optional<std::string> read(const std::string& file) const;

    /// Moves a file to bad/, of which the newest `keep` are kept. The path it has now, for people.
    std::string set_aside(const std::string& file, std::size_t keep);

    const std::filesystem::path& path() const { return folder_; }
    /// What an operator should know of this disk, once; empty: nothing.
    std::string take_warning() { return std::exchange(warning_, {}); }

  private:
    Result<> write_beside(const Change& change);
    Result<> sync_folder();

    std::filesystem::path folder_;
    bool sync_;
    bool sync_folder_;  ///< false also when the file system cannot do that
    std::string warning_;
};

}  // namespace emprops::jobs
