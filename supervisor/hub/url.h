#pragma once
// Addresses: the Hub's URL as the Python worker builds it (ipc/hub/PROTOCOL.md 1.2), the client URL beside
// it, and which proxy leads there. Pure functions. The token appears in Target::path_and_query and nowhere
// else.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "config/settings.h"
#include "ipc/result.h"
#include "ipc/web/proxy.h"

namespace emprops::hub {

/// Where a WebSocket connection goes.
struct Target {
    bool tls = false;
    std::string host;  ///< name or address, an IPv6 address without brackets
    std::uint16_t port = 80;
    std::string path_and_query = "/";
    std::string printable;  ///< the URL for people and logs, without the token

    /// "host" or "host:port" as it stands in the URL, brackets included.
    std::string authority() const;
    bool operator==(const Target&) const = default;
};

/// ws:// or wss://. Fails with a sentence that names the URL without its query.
Result<Target> parse_url(const std::string& url);

/// hub.url verbatim (the worker id is not added) unless it is an address without a path (which the Hub
/// answers with 403): then, as without hub.url, scheme://host[:port]/ws/worker/<id>; then the token,
/// URL-encoded, with "?" or "&".
Result<Target> worker_target(const config::HubSettings& settings, const std::string& worker_id);

/// The client connection of the same Hub: /ws/client/<id> in place of /ws/worker/...; fails when the URL has
/// no such part.
Result<Target> watch_target(const config::HubSettings& settings, const std::string& client_id);

/// The connection of the same Hub for large results: /ws/worker/<id> whatever id a verbatim hub.url holds;
/// fails as watch_target.
Result<Target> bulk_target(const config::HubSettings& settings, const std::string& worker_id);

/// The worker id that a verbatim hub.url contains: the Hub knows us by it, whatever our messages say.
std::optional<std::string> fixed_worker_id(const config::HubSettings& settings);

struct Proxy {
    std::string host;
    std::uint16_t port = 80;
    std::string user_password;  ///< "user:password", decoded; empty: none
    bool operator==(const Proxy&) const = default;
};
/// hub.proxy, else the environment: HTTPS_PROXY for wss, HTTP_PROXY for ws, with NO_PROXY (ipc/web/proxy.h). nullopt:
/// connect directly.
Result<std::optional<Proxy>> choose_proxy(const config::HubSettings& settings,
                                          const web::ProxyEnvironment& environment, const Target& target);

}  // namespace emprops::hub
