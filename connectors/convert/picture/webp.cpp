#include <webp/decode.h>
#include <webp/demux.h>
#include <webp/encode.h>
#include <webp/mux.h>

#include <memory>

#include "connectors/convert/picture/formats.h"

namespace emprops::convert {
namespace {

constexpr int method = 4;  // of 0 (fast) to 6 (small)

struct Demuxed {
    explicit Demuxed(Bytes file) {
        const WebPData data{file.data(), file.size()};
        demux = WebPDemuxPartial(&data, &state);
    }
    Demuxed(const Demuxed&) = delete;
    Demuxed& operator=(const Demuxed&) = delete;
    ~Demuxed() { WebPDemuxDelete(demux); }
    std::string chunk(const char* name) const {
        WebPChunkIterator each;
        std::string bytes;
        if (WebPDemuxGetChunk(demux, name, 1, &each) != 0)
            bytes.assign(reinterpret_cast<const char*>(each.chunk.bytes), each.chunk.size);
        WebPDemuxReleaseChunkIterator(&each);
        return bytes;
    }

    WebPDemuxState state = WEBP_DEMUX_PARSE_ERROR;
    WebPDemuxer* demux = nullptr;
};

int write_piece(const std::uint8_t* bytes, std::size_t size, const WebPPicture* picture) {
    auto* sink = static_cast<Sink*>(picture->custom_ptr);
    return sink->write({reinterpret_cast<const char*>(bytes), size}) ? 1 : 0;
}

bool set_chunk(WebPMux* mux, const char* name, const std::string& bytes) {
    if (bytes.empty()) return true;
    const WebPData data{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()};
    return WebPMuxSetChunk(mux, name, &data, 0) == WEBP_MUX_OK;
}

Result<> encode(Picture& picture, int quality, WebPWriterFunction writer, void* into) {
    WebPConfig config;
    WebPPicture image;
    if (WebPConfigPreset(&config, WEBP_PRESET_DEFAULT, static_cast<float>(quality)) == 0 ||
        WebPPictureInit(&image) == 0)
        return Error{"internal", "libwebp is of another version"};
    config.method = method;
    image.use_argb = 1;
    image.width = static_cast<int>(picture.width);
    image.height = static_cast<int>(picture.height);
    image.argb = picture.pixels.data();  // it stays ours
    image.argb_stride = image.width;
    image.writer = writer;
    image.custom_ptr = into;
    const bool encoded = WebPEncode(&config, &image) != 0;
    const int error = image.error_code;
    WebPPictureFree(&image);
    if (encoded) return Ok{};
    return Error{"internal", "libwebp could not write it (error " + std::to_string(error) + ")"};
}

/// The picture's own bytes are put together with chunks that stand before and behind them.
Result<> write_with_metadata(Picture& picture, int quality, Sink& sink) {
    const auto clear = [](WebPMemoryWriter* memory) { WebPMemoryWriterClear(memory); };
    WebPMemoryWriter memory;
    WebPMemoryWriterInit(&memory);
    const std::unique_ptr<WebPMemoryWriter, decltype(clear)> owner(&memory, clear);
    if (Result<> done = encode(picture, quality, WebPMemoryWrite, &memory); !done) return done;
    const std::unique_ptr<WebPMux, decltype(&WebPMuxDelete)> mux(WebPMuxNew(), WebPMuxDelete);
    const WebPData image{memory.mem, memory.size};
    WebPData whole{};
    const Metadata& about = picture.about;
    if (mux == nullptr || WebPMuxSetImage(mux.get(), &image, 0) != WEBP_MUX_OK ||
        !set_chunk(mux.get(), "ICCP", about.icc) || !set_chunk(mux.get(), "EXIF", about.exif) ||
        !set_chunk(mux.get(), "XMP ", about.xmp) || WebPMuxAssemble(mux.get(), &whole) != WEBP_MUX_OK)
        return Error{"internal", "libwebpmux could not put picture and metadata together"};
    (void)sink.write({reinterpret_cast<const char*>(whole.bytes), whole.size});
    WebPDataClear(&whole);
    return Ok{};
}

}  // namespace

Result<Picture> read_webp(Bytes file) {
    const Demuxed parts(file);
    if (parts.demux == nullptr || parts.state != WEBP_DEMUX_DONE)
        return Error{"broken", "the WebP cannot be read: it is cut off or damaged"};
    Picture picture;
    picture.width = WebPDemuxGetI(parts.demux, WEBP_FF_CANVAS_WIDTH);
    picture.height = WebPDemuxGetI(parts.demux, WEBP_FF_CANVAS_HEIGHT);
    WebPBitstreamFeatures features;
    if (WebPGetFeatures(file.data(), file.size(), &features) != VP8_STATUS_OK ||
        static_cast<std::uint32_t>(features.width) != picture.width ||
        static_cast<std::uint32_t>(features.height) != picture.height)
        return Error{"broken", "the WebP cannot be read: it has two sizes"};
    picture.alpha = features.has_alpha != 0;
    picture.pixels.resize(std::size_t{picture.width} * picture.height);
    auto* into = reinterpret_cast<std::uint8_t*>(picture.pixels.data());
    if (WebPDecodeBGRAInto(file.data(), file.size(), into, picture.pixels.size() * 4,
                           static_cast<int>(picture.width * 4)) == nullptr)
        return Error{"broken", "the WebP cannot be read: its picture is damaged"};
    picture.about.icc = parts.chunk("ICCP");
    picture.about.exif = parts.chunk("EXIF");
    picture.about.xmp = parts.chunk("XMP ");
    // Some writers have JPEG's mark before it.
    if (picture.about.exif.starts_with("Exif")) picture.about.exif.erase(0, 6);
    return picture;
}

Result<> write_webp(Picture& picture, int quality, Sink& sink) {
    const Metadata& about = picture.about;
    const bool bare = about.icc.empty() && about.exif.empty() && about.xmp.empty();
    Result<> done =
        bare ? encode(picture, quality, write_piece, &sink) : write_with_metadata(picture, quality, sink);
    if (!sink.error().empty()) return Error{"disk", sink.error()};
    return done;
}

}  // namespace emprops::convert
