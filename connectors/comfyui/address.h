#pragma once
// Which addresses a job's input URL may lead to. Pure.

#include <array>
#include <cstdint>
#include <string_view>

struct sockaddr;

namespace emprops::comfyui {

/// False for loopback, private, link-local, carrier-grade NAT, multicast, documentation and unspecified
/// addresses, also when they are wrapped in IPv6 (mapped, 6to4, NAT64): a job's author must not reach the
/// services of the worker's network.
bool is_public_v4(std::uint32_t address);
bool is_public_v6(const std::array<unsigned char, 16>& address);
/// For the address that a socket is about to connect to; false for families other than IPv4 and IPv6.
bool is_public(const sockaddr* address);

}  // namespace emprops::comfyui
