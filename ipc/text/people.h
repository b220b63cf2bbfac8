#pragma once
// Sizes, times and lines for people. Pure functions, any thread.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace emprops {

/// "17 B", "4.1 MiB", "512 KiB": three digits at most, one of them behind the point.
std::string human_bytes(std::uint64_t bytes);

/// The same with the number of bytes behind it, where only that shows what is too much: "4.1 MiB (4299162 bytes)".
std::string exact_bytes(std::uint64_t bytes);

/// "850 ms", "8 s", "2 min 5 s", "3 h 4 min".
std::string human_duration(std::chrono::milliseconds duration);

/// "1 file", "2 files".
std::string counted(std::size_t count, const char* what);

/// What was said in several lines, in one: `line_break` for each break, one blank for other white space and control
/// characters, none at the ends.
std::string in_one_line(std::string_view text, std::string_view line_break = ", ");

/// One more item of an enumeration: the separator stands between items only.
void add_item(std::string& list, std::string_view item, std::string_view separator = ", ");

}  // namespace emprops
