#include "supervisor/worker/log_tails.h"

#include <fmt/format.h>

namespace emprops {
namespace {

const char* mark(process::TraceLine::Kind kind) {
    using Kind = process::TraceLine::Kind;
    switch (kind) {
        case Kind::to_connector:
            return ">";
        case Kind::from_connector:
        case Kind::log_line:
            return "<";
        case Kind::stderr_line:
            return "|";
        case Kind::stray_line:
            return "#";
        case Kind::complaint:
            return "!";
        case Kind::last_message:
            return "=";
    }
    return "";
}

}  // namespace

std::string show(const process::TraceLine& line) {
    return fmt::format("{} {} {} {}", process::to_string(line.id), line.pid, mark(line.kind), line.text);
}

void LogTails::keep(const process::TraceLine& line) {
    auto& tail = tails_[line.id.connector];
    const bool written_over =
        !tail.empty() && tail.back().state && tail.back().kind == line.kind && tail.back().pid == line.pid;
    if (written_over) tail.pop_back();
    if (tail.size() >= most_lines) tail.pop_front();
    tail.push_back({show(line), line.state, line.kind, line.pid});
}

std::vector<std::string> LogTails::lines(const std::string& connector) const {
    const auto found = tails_.find(connector);
    if (found == tails_.end()) return {};
    std::vector<std::string> lines;
    for (const Line& line : found->second)
        lines.push_back(line.text);
    return lines;
}

}  // namespace emprops
