#pragma once
// Where a message begins in a line. Pure functions, any thread.

#include <cstddef>
#include <string_view>

namespace emprops::ipc {

/// So many bytes always show whether a line may be a message: what stands in front of one is short.
inline constexpr std::size_t message_lead_bytes = 64;

/// The line without the byte order mark and JSON's white space in front of it.
std::string_view without_lead(std::string_view line);

/// Whether a line that begins so may be a message: `{`, then a name in double quotes or `}`, or an end before that can
/// be seen. "{1, 2}", "{'a': 1}" and every other text: it may not. A carriage return in front of `{` ends a line.
bool may_begin_message(std::string_view beginning);

}  // namespace emprops::ipc
