#pragma once
// What a line seems to say that is no valid JSON: whose message it was meant to be. Pure functions, any thread.

#include <optional>
#include <string>
#include <string_view>

namespace emprops::ipc {

struct Looks {
    std::optional<std::string> type;
    std::optional<std::string> job_id;
    bool result = false;  ///< it has a member `result`
};

/// The first of each among the members of the outermost object, which may break off or be wrong anywhere. Names and
/// values may stand in double or single quotes and names in none, as Python and JavaScript print them. One pass.
Looks looks_of(std::string_view text);

}  // namespace emprops::ipc
