#include "ipc/text/utf8.h"

#include <algorithm>

namespace emprops::text {

namespace {
constexpr std::size_t longest_character = 4;
}

bool has_control_character(std::string_view text) {
    return std::any_of(text.begin(), text.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 || byte == 0x7F;
    });
}

std::string_view cut(std::string_view text, std::size_t limit_bytes) {
    if (text.size() <= limit_bytes) return text;
    for (std::size_t back = 0; back < longest_character; ++back) {
        if (back == limit_bytes) return {};
        if (begins_character(text[limit_bytes - back])) return text.substr(0, limit_bytes - back);
    }
    return text.substr(0, limit_bytes);
}

std::string shortened(std::string_view text, std::size_t limit_bytes, std::string_view mark) {
    std::string shown(cut(text, limit_bytes));
    if (shown.size() < text.size()) shown += mark;
    return shown;
}

}  // namespace emprops::text
