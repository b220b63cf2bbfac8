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

/// `sync`: after a success it survives a power cut. Errors: "disk_full" and the like (jobs/ledger_folder.h).
Result<> write_note(const std::filesystem::path& spool, const Delivery& delivery, const ipc::JobError& error,
                    bool sync);
/// Of the folder of this name.
std::filesystem::path note_path(const std::filesystem::path& spool, const std::string& name);

/// All that are kept in this spool, the oldest first. A note that cannot be read is left out.
std::vector<Kept> all_kept(const std::filesystem::path& spool);
/// Folders of those that are kept no longer: older than `age`, or, the oldest first, beyond `most_bytes` together.
std::vector<std::string> outdated(const std::vector<Kept>& all, std::filesystem::file_time_type now,
                                  ipc::Ms age, std::uint64_t most_bytes);
/// The one in this folder. Error "not_found".
Result<Kept> kept_in(const std::filesystem::path& spool, const std::string& folder);
/// The one whose folder or job has this name; of several of one job the newest. Error "not_found".
Result<Kept> find_kept(const std::filesystem::path& spool, const std::string& name);

}  // namespace emprops::files
