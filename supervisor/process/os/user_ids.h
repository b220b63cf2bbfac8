#pragma once
// The numbers behind a configured `user`. Looked up once per start of a process and carried from there: the
// look-up may ask the network (LDAP), and a job must not wait for that.

#include <sys/types.h>

#include <string>
#include <vector>

#include "ipc/result.h"

namespace emprops::process {

struct UserIds {
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;  ///< all of them, `gid` too
};

/// Error "start_failed" when the system does not know the user.
Result<UserIds> look_up_user(const std::string& name);

}  // namespace emprops::process
