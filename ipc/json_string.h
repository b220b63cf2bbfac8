#pragma once
// The text that a JSON string stands for, at the speed of copying where it has no escapes. Pure.

#include <string>
#include <string_view>

namespace emprops::ipc {

/// `quoted`: a valid JSON string with its quotes. A lone surrogate, which JSON allows and no decoder can hold, becomes U+FFFD.
std::string unescaped(std::string_view quoted);
/// The same of the beginning of one that may be cut off anywhere (in an escape, too); its closing quote may be missing.
std::string unescaped_beginning(std::string_view cut_off);

/// The code unit of the escape `\uXXXX` at `at`, or -1 if no such escape stands there. The text is valid JSON.
int unit_at(std::string_view text, std::size_t at);

}  // namespace emprops::ipc
