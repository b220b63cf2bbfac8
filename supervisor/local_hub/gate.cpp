#include "supervisor/local_hub/gate.h"

#include <openssl/crypto.h>

#include <algorithm>

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

bool is_ipv4(std::string_view text) {
    int dots = 0;
    for (const char c : text) {
        if (c == '.') {
            ++dots;
        } else if (c < '0' || c > '9') {
            return false;
        }
    }
    return dots == 3;
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

bool is_loopback_host(std::string_view host) {
    const auto name = without_port(host);
    return name == "localhost" || name == "[::1]" || (name.starts_with("127.") && is_ipv4(name));
}

bool from_allowed_origin(std::string_view origin, std::string_view host, bool loopback_only) {
    if (loopback_only && !host.empty() && !is_loopback_host(host)) return false;
    if (origin.empty()) return true;
    for (const std::string_view scheme : {"http://", "https://"}) {
        if (!origin.starts_with(scheme)) continue;
        const auto site = origin.substr(scheme.size());
        return is_loopback_host(site) || (!loopback_only && site == host);
    }
    return false;  // "null": a file or a sandboxed frame, which any site can make
}

}  // namespace emprops::local_hub
