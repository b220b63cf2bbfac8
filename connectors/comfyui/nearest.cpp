#include "connectors/comfyui/nearest.h"

#include <algorithm>
#include <cctype>
#include <utility>

namespace emprops::comfyui {
namespace {

std::string lower(std::string_view text) {
    std::string out(text.substr(0, 200));  // the cost is quadratic, and names are short
    for (char& c : out) {
        c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    return out;
}

}  // namespace

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

std::vector<std::string> nearest(std::string_view wanted, const std::vector<std::string>& allowed,
                                 std::size_t count) {
    const std::string needle = lower(wanted);
    std::vector<std::pair<std::size_t, std::string>> ranked;
    for (const std::string& word : allowed) {
        const std::string candidate = lower(word);
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

}  // namespace emprops::comfyui
