#include "connectors/comfyui/strip/strip.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "connectors/comfyui/strip/strip_formats.h"
#include "ipc/text/values.h"

namespace emprops::comfyui {
namespace {

using namespace strip;

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

struct Mapped {
    void* at = MAP_FAILED;
    std::size_t size = 0;
    int file = -1;
    ~Mapped() {
        if (at != MAP_FAILED) munmap(at, size);
        if (file >= 0) close(file);
    }
};

}  // namespace

std::string_view strippable_formats() {
    return "png, apng, jpeg, webp, gif, bmp, svg, mp4, mov, m4a, webm, mkv, flac, mp3, opus, ogg, wav, "
           "latent, safetensors, glb and plain texts";
}

Result<std::size_t> strip_metadata(std::span<char> file, std::string_view filename) {
    const auto at = [&](std::size_t offset, std::string_view mark) {
        return text(file, offset, mark.size()) == mark;
    };
    const std::string extension = extension_of(filename);
    if (at(0, std::string_view("\x89PNG\r\n\x1a\n", 8))) return png(file);
    if (at(0, "\xFF\xD8\xFF")) return jpeg(file);
    if (at(0, "GIF87a") || at(0, "GIF89a")) return gif(file);
    if (at(0, "RIFF") && at(8, "WEBP")) return webp(file);
    if (at(0, "RIFF") && at(8, "WAVE")) return wav(file);
    if (at(0, "BM") && extension == "bmp") return file.size();
    if (at(0, "fLaC") || (at(0, "ID3") && extension == "flac")) return flac(file);
    if (at(0, "ID3") || extension == "mp3") return mp3(file);
    if (at(0, "OggS")) return ogg(file);
    if (at(4, "ftyp") && !is_still(text(file, 8, 4))) return mp4(file);
    if (at(0, "\x1A\x45\xDF\xA3")) return matroska(file);
    if (at(0, "glTF")) return glb(file);
    if (extension == "latent" || extension == "safetensors") return safetensors(file);
    if (extension == "svg") return svg(file);
    if (is_plain(extension)) return file.size();
    return unknown("its format is none of those of which this worker knows where metadata stand (" +
                   std::string(strippable_formats()) + ")");
}

Result<Ok> strip_file(const std::string& path, std::string_view filename) {
    const auto io = [] {
        return Error{"internal",
                     "the downloaded file cannot be changed: " + std::string(std::strerror(errno))};
    };
    Mapped map;
    map.file = open(path.c_str(), O_RDWR | O_CLOEXEC);
    struct stat info {};
    if (map.file < 0 || fstat(map.file, &info) != 0) return io();
    if (info.st_size == 0) return Ok{};
    map.size = static_cast<std::size_t>(info.st_size);
    map.at = mmap(nullptr, map.size, PROT_READ | PROT_WRITE, MAP_SHARED, map.file, 0);
    if (map.at == MAP_FAILED) return io();
    const auto size = strip_metadata({static_cast<char*>(map.at), map.size}, filename);
    if (!size.ok()) return size.error();
    if (ftruncate(map.file, static_cast<off_t>(*size)) != 0) return io();
    return Ok{};
}

}  // namespace emprops::comfyui
