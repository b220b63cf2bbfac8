#pragma once
// Which addresses a job's input URL may lead to, and who can open a link to this machine. Pure, but for
// what looks names up.

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "ipc/web/host.h"

struct sockaddr;

namespace emprops::stores {

/// False for loopback, private, link-local, carrier-grade NAT, multicast, documentation and unspecified
/// addresses, also when they are wrapped in IPv6 (mapped, 6to4, NAT64): a job's author must not reach the
/// services of the worker's network.
bool is_public_v4(std::uint32_t address);
bool is_public_v6(const std::array<unsigned char, 16>& address);
/// For the address that a socket is about to connect to; false for families other than IPv4 and IPv6.
bool is_public(const sockaddr* address);

/// The address and port of a socket; nullopt for families other than IPv4 and IPv6.
std::optional<std::pair<web::IpAddress, std::uint16_t>> plain_address(const sockaddr* address);
/// Whether one of them may be connected to: a public one, or one that is permitted by itself.
using Permitted = std::function<bool(const web::IpAddress&, std::uint16_t port)>;
bool may_be_reached(const sockaddr* address, const Permitted& permitted);

/// Whether the name does not exist, as opposed to a name service that does not answer. Looks it up.
bool is_unknown_name(const std::string& host);

/// Whether one of the addresses that a host of a URL has here may not be reached at this port. Looks the name up; one
/// without an address has none.
bool has_private_address(const std::string& host, std::uint16_t port, const Permitted& permitted);

/// Whether a host of a URL has an address in the public net. Looks the name up, so it may take a while; names
/// that mean something in one network only (no dot, .local, .internal, ...) are not looked up.
bool is_public_host(const std::string& host);

}  // namespace emprops::stores
