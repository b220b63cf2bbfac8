#pragma once
// How much of a job's frame one of its files may take as base64. Pure.

#include <cstddef>
#include <cstdint>
#include <set>
#include <vector>

#include "supervisor/files/delivery.h"

namespace emprops::files {

/// What a frame has beside the result.
inline constexpr std::uint64_t beside_result = 64u << 10;

/// In bytes of the file. What other files of the result take is taken, and what those in a courier's hand may take;
/// `waiting`: those that are in nobody's. A file that is brought into another form has a size that nobody knows before: it
/// may take twice its own, and a little.
std::uint64_t inline_room(const Delivery& delivery, const std::vector<std::size_t>& mentions,
                          const std::set<std::size_t>& waiting, std::size_t index, std::uint64_t frame_bytes);

}  // namespace emprops::files
