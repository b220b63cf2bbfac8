#pragma once
// What the first bytes of a file say: which format, how large, and whether it is one that is left as it is. Before any
// library sees it. Pure; fuzzed.

#include <cstdint>
#include <optional>
#include <string>

#include "connectors/convert/picture/picture.h"
#include "ipc/result.h"

namespace emprops::convert {

enum class Format { png, jpeg, webp };

struct Header {
    Format format = Format::png;
    std::uint32_t width = 0, height = 0;
    /// Why it is left as it is ("it is animated"); empty: nothing speaks against it.
    std::string left;
};

/// Error: its format is none of the three, or it is broken; the sentence says what.
Result<Header> read_header(Bytes file);

/// "png", "jpeg", "webp".
const char* name_of(Format format);
std::optional<Format> format_of(const std::string& name);

}  // namespace emprops::convert
