#pragma once
// Web addresses. Pure functions.

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ipc/result.h"

namespace emprops::stores {

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
    /// As a Host header has it: without the scheme's own port.
    std::string authority() const;
    /// The name for TLS to ask for (RFC 6066: none for an address, no dot at its end); empty: none.
    std::string server_name() const;
};

/// Reads "http://user:pass@host:8188/prefix"; ws and wss mean http and https. Errors name the text (without a
/// password).
Result<Url> parse_url(std::string_view text);

/// Whether the text begins as an address of the web does, in any letter case.
bool is_web_address(std::string_view text);

/// An address as people and servers write it, with blanks and characters beyond ASCII in its path, becomes one that
/// HTTP can carry: these are percent-coded, line breaks and what surrounds it go. "%" and the host stay.
std::string tidy_url(std::string_view text);
/// Where a redirect from `from` leads (RFC 3986, also relative ones); tidy; empty when that cannot be said.
std::string absolute_location(const std::string& from, const std::string& location);
/// For people: a query often holds a signature, and what stands before an "@" a password.
std::string without_secrets(const std::string& url);

/// "?a=b&c=d", or "" without pairs.
std::string query(const std::vector<std::pair<std::string, std::string>>& pairs);

}  // namespace emprops::stores
