#include <algorithm>
#include <csetjmp>
#include <cstdio>
#include <cstdlib>
#include <cstring>

// behind <cstdio>, whose FILE it uses
#include <jpeglib.h>

#include "connectors/convert/picture/formats.h"

namespace emprops::convert {
namespace {

constexpr int exif_marker = JPEG_APP0 + 1, icc_marker = JPEG_APP0 + 2;
constexpr std::string_view exif_mark("Exif\0\0", 6), xmp_mark("http://ns.adobe.com/xap/1.0/\0", 29);
constexpr std::size_t most_marker_bytes = 65533;
constexpr std::size_t piece_bytes = 64 * 1024;

/// Errors of libjpeg jump out of its calls: whatever they may leave behind half done lives here.
struct Jpeg {
    jpeg_error_mgr errors{};
    std::jmp_buf back{};
    std::string error{};
    jpeg_decompress_struct in{};
    jpeg_compress_struct out{};
    jpeg_destination_mgr target{};
    jpeg_progress_mgr scans{};
    Bytes file{};
    Picture picture{};
    int quality = 0;
    Sink* sink = nullptr;
    std::vector<JOCTET> piece{};
    std::string exif{}, xmp{};  ///< as they stand in their segments
};

std::string message_of(j_common_ptr info) {
    char message[JMSG_LENGTH_MAX] = {};
    info->err->format_message(info, message);
    return message;
}
void on_error(j_common_ptr info) {
    Jpeg& self = *static_cast<Jpeg*>(info->client_data);
    self.error = message_of(info);
    std::longjmp(self.back, 1);
}
/// Of a file that was cut off, or is damaged in the middle, libjpeg makes a picture all the same.
void on_message(j_common_ptr info, int level) {
    Jpeg& self = *static_cast<Jpeg*>(info->client_data);
    if (level < 0 && self.error.empty()) self.error = message_of(info);
}
void print_nothing(j_common_ptr) {}

jpeg_error_mgr* errors_of(Jpeg& self) {
    jpeg_error_mgr* errors = jpeg_std_error(&self.errors);
    errors->error_exit = on_error;
    errors->emit_message = on_message;
    errors->output_message = print_nothing;
    return errors;
}

/// A progressive picture may come in any number of scans, each over the whole of it: a small file is then work for minutes.
/// Cameras and encoders make about ten.
constexpr int most_scans = 100;
void look_at_scans(j_common_ptr common) {
    Jpeg& self = *static_cast<Jpeg*>(common->client_data);
    if (self.in.input_scan_number <= most_scans) return;
    self.error = "it has more than " + std::to_string(most_scans) + " scans";
    std::longjmp(self.back, 1);
}

bool guarded(Jpeg& self, void (*work)(Jpeg&)) {
    if (setjmp(self.back) != 0) return false;
    work(self);
    return true;
}

void read_metadata(Jpeg& self) {
    Metadata& about = self.picture.about;
    for (const jpeg_marker_struct* each = self.in.marker_list; each != nullptr; each = each->next) {
        const std::string_view data(reinterpret_cast<const char*>(each->data), each->data_length);
        if (each->marker != exif_marker) continue;
        if (data.starts_with(exif_mark)) about.exif = data.substr(exif_mark.size());
        if (data.starts_with(xmp_mark)) about.xmp = data.substr(xmp_mark.size());
    }
    JOCTET* profile = nullptr;
    unsigned size = 0;
    if (jpeg_read_icc_profile(&self.in, &profile, &size) == FALSE) return;
    about.icc.assign(reinterpret_cast<const char*>(profile), size);
    std::free(profile);
}

void read_all(Jpeg& self) {
    jpeg_create_decompress(&self.in);
    jpeg_mem_src(&self.in, self.file.data(), static_cast<unsigned long>(self.file.size()));
    jpeg_save_markers(&self.in, exif_marker, 0xFFFF);
    jpeg_save_markers(&self.in, icc_marker, 0xFFFF);
    jpeg_read_header(&self.in, TRUE);
    self.in.out_color_space = JCS_EXT_BGRX;
    self.scans.progress_monitor = look_at_scans;
    self.in.progress = &self.scans;
    jpeg_start_decompress(&self.in);
    Picture& picture = self.picture;
    picture.width = self.in.output_width;
    picture.height = self.in.output_height;
    picture.pixels.resize(std::size_t{picture.width} * picture.height);
    while (self.in.output_scanline < self.in.output_height && self.error.empty()) {
        auto* row = reinterpret_cast<JSAMPROW>(picture.pixels.data() +
                                               std::size_t{self.in.output_scanline} * picture.width);
        jpeg_read_scanlines(&self.in, &row, 1);
    }
    if (!self.error.empty()) return;
    for (std::uint32_t& pixel : picture.pixels)
        pixel |= 0xFF000000U;
    read_metadata(self);
    jpeg_finish_decompress(&self.in);
}

void start_writing(j_compress_ptr out) {
    Jpeg& self = *static_cast<Jpeg*>(out->client_data);
    out->dest->next_output_byte = self.piece.data();
    out->dest->free_in_buffer = self.piece.size();
}
void hand_on(Jpeg& self, std::size_t size) {
    if (!self.sink->write({reinterpret_cast<const char*>(self.piece.data()), size})) {
        self.error = self.sink->error();
        std::longjmp(self.back, 1);
    }
}
boolean write_piece(j_compress_ptr out) {
    Jpeg& self = *static_cast<Jpeg*>(out->client_data);
    hand_on(self, self.piece.size());
    start_writing(out);
    return TRUE;
}
void end_writing(j_compress_ptr out) {
    Jpeg& self = *static_cast<Jpeg*>(out->client_data);
    hand_on(self, self.piece.size() - out->dest->free_in_buffer);
}

void write_marker(Jpeg& self, const std::string& whole) {
    if (whole.empty()) return;
    jpeg_write_marker(&self.out, exif_marker, reinterpret_cast<const JOCTET*>(whole.data()),
                      static_cast<unsigned>(whole.size()));
}

void write_all(Jpeg& self) {
    const Picture& picture = self.picture;
    jpeg_create_compress(&self.out);
    self.piece.resize(piece_bytes);
    self.target.init_destination = start_writing;
    self.target.empty_output_buffer = write_piece;
    self.target.term_destination = end_writing;
    self.out.dest = &self.target;
    self.out.image_width = picture.width;
    self.out.image_height = picture.height;
    self.out.input_components = 4;
    self.out.in_color_space = JCS_EXT_BGRX;
    jpeg_set_defaults(&self.out);
    jpeg_set_quality(&self.out, self.quality, TRUE);
    self.out.optimize_coding = TRUE;
    jpeg_start_compress(&self.out, TRUE);
    write_marker(self, self.exif);
    write_marker(self, self.xmp);
    const Metadata& about = picture.about;
    if (!about.icc.empty())
        jpeg_write_icc_profile(&self.out, reinterpret_cast<const JOCTET*>(about.icc.data()),
                               static_cast<unsigned>(about.icc.size()));
    while (self.out.next_scanline < self.out.image_height) {
        auto* row = reinterpret_cast<JSAMPROW>(self.picture.pixels.data() +
                                               std::size_t{self.out.next_scanline} * picture.width);
        jpeg_write_scanlines(&self.out, &row, 1);
    }
    jpeg_finish_compress(&self.out);
}

}  // namespace

Result<Picture> read_jpeg(Bytes file) {
    Jpeg self;
    self.file = file;
    self.in.err = errors_of(self);
    self.in.client_data = &self;
    const bool read = guarded(self, read_all);
    jpeg_destroy_decompress(&self.in);
    if (!read || !self.error.empty()) return Error{"broken", "the JPEG cannot be read: " + self.error};
    return std::move(self.picture);
}

Result<> write_jpeg(Picture& picture, int quality, Sink& sink) {
    Jpeg self;
    self.sink = &sink;
    self.quality = quality;
    const Metadata& about = picture.about;
    if (!about.exif.empty()) self.exif = std::string(exif_mark) + about.exif;
    if (!about.xmp.empty()) self.xmp = std::string(xmp_mark) + about.xmp;
    if (std::max(self.exif.size(), self.xmp.size()) > most_marker_bytes)
        return Error{"unfit",
                     "its metadata have more than the 64 KiB that a JPEG takes; ask for webp or png, or for "
                     "metadata = \"strip\""};
    self.picture = std::move(picture);
    self.out.err = errors_of(self);
    self.out.client_data = &self;
    const bool written = guarded(self, write_all);
    jpeg_destroy_compress(&self.out);
    picture = std::move(self.picture);
    if (!sink.error().empty()) return Error{"disk", sink.error()};
    if (!written) return Error{"internal", "libjpeg could not write it: " + self.error};
    return Ok{};
}

}  // namespace emprops::convert
