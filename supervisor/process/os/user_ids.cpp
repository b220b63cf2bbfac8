#include "supervisor/process/os/user_ids.h"

#include <grp.h>
#include <pwd.h>

#include <algorithm>

namespace emprops::process {

Result<UserIds> look_up_user(const std::string& name) {
    const passwd* entry = ::getpwnam(name.c_str());
    if (entry == nullptr) return Error{"start_failed", "the user \"" + name + "\" does not exist"};
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
