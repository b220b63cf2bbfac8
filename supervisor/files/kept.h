#pragma once
// Files that no store took: they stay in the spool for a while (keep_undelivered), with a note beside their folder
// (NAME.json; the folder itself is a connector's work) that says whose they are and why. Reads and writes that note;
// blocking, any thread.

#include <filesystem>
#include <string>
#include <vector>

#include "ipc/messages.h"
#include "ipc/result.h"
#include "supervisor/files/delivery.h"

namespace emprops::files {

struct Kept {
    Delivery delivery;  ///< its number is 0: no job waits for it
    std::string error;  ///< why its files were not delivered
    std::filesystem::file_time_type since;
};

/// Errors: "disk".
Result<> write_note(const std::filesystem::path& spool, const Delivery& delivery, const ipc::JobError& error);
/// Of the folder of this name.
std::filesystem::path note_path(const std::filesystem::path& spool, const std::string& name);

/// All that are kept in this spool, the oldest first. A note that cannot be read is left out.
std::vector<Kept> all_kept(const std::filesystem::path& spool);
/// The one whose folder or job has this name; of several of one job the newest. Error "not_found".
Result<Kept> find_kept(const std::filesystem::path& spool, const std::string& name);

}  // namespace emprops::files
