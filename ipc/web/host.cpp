#include "ipc/web/host.h"

#include <arpa/inet.h>

#include <algorithm>

#include "ipc/text/values.h"

namespace emprops::web {

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
    if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
    IpAddress address;
    address.v6 = text.find(':') != std::string_view::npos;
    if (address.v6) text = text.substr(0, text.find('%'));
    if (inet_pton(address.v6 ? AF_INET6 : AF_INET, std::string(text).c_str(), address.bytes.data()) != 1)
        return {};
    return address;
}

bool IpAddress::is_in(const IpAddress& network, int bits) const {
    if (network.v6 != v6 || bits < 0 || bits > (v6 ? 128 : 32)) return false;
    const auto whole = static_cast<std::size_t>(bits / 8);
    if (!std::equal(bytes.begin(), bytes.begin() + bits / 8, network.bytes.begin())) return false;
    const int rest = bits % 8;
    return rest == 0 || ((bytes[whole] ^ network.bytes[whole]) >> (8 - rest)) == 0;
}

std::string plain_host(std::string_view host) {
    std::string name = text::lower(host);
    while (name.size() > 1 && name.back() == '.')
        name.pop_back();
    return name;
}

bool is_loopback_host(std::string_view host) {
    const std::string name = plain_host(host);
    if (name == "localhost" || name.ends_with(".localhost")) return true;
    const auto address = IpAddress::parse(name);
    if (!address) return false;
    return address->v6 ? *address == IpAddress::parse("::1") : address->bytes[0] == 127;
}

}  // namespace emprops::web
