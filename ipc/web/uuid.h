#pragma once
// UUIDs in their text form, lowercase with hyphens (RFC 4122). Any thread.

#include <string>
#include <string_view>

namespace emprops {

/// A random one (version 4).
std::string uuid_v4();
/// The name's (version 5, SHA-1) in `space`, a UUID as text; an invalid `space` counts as the nil UUID.
std::string uuid_v5(std::string_view space, std::string_view name);

}  // namespace emprops
