#include "ipc/web/base64.h"

#include <openssl/evp.h>

#include <climits>

namespace emprops::web {
namespace {

const unsigned char* bytes_of(std::string_view text) {
    return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* room_in(std::string& text, std::size_t at) {
    return reinterpret_cast<unsigned char*>(text.data() + at);
}

/// OpenSSL counts in int: longer texts go in blocks of whole groups of 3 bytes and 4 digits.
constexpr std::size_t block_bytes = 3 * (INT_MAX / 8);
constexpr std::size_t block_digits = 4 * (INT_MAX / 8);

/// Without white space, in the usual alphabet, padded.
Result<std::string> tidied(std::string_view text) {
    std::string digits;
    digits.reserve(text.size() + 3);
    for (const char c : text) {
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
        digits += c == '-' ? '+' : c == '_' ? '/' : c;
    }
    digits.resize(digits.find_last_not_of('=') + 1);
    if (digits.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") !=
        std::string::npos)
        return Error{"invalid_base64", "the text is not base64"};
    if (digits.size() % 4 == 1) return Error{"invalid_base64", "the base64 text is cut off"};
    digits.append((4 - digits.size() % 4) % 4, '=');
    return digits;
}

}  // namespace

std::string base64_encode(std::string_view bytes) {
    std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // OpenSSL writes a zero behind it
    std::size_t written = 0;
    for (std::size_t at = 0; at < bytes.size(); at += block_bytes) {
        const std::string_view block = bytes.substr(at, block_bytes);
        written += static_cast<std::size_t>(
            EVP_EncodeBlock(room_in(text, written), bytes_of(block), static_cast<int>(block.size())));
    }
    text.resize(written);
    return text;
}

Result<std::string> base64_decode(std::string_view text) {
    auto digits = tidied(text);
    if (!digits) return digits.error();
    std::string bytes(digits->size() / 4 * 3, '\0');
    std::size_t written = 0;
    for (std::size_t at = 0; at < digits->size(); at += block_digits) {
        const std::string_view block = std::string_view(*digits).substr(at, block_digits);
        const int size =
            EVP_DecodeBlock(room_in(bytes, written), bytes_of(block), static_cast<int>(block.size()));
        if (size < 0) return Error{"invalid_base64", "the text is not base64"};
        written += static_cast<std::size_t>(size);
    }
    const std::size_t padding = digits->size() - (digits->find_last_not_of('=') + 1);
    bytes.resize(written - padding);
    return bytes;
}

}  // namespace emprops::web
