#pragma once
// Percent coding of URLs (RFC 3986). Pure functions, any thread.

#include <optional>
#include <string>
#include <string_view>

namespace emprops::text {

/// Everything but letters, digits, "-._~" and the characters of `keep` becomes %XX.
std::string percent_encode(std::string_view text, std::string_view keep = {});

/// A "%" that two hexadecimal digits do not follow stays as it is.
std::string percent_decode(std::string_view text);

/// The same, but null where a "%" is not followed by two hexadecimal digits.
std::optional<std::string> percent_decode_strict(std::string_view text);

}  // namespace emprops::text
