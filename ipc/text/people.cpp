#include "ipc/text/people.h"

#include <cmath>
#include <cstdio>
#include <iterator>

namespace emprops {

std::string human_bytes(std::uint64_t bytes) {
    const char* const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double value = static_cast<double>(bytes);
    std::size_t unit = 0;
    while (value >= 1024 && unit + 1 < std::size(units)) {
        value /= 1024;
        ++unit;
    }
    char text[32];
    const bool whole = unit == 0 || value >= 99.95 || std::fabs(value - std::round(value)) < 0.05;
    std::snprintf(text, sizeof text, whole ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return text;
}

std::string exact_bytes(std::uint64_t bytes) {
    const std::string text = human_bytes(bytes);
    return bytes < 1024 ? text : text + " (" + std::to_string(bytes) + " bytes)";
}

std::string counted(std::size_t count, const char* what) {
    return std::to_string(count) + " " + what + (count == 1 ? "" : "s");
}

std::string human_duration(std::chrono::milliseconds duration) {
    const auto ms = duration.count();
    if (ms < 0) return "-" + human_duration(-duration);
    if (ms < 1000) return std::to_string(ms) + " ms";
    if (ms < 10'000 && ms % 1000 != 0) {
        char text[32];
        std::snprintf(text, sizeof text, "%.1f s", static_cast<double>(ms) / 1000.0);
        return text;
    }
    const auto two = [](auto whole, const char* unit, auto part, const char* part_unit) {
        std::string text = std::to_string(whole) + unit;
        return part == 0 ? text : text + " " + std::to_string(part) + part_unit;
    };
    const auto seconds = (ms + 500) / 1000;
    if (seconds < 60) return std::to_string(seconds) + " s";
    const auto minutes = seconds / 60;
    if (minutes < 60) return two(minutes, " min", seconds % 60, " s");
    const auto hours = minutes / 60;
    if (hours < 48) return two(hours, " h", minutes % 60, " min");
    return two(hours / 24, " d", hours % 24, " h");
}

std::string in_one_line(std::string_view text, std::string_view line_break) {
    std::string out;
    std::string_view gap;
    for (const char c : text) {
        if (c == '\n') {
            gap = line_break;
        } else if (static_cast<unsigned char>(c) <= 0x20 || c == 0x7F) {
            if (gap.empty()) gap = " ";
        } else {
            if (!out.empty()) out += out.ends_with(',') && gap == ", " ? " " : gap;
            gap = {};
            out += c;
        }
    }
    return out;
}

void add_item(std::string& list, std::string_view item, std::string_view separator) {
    if (!list.empty()) list += separator;
    list += item;
}

}  // namespace emprops
