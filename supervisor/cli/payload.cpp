#include "supervisor/cli/payload.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>

#include "ipc/envelope.h"
#include "ipc/text/encoding.h"

namespace emprops::cli {

Result<std::string> read_payload_file(const std::filesystem::path& path) {
    std::error_code error;
    std::ifstream file(path, std::ios::binary);
    if (std::filesystem::is_directory(path, error) || !file)
        return Error{"payload", fmt::format("cannot read the payload file {}: {}", path.string(),
                                            file ? "it is a folder" : std::strerror(errno))};
    return std::string(std::istreambuf_iterator<char>(file), {});
}

Result<std::string> checked_payload(std::string text, const std::string& from) {
    // As editors on Windows save it.
    const auto utf8 = text::utf8_of(text);
    if (!utf8) return Error{"payload", fmt::format("the payload{} {}", from, utf8.error().message)};
    text = std::string(*utf8);
    const auto begin = text.find_first_not_of(" \t\r\n");
    if (begin == std::string::npos || text[begin] != '{')
        return Error{"payload", "the payload must be a JSON object: {...}"};
    if (const auto problem = ipc::check_json(text, {.max_depth = ipc::max_value_depth}))
        return Error{"payload", fmt::format("the payload is not valid JSON: {} (at byte {})", problem->reason,
                                            problem->offset)};
    return text;
}

}  // namespace emprops::cli
