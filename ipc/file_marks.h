#pragma once
// The marks in a result for the files that come with it: {"$file": 2}, an object with this one member, stands for the
// entry of the third file. Found in the text, which is otherwise carried byte for byte. What only looks like a mark (a
// second member, no plain whole number) is none and stays. Pure functions, any thread; time and memory grow with the
// text and not with its depth.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/result.h"

namespace emprops::ipc {

/// A mark may stand in a result no deeper than this, so that an entry (max_file_depth) fits in its place.
inline constexpr int max_mark_depth = 240;

struct FileMark {
    std::size_t at = 0;      // of its "{" in the text
    std::size_t bytes = 0;   // up to its "}", inclusive
    std::uint64_t file = 0;  // the largest number there is stands for all larger ones
    int depth = 0;           // containers that are open around it
    bool operator==(const FileMark&) const = default;
};

/// The marks in their order. `result`: JSON text that a scan has found good (RawJson).
std::vector<FileMark> find_file_marks(std::string_view result);

/// Whether the result mentions each of `files` files, and no other: else a `protocol_error` that says which, for the
/// connector's author. Without files (0) nothing is a mark, and all is well.
Result<> check_file_marks(std::string_view result, std::size_t files);

/// The result with `entries[n]` (JSON text) in the place of each mark of file n. A mark of a file that is not there
/// stays; check_file_marks() has found it before.
std::string fill_file_marks(std::string_view result, const std::vector<std::string>& entries);

}  // namespace emprops::ipc
