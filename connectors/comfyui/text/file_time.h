#pragma once
// When a file was written, from the ETag of the server that sends it (aiohttp, which ComfyUI is built on). Pure.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace emprops::comfyui {

/// "187cde9b2fab7d15-1f00": nanoseconds since 1970 and bytes, both in hexadecimal. In milliseconds; nothing if the tag is
/// of another kind.
std::optional<std::int64_t> file_time_of(std::string_view etag);
/// The tag of a file that was written then and has so many bytes.
std::string etag_of(std::int64_t written_ns, std::uint64_t bytes);

}  // namespace emprops::comfyui
