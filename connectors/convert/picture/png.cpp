#include <png.h>

#include <algorithm>
#include <csetjmp>
#include <cstring>

#include "connectors/convert/picture/formats.h"
#include "ipc/text/utf8.h"

namespace emprops::convert {
namespace {

constexpr std::size_t most_chunk_bytes = 64u << 20;  // of one text, unpacked
constexpr int most_chunks = 1000;
constexpr const char* xmp_keyword = "XML:com.adobe.xmp";

/// What a call of the library needs beside it. Errors of libpng jump out of its calls: whatever they may leave behind
/// half done lives here.
struct Png {
    png_structp png = nullptr;
    png_infop info = nullptr;
    Bytes file{};
    std::size_t at = 0;
    Picture picture{};
    std::string error{};
    std::vector<png_bytep> rows{};
    std::vector<png_text> texts{};
    std::vector<std::pair<std::string, std::string>> said{};
    Sink* sink = nullptr;
};

void on_error(png_structp png, png_const_charp message) {
    static_cast<Png*>(png_get_error_ptr(png))->error = message;
    png_longjmp(png, 1);
}
void on_warning(png_structp, png_const_charp) {}

void read_bytes(png_structp png, png_bytep into, std::size_t size) {
    Png& self = *static_cast<Png*>(png_get_io_ptr(png));
    if (size > self.file.size() - self.at) png_error(png, "it is cut off");
    std::memcpy(into, self.file.data() + self.at, size);
    self.at += size;
}
void write_bytes(png_structp png, png_bytep bytes, std::size_t size) {
    Png& self = *static_cast<Png*>(png_get_io_ptr(png));
    if (!self.sink->write({reinterpret_cast<const char*>(bytes), size})) png_error(png, "cannot write");
}
void flush_nothing(png_structp) {}

/// False: the library has jumped out; Png::error says why.
bool guarded(Png& self, void (*work)(Png&)) {
    if (setjmp(png_jmpbuf(self.png)) != 0) return false;
    work(self);
    return true;
}

std::string utf8_of_latin1(std::string_view bytes) {
    std::string out;
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte >= 0x80) out += static_cast<char>(0xC0U | (byte >> 6U));
        out += byte >= 0x80 ? static_cast<char>(0x80U | (byte & 0x3FU)) : c;
    }
    return out;
}

void read_metadata(Png& self) {
    Metadata& about = self.picture.about;
    png_charp name = nullptr;
    int packed = 0;
    png_bytep bytes = nullptr;
    png_uint_32 size = 0;
    if (png_get_iCCP(self.png, self.info, &name, &packed, &bytes, &size) != 0)
        about.icc.assign(reinterpret_cast<const char*>(bytes), size);
    if (png_get_eXIf_1(self.png, self.info, &size, &bytes) != 0)
        about.exif.assign(reinterpret_cast<const char*>(bytes), size);
    png_textp texts = nullptr;
    int count = 0;
    png_get_text(self.png, self.info, &texts, &count);
    for (int i = 0; i < count; ++i) {
        const png_text& each = texts[i];
        const bool international = each.compression >= PNG_ITXT_COMPRESSION_NONE;
        const std::string_view text(each.text == nullptr ? "" : each.text,
                                    international ? each.itxt_length : each.text_length);
        if (std::strcmp(each.key, xmp_keyword) == 0)
            about.xmp = text;
        else
            about.texts.emplace_back(each.key, international ? std::string(text) : utf8_of_latin1(text));
    }
}

