#pragma once
// Hashes and random words (OpenSSL). Pure functions but for random_hex and files.

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace emprops {

/// Two lowercase hexadecimal digits per byte.
std::string to_hex(std::string_view bytes);
std::string md5_hex(std::string_view bytes);
std::string sha256_hex(std::string_view bytes);
/// Nothing when the file cannot be read.
std::optional<std::string> sha256_hex_of_file(const std::filesystem::path& path);
/// HMAC-SHA256, its 32 bytes as they are.
std::string hmac_sha256(std::string_view key, std::string_view text);

/// The SHA-256 of what comes in pieces.
class Sha256 {
  public:
    Sha256();
    void add(std::string_view bytes);
    /// Of all that was added; nothing can be added after it.
    std::string hex();

  private:
    struct Free {
        void operator()(evp_md_ctx_st* context) const;
    };
    std::unique_ptr<evp_md_ctx_st, Free> context_;
};

/// `digits` hexadecimal digits from the system's random source.
std::string random_hex(std::size_t digits);

}  // namespace emprops
