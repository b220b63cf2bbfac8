// Files of results, strangers all of them: on their way through strip_metadata() (the first byte chooses the name), and what
// the converter reads of a picture itself, its header and its EXIF.

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "connectors/convert/picture/exif.h"
#include "connectors/convert/picture/header.h"
#include "connectors/convert/strip/strip.h"

namespace {

using namespace emprops::convert;

void look_at_picture(const std::uint8_t* data, std::size_t size) {
    const auto header = read_header({data, size});
    if (header.ok() && (header->width == 0 || header->height == 0)) std::abort();
    std::string exif(reinterpret_cast<const char*>(data), size);
    const int orientation = orientation_of(exif);
    if (orientation < 1 || orientation > 8) std::abort();
    set_upright(exif);
    if (exif.size() != size || orientation_of(exif) != 1) std::abort();
    add_texts(exif, {{"prompt", "{}"}, {"workflow", "{}"}});
    if (orientation_of(exif) != 1) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const char* const names[] = {"a.png", "a.mp3", "a.latent", "a.svg", "a.flac", "a.x"};
    if (size == 0) return 0;
    std::vector<char> file(data + 1, data + size);
    const auto stripped = strip_metadata(file, names[data[0] % std::size(names)]);
    if (stripped.ok() && *stripped > file.size()) std::abort();
    look_at_picture(data + 1, size - 1);
    return 0;
}
