#pragma once
// hub.url of the form redis://[user[:password]@]host[:port][/database], or rediss:// for TLS. Pure.

#include <string>

#include "ipc/result.h"
#include "supervisor/hub/url.h"

namespace emprops::redis {

struct Address {
    hub::Target target;  ///< its `printable` has no password
    std::string user, password;
    unsigned database = 0;
};

/// Is it one of Redis at all?
bool is_redis_url(const std::string& url);
/// Error "bad_url": a sentence that never repeats the password.
Result<Address> parse_address(const std::string& url);

}  // namespace emprops::redis
