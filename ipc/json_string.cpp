#include "ipc/json_string.h"

#include <algorithm>

namespace emprops::ipc {
namespace {

constexpr unsigned replacement = 0xfffd;

void append_utf8(std::string& out, unsigned point) {
    const auto byte = [&](unsigned value) { out += static_cast<char>(value); };
    if (point < 0x80) return byte(point);
    if (point < 0x800) {
        byte(0xc0 | point >> 6);
    } else if (point < 0x10000) {
        byte(0xe0 | point >> 12);
        byte(0x80 | (point >> 6 & 0x3f));
    } else {
        byte(0xf0 | point >> 18);
        byte(0x80 | (point >> 12 & 0x3f));
        byte(0x80 | (point >> 6 & 0x3f));
    }
    byte(0x80 | (point & 0x3f));
}

char simple_escape(char letter) {
    switch (letter) {
        case 'b':
            return '\b';
        case 'f':
            return '\f';
        case 'n':
            return '\n';
        case 'r':
            return '\r';
        case 't':
            return '\t';
        default:
            return letter;  // quote, backslash, slash
    }
}

/// The escape at `at`, which is whole. Returns its length.
std::size_t take_escape(std::string& out, std::string_view text, std::size_t at) {
    const int unit = unit_at(text, at);
    if (unit < 0) {
        out += simple_escape(text[at + 1]);
        return 2;
    }
    const auto point = static_cast<unsigned>(unit);
    if (point < 0xd800 || point > 0xdfff) {
        append_utf8(out, point);
        return 6;
    }
    const int next = point < 0xdc00 ? unit_at(text, at + 6) : -1;
    if (next < 0xdc00 || next > 0xdfff) {
        append_utf8(out, replacement);
        return 6;
    }
    append_utf8(out, 0x10000 + ((point - 0xd800) << 10) + (static_cast<unsigned>(next) - 0xdc00));
    return 12;
}

/// The text between the quotes, whose escapes are all whole.
std::string unescape(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t escape = std::min(text.find('\\', at), text.size());
        out.append(text, at, escape - at);
        at = escape;
        if (at < text.size()) at += take_escape(out, text, at);
    }
    return out;
}

}  // namespace

int unit_at(std::string_view text, std::size_t at) {
    if (at + 6 > text.size() || text[at] != '\\' || text[at + 1] != 'u') return -1;
    int unit = 0;
    for (const char c : text.substr(at + 2, 4))
        unit = unit * 16 + (c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
    return unit;
}

std::string unescaped(std::string_view quoted) {
    return unescape(quoted.substr(1, quoted.size() - 2));
}

std::string unescaped_beginning(std::string_view cut_off) {
    std::string_view text = cut_off.substr(1);
    // An escape that is cut off goes: of its backslash at most five bytes stand behind it.
    std::size_t at = 0;
    while ((at = text.find('\\', at)) != std::string_view::npos) {
        const std::size_t length = at + 1 < text.size() && text[at + 1] == 'u' ? 6 : 2;
        if (at + length > text.size()) {
            text = text.substr(0, at);
            break;
        }
        at += length;
    }
    return unescape(text);
}

}  // namespace emprops::ipc
