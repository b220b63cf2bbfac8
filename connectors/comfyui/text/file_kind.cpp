#include "connectors/comfyui/text/file_kind.h"

#include <algorithm>

#include "connectors/comfyui/text/outputs.h"
#include "connectors/comfyui/text/web.h"
#include "ipc/text/values.h"

namespace emprops::comfyui {
namespace {

/// Lowercase, without a byte order mark, blanks and comments before it.
std::string begin_of_text(std::string_view bytes) {
    if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
    bytes = text::trim(bytes);
    while (bytes.starts_with("<!--")) {
        const std::size_t end = bytes.find("-->");
        bytes = end == std::string_view::npos ? std::string_view() : text::trim(bytes.substr(end + 3));
    }
    return text::lower(bytes.substr(0, 64));
}

bool is_text(std::string_view bytes) {
    return std::none_of(bytes.begin(), bytes.end(), [](char c) {
        const auto byte = static_cast<unsigned char>(c);
        return byte < 0x20 && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != '\x1b';
    });
}

std::string with_type(const char* what, std::string_view content_type) {
    const std::string_view type = text::trim(content_type.substr(0, content_type.find(';')));
    return type.empty() ? what : std::string(what) + " (" + std::string(type) + ")";
}

}  // namespace

std::string no_file_but(std::string_view filename, std::string_view content_type, std::string_view begin) {
    const std::string wanted = mime_type_of(filename);
    const bool wants_text = wanted.starts_with("text/") || wanted == "application/json" ||
                            wanted == "image/svg+xml" || wanted == "model/gltf+json" || wanted == "model/obj";
    if (wanted == "text/html" || begin.empty() || !is_text(begin)) return {};
    const std::string text = begin_of_text(begin);
    const bool page =
        text.starts_with("<!doctype html") || text.starts_with("<html") || text.starts_with("<head");
    if (page || (is_html(content_type) && !wants_text)) return with_type("a web page", content_type);
    const bool wants_media =
        wanted.starts_with("image/") || wanted.starts_with("video/") || wanted.starts_with("audio/");
    if (!wants_media || wants_text) return {};
    if (text.starts_with('{') || text.starts_with('[')) return with_type("a JSON text", content_type);
    if (text.starts_with("<?xml") || text.starts_with("<error"))
        return with_type("an XML text", content_type);
    return {};
}

}  // namespace emprops::comfyui
