#include "connectors/comfyui/text/spelling.h"

#include <algorithm>

#include "ipc/text/values.h"

namespace emprops::comfyui {
namespace {

/// With "/" alone between the parts, none before them, and no blanks around all of it.
std::string plain_path(std::string_view text) {
    std::string out;
    for (const char c : text::trim(text)) {
        const char next = c == '\\' ? '/' : c;
        if (next == '/' && (out.empty() || out.back() == '/')) continue;
        out += next;
        if (out == "./") out.clear();
    }
    return out;
}

std::string file_name(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

}  // namespace

Counterpart counterpart_of(std::string_view wanted, const std::vector<std::string>& there) {
    const std::string plain = plain_path(wanted);
    const std::string lower = text::lower(plain);
    Counterpart out;
    std::vector<std::string> alike;
    for (const std::string& each : there) {
        const std::string other = plain_path(each);
        if (other == plain) return {each, {}};
        const std::string other_lower = text::lower(other);
        if (other_lower == lower) alike.push_back(each);
        if (file_name(other_lower) == file_name(lower) && !lower.empty()) out.elsewhere.push_back(each);
    }
    if (alike.size() == 1) return {alike.front(), {}};
    return out;
}

}  // namespace emprops::comfyui
