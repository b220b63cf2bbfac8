#pragma once
// Small pictures as files, of each format and of the kinds that a converter meets. For tests of connectors/convert.

#include <string>

#include "connectors/convert/picture/picture.h"

namespace emprops::test {

/// As readers of pictures take them.
inline convert::Bytes bytes_of(const std::string& file) {
    return {reinterpret_cast<const std::uint8_t*>(file.data()), file.size()};
}

/// A gradient with a red square in its left upper corner; `alpha`: its right half is transparent.
convert::Picture gradient(std::uint32_t width, std::uint32_t height, bool alpha = false);

std::string png_file(convert::Picture picture);
std::string jpeg_file(convert::Picture picture, int quality = 95);
std::string webp_file(convert::Picture picture, int quality = 95);

std::string palette_png();             ///< 2x2: red, green, blue, transparent
std::string deep_png();                ///< 4x4, 16 bits
std::string animated_png();            ///< by its acTL
std::string bomb_png();                ///< says 60000x60000
std::string animated_webp();           ///< two frames
std::string cmyk_jpeg();               ///< 8x8
std::string grey_jpeg();               ///< 8x8
std::string jpeg_of_scans(int scans);  ///< progressive, 8x8; at most 127
/// A chunk "type" with the right checksum, put behind the header of a PNG.
std::string with_chunk(const std::string& png, const std::string& type, const std::string& data);

/// A profile of colours as far as anybody here looks into it.
std::string profile(const std::string& space);

/// Mean difference of a channel, rounded up; 1000: they have different sizes.
int distance(const convert::Picture& a, const convert::Picture& b);

}  // namespace emprops::test
