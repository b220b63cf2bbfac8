#pragma once
// A file to a server by HTTP PUT. What `http_put` and `s3` have in common.

#include <optional>

#include "connectors/comfyui/server/http.h"
#include "connectors/comfyui/settings.h"
#include "connectors/comfyui/transfer/destinations/destination.h"

namespace emprops::comfyui {

/// What an upload needs of its job; all of it outlives the destination.
struct Uploads {
    HttpClient& http;
    const Settings& settings;
    std::function<bool()> cancelled;
};
/// For people: the word of `deliver`, and the settings that say where it is and with what it is opened.
struct UploadWords {
    const char* by;
    const char* address;
    const char* access;
};

/// A PUT of the file to `url`, with what the settings say about servers that take files.
HttpRequest put_request(const Uploads& uploads, const OutputSettings& rules, const Cargo& cargo,
                        const std::string& url);
/// One try. nullopt: the server has it.
std::optional<Setback> upload(const Uploads& uploads, const HttpRequest& put, const Cargo& cargo,
                              const UploadWords& words);

}  // namespace emprops::comfyui