void read_all(Png& self) {
    png_set_user_limits(self.png, 0x7FFFFFFF, 0x7FFFFFFF);  // looked at before
    png_set_chunk_cache_max(self.png, most_chunks);
    png_set_chunk_malloc_max(self.png, most_chunk_bytes);
    png_set_read_fn(self.png, &self, read_bytes);
    png_read_info(self.png, self.info);
    Picture& picture = self.picture;
    picture.width = png_get_image_width(self.png, self.info);
    picture.height = png_get_image_height(self.png, self.info);
    if (png_get_bit_depth(self.png, self.info) > 8) png_error(self.png, "it has 16 bits");
    png_set_expand(self.png);
    png_set_gray_to_rgb(self.png);
    png_set_filler(self.png, 0xFF, PNG_FILLER_AFTER);
    png_set_bgr(self.png);
    const int type = png_get_color_type(self.png, self.info);
    picture.alpha =
        (type & PNG_COLOR_MASK_ALPHA) != 0 || png_get_valid(self.png, self.info, PNG_INFO_tRNS) != 0;
    png_set_interlace_handling(self.png);
    png_read_update_info(self.png, self.info);
    if (png_get_rowbytes(self.png, self.info) != std::size_t{picture.width} * 4)
        png_error(self.png, "its rows are of another length");
    picture.pixels.resize(std::size_t{picture.width} * picture.height);
    for (std::uint32_t y = 0; y < picture.height; ++y)
        self.rows.push_back(
            reinterpret_cast<png_bytep>(picture.pixels.data() + std::size_t{y} * picture.width));
    png_read_image(self.png, self.rows.data());
    png_read_end(self.png, self.info);
    read_metadata(self);
}

bool is_ascii(const std::string& text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

void write_metadata(Png& self) {
    Metadata& about = self.picture.about;
    if (!about.icc.empty())
        png_set_iCCP(self.png, self.info, "ICC profile", PNG_COMPRESSION_TYPE_BASE,
                     reinterpret_cast<png_const_bytep>(about.icc.data()),
                     static_cast<png_uint_32>(about.icc.size()));
    if (!about.exif.empty())
        png_set_eXIf_1(self.png, self.info, static_cast<png_uint_32>(about.exif.size()),
                       reinterpret_cast<png_bytep>(about.exif.data()));
    self.said = about.texts;
    if (!about.xmp.empty()) self.said.emplace_back(xmp_keyword, about.xmp);
    for (auto& [keyword, text] : self.said) {
        const bool plain = is_ascii(text) && keyword != xmp_keyword;
        png_text one{};
        one.compression = plain ? PNG_TEXT_COMPRESSION_NONE : PNG_ITXT_COMPRESSION_NONE;
        one.key = keyword.data();
        one.text = text.data();
        (plain ? one.text_length : one.itxt_length) = text.size();
        self.texts.push_back(one);
    }
    if (!self.texts.empty())
        png_set_text(self.png, self.info, self.texts.data(), static_cast<int>(self.texts.size()));
}

void write_all(Png& self) {
    Picture& picture = self.picture;
    png_set_write_fn(self.png, &self, write_bytes, flush_nothing);
    png_set_user_limits(self.png, 0x7FFFFFFF, 0x7FFFFFFF);
    // A profile that libpng finds wrong is left out: it was no help before either.
    png_set_benign_errors(self.png, 1);
    png_set_IHDR(self.png, self.info, picture.width, picture.height, 8,
                 picture.alpha ? PNG_COLOR_TYPE_RGB_ALPHA : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    write_metadata(self);
    png_write_info(self.png, self.info);
    if (!picture.alpha) png_set_filler(self.png, 0, PNG_FILLER_AFTER);
    png_set_bgr(self.png);
    for (std::uint32_t y = 0; y < picture.height; ++y)
        png_write_row(self.png,
                      reinterpret_cast<png_bytep>(picture.pixels.data() + std::size_t{y} * picture.width));
    png_write_end(self.png, self.info);
}

}  // namespace

Result<Picture> read_png(Bytes file) {
    Png self;
    self.file = file;
    self.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &self, on_error, on_warning);
    self.info = self.png == nullptr ? nullptr : png_create_info_struct(self.png);
    const bool read = self.info != nullptr && guarded(self, read_all);
    png_destroy_read_struct(&self.png, &self.info, nullptr);
    if (!read) return Error{"broken", "the PNG cannot be read: " + self.error};
    return std::move(self.picture);
}

Result<> write_png(Picture& picture, Sink& sink) {
    Png self;
    self.sink = &sink;
    self.picture = std::move(picture);
    self.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &self, on_error, on_warning);
    self.info = self.png == nullptr ? nullptr : png_create_info_struct(self.png);
    const bool written = self.info != nullptr && guarded(self, write_all);
    png_destroy_write_struct(&self.png, &self.info);
    picture = std::move(self.picture);
    if (!sink.error().empty()) return Error{"disk", sink.error()};
    if (!written) return Error{"internal", "libpng could not write it: " + self.error};
    return Ok{};
}

}  // namespace emprops::convert
