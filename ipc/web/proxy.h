#pragma once
// Which proxy the environment names for a server: HTTPS_PROXY and relatives, as curl reads them. Pure but for
// read_proxy_environment() and proxy_of_environment(), any thread.

#include <cstdint>
#include <string>
#include <string_view>

namespace emprops::web {

struct ProxyEnvironment {
    std::string https_proxy;
    std::string http_proxy;
    std::string no_proxy;

    /// "" is none: nothing is named, `no_proxy` names the server, or it is this very machine. Else as the variable has
    /// it: "http://user:password@host:port" or "host:port".
    std::string proxy_for(bool tls, std::string_view host, std::uint16_t port) const;
};

/// Of this process; the lowercase name wins over the uppercase one.
ProxyEnvironment read_proxy_environment();
/// What that names for an http(s) address; "": none, or it is no address.
std::string proxy_of_environment(const std::string& url);

/// The entries of NO_PROXY, with commas or blanks between them: `*`, a host or address, a domain (`corp`, `.corp`,
/// `*.corp`: it and all below it), a network (`10.0.0.0/8`, `fd00::/8`, `192.0.2.`, `192.0.*`); a host or address also
/// with a port. An IPv6 address may stand in brackets, a name may end in a dot. Names are not looked up.
bool is_without_proxy(std::string_view no_proxy, std::string_view host, std::uint16_t port);

}  // namespace emprops::web
