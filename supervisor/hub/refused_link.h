#pragma once
// Why there is no connection to the Hub, or none any more, by what the other side answered: an HTTP answer in
// place of a WebSocket, a proxy that opens no tunnel, bytes that are no HTTP or no TLS, a certificate of another
// host, a close code. Each function gives the rest of a sentence for a person: what it means, and which setting to
// change. None contains the token. Pure.

#include <string>
#include <string_view>

#include "config/settings.h"
#include "supervisor/hub/url.h"

namespace emprops::hub {

/// What a person learns from an HTTP answer; texts as they came.
struct HttpAnswer {
    unsigned status = 0;
    std::string phrase = {};    ///< "Bad Gateway"
    std::string server = {};    ///< who answers: "nginx"
    std::string location = {};  ///< where a redirect leads
    std::string asks_for = {};  ///< WWW-Authenticate or Proxy-Authenticate: `Basic realm="team"`
    std::string body = {};
};

/// The handshake at `target` was answered so and not by 101.
std::string refused_handshake(const config::HubSettings& settings, const Target& target,
                              const HttpAnswer& answer);
/// The proxy answered so to CONNECT, and not by 2xx.
std::string refused_tunnel(const Target& target, const HttpAnswer& answer);
/// The handshake at `target` was answered by something else than HTTP, or by nothing: `error`.
std::string no_http(const config::HubSettings& settings, const Target& target, const std::string& error);
/// TLS was answered by something else, or by nothing: `error`.
std::string no_tls(const config::HubSettings& settings, const Target& target, const std::string& error);
/// The certificate is for these names ("a.example, *.b.example") and not for the host of `target`.
std::string wrong_host(const config::HubSettings& settings, const Target& target, const std::string& names);
/// "the Hub closed the connection (1012): it restarts"
std::string closed_by_hub(unsigned code, std::string_view reason);

}  // namespace emprops::hub
