#include "connectors/stores/names/mime_type.h"

#include <map>

#include "ipc/text/values.h"

namespace emprops::stores {

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
        {"aac", "audio/aac"},
        {"m4v", "video/mp4"},
        {"avi", "video/x-msvideo"},
        {"apng", "image/apng"},
        {"heic", "image/heic"},
        {"psd", "image/vnd.adobe.photoshop"},
        {"ply", "model/x-ply"},
        {"fbx", "model/x-fbx"},
        {"usdz", "model/vnd.usdz+zip"},
        {"splat", "model/x-splat"},
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
    const std::string extension = text::lower(filename.substr(dot + 1));
    const auto at = known.find(extension);
    return at == known.end() ? "application/octet-stream" : at->second;
}

}  // namespace emprops::stores
