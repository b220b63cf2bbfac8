#pragma once
// What strip.cpp and the files of its formats (strip_*.cpp) share. Included by them only.

#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

#include "connectors/convert/strip/strip.h"

namespace emprops::convert::strip {

using Bytes = std::span<char>;
using Stripped = Result<std::size_t>;

inline std::string_view text(Bytes file, std::size_t at, std::size_t size) {
    if (at >= file.size()) return {};
    return std::string_view(file.data(), file.size()).substr(at, size);
}

inline std::uint64_t number(Bytes file, std::size_t at, int size, bool big) {
    std::uint64_t value = 0;
    for (int i = 0; i < size; ++i) {
        const std::size_t where = at + static_cast<std::size_t>(big ? i : size - 1 - i);
        value = (value << 8) | static_cast<unsigned char>(file[where]);
    }
    return value;
}

inline void put_number(Bytes file, std::size_t at, int size, bool big, std::uint64_t value) {
    for (int i = 0; i < size; ++i) {
        const std::size_t where = at + static_cast<std::size_t>(big ? size - 1 - i : i);
        file[where] = static_cast<char>((value >> (8 * i)) & 255U);
    }
}

/// Moves what stays to the front.
class Keeper {
  public:
    explicit Keeper(Bytes file) : file_(file) {}
    void keep(std::size_t at, std::size_t size) {
        if (at != size_) std::memmove(file_.data() + size_, file_.data() + at, size);
        size_ += size;
    }
    std::size_t size() const { return size_; }

  private:
    Bytes file_;
    std::size_t size_ = 0;
};

inline Error broken(const char* format) {
    return {"strip_metadata", std::string("it is no well-formed ") + format + " file"};
}
inline Error unknown(std::string what) {
    return {"strip_metadata", std::move(what)};
}

// strip_images.cpp
Stripped png(Bytes file);
Stripped jpeg(Bytes file);
Stripped gif(Bytes file);
Stripped webp(Bytes file);
Stripped svg(Bytes file);
// strip_media.cpp
Stripped wav(Bytes file);
Stripped flac(Bytes file);
Stripped mp3(Bytes file);
Stripped ogg(Bytes file);
Stripped mp4(Bytes file);
Stripped matroska(Bytes file);
// strip_models.cpp
Stripped safetensors(Bytes file);
Stripped glb(Bytes file);

}  // namespace emprops::convert::strip
