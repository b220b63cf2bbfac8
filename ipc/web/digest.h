#pragma once
// Hashes and random words (OpenSSL). Pure functions but for random_hex and files.

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace emprops {

/// Two lowercase hexadecimal digits per byte.
std::string to_hex(std::string_view bytes);
std::string md5_hex(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);
/// Nothing when the file cannot be read.
std::optional<std::string> sha256_hex_of_file(const std::filesystem::path& path);
/// `digits` hexadecimal digits from the system's random source.
std::string random_hex(std::size_t digits);

}  // namespace emprops
