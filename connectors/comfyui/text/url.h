#pragma once
// Web addresses. Pure functions.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/result.h"

namespace emprops::comfyui {

/// Where an HTTP server is. `prefix` begins with "/" and does not end with one, or is empty (ComfyUI behind a
/// proxy under "/comfy", or "/api" for the routes that newer frontends use).
struct Url {
    std::string scheme = "http";  ///< http or https
    std::string host;             ///< IPv6 without brackets
    int port = 80;
    std::string prefix;
    std::string username, password;  ///< from "user:pass@", percent-decoded
    bool tls() const { return scheme == "https"; }
    /// "http://host:8188/prefix", never with user or password.
    std::string text() const;
};

/// Reads "http://user:pass@host:8188/prefix"; ws and wss mean http and https. Errors name the text (without a
/// password).
Result<Url> parse_url(std::string_view text);

/// "?a=b&c=d", or "" without pairs.
std::string query(const std::vector<std::pair<std::string, std::string>>& pairs);

}  // namespace emprops::comfyui
