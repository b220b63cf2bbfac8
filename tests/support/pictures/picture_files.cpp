#include "tests/support/pictures/picture_files.h"

#include <png.h>
#include <sys/mman.h>
#include <unistd.h>
#include <webp/encode.h>
#include <webp/mux.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <vector>

// behind <cstdio>, whose FILE it uses
#include <jpeglib.h>

#include "connectors/convert/picture/formats.h"

namespace emprops::test {
namespace {

template <class Write>
std::string written(Write write) {
    const int file = ::memfd_create("picture", MFD_CLOEXEC);
    convert::Sink sink(file);
    const Result<> done = write(sink);
    if (!done.ok()) throw std::runtime_error(done.error().message);
    sink.flush();
    std::string bytes(sink.size(), '\0');
    if (::pread(file, bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) bytes.clear();
    ::close(file);
    return bytes;
}

std::string big32(std::uint32_t value) {
    std::string out;
    for (int shift = 24; shift >= 0; shift -= 8)
        out += static_cast<char>((value >> shift) & 255U);
    return out;
}

std::uint32_t crc_of(const std::string& bytes) {
    std::uint32_t crc = 0xFFFFFFFFU;
    for (const char c : bytes) {
        crc ^= static_cast<unsigned char>(c);
        for (int bit = 0; bit < 8; ++bit)
            crc = (crc >> 1U) ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
    }
    return ~crc;
}

std::string chunk(const std::string& type, const std::string& data) {
    return big32(static_cast<std::uint32_t>(data.size())) + type + data + big32(crc_of(type + data));
}

std::string simple_png(png_uint_32 format, png_uint_32 side, const void* pixels, const void* colours,
                       png_uint_32 count) {
    png_image image{};
    image.version = PNG_IMAGE_VERSION;
    image.width = image.height = side;
    image.format = format;
    image.colormap_entries = count;
    png_alloc_size_t size = 0;
    png_image_write_to_memory(&image, nullptr, &size, 0, pixels, 0, colours);
    std::string bytes(size, '\0');
    png_image_write_to_memory(&image, bytes.data(), &size, 0, pixels, 0, colours);
    bytes.resize(size);
    return bytes;
}

std::string plain_jpeg(J_COLOR_SPACE space, int channels, const std::vector<jpeg_scan_info>& scans = {}) {
    jpeg_error_mgr errors;
    jpeg_compress_struct out;
    out.err = jpeg_std_error(&errors);
    jpeg_create_compress(&out);
    unsigned char* bytes = nullptr;
    unsigned long size = 0;
    jpeg_mem_dest(&out, &bytes, &size);
    out.image_width = out.image_height = 8;
    out.input_components = channels;
    out.in_color_space = space;
    jpeg_set_defaults(&out);
    if (!scans.empty()) {
        out.scan_info = scans.data();
        out.num_scans = static_cast<int>(scans.size());
    }
    jpeg_start_compress(&out, TRUE);
    std::vector<JSAMPLE> row(static_cast<std::size_t>(8 * channels), 100);
    JSAMPROW rows[] = {row.data()};
    while (out.next_scanline < 8)
        jpeg_write_scanlines(&out, rows, 1);
    jpeg_finish_compress(&out);
    jpeg_destroy_compress(&out);
    std::string file(reinterpret_cast<char*>(bytes), size);
    std::free(bytes);
    return file;
}

}  // namespace

convert::Picture gradient(std::uint32_t width, std::uint32_t height, bool alpha) {
    convert::Picture picture{width, height, {}, alpha, {}};
    for (std::uint32_t y = 0; y < height; ++y) {
        for (std::uint32_t x = 0; x < width; ++x) {
            const std::uint32_t grey = 60 + 120 * (x + y) / (width + height);
            const bool corner = x < width / 4 && y < height / 4;
            const std::uint32_t opaque = alpha && x >= width / 2 ? 0U : 0xFF000000U;
            picture.pixels.push_back(opaque | (corner ? 0x00E01010U : grey << 16U | grey << 8U | grey));
        }
    }
    return picture;
}

std::string png_file(convert::Picture picture) {
    return written([&](convert::Sink& sink) { return convert::write_png(picture, sink); });
}
std::string jpeg_file(convert::Picture picture, int quality) {
    return written([&](convert::Sink& sink) { return convert::write_jpeg(picture, quality, sink); });
}
std::string webp_file(convert::Picture picture, int quality) {
    return written([&](convert::Sink& sink) { return convert::write_webp(picture, quality, sink); });
}

std::string palette_png() {
    const unsigned char pixels[] = {0, 1, 2, 3};
    const unsigned char colours[] = {255, 0, 0, 255, 0, 255, 0, 255, 0, 0, 255, 255, 9, 9, 9, 0};
    return simple_png(PNG_FORMAT_RGBA_COLORMAP, 2, pixels, colours, 4);
}

std::string deep_png() {
    const std::vector<png_uint_16> pixels(4 * 4 * 3, 40000);
    return simple_png(PNG_FORMAT_LINEAR_RGB, 4, pixels.data(), nullptr, 0);
}

std::string with_chunk(const std::string& png, const std::string& type, const std::string& data) {
    constexpr std::size_t header_end = 8 + 25;
    return png.substr(0, header_end) + chunk(type, data) + png.substr(header_end);
}

std::string animated_png() {
    return with_chunk(png_file(gradient(4, 4)), "acTL", big32(2) + big32(0));
}

std::string bomb_png() {
    std::string png = png_file(gradient(4, 4));
    const std::string header = chunk("IHDR", big32(60000) + big32(60000) + std::string("\x08\x02\0\0\0", 5));
    return png.replace(8, header.size(), header);
}

std::string animated_webp() {
    WebPAnimEncoderOptions options;
    WebPAnimEncoderOptionsInit(&options);
    WebPAnimEncoder* encoder = WebPAnimEncoderNew(8, 8, &options);
    for (int frame = 0; frame < 2; ++frame) {
        WebPPicture image;
        WebPPictureInit(&image);
        image.use_argb = 1;
        image.width = image.height = 8;
        WebPPictureAlloc(&image);
        for (int i = 0; i < 64; ++i)
            image.argb[i] = frame == 0 ? 0xFF00FF00U : 0xFFFF0000U;
        WebPAnimEncoderAdd(encoder, &image, frame * 100, nullptr);
        WebPPictureFree(&image);
    }
    WebPAnimEncoderAdd(encoder, nullptr, 200, nullptr);
    WebPData data{};
    WebPAnimEncoderAssemble(encoder, &data);
    std::string file(reinterpret_cast<const char*>(data.bytes), data.size);
    WebPDataClear(&data);
    WebPAnimEncoderDelete(encoder);
    return file;
}

std::string cmyk_jpeg() {
    return plain_jpeg(JCS_CMYK, 4);
}
std::string grey_jpeg() {
    return plain_jpeg(JCS_GRAYSCALE, 1);
}

std::string jpeg_of_scans(int scans) {
    // First the mean colour, then one frequency after the other without its last bit, then their last bits.
    std::vector<jpeg_scan_info> all;
    for (int each = 0; each < scans; ++each) {
        jpeg_scan_info& scan = all.emplace_back();
        scan.comps_in_scan = 1;
        scan.Ss = scan.Se = each < 64 ? each : each - 63;
        scan.Ah = each < 64 ? 0 : 1;
        scan.Al = each > 0 && each < 64 ? 1 : 0;
    }
    return plain_jpeg(JCS_GRAYSCALE, 1, all);
}

std::string profile(const std::string& space) {
    // libpng takes none that can be packed into a few bytes.
    std::string bytes(128 + 4 + 400, '\0');
    for (std::uint32_t at = 128 + 4, value = 1; at < bytes.size(); ++at, value = value * 1103515245U + 12345U)
        bytes[at] = static_cast<char>(value >> 24U);
    bytes.replace(0, 4, big32(static_cast<std::uint32_t>(bytes.size())));
    bytes.replace(8, 4, std::string("\x02\x40\0\0", 4));
    bytes.replace(12, 4, "mntr");
    bytes.replace(16, 4, space);
    bytes.replace(20, 4, "XYZ ");
    bytes.replace(36, 4, "acsp");
    bytes.replace(68, 12, std::string("\0\0\xF6\xD6\0\1\0\0\0\0\xD3\x2D", 12));
    return bytes;
}

int distance(const convert::Picture& a, const convert::Picture& b) {
    if (a.width != b.width || a.height != b.height) return 1000;
    std::size_t sum = 0;
    for (std::size_t i = 0; i < a.pixels.size(); ++i) {
        // What cannot be seen may have any colour.
        const bool unseen = a.pixels[i] >> 24U == 0 && b.pixels[i] >> 24U == 0;
        for (unsigned shift = 0; shift < 32; shift += 8) {
            const auto one = static_cast<int>((a.pixels[i] >> shift) & 255U);
            const auto other = static_cast<int>((b.pixels[i] >> shift) & 255U);
            if (!unseen) sum += static_cast<std::size_t>(std::abs(one - other));
        }
    }
    const std::size_t channels = a.pixels.size() * 4;
    return static_cast<int>((sum + channels - 1) / channels);
}

}  // namespace emprops::test
