#include "connectors/convert/picture/header.h"

#include <webp/decode.h>

#include <string_view>

namespace emprops::convert {
namespace {

std::string_view text(Bytes file, std::size_t at, std::size_t size) {
    if (at > file.size() || size > file.size() - at) return {};
    return {reinterpret_cast<const char*>(file.data()) + at, size};
}

std::uint32_t big(Bytes file, std::size_t at, int bytes) {
    std::uint32_t value = 0;
    for (int i = 0; i < bytes; ++i)
        value = (value << 8U) | file[at + static_cast<std::size_t>(i)];
    return value;
}

Error broken(const char* format) {
    return {"broken", std::string("it is no whole ") + format};
}

Result<Header> png(Bytes file) {
    constexpr std::size_t first = 8, head = 8, tail = 4;
    if (file.size() < first + head + 13 || text(file, first + 4, 4) != "IHDR") return broken("PNG");
    Header header{Format::png, big(file, first + 8, 4), big(file, first + 12, 4), {}};
    if (file[first + head + 8] == 16) header.left = "it has 16 bits per channel";
    for (std::size_t at = first; file.size() - at >= head + tail;) {
        const std::size_t size = big(file, at, 4);
        const std::string_view type = text(file, at + 4, 4);
        if (type == "IDAT") return header;
        if (type == "acTL") header.left = "it is animated";
        if (size > file.size() - at - head - tail) break;
        at += head + size + tail;
    }
    return broken("PNG");
}

Result<Header> jpeg(Bytes file) {
    for (std::size_t at = 2; file.size() - at >= 4;) {
        if (file[at] != 0xFF) break;
        const std::uint8_t marker = file[at + 1];
        if (marker == 0xFF || marker == 0x01 || (marker >= 0xD0 && marker <= 0xD7)) {
            at += marker == 0xFF ? 1 : 2;
            continue;
        }
        const std::size_t size = big(file, at + 2, 2);
        if (size < 2 || size > file.size() - at - 2) break;
        const bool frame =
            marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
        if (frame) {
            if (size < 8) break;
            Header header{Format::jpeg, big(file, at + 7, 2), big(file, at + 5, 2), {}};
            if (file[at + 4] != 8) header.left = "it has more than 8 bits per channel";
            if (file[at + 9] == 4) header.left = "its colours are those of a printer (CMYK)";
            return header;
        }
        at += 2 + size;
        if (file.size() < at) break;
    }
    return broken("JPEG");
}

Result<Header> webp(Bytes file) {
    WebPBitstreamFeatures features;
    if (WebPGetFeatures(file.data(), file.size(), &features) != VP8_STATUS_OK) return broken("WebP");
    Header header{Format::webp,
                  static_cast<std::uint32_t>(features.width),
                  static_cast<std::uint32_t>(features.height),
                  {}};
    if (features.has_animation != 0) header.left = "it is animated";
    return header;
}

}  // namespace

Result<Header> read_header(Bytes file) {
    Result<Header> header =
        Error{"unknown", "its format is none that is converted (which are png, jpeg and webp)"};
    if (text(file, 0, 8) == std::string_view("\x89PNG\r\n\x1a\n", 8)) header = png(file);
    if (text(file, 0, 3) == "\xFF\xD8\xFF") header = jpeg(file);
    if (text(file, 0, 4) == "RIFF" && text(file, 8, 4) == "WEBP") header = webp(file);
    if (text(file, 0, 4) == "GIF8") return Error{"unknown", "it is a GIF"};
    if (header && (header->width == 0 || header->height == 0))
        return Error{"broken", "it says that it has no size"};
    return header;
}

const char* name_of(Format format) {
    return format == Format::png ? "png" : format == Format::jpeg ? "jpeg" : "webp";
}

std::optional<Format> format_of(const std::string& name) {
    for (const Format each : {Format::png, Format::jpeg, Format::webp})
        if (name == name_of(each)) return each;
    return {};
}

}  // namespace emprops::convert
