#include "connectors/stores/http/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "ipc/web/host.h"

namespace emprops::stores {
namespace {

struct Range {
    std::uint32_t base;
    int bits;
};

constexpr std::uint32_t v4(unsigned a, unsigned b, unsigned c, unsigned d) {
    return (a << 24) | (b << 16) | (c << 8) | d;
}

// IANA's special-purpose registry, as far as it is not globally reachable.
constexpr Range special[] = {{v4(0, 0, 0, 0), 8},      {v4(10, 0, 0, 0), 8},     {v4(100, 64, 0, 0), 10},
                             {v4(127, 0, 0, 0), 8},    {v4(169, 254, 0, 0), 16}, {v4(172, 16, 0, 0), 12},
                             {v4(192, 0, 0, 0), 24},   {v4(192, 0, 2, 0), 24},   {v4(192, 88, 99, 0), 24},
                             {v4(192, 168, 0, 0), 16}, {v4(198, 18, 0, 0), 15},  {v4(198, 51, 100, 0), 24},
                             {v4(203, 0, 113, 0), 24}, {v4(224, 0, 0, 0), 4},    {v4(240, 0, 0, 0), 4}};

std::uint32_t embedded(const std::array<unsigned char, 16>& address, std::size_t at) {
    return v4(address[at], address[at + 1], address[at + 2], address[at + 3]);
}

struct FreeAddresses {
    void operator()(addrinfo* found) const { freeaddrinfo(found); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

/// 0, or getaddrinfo()'s error and nothing found.
int look_up(const std::string& name, Addresses& found) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* first = nullptr;
    const int error = getaddrinfo(name.c_str(), nullptr, &hints, &first);
    found.reset(error == 0 ? first : nullptr);
    return error;
}

/// False where it has no address.
template <class Wanted>
bool any_address(const std::string& name, Wanted wanted) {
    Addresses found;
    look_up(name, found);
    for (const addrinfo* at = found.get(); at != nullptr; at = at->ai_next) {
        if (wanted(at->ai_addr)) return true;
    }
    return false;
}

}  // namespace

bool is_public_v4(std::uint32_t address) {
    return std::none_of(std::begin(special), std::end(special), [&](const Range& range) {
        const std::uint32_t mask = ~std::uint32_t{0} << (32 - range.bits);
        return (address & mask) == range.base;
    });
}

bool is_public_v6(const std::array<unsigned char, 16>& address) {
    const auto starts = [&](std::initializer_list<unsigned char> bytes) {
        return std::equal(bytes.begin(), bytes.end(), address.begin());
    };
    if (starts({0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF})) return is_public_v4(embedded(address, 12));
    if (starts({0x00, 0x64, 0xFF, 0x9B, 0, 0, 0, 0, 0, 0, 0, 0})) return is_public_v4(embedded(address, 12));
    if (starts({0x20, 0x02})) return is_public_v4(embedded(address, 2));
    if (starts({0x20, 0x01, 0x0D, 0xB8}) || starts({0x20, 0x01, 0x00, 0x00})) return false;
    // Only 2000::/3 is given out for the public net.
    return (address[0] & 0xE0U) == 0x20U;
}

std::optional<std::pair<web::IpAddress, std::uint16_t>> plain_address(const sockaddr* address) {
    web::IpAddress plain;
    if (address->sa_family == AF_INET) {
        sockaddr_in in{};
        std::memcpy(&in, address, sizeof in);
        std::memcpy(plain.bytes.data(), &in.sin_addr, sizeof in.sin_addr);
        return std::make_pair(plain, ntohs(in.sin_port));
    }
    if (address->sa_family == AF_INET6) {
        sockaddr_in6 in{};
        std::memcpy(&in, address, sizeof in);
        plain.v6 = true;
        std::memcpy(plain.bytes.data(), &in.sin6_addr, sizeof in.sin6_addr);
        return std::make_pair(plain, ntohs(in.sin6_port));
    }
    return {};
}

bool is_public(const sockaddr* address) {
    const auto plain = plain_address(address);
    if (!plain) return false;
    const auto& bytes = plain->first.bytes;
    return plain->first.v6 ? is_public_v6(bytes) : is_public_v4(embedded(bytes, 0));
}

bool may_be_reached(const sockaddr* address, const Permitted& permitted) {
    if (is_public(address)) return true;
    const auto plain = plain_address(address);
    return plain && permitted && permitted(plain->first, plain->second);
}

bool is_unknown_name(const std::string& host) {
    Addresses found;
    const int error = look_up(host, found);
    return error == EAI_NONAME || error == EAI_NODATA;
}

bool has_private_address(const std::string& host, std::uint16_t port, const Permitted& permitted) {
    const std::string name = web::plain_host(host);
    const auto by_itself = [&](const std::optional<web::IpAddress>& address) {
        return address && permitted && permitted(*address, port);
    };
    // A name of this machine need not be known to the name service.
    if (web::is_loopback_host(name) && !web::IpAddress::parse(name))
        return !by_itself(web::IpAddress::parse("127.0.0.1"));
    return any_address(name, [&](const sockaddr* address) {
        const auto plain = plain_address(address);
        return !is_public(address) && !by_itself(plain ? std::optional(plain->first) : std::nullopt);
    });
}

bool is_public_host(const std::string& host) {
    const std::string name = web::plain_host(host);
    if (web::is_loopback_host(name)) return false;
    const bool literal = name.find(':') != std::string::npos;
    if (!literal && name.find('.') == std::string::npos) return false;
    for (const char* end : {".local", ".internal", ".lan", ".home", ".corp", ".home.arpa", ".localdomain"}) {
        if (name.ends_with(end)) return false;
    }
    return any_address(name, [](const sockaddr* address) { return is_public(address); });
}

}  // namespace emprops::stores
