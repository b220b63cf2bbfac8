#pragma once
// Base64 (RFC 4648), by OpenSSL. Pure functions, any thread.

#include <string>
#include <string_view>

#include "ipc/result.h"

namespace emprops::web {

std::string base64_encode(std::string_view bytes);

/// Also takes the URL alphabet, missing padding and white space; an Error for anything else.
Result<std::string> base64_decode(std::string_view text);

}  // namespace emprops::web
