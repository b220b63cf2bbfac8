#include "connectors/comfyui/url.h"

#include <array>
#include <cctype>
#include <charconv>
#include <cstdint>

namespace emprops::comfyui {
namespace {

int hex_value(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

Error bad_url(std::string_view text, const std::string& why) {
    // What stands before an "@" may be a password: never repeat it.
    const auto at = text.rfind('@');
    const std::string shown(at == std::string_view::npos ? text : text.substr(at + 1));
    return {"invalid_url", "\"" + shown + "\" is no usable web address: " + why};
}

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

}  // namespace

std::string percent_decode(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 &&
            hex_value(text[i + 2]) >= 0) {
            out += static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

std::string Url::text() const {
    const bool v6 = host.find(':') != std::string::npos;
    return scheme + "://" + (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port) + prefix;
}

Result<Url> parse_url(std::string_view text) {
    Url url;
    const auto colon = text.find("://");
    if (colon == std::string_view::npos) {
        return bad_url(text, "it must begin with http:// or https://");
    }
    std::string scheme;
    for (const char c : text.substr(0, colon)) {
        scheme += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    if (scheme == "http" || scheme == "ws") {
        url.scheme = "http";
    } else if (scheme == "https" || scheme == "wss") {
        url.scheme = "https";
        url.port = 443;
    } else {
        return bad_url(text, "it must begin with http:// or https://");
    }
    std::string_view rest = text.substr(colon + 3);
    const auto path_at = rest.find_first_of("/?#");
    std::string_view authority = rest.substr(0, path_at);
    if (path_at != std::string_view::npos) {
        std::string_view path = rest.substr(path_at);
        if (path.find_first_of("?#") != std::string_view::npos) {
            return bad_url(text, "it must not have a query or a fragment");
        }
        while (!path.empty() && path.back() == '/') {
            path.remove_suffix(1);
        }
        url.prefix = path;
    }
    if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
        const std::string_view user = authority.substr(0, at);
        const auto split = user.find(':');
        url.username = percent_decode(user.substr(0, split));
        if (split != std::string_view::npos) url.password = percent_decode(user.substr(split + 1));
        authority.remove_prefix(at + 1);
    }
    std::string_view port;
    if (!authority.empty() && authority.front() == '[') {
        const auto close = authority.find(']');
        if (close == std::string_view::npos) return bad_url(text, "the \"]\" of the address is missing");
        url.host = authority.substr(1, close - 1);
        authority.remove_prefix(close + 1);
        if (!authority.empty() && authority.front() == ':') port = authority.substr(1);
    } else {
        const auto split = authority.rfind(':');
        url.host = authority.substr(0, split);
        if (split != std::string_view::npos) port = authority.substr(split + 1);
    }
    if (url.host.empty()) return bad_url(text, "it names no host");
    for (const char c : url.host) {
        if (std::iscntrl(static_cast<unsigned char>(c)) != 0 || c == ' ') {
            return bad_url(text, "its host has a character that no host has");
        }
    }
    if (!port.empty()) {
        const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), url.port);
        if (code != std::errc{} || end != port.data() + port.size() || url.port < 1 || url.port > 65535) {
            return bad_url(text, "the port must be a number from 1 to 65535");
        }
    }
    return url;
}

std::string percent_encode(std::string_view text, bool keep_slash) {
    static constexpr std::string_view digits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        const bool plain = (byte < 0x80 && std::isalnum(byte) != 0) || c == '-' || c == '.' || c == '_' ||
                           c == '~' || (keep_slash && c == '/');
        if (plain) {
            out += c;
        } else {
            out += '%';
            out += digits[byte >> 4];
            out += digits[byte & 15];
        }
    }
    return out;
}

std::string query(const std::vector<std::pair<std::string, std::string>>& pairs) {
    std::string out;
    for (const auto& [key, value] : pairs) {
        out += out.empty() ? '?' : '&';
        out += percent_encode(key) + "=" + percent_encode(value);
    }
    return out;
}

std::string base64_encode(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const auto left = bytes.size() - i;
        std::uint32_t block = 0;
        for (std::size_t k = 0; k < 3; ++k) {
            block = (block << 8) | (k < left ? static_cast<unsigned char>(bytes[i + k]) : 0U);
        }
        out += alphabet[(block >> 18) & 63];
        out += alphabet[(block >> 12) & 63];
        out += left > 1 ? alphabet[(block >> 6) & 63] : '=';
        out += left > 2 ? alphabet[block & 63] : '=';
    }
    return out;
}

Result<std::string> base64_decode(std::string_view text) {
    static const auto table = [] {
        std::array<int, 256> values{};
        values.fill(-1);
        for (std::size_t i = 0; i < alphabet.size(); ++i) {
            values[static_cast<unsigned char>(alphabet[i])] = static_cast<int>(i);
        }
        values['-'] = 62;
        values['_'] = 63;
        return values;
    }();
    std::string out;
    out.reserve(text.size() / 4 * 3);
    std::uint32_t block = 0;
    int bits = 0;
    std::size_t digits = 0;
    bool padded = false;
    for (const char c : text) {
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t') continue;
        if (c == '=') {
            padded = true;
            continue;
        }
        const int value = table[static_cast<unsigned char>(c)];
        if (value < 0 || padded) return Error{"invalid_base64", "the text is not base64"};
        ++digits;
        block = (block << 6) | static_cast<std::uint32_t>(value);
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            out += static_cast<char>((block >> bits) & 255);
        }
    }
    if (digits % 4 == 1) return Error{"invalid_base64", "the base64 text is cut off"};
    return out;
}

}  // namespace emprops::comfyui
