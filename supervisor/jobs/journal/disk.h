#pragma once
// What the journal asks of a disk. ledger_folder.h is the real one; tests have one that loses, tears and reorders what
// was not synced. Errors are "disk" or "disk_full", with a sentence for people.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/result.h"

namespace emprops::jobs::journal {

/// An open file. write() is the event loop's, the others are for the ledger's thread.
class File {
  public:
    virtual ~File() = default;
    /// Survives a kill of this process, not a power cut.
    virtual Result<> write(std::uint64_t offset, std::string_view bytes) = 0;
    /// What was written survives a power cut, if the file's name does.
    virtual Result<> sync() = 0;
    /// Its name still leads to it: no cleaner of old files has removed it.
    virtual bool is_in_place() const = 0;
    virtual std::optional<std::string> read(std::uint64_t offset, std::size_t size) const = 0;
};

class Disk {
  public:
    virtual ~Disk() = default;
    /// A new file of `bytes` zeros. Its space is taken: writing into it needs none.
    virtual Result<std::shared_ptr<File>> create(const std::string& name, std::uint64_t bytes) = 0;
    /// A new file with this content; not synced.
    virtual Result<std::shared_ptr<File>> store(const std::string& name, std::string_view content) = 0;
    /// The names that there are survive a power cut.
    virtual Result<> sync_names() = 0;
    /// One that is not there is removed already.
    virtual Result<> remove(const std::string& name) = 0;
    virtual Result<std::vector<std::string>> list() const = 0;
    /// For reading; null: it cannot be opened.
    virtual std::shared_ptr<File> open(const std::string& name) const = 0;
    /// Empty: it cannot be read.
    virtual std::optional<std::string> read(const std::string& name) const = 0;
};

}  // namespace emprops::jobs::journal
