#pragma once
// ComfyUI writes JSON with Python's json module: NaN, Infinity and -Infinity stand unquoted, strings may hold
// lone surrogates, custom nodes emit whatever they like. This pass makes strict JSON of it and says what it
// changed. Pure.

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "ipc/json_text.h"

namespace emprops::comfyui {

using Json = nlohmann::json;

struct Repairs {
    int not_finite = 0;       ///< NaN, Infinity, -Infinity: now null
    int lone_surrogates = 0;  ///< half a character, or bytes that are no UTF-8: now U+FFFD
    int too_deep = 0;         ///< values below the depth limit: now null
    bool any() const { return not_finite + lone_surrogates + too_deep > 0; }
};

/// Strict JSON text of `text` if it was JSON in Python's sense. Strings are respected: "NaN" in one stays.
/// Integers keep every digit. Values nested deeper than `max_depth` become null (deep JSON overflows the
/// stack when a DOM of it is copied).
std::string make_strict(std::string_view text, Repairs& repairs, int max_depth = 240);

/// make_strict() and parse; nullopt if it is no JSON even so. Integers up to 2^64-1 are exact.
std::optional<Json> parse_tolerant(std::string_view text, Repairs* repairs = nullptr);

using ipc::dump;  // for values that came from outside: invalid UTF-8 is replaced

/// A member as text: a string as it is, anything else as JSON; empty if there is none or it is null.
std::string text_of(const Json& object, const char* key);

}  // namespace emprops::comfyui
