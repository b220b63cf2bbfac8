#pragma once
// Reads a range of an open file in pieces of bounded size. Blocking; any thread; the descriptor's position is not used.

#include <cstdint>
#include <functional>
#include <string_view>

#include "ipc/result.h"

namespace emprops::stores {

/// Calls `take` with each piece until all `size` bytes are read or it returns false (an Error "cancelled"). A file that is
/// shorter, or cannot be read, is an Error that says so.
Result<Ok> read_file(int descriptor, std::uint64_t offset, std::uint64_t size,
                     const std::function<bool(std::string_view)>& take);
/// Its hash, in lowercase hexadecimal. `go_on` is asked between two pieces; false ends it with an Error "cancelled".
Result<std::string> sha256_of(int descriptor, std::uint64_t offset, std::uint64_t size,
                              const std::function<bool()>& go_on);

}  // namespace emprops::stores
