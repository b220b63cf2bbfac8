#pragma once
// Cutting UTF-8 text without breaking a character. Pure functions, any thread.

#include <cstddef>
#include <string>
#include <string_view>

namespace emprops::text {

/// False for the second and later bytes of a character.
constexpr bool begins_character(char c) {
    return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U;
}

/// ASCII only: below a blank, and DEL.
bool has_control_character(std::string_view text);

/// The longest beginning of at most `limit_bytes` that ends between two characters; what is no UTF-8 ends anywhere.
std::string_view cut(std::string_view text, std::size_t limit_bytes);

/// cut(), and `mark` behind it where something was left out (the mark comes on top of the limit).
std::string shortened(std::string_view text, std::size_t limit_bytes, std::string_view mark = "...");

}  // namespace emprops::text
