#pragma once
// What a job of type "deliver" asks for: one file, the values of its key, the stores in the order in which they are tried.
// Pure.

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "connectors/stores/store.h"
#include "ipc/convert_wish.h"

namespace emprops::courier {

using Json = nlohmann::json;

/// A place that the file's job has named itself: a URL, or a store with a prefix.
struct OwnPlace {
    std::string name;  ///< among the order's stores, and for people: "outputs.to[0]"
    std::string put;   ///< empty: it is a store
    std::map<std::string, std::string> headers;
    std::string store;
    std::optional<std::string> prefix;
    std::string public_url;
};

struct Order {
    std::string path;  ///< in the spool; empty: there is only `url`
    std::string url;
    std::string name;                   ///< never empty, without "/"
    std::string mime_type;              ///< by the name if nobody told it
    std::optional<std::uint64_t> size;  ///< that it must have
    stores::Values values;  ///< every word of a key template is among them, also if nobody told it
    std::vector<std::string> stores;
    std::vector<std::string> by_job;  ///< of `stores`: opened as for a place that the job has named
    std::optional<OwnPlace> to;
    bool type_is_told = false;
    std::uint64_t inline_max_bytes = 0;
    bool repeat = false;
    bool given_up = false;  ///< only what was begun is taken back
    Json
        begun{};  ///< what an earlier courier told of an upload that it did not end: {"store", ...}; null: nothing

    ipc::ConvertWish convert;            ///< empty: as it is
    std::string image_name, video_name;  ///< of the file once it is converted; empty: `name`
    bool formed = false;      ///< an earlier courier had it in its form, and may have delivered that
    std::string unconverted;  ///< why it is not converted although somebody wants it
    bool strip = false;       ///< it goes without its metadata, or not at all

    bool is_of(const char* kind) const { return mime_type.starts_with(kind); }
    /// It may be another file that goes away than the one that lies in the spool.
    bool wants_form() const {
        return strip || (convert.image && is_of("image/")) || (convert.video && is_of("video/"));
    }
};

/// Throws JobFailure("invalid_payload") that names what is wrong.
Order read_order(const Json& payload);

}  // namespace emprops::courier
