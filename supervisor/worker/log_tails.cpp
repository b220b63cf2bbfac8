#include "supervisor/worker/log_tails.h"

#include <fmt/format.h>

namespace emprops {
namespace {

const char* mark(process::TraceLine::Kind kind) {
    using Kind = process::TraceLine::Kind;
    if (kind == Kind::to_connector) return ">";
    return kind == Kind::stderr_line ? "|" : "<";
}

}  // namespace

std::string show(const process::TraceLine& line) {
    return fmt::format("{} {} {} {}", process::to_string(line.id), line.pid, mark(line.kind), line.text);
}

void LogTails::keep(const process::TraceLine& line) {
    auto& tail = tails_[line.id.connector];
    if (tail.size() >= most_lines) tail.pop_front();
    tail.push_back(show(line));
}

std::vector<std::string> LogTails::lines(const std::string& connector) const {
    const auto found = tails_.find(connector);
    if (found == tails_.end()) return {};
    return {found->second.begin(), found->second.end()};
}

}  // namespace emprops
