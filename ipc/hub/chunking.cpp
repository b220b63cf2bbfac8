#include "ipc/hub/chunking.h"

#include "ipc/hub/codec.h"
#include "ipc/text/utf8.h"
#include "ipc/web/digest.h"

namespace emprops::hub {
namespace {

/// Byte ranges of at most `limit` characters each.
std::vector<std::string_view> cut(std::string_view text, std::size_t limit) {
    std::vector<std::string_view> pieces;
    std::size_t start = 0;
    std::size_t characters = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (!text::begins_character(text[i])) continue;
        if (characters == limit) {
            pieces.push_back(text.substr(start, i - start));
            start = i;
            characters = 0;
        }
        ++characters;
    }
    pieces.push_back(text.substr(start));
    return pieces;
}

}  // namespace

std::vector<std::string> to_frames(std::string message, std::string_view original_type,
                                   std::string_view job_id, std::size_t limit) {
    if (message.size() <= limit) return {std::move(message)};
    const auto pieces = cut(message, limit);
    if (pieces.size() == 1) return {std::move(message)};
    const auto hash = md5_hex(message);
    const auto message_id = hash.substr(0, 8) + "-" + random_hex(8);
    std::vector<std::string> frames;
    frames.reserve(pieces.size());
    for (const auto piece : pieces)
        frames.push_back(encode(Chunk{message_id, hash, std::string(original_type), std::string(job_id),
                                      frames.size(), pieces.size(), std::string(piece)}));
    return frames;
}

}  // namespace emprops::hub
