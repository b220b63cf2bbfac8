#include "connectors/comfyui/outputs.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <set>
#include <tuple>

#include "connectors/comfyui/tolerant_json.h"

namespace emprops::comfyui {
namespace {

std::string text_or(const Json& value, const char* key, const char* otherwise) {
    const auto at = value.find(key);
    return at != value.end() && at->is_string() ? at->get<std::string>() : otherwise;
}

bool is_file(const Json& value) {
    if (!value.is_object()) return false;
    const auto name = value.find("filename");
    return name != value.end() && name->is_string() && !name->get_ref<const std::string&>().empty();
}

class Collector {
  public:
    Collector(Outputs& out, bool with_temp) : out_(out), with_temp_(with_temp) {}

    void take(const std::string& node, const std::string& kind, const Json& value) {
        if (is_file(value)) {
            file(node, kind, value);
        } else if (value.is_string()) {
            text(node, kind, value);
        } else if (!value.is_null() && !(value.is_boolean() && kind == "animated")) {
            text(node, kind, dump(value));
        }
    }

  private:
    void file(const std::string& node, const std::string& kind, const Json& value) {
        OutputFile file{node,
                        kind,
                        value.at("filename"),
                        text_or(value, "subfolder", ""),
                        text_or(value, "type", "output"),
                        {}};
        if (file.type == "input") {  // what a node shows of its own source: connectors/comfyui/API.md 5.2
            ++out_.inputs_left_out;
            return;
        }
        if (file.type == "temp" && !with_temp_) {
            ++out_.temp_left_out;
            return;
        }
        if (!seen_.emplace(file.type, file.subfolder, file.filename).second) return;
        const std::string format = text_or(value, "format", "");
        // Video helper packs say "video/h264-mp4", which no browser knows.
        file.mime_type = mime_type_of(file.filename);
        const bool usable =
            format.find('/') != std::string::npos &&
            std::all_of(format.begin(), format.end(), [](char c) { return c > ' ' && c < 0x7F; });
        if (usable && file.mime_type == "application/octet-stream") file.mime_type = format;
        out_.files.push_back(std::move(file));
    }
    void text(const std::string& node, const std::string& kind, std::string text) {
        out_.texts.push_back({node, kind, std::move(text)});
    }

    Outputs& out_;
    bool with_temp_;
    std::set<std::tuple<std::string, std::string, std::string>> seen_;
};

std::uint32_t big_endian(std::string_view bytes, std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t i = at; i < at + 4; ++i) {
        value = (value << 8) | static_cast<unsigned char>(bytes[i]);
    }
    return value;
}

constexpr std::string_view png_signature("\x89PNG\r\n\x1a\n", 8);

std::string safe_part(std::string_view value) {
    std::string out;
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        out += byte < 0x20 || byte == 0x7F || c == '/' || c == '\\' ? '_' : c;
    }
    if (out.empty() || out == "." || out == "..") out = "_";
    return out;
}

}  // namespace

Outputs collect_outputs(const Json& outputs, bool with_temp, const std::vector<std::string>& nodes) {
    Outputs out;
    if (!outputs.is_object()) return out;
    Collector collector(out, with_temp);
    for (const auto& [node, ui] : outputs.items()) {
        if (!nodes.empty() && std::find(nodes.begin(), nodes.end(), node) == nodes.end()) continue;
        if (!ui.is_object()) continue;
        for (const auto& [kind, value] : ui.items()) {
            if (value.is_array()) {
                for (const Json& element : value) {
                    collector.take(node, kind, element);
                }
            } else {
                collector.take(node, kind, value);
            }
        }
    }
    return out;
}

std::string mime_type_of(std::string_view filename) {
    static const std::map<std::string, std::string, std::less<>> known{
        {"png", "image/png"},
        {"jpg", "image/jpeg"},
        {"jpeg", "image/jpeg"},
        {"webp", "image/webp"},
        {"gif", "image/gif"},
        {"avif", "image/avif"},
        {"bmp", "image/bmp"},
        {"tif", "image/tiff"},
        {"tiff", "image/tiff"},
        {"exr", "image/x-exr"},
        {"svg", "image/svg+xml"},
        {"mp4", "video/mp4"},
        {"webm", "video/webm"},
        {"mkv", "video/x-matroska"},
        {"mov", "video/quicktime"},
        {"flac", "audio/flac"},
        {"mp3", "audio/mpeg"},
        {"opus", "audio/ogg"},
        {"ogg", "audio/ogg"},
        {"wav", "audio/wav"},
        {"m4a", "audio/mp4"},
        {"glb", "model/gltf-binary"},
        {"gltf", "model/gltf+json"},
        {"obj", "model/obj"},
        {"stl", "model/stl"},
        {"json", "application/json"},
        {"html", "text/html"},
        {"htm", "text/html"},
        {"txt", "text/plain"},
        {"zip", "application/zip"},
        {"latent", "application/octet-stream"}};
    const auto dot = filename.rfind('.');
    if (dot == std::string_view::npos) return "application/octet-stream";
    std::string extension;
    for (const char c : filename.substr(dot + 1)) {
        extension += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    const auto at = known.find(extension);
    return at == known.end() ? "application/octet-stream" : at->second;
}

bool is_png(std::string_view bytes) {
    return bytes.substr(0, png_signature.size()) == png_signature;
}

Result<std::string> strip_png_metadata(std::string_view png) {
    const Error broken{"not_png", "the file is no well-formed PNG"};
    if (!is_png(png)) return broken;
    std::string out(png_signature);
    out.reserve(png.size());
    std::size_t at = png_signature.size();
    while (at < png.size()) {
        // length, type, data, checksum; chunks are copied whole, so that their checksums stay right
        if (png.size() - at < 12) return broken;
        const std::size_t size = std::size_t{big_endian(png, at)} + 12;
        if (size > png.size() - at) return broken;
        const std::string_view type = png.substr(at + 4, 4);
        if (type != "tEXt" && type != "zTXt" && type != "iTXt" && type != "eXIf") {
            out += png.substr(at, size);
        }
        at += size;
        if (type == "IEND") return out;
    }
    return broken;
}

std::string fill_template(std::string_view text,
                          const std::vector<std::pair<std::string, std::string>>& values) {
    std::string out;
    while (!text.empty()) {
        bool filled = false;
        for (const auto& [key, value] : values) {
            const std::string place = "{" + key + "}";
            if (text.substr(0, place.size()) != place) continue;
            out += safe_part(value);
            text.remove_prefix(place.size());
            filled = true;
            break;
        }
        if (filled) continue;
        out += text.front();
        text.remove_prefix(1);
    }
    return out;
}

}  // namespace emprops::comfyui
