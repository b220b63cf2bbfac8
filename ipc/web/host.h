#pragma once
// Hosts as they stand in URLs and in NO_PROXY: is it an address, does it mean this very machine. Pure, any thread.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace emprops::web {

struct IpAddress {
    bool v6 = false;
    std::array<unsigned char, 16> bytes{};  ///< of an IPv4 address the first four

    /// "10.0.0.1", "fd00::2", "[fd00::2]"; a zone ("%eth0") is dropped. Nothing is looked up.
    static std::optional<IpAddress> parse(std::string_view text);
    /// Whether the first `bits` bits are those of `network`. False for another family or more bits than there are.
    bool is_in(const IpAddress& network, int bits) const;
    bool operator==(const IpAddress&) const = default;
};

/// Lowercase, without the dots that may end a name.
std::string plain_host(std::string_view host);
/// "localhost", "x.localhost", 127.0.0.0/8 and ::1.
bool is_loopback_host(std::string_view host);

}  // namespace emprops::web
