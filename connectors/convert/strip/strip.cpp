#include "connectors/convert/strip/strip.h"

#include <algorithm>

#include "connectors/convert/strip/strip_formats.h"
#include "ipc/text/values.h"

namespace emprops::convert {
namespace {

std::string extension_of(std::string_view filename) {
    const auto dot = filename.rfind('.');
    return dot == std::string_view::npos ? std::string() : text::lower(filename.substr(dot + 1));
}

/// Formats that have no place for it: their whole content is what the node made.
bool is_plain(const std::string& extension) {
    static constexpr std::string_view plain[] = {"txt", "json", "csv", "srt", "vtt", "md"};
    return std::find(std::begin(plain), std::end(plain), extension) != std::end(plain);
}

/// Of an MP4: what is built alike, but keeps its EXIF among the pictures' data.
bool is_still(std::string_view brand) {
    static constexpr std::string_view brands[] = {"avif", "avis", "heic", "heix", "hevc", "mif1", "msf1"};
    return std::find(std::begin(brands), std::end(brands), brand) != std::end(brands);
}

}  // namespace

std::string_view strippable_formats() {
    return "png, apng, jpeg, webp, gif, bmp, svg, mp4, mov, m4a, webm, mkv, flac, mp3, opus, ogg, wav, "
           "latent, safetensors, glb and plain texts";
}

Result<std::size_t> strip_metadata(std::span<char> file, std::string_view filename) {
    const auto at = [&](std::size_t offset, std::string_view mark) {
        return strip::text(file, offset, mark.size()) == mark;
    };
    const std::string extension = extension_of(filename);
    if (at(0, std::string_view("\x89PNG\r\n\x1a\n", 8))) return strip::png(file);
    if (at(0, "\xFF\xD8\xFF")) return strip::jpeg(file);
    if (at(0, "GIF87a") || at(0, "GIF89a")) return strip::gif(file);
    if (at(0, "RIFF") && at(8, "WEBP")) return strip::webp(file);
    if (at(0, "RIFF") && at(8, "WAVE")) return strip::wav(file);
    if (at(0, "BM") && extension == "bmp") return file.size();
    if (at(0, "fLaC") || (at(0, "ID3") && extension == "flac")) return strip::flac(file);
    if (at(0, "ID3") || extension == "mp3") return strip::mp3(file);
    if (at(0, "OggS")) return strip::ogg(file);
    if (at(4, "ftyp") && !is_still(strip::text(file, 8, 4))) return strip::mp4(file);
    if (at(0, "\x1A\x45\xDF\xA3")) return strip::matroska(file);
    if (at(0, "glTF")) return strip::glb(file);
    if (extension == "latent" || extension == "safetensors") return strip::safetensors(file);
    if (extension == "svg") return strip::svg(file);
    if (is_plain(extension)) return file.size();
    return strip::unknown("its format is none of those of which this worker knows where metadata stand (" +
                          std::string(strippable_formats()) + ")");
}

}  // namespace emprops::convert
