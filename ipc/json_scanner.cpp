#include "ipc/json_scanner.h"

#include <cstdint>
#include <cstring>
#include <utility>

namespace emprops::ipc {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/// True if one of the eight bytes at `p` needs a closer look inside a string: a quote, a backslash, a control
/// character or a byte beyond ASCII. Payloads hold megabytes of base64, so this is worth its four lines.
bool eight_need_a_look(const char* p) {
    std::uint64_t word = 0;
    std::memcpy(&word, p, sizeof word);
    constexpr std::uint64_t ones = 0x0101010101010101u;
    constexpr std::uint64_t highs = 0x8080808080808080u;
    const auto has_zero = [](std::uint64_t w) { return (w - ones) & ~w & highs; };
    const std::uint64_t below_space = (word - ones * 0x20) & ~word & highs;
    return ((word & highs) | below_space | has_zero(word ^ (ones * '"')) | has_zero(word ^ (ones * '\\'))) !=
           0;
}

}  // namespace

bool JsonScanner::fail(std::string reason) {
    if (reason_.empty()) reason_ = std::move(reason);
    return false;
}

bool JsonScanner::fail_within(std::string_view place) {
    reason_.append(" (in ").append(place).append(")");
    return false;
}

bool JsonScanner::unexpected(const char* expected) {
    if (at_end()) return fail(std::string("the text ends where ") + expected + " is expected");
    const auto byte = static_cast<unsigned char>(text_[pos_]);
    std::string found;
    if (byte > 0x20 && byte < 0x7f) {
        found = std::string("'") + text_[pos_] + "'";
    } else {
        constexpr char hex[] = "0123456789abcdef";
        found = std::string("byte 0x") + hex[byte >> 4] + hex[byte & 15];
    }
    return fail("found " + found + " where " + expected + " is expected");
}

bool JsonScanner::take(char expected) {
    if (peek() != expected || at_end()) return false;
    ++pos_;
    return true;
}

void JsonScanner::skip_space() {
    while (!at_end() &&
           (text_[pos_] == ' ' || text_[pos_] == '\n' || text_[pos_] == '\t' || text_[pos_] == '\r')) {
        ++pos_;
    }
}

bool JsonScanner::skip_value(int outer) {
    std::string open;  // the containers open inside this value, one '{' or '[' each
    for (;;) {
        skip_space();
        bool next_value = false;
        if (peek() == '{' || peek() == '[') {
            if (!open_container(open, outer, next_value)) return false;
        } else if (!skip_scalar()) {
            return false;
        }
        if (next_value) continue;
        if (!after_value(open, next_value)) return false;
        if (!next_value) return true;
    }
}

// `next_value` = the cursor stands before the first value inside; an empty container is finished like a
// scalar.
bool JsonScanner::open_container(std::string& open, int outer, bool& next_value) {
    if (outer + static_cast<int>(open.size()) >= max_depth_) {
        return fail("nested deeper than " + std::to_string(max_depth_) + " levels");
    }
    const bool object = text_[pos_] == '{';
    ++pos_;
    skip_space();
    next_value = !take(object ? '}' : ']');
    if (!next_value) return true;
    open.push_back(object ? '{' : '[');
    std::string_view name;
    return !object || skip_name(name);
}

// Moves past commas and closing brackets behind a value; `next_value` = the cursor stands before another one.
bool JsonScanner::after_value(std::string& open, bool& next_value) {
    while (!open.empty()) {
        const bool object = open.back() == '{';
        skip_space();
        if (take(',')) {
            next_value = true;
            skip_space();
            std::string_view name;
            return !object || skip_name(name);
        }
        if (!take(object ? '}' : ']')) return unexpected(object ? "',' or '}'" : "',' or ']'");
        open.pop_back();
    }
    return true;
}

bool JsonScanner::skip_name(std::string_view& name) {
    if (peek() != '"') return unexpected("a name in double quotes");
    const std::size_t from = pos_;
    if (!skip_string()) return false;
    name = slice(from);
    skip_space();
    return take(':') || unexpected("':'");
}

