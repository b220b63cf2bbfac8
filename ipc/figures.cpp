#include "ipc/figures.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "ipc/text/utf8.h"

namespace emprops::ipc {
namespace {

constexpr std::size_t max_name = 64;
constexpr std::size_t shown_name_bytes = 80;

constexpr const char* bad_name = "a name is [a-z][a-z0-9_]{0,63}";
constexpr const char* bad_value = "a value is a finite number";
constexpr const char* below_zero = "a counter is not below 0 (what goes up and down is a gauge)";
constexpr const char* other_kind = "a name is a counter or a gauge for good";
constexpr const char* too_many = "a connector process has at most 50 of them";

bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}

}  // namespace

bool is_figure_name(std::string_view name) {
    return !name.empty() && name.size() <= max_name && is_lower(name.front()) &&
           std::all_of(name.begin(), name.end(),
                       [](char c) { return is_lower(c) || (c >= '0' && c <= '9') || c == '_'; });
}

const char* Figures::take(Kind kind, const std::string& name, const Json& value) {
    if (!is_figure_name(name)) return bad_name;
    if (!value.is_number() || !std::isfinite(value.get<double>())) return bad_value;
    const double number = value.get<double>();
    if (kind == Kind::counter && number < 0) return below_zero;
    const auto known = figures_.find(name);
    if (known == figures_.end()) {
        if (figures_.size() >= max_figures) return too_many;
        figures_.emplace(name, Figure{kind, number});
        return "";
    }
    if (known->second.kind != kind) return other_kind;
    known->second.value = number;
    return "";
}

std::vector<std::string> Figures::take(const Metrics& message) {
    std::vector<std::string> sentences;
    std::set<std::string_view> told;
    for (const Kind kind : {Kind::counter, Kind::gauge}) {
        for (const auto& [name, value] :
             (kind == Kind::counter ? message.counters : message.gauges).items()) {
            const std::string_view why = take(kind, name, value);
            if (why.empty() || !told.insert(why).second) continue;
            sentences.push_back("the figure \"" + text::shortened(name, shown_name_bytes) +
                                "\" of its `metrics` is dropped: " + std::string(why));
        }
    }
    return sentences;
}

}  // namespace emprops::ipc
