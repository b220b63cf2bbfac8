#include <charconv>

#include "ipc/codec.h"
#include "ipc/json_scanner.h"

namespace emprops::ipc {
namespace {

/// Longer ones are rare, and every limit of the decoder lies far above.
constexpr std::size_t max_quick_bytes = 4096;

/// A whole number that `progress` may be.
bool is_percent(std::string_view value) {
    int number = -1;
    const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
    return error == std::errc{} && end == value.data() + value.size() && number >= 0 && number <= 100;
}

bool is_plain_text(std::string_view value) {
    return value.size() >= 2 && value.front() == '"' && value.find('\\') == std::string_view::npos;
}

}  // namespace

std::optional<std::string_view> quick_progress(std::string_view line) {
    if (line.size() > max_quick_bytes || line.empty() || line.front() != '{') return std::nullopt;
    JsonScanner scanner(line, connector_limits.max_depth);
    scanner.take('{');
    std::optional<std::string_view> job_id;
    bool typed = false;
    do {
        scanner.skip_space();
        std::string_view name;
        if (!scanner.skip_name(name)) return std::nullopt;
        scanner.skip_space();
        const std::size_t from = scanner.offset();
        if (!scanner.skip_value(1)) return std::nullopt;
        const std::string_view value = scanner.slice(from);
        if (name == "\"type\"") {
            if (typed || value != "\"progress\"") return std::nullopt;
            typed = true;
        } else if (name == "\"job_id\"") {
            if (job_id || !is_plain_text(value) || value.size() == 2) return std::nullopt;
            job_id = value.substr(1, value.size() - 2);
        } else if (name == "\"progress\"") {
            if (!is_percent(value)) return std::nullopt;
        } else if (name == "\"status\"" || name == "\"message\"") {
            if (!is_plain_text(value)) return std::nullopt;
        } else {
            return std::nullopt;  // details, a name with an escape, a member of a later version
        }
        scanner.skip_space();
    } while (scanner.take(','));
    if (!scanner.take('}')) return std::nullopt;
    scanner.skip_space();
    return typed && scanner.at_end() ? job_id : std::nullopt;
}

}  // namespace emprops::ipc
