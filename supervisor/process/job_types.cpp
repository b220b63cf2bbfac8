#include "supervisor/process/job_types.h"

#include <unordered_set>

#include "ipc/text/utf8.h"

namespace emprops::process {

namespace {
constexpr std::size_t quoted_type_bytes = 60;
}

std::optional<std::string> tidy_job_types(std::vector<std::string>& types) {
    if (types.size() > max_job_types)
        return "it names " + std::to_string(types.size()) + " job types, and a connector may have " +
               std::to_string(max_job_types);
    for (const std::string& type : types) {
        if (type.size() > max_job_type_bytes)
            return "its job type \"" + text::shortened(type, quoted_type_bytes) + "\" has " +
                   std::to_string(type.size()) + " bytes, and one may have " +
                   std::to_string(max_job_type_bytes);
    }
    std::vector<std::string> unique;
    std::unordered_set<std::string> seen;
    for (const std::string& type : types) {
        if (seen.insert(type).second) unique.push_back(type);
    }
    types = std::move(unique);
    return std::nullopt;
}

}  // namespace emprops::process
