#include "supervisor/cli/table.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>

#include "ipc/text/utf8.h"
#include "supervisor/base/log_format.h"

namespace emprops::cli {

std::size_t display_width(const std::string& text) {
    return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), text::begins_character));
}

std::string cut(const std::string& text, std::size_t width) {
    if (display_width(text) <= width) return text;
    if (width == 0) return {};
    std::string kept;
    std::size_t characters = 0;
    for (const char c : text) {
        if (text::begins_character(c) && ++characters >= width) break;
        kept += c;
    }
    return kept + "…";
}

std::string Table::print(std::size_t width) const {
    constexpr std::size_t least = 8;
    constexpr std::size_t least_last = 10;
    auto rows = rows_;
    const std::size_t columns = rows.front().size();
    std::vector<std::size_t> widths(columns, 0);
    for (auto& row : rows) {
        row.resize(columns);
        for (std::size_t i = 0; i < columns; ++i) {
            row[i] = one_line(row[i]);
            widths[i] = std::max(widths[i], display_width(row[i]));
        }
    }
    std::size_t before_last = 0;
    for (std::size_t i = 0; i + 1 < columns; ++i)
        before_last += widths[i] + 2;
    while (width > 0 && before_last + std::min(widths.back(), least_last) > width) {
        const auto widest = std::max_element(widths.begin(), widths.end() - 1);
        if (widest == widths.end() - 1 || *widest <= least) break;
        --*widest;
        --before_last;
    }
    const std::size_t last_width =
        width == 0 ? std::string::npos : std::max(least_last, width > before_last ? width - before_last : 0);
    std::string text;
    for (const auto& row : rows) {
        std::string line;
        for (std::size_t i = 0; i < columns; ++i) {
            const std::string cell = cut(row[i], i + 1 == columns ? last_width : widths[i]);
            line += cell;
            if (i + 1 < columns) line += std::string(widths[i] - display_width(cell) + 2, ' ');
        }
        line.erase(line.find_last_not_of(' ') + 1);
        text += line + "\n";
    }
    return text;
}

std::size_t terminal_width() {
    winsize size{};
    if (::isatty(STDOUT_FILENO) == 0 || ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0) return 0;
    return size.ws_col;
}

}  // namespace emprops::cli
