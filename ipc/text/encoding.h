#pragma once
// The encoding of a text file that somebody else has written. Pure, any thread.

#include <string_view>

#include "ipc/result.h"

namespace emprops::text {

/// The text without a byte order mark. Fails for UTF-16 and UTF-32, with and without a mark, with a sentence that follows
/// the file's name: "is UTF-16 ...; save it as UTF-8".
Result<std::string_view> utf8_of(std::string_view bytes);

}  // namespace emprops::text
