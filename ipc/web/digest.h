#pragma once
// Hashes and random words (OpenSSL). Pure functions but for random_hex.

#include <cstddef>
#include <string>
#include <string_view>

namespace emprops {

std::string md5_hex(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);
/// `digits` hexadecimal digits from the system's random source.
std::string random_hex(std::size_t digits);

}  // namespace emprops
