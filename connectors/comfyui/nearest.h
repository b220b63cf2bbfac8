#pragma once
// The nearest of the allowed words: for messages that help. Pure.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace emprops::comfyui {

/// Number of single-character insertions, deletions, replacements and swaps of neighbours between two texts.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// Up to `count` of `allowed`, nearest first, case ignored; nothing that has hardly a letter in common.
std::vector<std::string> nearest(std::string_view wanted, const std::vector<std::string>& allowed,
                                 std::size_t count = 3);

}  // namespace emprops::comfyui
