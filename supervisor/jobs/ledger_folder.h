#pragma once
// The ledger's folder on disk: what the journal needs of it (journal/disk.h), small files that are replaced whole, what
// is damaged set aside. Every call but File::write blocks. Used by the opener, then by the ledger's thread.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/result.h"
#include "supervisor/jobs/journal/disk.h"

namespace emprops::jobs {

class LedgerFolder : public journal::Disk {
  public:
    /// `sync` false: nothing is to survive a power cut, and what syncs does nothing.
    LedgerFolder(std::filesystem::path folder, bool sync)
        : folder_(std::move(folder)), sync_(sync), sync_folder_(sync) {}

    /// Creates the folder and forgets what a killed writer left half done.
    Result<> prepare();

    Result<std::shared_ptr<journal::File>> create(const std::string& name, std::uint64_t bytes) override;
    Result<std::shared_ptr<journal::File>> store(const std::string& name, std::string_view content) override;
    Result<> sync_names() override;
    Result<> remove(const std::string& name) override;
    Result<std::vector<std::string>> list() const override;
    std::shared_ptr<journal::File> open(const std::string& name) const override;
    std::optional<std::string> read(const std::string& name) const override;

    /// A file of this content in place of the one that is there; after a success it survives a power cut.
    Result<> replace(const std::string& name, std::string_view content);

    /// A file of this name and content in bad/, of which the newest `keep` are kept. Its path, for people.
    std::string set_aside(const std::string& name, std::string_view content, std::size_t keep);

    const std::filesystem::path& path() const { return folder_; }
    /// What an operator should know of this disk, once; empty: nothing.
    std::string take_warning() { return std::exchange(warning_, {}); }

  private:
    std::filesystem::path folder_;
    bool sync_;
    bool sync_folder_;  ///< false also when the file system cannot do that
    std::string warning_;
};

}  // namespace emprops::jobs
