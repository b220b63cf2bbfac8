#include "ipc/text/percent.h"

#include <charconv>

namespace emprops::text {
namespace {

/// The byte that "%XX" at `at` stands for.
std::optional<char> coded_byte(std::string_view text, std::size_t at) {
    if (at + 2 >= text.size()) return std::nullopt;
    unsigned byte = 0;
    const char* const end = text.data() + at + 3;
    if (std::from_chars(text.data() + at + 1, end, byte, 16).ptr != end) return std::nullopt;
    return static_cast<char>(byte);
}

template <typename OnBadPercent>
bool decode(std::string_view text, std::string& decoded, OnBadPercent on_bad) {
    decoded.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] != '%') {
            decoded += text[i];
        } else if (const auto byte = coded_byte(text, i)) {
            decoded += *byte;
            i += 2;
        } else if (on_bad()) {
            decoded += '%';
        } else {
            return false;
        }
    }
    return true;
}

}  // namespace

std::string percent_encode(std::string_view text, std::string_view keep) {
    static constexpr std::string_view digits = "0123456789ABCDEF";
    std::string encoded;
    encoded.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           c == '-' || c == '.' || c == '_' || c == '~' ||
                           keep.find(c) != std::string_view::npos;
        if (plain) {
            encoded += c;
        } else {
            encoded += '%';
            encoded += digits[byte >> 4];
            encoded += digits[byte & 15];
        }
    }
    return encoded;
}

std::string percent_decode(std::string_view text) {
    std::string decoded;
    decode(text, decoded, [] { return true; });
    return decoded;
}

std::optional<std::string> percent_decode_strict(std::string_view text) {
    std::string decoded;
    if (!decode(text, decoded, [] { return false; })) return std::nullopt;
    return decoded;
}

}  // namespace emprops::text
