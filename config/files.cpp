#include "config/files.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <vector>

#include "ipc/text/encoding.h"

namespace emprops::config {

namespace fs = std::filesystem;

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

Result<std::string> read_text_file(const fs::path& file, std::size_t limit_bytes) {
    Result<std::string> bytes = read_file(file, limit_bytes);
    if (!bytes) return bytes;
    const Result<std::string_view> text = text::utf8_of(*bytes);
    if (!text) return Error{"unreadable", text.error().message};
    return std::string(*text);
}

std::string display_name(const fs::path& file, const fs::path& working_dir) {
    const fs::path relative = file.lexically_normal().lexically_relative(working_dir.lexically_normal());
    if (relative.empty() || *relative.begin() == "..") return file.string();
    return relative.string();
}

}  // namespace emprops::config
