#pragma once
// In which form somebody wants the files of a result (`outputs.convert` of a payload, [files.convert],
// [connectors.NAME.convert], an order to the courier). Plain values, read and checked. Pure, any thread.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "ipc/result.h"

namespace emprops::ipc {

/// How a picture is wanted.
struct ImageWish {
    std::string format;                   ///< "webp", "jpeg", "png"; empty: as it is
    std::optional<int> quality{};         ///< 1 to 100, of webp and jpeg
    std::optional<int> max_side{};        ///< in pixels: a larger one is made smaller
    std::optional<bool> keep_metadata{};  ///< nothing said: kept
    bool operator==(const ImageWish&) const = default;
};

struct ConvertWish {
    std::optional<ImageWish> image{};
    std::optional<std::string> video{};  ///< name of a command of the operator
    std::optional<std::uint64_t>
        if_larger_than{};  ///< smaller files stay as they are (but for their metadata)
    bool operator==(const ConvertWish&) const = default;
};

/// `where`: "outputs.convert", for messages, which name the member: code "invalid_payload". A null member says nothing.
Result<ConvertWish> read_convert_wish(const nlohmann::json& given, const std::string& where);
nlohmann::json to_json(const ConvertWish& wish);

/// What `nearer` says wins over `general`, member by member, also of a picture: whoever names a size only does not bring
/// back the metadata that `general` takes out. A quality stays with its format.
/// A picture of which nothing is said (`{}`) stays as it is, but for metadata that `general` takes out.
ConvertWish merged(const ConvertWish& nearer, const ConvertWish& general);

/// "picture.png" in the format "jpeg": "picture.jpg"; unchanged where it says that format already, or without one.
std::string name_in_format(const std::string& name, std::string_view format);
/// The name with another extension ("mp4").
std::string with_extension(const std::string& name, std::string_view extension);

}  // namespace emprops::ipc
