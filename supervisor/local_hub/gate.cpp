#include "supervisor/local_hub/gate.h"

#include <openssl/crypto.h>

#include <algorithm>

#include "ipc/web/host.h"

namespace emprops::local_hub {
namespace {

/// Empty for what is neither "host" nor "host:port", as "localhost:x@evil.example".
std::string_view without_port(std::string_view host) {
    const auto end = host.starts_with('[') ? host.find(']') + 1 : std::min(host.find(':'), host.size());
    const std::string_view rest = host.substr(end);
    const bool port = rest.starts_with(':') && rest.size() > 1 &&
                      rest.find_first_not_of("0123456789", 1) == std::string_view::npos;
    return rest.empty() || port ? host.substr(0, end) : std::string_view();
}

bool is_loopback(std::string_view host_and_port) {
    return web::is_loopback_host(without_port(host_and_port));
}

}  // namespace

std::optional<WebSocketPath> websocket_path(const web::RequestTarget& target) {
    const auto& parts = target.segments;
    if (parts.size() != 3 || parts[0] != "ws" || parts[2].empty()) return std::nullopt;
    if (parts[2].find('/') != std::string::npos) return std::nullopt;
    if (parts[1] == "worker") return WebSocketPath{Role::worker, parts[2]};
    if (parts[1] == "client") return WebSocketPath{Role::client, parts[2]};
    if (parts[1] == "monitor") return WebSocketPath{Role::monitor, parts[2]};
    return std::nullopt;
}

std::optional<std::string> owner_of_bulk(std::string_view id) {
    constexpr std::string_view mark = "-bulk";
    const auto name = id.substr(0, id.find_last_not_of("0123456789") + 1);
    if (!name.ends_with(mark) || name.size() == mark.size()) return std::nullopt;
    return std::string(name.substr(0, name.size() - mark.size()));
}

bool same_token(std::string_view expected, std::string_view given) {
    if (expected.size() != given.size()) return false;
    return CRYPTO_memcmp(expected.data(), given.data(), expected.size()) == 0;
}

bool from_allowed_origin(std::string_view origin, std::string_view host, bool loopback_only) {
    if (loopback_only && !host.empty() && !is_loopback(host)) return false;
    if (origin.empty()) return true;
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!origin.starts_with(scheme)) continue;
        const auto site = origin.substr(scheme.size());
        return is_loopback(site) || (!loopback_only && site == host);
    }
    return false;  // "null": a file or a sandboxed frame, which any site can make
}

}  // namespace emprops::local_hub
