#pragma once
// Copies an open file into another. Blocking; any thread.

#include <cstdint>
#include <functional>
#include <string_view>
#include <system_error>

#include "ipc/result.h"

namespace emprops::stores {

/// All of them, at the descriptor's position.
std::error_code write_all(int descriptor, std::string_view bytes);
/// The first `size` bytes of `from`, to the position of `to`: within the kernel, where the file system shares the bytes of
/// both or copies them itself, and what is left through memory. `go_on` is asked before each piece; false ends it with an
/// Error "cancelled". A write that fails is an Error "unwritable"; a file that is shorter or cannot be read is one as
/// read_file() gives it.
Result<Ok> copy_file(int from, std::uint64_t size, int to, const std::function<bool()>& go_on);

}  // namespace emprops::stores
