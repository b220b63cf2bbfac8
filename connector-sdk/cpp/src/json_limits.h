#pragma once
// Guards for JSON that a connector got from elsewhere and hands to the SDK. Pure.

#include <string>

#include "emprops/connector.h"

namespace emprops::sdk {

/// True if `value` nests at most `levels` deep (a plain value is 0). Recurses at most `levels` times.
bool depth_within(const Json& value, int levels);

/// A copy of `value` for a message, or null if it is no object or too deep to be dumped.
Json object_or_null(const Json& value);

/// "a list", "a number", ... for error messages.
const char* kind_of(const Json& value);

JobFailure too_deep();

/// At most `bytes` of it, with a note where it was cut. Keeps a wordy exception from filling a line.
std::string shortened(const std::string& text, std::size_t bytes = 64 * 1024);

}  // namespace emprops::sdk
