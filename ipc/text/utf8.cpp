#include "ipc/text/utf8.h"

namespace emprops::text {

namespace {
constexpr std::size_t longest_character = 4;
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
