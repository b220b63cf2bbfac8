#include "ipc/text/nearest.h"

#include <algorithm>
#include <utility>

#include "ipc/text/people.h"
#include "ipc/text/values.h"

namespace emprops::text {
std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before_last, last(b.size() + 1), now(b.size() + 1);
    for (std::size_t j = 0; j <= b.size(); ++j) {
        last[j] = j;
    }
    before_last = last;
    for (std::size_t i = 1; i <= a.size(); ++i) {
        now[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            now[j] = std::min({last[j] + 1, now[j - 1] + 1, replace});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                now[j] = std::min(now[j], before_last[j - 2] + 1);
            }
        }
        before_last = last;
        last = now;
    }
    return last[b.size()];
}

std::vector<std::string> nearest(std::string_view wanted, std::span<const std::string> allowed,
                                 std::size_t count) {
    // The cost is quadratic, and names are short.
    constexpr std::size_t compared_bytes = 200;
    const std::string needle = lower(wanted.substr(0, compared_bytes));
    std::vector<std::pair<std::size_t, std::string>> ranked;
    for (const std::string& word : allowed) {
        const std::string candidate = lower(std::string_view(word).substr(0, compared_bytes));
        std::size_t distance = edit_distance(needle, candidate);
        // "v1-5.safetensors" for "SD15/v1-5.safetensors": one inside the other is near whatever the length.
        const bool inside =
            needle.size() >= 3 && candidate.size() >= 3 &&
            (candidate.find(needle) != std::string::npos || needle.find(candidate) != std::string::npos);
        if (inside) distance = std::min<std::size_t>(distance, 2);
        if (distance * 2 <= std::max(needle.size(), candidate.size())) ranked.emplace_back(distance, word);
    }
    std::stable_sort(ranked.begin(), ranked.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<std::string> out;
    for (const auto& entry : ranked) {
        if (out.size() == count) break;
        out.push_back(entry.second);
    }
    return out;
}

std::optional<std::string> meant(std::string_view word, std::span<const std::string> allowed) {
    const std::string* best = nullptr;
    std::size_t best_distance = std::max<std::size_t>(2, word.size() / 4) + 1;
    for (const std::string& candidate : allowed) {
        const std::size_t edits = edit_distance(word, candidate);
        if (edits < best_distance && edits < std::max(word.size(), candidate.size())) {
            best = &candidate;
            best_distance = edits;
        }
    }
    if (best == nullptr) return {};
    return *best;
}

std::string unknown_text(std::string_view word, std::span<const std::string> known) {
    if (const auto one = meant(word, known)) return "is unknown; did you mean " + *one + "?";
    std::string all;
    for (const std::string& each : known)
        add_item(all, each);
    return "is unknown; known are " + all;
}

}  // namespace emprops::text
