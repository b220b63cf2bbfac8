// Files that a ComfyUI names, on their way through strip_metadata(). The first byte chooses the name.

#include <cstdint>
#include <cstdlib>
#include <vector>

#include "connectors/comfyui/strip/strip.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const char* const names[] = {"a.png", "a.mp3", "a.latent", "a.svg", "a.flac", "a.x"};
    if (size == 0) return 0;
    std::vector<char> file(data + 1, data + size);
    const auto stripped = emprops::comfyui::strip_metadata(file, names[data[0] % std::size(names)]);
    if (stripped.ok() && *stripped > file.size()) std::abort();
    return 0;
}