bool JsonScanner::skip_scalar() {
    switch (peek()) {
        case '"':
            return skip_string();
        case 't':
            return skip_literal("true");
        case 'f':
            return skip_literal("false");
        case 'n':
            return skip_literal("null");
        case 'N':
        case 'I':
            return fail("NaN and Infinity are not JSON (use null, or leave the member out)");
        case 'T':
        case 'F':
            return fail("true, false and null are written in lower case in JSON");
        case '\'':
            return fail("JSON strings stand in double quotes");
        default:
            break;
    }
    if (peek() == '-' || is_digit(peek())) return skip_number();
    return unexpected("a value");
}

bool JsonScanner::skip_literal(std::string_view literal) {
    if (text_.substr(pos_, literal.size()) != literal) {
        return fail("this is no JSON value (did you mean " + std::string(literal) + "?)");
    }
    pos_ += literal.size();
    return true;
}

bool JsonScanner::skip_digits() {
    if (!is_digit(peek())) return unexpected("a digit");
    while (is_digit(peek()))
        ++pos_;
    return true;
}

bool JsonScanner::skip_number() {
    take('-');
    if (peek() == 'I') return fail("NaN and Infinity are not JSON (use null, or leave the member out)");
    if (take('0')) {
        if (is_digit(peek())) return fail("a number must not begin with a zero");
    } else if (!skip_digits()) {
        return false;
    }
    if (take('.') && !skip_digits()) return false;
    if (take('e') || take('E')) {
        if (!take('+')) take('-');
        return skip_digits();
    }
    return true;
}

bool JsonScanner::skip_string() {
    if (!take('"')) return unexpected("a string in double quotes");
    for (;;) {
        while (pos_ + 8 <= text_.size() && !eight_need_a_look(text_.data() + pos_))
            pos_ += 8;
        if (at_end()) return fail("the text ends inside a string");
        const auto byte = static_cast<unsigned char>(text_[pos_]);
        if (byte == '"') {
            ++pos_;
            return true;
        }
        if (byte < 0x20) return fail("a raw control character inside a string (it must be escaped)");
        if (byte == '\\') {
            if (!skip_escape()) return false;
        } else if (byte >= 0x80) {
            if (!skip_utf8()) return false;
        } else {
            ++pos_;
        }
    }
}

// Surrogates are not paired here: a lone `\ud800` is JSON by RFC 8259 and is carried as it came.
bool JsonScanner::skip_escape() {
    const std::string_view rest = text_.substr(pos_ + 1, 5);
    if (rest.empty()) return fail("the text ends inside a string");
    if (rest[0] != 'u') {
        if (std::string_view("\"\\/bfnrt").find(rest[0]) == std::string_view::npos) {
            return fail("an escape that JSON does not know");
        }
        pos_ += 2;
        return true;
    }
    if (rest.size() < 5 || !is_hex(rest[1]) || !is_hex(rest[2]) || !is_hex(rest[3]) || !is_hex(rest[4])) {
        return fail("\\u must be followed by four hexadecimal digits");
    }
    pos_ += 6;
    return true;
}

// Well-formed sequences only (Unicode 15, table 3-7): no overlong forms, no surrogates, nothing above
// U+10FFFF.
bool JsonScanner::skip_utf8() {
    const auto at = [this](std::size_t i) -> unsigned {
        return pos_ + i < text_.size() ? static_cast<unsigned char>(text_[pos_ + i]) : 0u;
    };
    const auto between = [](unsigned byte, unsigned low, unsigned high) {
        return byte >= low && byte <= high;
    };
    const unsigned lead = at(0);
    std::size_t length = 0;
    if (between(lead, 0xc2, 0xdf)) {
        length = between(at(1), 0x80, 0xbf) ? 2 : 0;
    } else if (between(lead, 0xe0, 0xef)) {
        const unsigned low = lead == 0xe0 ? 0xa0 : 0x80;
        const unsigned high = lead == 0xed ? 0x9f : 0xbf;
        length = between(at(1), low, high) && between(at(2), 0x80, 0xbf) ? 3 : 0;
    } else if (between(lead, 0xf0, 0xf4)) {
        const unsigned low = lead == 0xf0 ? 0x90 : 0x80;
        const unsigned high = lead == 0xf4 ? 0x8f : 0xbf;
        length =
            between(at(1), low, high) && between(at(2), 0x80, 0xbf) && between(at(3), 0x80, 0xbf) ? 4 : 0;
    }
    if (length == 0) return fail("bytes that are not UTF-8");
    pos_ += length;
    return true;
}

}  // namespace emprops::ipc
