#include "ipc/text/values.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <span>
#include <utility>

namespace emprops::text {

std::string_view trim(std::string_view text) {
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0)
        text.remove_prefix(1);
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0)
        text.remove_suffix(1);
    return text;
}

namespace {

/// Takes whichever of `marks` stands at one end of the text off it.
template <std::size_t N>
bool take_off(std::string_view& text, const std::array<std::string_view, N>& marks) {
    for (const std::string_view mark : marks) {
        if (text.starts_with(mark)) {
            text.remove_prefix(mark.size());
            return true;
        }
        if (text.ends_with(mark)) {
            text.remove_suffix(mark.size());
            return true;
        }
    }
    return false;
}

/// trim(), also of blanks that are none in ASCII: byte order mark, no-break space, zero width space.
std::string_view trim_all(std::string_view text) {
    static constexpr std::array<std::string_view, 3> blanks = {"\xef\xbb\xbf", "\xc2\xa0", "\xe2\x80\x8b"};
    do {
        text = trim(text);
    } while (take_off(text, blanks));
    return text;
}

}  // namespace

std::string_view bare(std::string_view text) {
    static constexpr std::array<std::pair<std::string_view, std::string_view>, 4> quotes = {{
        {"\"", "\""},
        {"'", "'"},
        {"\xe2\x80\x9c", "\xe2\x80\x9d"},
        {"\xe2\x80\x98", "\xe2\x80\x99"},
    }};
    text = trim_all(text);
    for (const auto& [open, close] : quotes) {
        if (text.size() < open.size() + close.size() || !text.starts_with(open) || !text.ends_with(close))
            continue;
        const std::string_view inner = text.substr(open.size(), text.size() - open.size() - close.size());
        if (inner.find(open) == inner.npos && inner.find(close) == inner.npos) return trim_all(inner);
    }
    return text;
}

std::string_view unexpanded(std::string_view text) {
    const auto is_name = [](std::string_view name) {
        static constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_";
        static constexpr std::string_view all = "ABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
        return !name.empty() && letters.find(name.front()) != letters.npos &&
               name.find_first_not_of(all) == name.npos && name != "ORIGIN" && name != "LIB" &&
               name != "PLATFORM";
    };
    const auto separates = [](char c) {
        return std::string_view("/:=@;,").find(c) != std::string_view::npos;
    };
    if (text.size() > 2 && text.front() == '%' && text.back() == '%' &&
        is_name(text.substr(1, text.size() - 2)))
        return text;
    for (std::size_t at = text.find('$'); at != text.npos; at = text.find('$', at + 1)) {
        const std::string_view rest = text.substr(at + 1);
        if (rest.starts_with('{')) {
            const std::string_view inside =
                rest.substr(1, rest.find('}') == rest.npos ? 0 : rest.find('}') - 1);
            if (is_name(inside.substr(0, inside.find(":-")))) return text.substr(at, inside.size() + 3);
            continue;
        }
        std::size_t end = 0;
        while (end < rest.size() && !separates(rest[end]))
            ++end;
        if (is_name(rest.substr(0, end)) && (at == 0 || separates(text[at - 1])))
            return text.substr(at, end + 1);
    }
    return {};
}

std::string_view stem_of(std::string_view filename) {
    const std::size_t dot = filename.rfind('.');
    return filename.substr(0, dot == 0 ? filename.npos : dot);
}

std::string replaced(std::string text, std::string_view mark, std::string_view by) {
    for (std::size_t at = text.find(mark); at != text.npos; at = text.find(mark, at + by.size()))
        text.replace(at, mark.size(), by);
    return text;
}

std::string lower(std::string_view text) {
    std::string result(text);
    std::transform(result.begin(), result.end(), result.begin(),
                   [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    return result;
}

std::optional<double> parse_double(std::string_view text) {
    double value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) return {};
    return value;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
    std::int64_t value = 0;
    if (text.starts_with('+')) text.remove_prefix(1);
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) return {};
    return value;
}

namespace {

constexpr double max_bytes = 9007199254740992.0;  // 2^53: every whole number up to it is exact as a double

struct Unit {
    std::string_view name;
    double factor;
};

/// A number and its unit; without a unit, `bare`.
std::optional<double> parse_with_unit(std::string_view text, std::span<const Unit> units, double bare) {
    text = trim(text);
    const std::size_t end = text.find_first_not_of("0123456789.");
    if (end == 0 || text.empty()) return {};
    const std::optional<double> number = parse_double(text.substr(0, end));
    if (!number) return {};
    const std::string_view unit = end == std::string_view::npos ? "" : trim(text.substr(end));
    if (unit.empty()) return *number * bare;
    for (const Unit& known : units) {
        if (lower(unit) == lower(known.name)) return *number * known.factor;
    }
    return {};
}

constexpr std::array<Unit, 8> duration_units = {
    {{"ms", 0.001}, {"s", 1}, {"sec", 1}, {"m", 60}, {"min", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}}};
constexpr std::array<Unit, 10> byte_units = {{{"B", 1},
                                              {"KiB", 1024},
                                              {"MiB", 1048576},
                                              {"GiB", 1073741824},
                                              {"TiB", 1099511627776},
                                              {"KB", 1e3},
                                              {"MB", 1e6},
                                              {"GB", 1e9},
                                              {"TB", 1e12},
                                              {"K", 1024}}};

}  // namespace

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
    const std::optional<double> seconds = parse_with_unit(text, duration_units, 1);
    if (!seconds || *seconds > max_duration_s) return {};
    return std::chrono::milliseconds(std::llround(*seconds * 1000));
}

std::optional<std::uint64_t> parse_bytes(std::string_view text) {
    const std::optional<double> bytes = parse_with_unit(text, byte_units, 1);
    if (!bytes || *bytes > max_bytes) return {};
    return static_cast<std::uint64_t>(std::llround(*bytes));
}

std::optional<bool> parse_bool(std::string_view text) {
    const std::string word = lower(trim(text));
    if (word == "true" || word == "1" || word == "yes" || word == "on") return true;
    if (word.empty() || word == "false" || word == "0" || word == "no" || word == "off") return false;
    return {};
}

std::vector<std::string> split_list(std::string_view text, char separator) {
    std::vector<std::string> items;
    while (true) {
        const std::size_t end = text.find(separator);
        const std::string_view item = trim(text.substr(0, end));
        if (!item.empty()) items.emplace_back(item);
        if (end == std::string_view::npos) return items;
        text.remove_prefix(end + 1);
    }
}

bool has_item(const std::vector<std::string>& list, std::string_view item) {
    return std::find(list.begin(), list.end(), item) != list.end();
}

std::optional<std::vector<std::string>> split_words(std::string_view text) {
    std::vector<std::string> words;
    std::string word;
    bool in_word = false;
    char quote = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (quote != 0) {
            if (c == quote) {
                quote = 0;
            } else if (c == '\\' && quote == '"' && i + 1 < text.size() &&
                       (text[i + 1] == '"' || text[i + 1] == '\\')) {
                word += text[++i];
            } else {
                word += c;
            }
        } else if (c == '"' || c == '\'') {
            quote = c;
            in_word = true;
        } else if (c == '\\' && i + 1 < text.size()) {
            word += text[++i];
            in_word = true;
        } else if (std::isspace(static_cast<unsigned char>(c)) != 0) {
            if (in_word) words.push_back(std::move(word));
            word.clear();
            in_word = false;
        } else {
            word += c;
            in_word = true;
        }
    }
    if (quote != 0) return {};
    if (in_word) words.push_back(std::move(word));
    return words;
}

}  // namespace emprops::text
