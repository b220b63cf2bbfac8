#include "ipc/lead.h"

namespace emprops::ipc {
namespace {

constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";

std::string_view without(const char* space, std::string_view text) {
    const std::size_t from = text.find_first_not_of(space);
    return from == std::string_view::npos ? std::string_view() : text.substr(from);
}

std::string_view without_lead(const char* space, std::string_view line) {
    line = without(space, line);
    return line.starts_with(byte_order_mark) ? without(space, line.substr(byte_order_mark.size())) : line;
}

}  // namespace

std::string_view without_lead(std::string_view line) {
    return line.starts_with('{') ? line : without_lead(" \t\r\n", line);
}

bool may_begin_message(std::string_view beginning) {
    const std::string_view text = without_lead(" \t", beginning.substr(0, message_lead_bytes));
    if (text.empty()) return false;
    if (text.front() != '{') return byte_order_mark.starts_with(text);
    const std::size_t next = text.find_first_not_of(" \t", 1);
    return next == std::string_view::npos || text[next] == '"' || text[next] == '}';
}

}  // namespace emprops::ipc
