#pragma once
// What a job of type "deliver" asks for: one file, the values of its key, the stores in the order in which they are tried.
// Pure.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "connectors/stores/store.h"

namespace emprops::courier {

using Json = nlohmann::json;

struct Order {
    std::string path;  ///< in the spool; empty: there is only `url`
    std::string url;
    std::string name;                   ///< never empty, without "/"
    std::string mime_type;              ///< by the name if nobody told it
    std::optional<std::uint64_t> size;  ///< that it must have
    stores::Values values;  ///< every word of a key template is among them, also if nobody told it
    std::vector<std::string> stores;
    std::uint64_t inline_max_bytes = 0;
    bool repeat = false;
    Json
        begun{};  ///< what an earlier courier told of an upload that it did not end: {"store", ...}; null: nothing
};

/// Throws JobFailure("invalid_payload") that names what is wrong.
Order read_order(const Json& payload);

}  // namespace emprops::courier
