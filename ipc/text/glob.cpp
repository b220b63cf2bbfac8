#include "ipc/text/glob.h"

#include <cstddef>

namespace emprops::text {

bool fits_glob(std::string_view name, std::string_view pattern) {
    // Only the last star can have to take more: what the earlier ones took is as good as anything else.
    std::size_t at = 0, in_pattern = 0, star = std::string_view::npos, taken = 0;
    while (at < name.size()) {
        if (in_pattern < pattern.size() && pattern[in_pattern] == '*') {
            star = in_pattern++;
            taken = at;
        } else if (in_pattern < pattern.size() &&
                   (pattern[in_pattern] == '?' || pattern[in_pattern] == name[at])) {
            ++in_pattern;
            ++at;
        } else if (star != std::string_view::npos) {
            in_pattern = star + 1;
            at = ++taken;
        } else {
            return false;
        }
    }
    while (in_pattern < pattern.size() && pattern[in_pattern] == '*')
        ++in_pattern;
    return in_pattern == pattern.size();
}

}  // namespace emprops::text
