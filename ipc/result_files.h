#pragma once
// The files of a `result`: what the connector may say of them, read and checked. Whether a path leads to a file of the
// job is for the supervisor to find out, on disk. Pure functions, any thread.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/messages.h"
#include "ipc/result.h"

namespace emprops::ipc {

/// Of one result.
inline constexpr std::size_t max_result_files = 1000;
/// Of a file's name: what file systems take.
inline constexpr std::size_t max_file_name_bytes = 255;
/// Of the text of `files`.
inline constexpr std::size_t max_files_bytes = std::size_t{1} << 20;
/// How deep one entry of `files` may nest, itself the first level. With the deepest place of a mark (file_marks.h) it
/// stays within max_value_depth.
inline constexpr int max_file_depth = 16;

/// Reads `files`, JSON text that a scan has found good; `null` is no files. An error's message begins with the place:
/// "files[2].path ...".
Result<std::vector<ResultFile>> read_files(std::string_view json);
/// One entry of it, which to_json() may have made.
Result<ResultFile> read_file(const Json& entry, std::size_t index);

/// The file as it may stand at place `index`, with a name; or why it may not.
Result<ResultFile> complete_file(ResultFile file, std::size_t index);

/// An entry of `files`.
Json to_json(const ResultFile& file);

}  // namespace emprops::ipc
