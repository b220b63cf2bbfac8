#pragma once
// Small helpers of the loader: whole files, and names of places. Any thread, nothing throws.

#include <filesystem>
#include <string>

#include "ipc/result.h"

namespace emprops::config {

/// The whole of a regular file (or a pipe). Fails with "not_found", or "unreadable" with the system's words;
/// files above `limit_bytes` are unreadable too.
Result<std::string> read_file(const std::filesystem::path& file, std::size_t limit_bytes = 4 * 1024 * 1024);

/// The same without a byte order mark; UTF-16 is "unreadable", with what to do.
Result<std::string> read_text_file(const std::filesystem::path& file,
                                   std::size_t limit_bytes = 4 * 1024 * 1024);

/// How a file is named to a person: from the working directory if it is below it, else in full.
std::string display_name(const std::filesystem::path& file, const std::filesystem::path& working_dir);

}  // namespace emprops::config
