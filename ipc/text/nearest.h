#pragma once
// The nearest of the allowed words, for messages that help. Pure functions, any thread.

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace emprops::text {

/// Number of single-character insertions, deletions, replacements and swaps of neighbours between two texts.
std::size_t edit_distance(std::string_view a, std::string_view b);

/// Up to `count` of `allowed`, nearest first, case ignored; nothing that has hardly a letter in common.
std::vector<std::string> nearest(std::string_view wanted, std::span<const std::string> allowed,
                                 std::size_t count = 3);

/// The one of `allowed` that was probably meant: a typo away (a quarter of the letters), case counts.
std::optional<std::string> meant(std::string_view word, std::span<const std::string> allowed);

/// What there is to say of a member that is none of those that are known, without its name: "is unknown; did you mean
/// image?", "is unknown; known are image, video".
std::string unknown_text(std::string_view word, std::span<const std::string> known);

}  // namespace emprops::text
