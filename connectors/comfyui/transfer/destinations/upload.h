#pragma once
// A file to a server by HTTP PUT, tried again where that may help. What `http_put` and `s3` have in common.

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
    Pause pause;
};

/// A PUT of the file to `url`, with what the settings say about servers that take files.
HttpRequest put_request(const Uploads& uploads, const OutputSettings& rules, const Cargo& cargo,
                        const std::string& url);
/// nullopt: the server has it. `by`: the destination's name, for people.
std::optional<Failure> upload(const Uploads& uploads, const HttpRequest& put, const Cargo& cargo,
                              const std::string& by);

/// A request that gets no usable answer is made so often, with pauses of once, twice ... this.
constexpr int most_tries = 3;
constexpr Ms pause_between_tries{300};

}  // namespace emprops::comfyui
