#include "ipc/text/utf8.h"

namespace emprops::text {

std::string_view cut(std::string_view text, std::size_t limit_bytes) {
    if (text.size() <= limit_bytes) return text;
    while (limit_bytes > 0 && !begins_character(text[limit_bytes]))
        --limit_bytes;
    return text.substr(0, limit_bytes);
}

std::string shortened(std::string_view text, std::size_t limit_bytes, std::string_view mark) {
    std::string shown(cut(text, limit_bytes));
    if (shown.size() < text.size()) shown += mark;
    return shown;
}

}  // namespace emprops::text
