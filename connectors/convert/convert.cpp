#include "connectors/convert/convert.h"

#include <algorithm>
#include <utility>

#include "connectors/convert/picture/exif.h"
#include "connectors/convert/picture/formats.h"
#include "connectors/convert/picture/header.h"

namespace emprops::convert {
namespace {

constexpr int default_quality = 85;

Reply left(std::string why) {
    return {Reply::End::left, std::move(why), {}, {}};
}
Reply failed(std::string why) {
    return {Reply::End::failed, std::move(why), {}, {}};
}

/// As long as a side may be in a format.
std::uint32_t most_side(Format format) {
    return format == Format::webp ? 16383 : format == Format::jpeg ? 65500 : 0x7FFFFFFF;
}

Result<Picture> read(Format format, Bytes file) {
    if (format == Format::png) return read_png(file);
    return format == Format::jpeg ? read_jpeg(file) : read_webp(file);
}

Result<> write(Format format, Picture& picture, int quality, Sink& sink) {
    if (format == Format::png) return write_png(picture, sink);
    return format == Format::jpeg ? write_jpeg(picture, quality, sink) : write_webp(picture, quality, sink);
}

void fit_metadata(Metadata& about, bool strip, Format format) {
    // All pixels are RGB now: the profile of a grey or a printer's picture would be wrong.
    if (about.icc.size() < 20 || about.icc.compare(16, 4, "RGB ") != 0) about.icc.clear();
    if (strip) {
        about.exif.clear();
        about.xmp.clear();
        about.texts.clear();
        return;
    }
    set_upright(about.exif);
    if (format == Format::png) return;
    add_texts(about.exif, about.texts);
    about.texts.clear();
}

}  // namespace

Reply convert_image(Bytes file, const ipc::ImageWish& wish, bool strip, Sink& sink) {
    const Result<Header> header = read_header(file);
    if (!header) return left(header.error().message);
    const Format format = format_of(wish.format).value_or(header->format);
    const auto max_side = static_cast<std::uint32_t>(wish.max_side.value_or(0));
    const std::uint32_t longer = std::max(header->width, header->height);
    const bool smaller = max_side > 0 && longer > max_side;
    const bool other_format = format != header->format;
    const bool asked_anew = wish.quality && format != Format::png;
    if (!smaller && !other_format && !asked_anew) return {Reply::End::same, {}, {}, {}};
    if (!header->left.empty()) return left(header->left);
    if (std::uint64_t{header->width} * header->height > most_pixels)
        return left("it has " + std::to_string(header->width) + "x" + std::to_string(header->height) +
                    " pixels, and " + std::to_string(most_pixels / 1'000'000) + " million are the limit");
    if ((smaller ? max_side : longer) > most_side(format))
        return left("a side of " + std::to_string(longer) + " pixels is too long for " + name_of(format));

    Result<Picture> read_one = read(header->format, file);
    if (!read_one) return left(read_one.error().message);
    Picture picture = std::move(*read_one);
    if (picture.width != header->width || picture.height != header->height)
        return left("it says two sizes of itself");
    turn(picture, orientation_of(picture.about.exif));
    if (smaller && !shrink(picture, max_side)) return failed("there was no memory to make it smaller");
    fit_metadata(picture.about, strip, format);
    if (format == Format::jpeg) flatten(picture);
    Result<> written = write(format, picture, wish.quality.value_or(default_quality), sink);
    if (written && !sink.flush()) written = Error{"disk", sink.error()};
    if (!written) {
        if (written.error().code == "unfit") return left(written.error().message);
        return failed("it cannot be written: " + written.error().message);
    }
    if (!smaller && !other_format && sink.size() >= file.size()) return {Reply::End::same, {}, {}, {}};
    return {Reply::End::done, {}, name_of(format), {}};
}

}  // namespace emprops::convert
