#include "supervisor/process/os/user_ids.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string_view>

namespace emprops::process {

namespace {

/// A number of digits only, as a container has users: "1000".
std::optional<unsigned> number_of(std::string_view text) {
    unsigned number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size() || text.empty()) return std::nullopt;
    return number;
}

/// "1000" or "1000:100". A number without a name has the groups that are given and no others.
std::optional<UserIds> by_number(const std::string& name) {
    const std::size_t colon = name.find(':');
    const auto uid = number_of(std::string_view(name).substr(0, colon));
    const auto gid = colon == std::string::npos ? uid : number_of(std::string_view(name).substr(colon + 1));
    if (!uid || !gid) return std::nullopt;
    UserIds ids;
    ids.uid = *uid;
    ids.gid = *gid;
    if (const passwd* entry = ::getpwuid(*uid); entry != nullptr && colon == std::string::npos)
        ids.gid = entry->pw_gid;
    ids.groups = {ids.gid};
    return ids;
}

}  // namespace

Result<UserIds> look_up_user(const std::string& name) {
    // A name may look like a number; then it is the name.
    const passwd* entry = ::getpwnam(name.c_str());
    if (entry == nullptr) {
        if (const auto ids = by_number(name)) return *ids;
        return Error{"start_failed",
                     "the user \"" + name +
                         "\" does not exist; a user without a name is given as its number, with its "
                         "group if that is another one: user = \"1000:100\""};
    }
    UserIds ids;
    ids.uid = entry->pw_uid;
    ids.gid = entry->pw_gid;
    int count = 0;
    ::getgrouplist(name.c_str(), ids.gid, nullptr, &count);
    ids.groups.resize(static_cast<std::size_t>(std::max(count, 0)));
    if (::getgrouplist(name.c_str(), ids.gid, ids.groups.data(), &count) < 0)
        return Error{"start_failed", "the groups of user \"" + name + "\" cannot be read"};
    ids.groups.resize(static_cast<std::size_t>(count));
    return ids;
}

}  // namespace emprops::process
