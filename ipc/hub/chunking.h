#pragma once
// The Hub's way to send a large message to a worker: text of more than 1 000 000 characters is cut into
// `chunked_message` frames (ipc/hub/PROTOCOL.md 6). Pure.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace emprops::hub {

inline constexpr std::size_t chunk_characters = 1'000'000;

/// `message` itself when it is short enough, else its chunks in order. `message` is valid UTF-8 JSON text; a
/// character (code point) is never split.
std::vector<std::string> to_frames(std::string message, std::string_view original_type,
                                   std::string_view job_id, std::size_t limit = chunk_characters);

}  // namespace emprops::hub
