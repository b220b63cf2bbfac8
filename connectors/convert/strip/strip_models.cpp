// Latents and 3D models: their JSON header loses what it says about the making, and is filled up with spaces.

#include <nlohmann/json.hpp>

#include "connectors/convert/strip/strip_formats.h"
#include "ipc/json_text.h"

namespace emprops::convert::strip {
namespace {

using OrderedJson = nlohmann::ordered_json;

/// Parses [at, at + size), lets `change` say whether it changed it, and writes it back in the same length.
template <class Change>
Stripped header(Bytes file, std::size_t at, std::size_t size, const char* format, Change change) {
    constexpr std::size_t max_size = std::size_t{64} << 20;
    if (size > max_size) return unknown("its header is larger than 64 MiB");
    OrderedJson json = OrderedJson::parse(text(file, at, size), nullptr, false);
    if (!json.is_object()) return broken(format);
    if (!change(json)) return file.size();
    const std::string now = ipc::dump(json);
    if (now.size() > size) return unknown("its header got longer without the metadata");
    std::memset(file.data() + at, ' ', size);
    std::memcpy(file.data() + at, now.data(), now.size());
    return file.size();
}

}  // namespace

Stripped safetensors(Bytes file) {
    if (file.size() < 10) return broken("safetensors");
    const std::uint64_t size = number(file, 0, 8, false);
    if (size > file.size() - 8) return broken("safetensors");
    return header(file, 8, static_cast<std::size_t>(size), "safetensors",
                  [](OrderedJson& json) { return json.erase("__metadata__") > 0; });
}

Stripped glb(Bytes file) {
    if (file.size() < 20 || number(file, 4, 4, false) != 2 || text(file, 16, 4) != "JSON")
        return broken("GLB");
    const std::uint64_t size = number(file, 12, 4, false);
    if (size > file.size() - 20) return broken("GLB");
    return header(file, 20, static_cast<std::size_t>(size), "GLB", [](OrderedJson& json) {
        bool changed = json.erase("extras") > 0;
        if (json.contains("asset") && json["asset"].is_object()) {
            for (const char* key : {"extras", "copyright"}) {
                changed = json["asset"].erase(key) > 0 || changed;
            }
        }
        return changed;
    });
}

}  // namespace emprops::convert::strip
