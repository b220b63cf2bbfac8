#include "connectors/convert/picture/picture.h"

#include <webp/encode.h>

#include <algorithm>

namespace emprops::convert {

void turn(Picture& picture, int orientation) {
    if (orientation < 2 || orientation > 8) return;
    const std::uint32_t width = picture.width, height = picture.height;
    const bool swaps = orientation >= 5;
    const std::uint32_t new_width = swaps ? height : width, new_height = swaps ? width : height;
    std::vector<std::uint32_t> turned(picture.pixels.size());
    for (std::uint32_t y = 0; y < new_height; ++y) {
        for (std::uint32_t x = 0; x < new_width; ++x) {
            // Where the pixel of the upright picture stands in the file.
            std::uint32_t from_x = swaps ? y : x, from_y = swaps ? x : y;
            if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
                from_x = width - 1 - from_x;
            if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
                from_y = height - 1 - from_y;
            turned[std::size_t{y} * new_width + x] = picture.pixels[std::size_t{from_y} * width + from_x];
        }
    }
    picture.pixels = std::move(turned);
    picture.width = new_width;
    picture.height = new_height;
}

bool shrink(Picture& picture, std::uint32_t max_side) {
    const std::uint32_t side = std::max(picture.width, picture.height);
    if (side <= max_side) return true;
    const auto scaled = [&](std::uint32_t length) {
        const auto rounded = (std::uint64_t{length} * max_side + side / 2) / side;
        return static_cast<std::uint32_t>(std::max<std::uint64_t>(rounded, 1));
    };
    WebPPicture image;
    if (!WebPPictureInit(&image)) return false;
    image.use_argb = 1;
    image.width = static_cast<int>(picture.width);
    image.height = static_cast<int>(picture.height);
    image.argb = picture.pixels.data();  // it stays ours
    image.argb_stride = image.width;
    const std::uint32_t width = scaled(picture.width), height = scaled(picture.height);
    if (!WebPPictureRescale(&image, static_cast<int>(width), static_cast<int>(height))) return false;
    std::vector<std::uint32_t> small;
    small.reserve(std::size_t{width} * height);
    for (std::uint32_t y = 0; y < height; ++y) {
        const std::uint32_t* row = image.argb + static_cast<std::ptrdiff_t>(y) * image.argb_stride;
        small.insert(small.end(), row, row + width);
    }
    WebPPictureFree(&image);
    picture.pixels = std::move(small);
    picture.width = width;
    picture.height = height;
    return true;
}

void flatten(Picture& picture) {
    if (!picture.alpha) return;
    for (std::uint32_t& pixel : picture.pixels) {
        const std::uint32_t alpha = pixel >> 24U;
        const auto over_white = [&](unsigned shift) {
            const std::uint32_t value = (pixel >> shift) & 255U;
            return ((value * alpha + 255U * (255U - alpha) + 127U) / 255U) << shift;
        };
        pixel = 0xFF000000U | over_white(16) | over_white(8) | over_white(0);
    }
    picture.alpha = false;
}

}  // namespace emprops::convert
