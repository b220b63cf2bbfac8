#pragma once
// A picture between two formats: its pixels and what its file says beside them. One owner, one thread.

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace emprops::convert {

static_assert(std::endian::native == std::endian::little,
              "pixels are handed to libraries as bytes B, G, R, A");

using Bytes = std::span<const std::uint8_t>;

/// What a file says beside its pixels. Bytes as they stand there, unchecked.
struct Metadata {
    std::string exif;  ///< from its TIFF header on
    std::string xmp;
    std::string icc;
    std::vector<std::pair<std::string, std::string>> texts;  ///< of a PNG: keyword and UTF-8
};

struct Picture {
    std::uint32_t width = 0, height = 0;
    std::vector<std::uint32_t> pixels;  ///< 0xAARRGGBB, row by row
    bool alpha = false;                 ///< some pixel may be transparent
    Metadata about;
};

/// Turned and mirrored as EXIF's orientation (1 to 8) says; other numbers say nothing.
void turn(Picture& picture, int orientation);
/// Made smaller, so that its longer side has `max_side`. False: no memory.
bool shrink(Picture& picture, std::uint32_t max_side);
/// Laid on white.
void flatten(Picture& picture);

}  // namespace emprops::convert
