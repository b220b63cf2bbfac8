#pragma once
// The files in a job's folder as its connector left them, which may be anything: reached without following links,
// regular, of the right owner. Blocking functions for threads of the spool.

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ipc/result.h"
#include "ipc/unique_fd.h"

namespace emprops::files {

/// What is taken of a job's folder.
struct JobFiles {
    std::vector<std::string> places;  ///< relative to the folder; empty: it lies at its url only
    std::optional<uid_t> user;  ///< whose they may be beside ours: the connector's, if that is another one
};

// "disk" is trouble that may pass (a full disk, no descriptors), and nobody's fault.

/// An errno of opening what a connector has made is its doing, for good; any other may pass.
bool is_lasting(int number);

/// Errors: "lost" (it is not there), "disk".
Result<UniqueFd> open_folder(const std::filesystem::path& folder);

/// Bytes of each file. Errors name the file: "protocol_error" (it is not there, no regular file, behind a link, somebody
/// else's), "disk".
Result<std::vector<std::uint64_t>> look_at_files(int folder, const JobFiles& files);
/// The same, and from here on the files and the folder are ours: files of the connector's user, and those with a second
/// name (by which somebody could change them), too. Error "lost": a file is not there any more. Again is fine.
Result<std::vector<std::uint64_t>> own_files(int folder, const JobFiles& files);
/// Over the border of two file systems: the files are copied into the folder `to`, which is made anew.
Result<> copy_files(const std::filesystem::path& from, const std::filesystem::path& to,
                    const JobFiles& files);

}  // namespace emprops::files
