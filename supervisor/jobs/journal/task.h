#pragma once
// What takes time at the disk and is done by the ledger's thread, one after the other. Plain values.

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "supervisor/jobs/journal/disk.h"

namespace emprops::jobs::journal {

struct CreateSegment {
    std::string name;
    std::uint64_t bytes = 0;
};
/// A payload or result that is too large for a line.
struct StoreFile {
    std::uint64_t number = 0;
    std::string name;
    const std::string* content = nullptr;  ///< stays until the answer has come
};
/// Looks first whether they are in place.
struct SyncFiles {
    std::vector<std::shared_ptr<File>> files;
    bool names = false;  ///< some are new
};
struct RemoveFiles {
    std::vector<std::string> names;
};
using Task = std::variant<CreateSegment, StoreFile, SyncFiles, RemoveFiles>;

struct SegmentCreated {
    std::string name;
    Result<std::shared_ptr<File>> file;
};
struct FileStored {
    std::uint64_t number = 0;
    std::string name;
    Result<std::shared_ptr<File>> file;
    std::uint32_t checksum = 0;
};
struct FilesSynced {
    Result<> result;
};
struct FilesRemoved {};
using TaskDone = std::variant<SegmentCreated, FileStored, FilesSynced, FilesRemoved>;

/// Blocking.
TaskDone carry_out(Disk& disk, const Task& task);

}  // namespace emprops::jobs::journal
