#include "config/files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <numeric>
#include <vector>

namespace emprops::config {

namespace fs = std::filesystem;

namespace {

/// Edits (insert, delete, replace, swap of neighbours) between two words.
std::size_t distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> before_last(b.size() + 1);
    std::vector<std::size_t> last(b.size() + 1);
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(last.begin(), last.end(), std::size_t{0});
    for (std::size_t i = 1; i <= a.size(); ++i) {
        row[0] = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
            row[j] = std::min({last[j] + 1, row[j - 1] + 1, replace});
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = std::min(row[j], before_last[j - 2] + 1);
            }
        }
        before_last.swap(last);
        last.swap(row);
    }
    return last[b.size()];
}

}  // namespace

Result<std::string> read_file(const fs::path& file, std::size_t limit_bytes) {
    std::error_code error;
    const fs::file_status status = fs::status(file, error);
    if (!fs::exists(status)) {
        if (status.type() == fs::file_type::not_found) return Error{"not_found", "there is no such file"};
        return Error{"unreadable", "cannot be read: " + error.message()};
    }
    if (fs::is_directory(status)) return Error{"unreadable", "is a folder, not a file"};
    errno = 0;
    std::ifstream in(file, std::ios::binary);
    if (!in) return Error{"unreadable", "cannot be read: " + std::string(std::strerror(errno))};
    std::string text(limit_bytes + 1, '\0');
    in.read(text.data(), static_cast<std::streamsize>(text.size()));
    if (in.bad()) return Error{"unreadable", "cannot be read"};
    text.resize(static_cast<std::size_t>(in.gcount()));
    if (text.size() > limit_bytes) {
        return Error{"unreadable", "is larger than " + std::to_string(limit_bytes) + " bytes"};
    }
    return text;
}

std::string display_name(const fs::path& file, const fs::path& working_dir) {
    const fs::path relative = file.lexically_normal().lexically_relative(working_dir.lexically_normal());
    if (relative.empty() || *relative.begin() == "..") return file.string();
    return relative.string();
}

std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates) {
    const std::string* best = nullptr;
    std::size_t best_distance = std::max<std::size_t>(2, word.size() / 4) + 1;
    for (const std::string& candidate : candidates) {
        const std::size_t edits = distance(word, candidate);
        if (edits < best_distance && edits < std::max(word.size(), candidate.size())) {
            best = &candidate;
            best_distance = edits;
        }
    }
    if (best == nullptr) return {};
    return *best;
}

}  // namespace emprops::config
