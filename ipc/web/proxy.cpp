#include "ipc/web/proxy.h"

#include <fnmatch.h>

#include <algorithm>
#include <cstdlib>

#include "ipc/text/values.h"
#include "ipc/web/host.h"
#include "ipc/web/url.h"

namespace emprops::web {
namespace {

std::string variable(const char* lower, const char* upper) {
    const char* value = std::getenv(lower);
    if (value == nullptr || *value == '\0') value = std::getenv(upper);
    return value == nullptr ? "" : std::string(text::trim(value));
}

/// Takes a port off the end of an entry. False: it is not `port`.
bool port_fits(std::string& entry, std::uint16_t port) {
    const bool bracketed = entry.starts_with('[');
    const std::size_t colon = bracketed ? entry.find("]:") : entry.find(':');
    if (colon == std::string::npos || (!bracketed && entry.find(':', colon + 1) != std::string::npos))
        return true;
    const std::size_t digits = colon + (bracketed ? 2 : 1);
    if (entry.substr(digits) != std::to_string(port)) return false;
    entry.resize(bracketed ? colon + 1 : colon);
    return true;
}

/// `192.0.2.`: the beginning of addresses, not the end of a name.
bool begins_addresses(std::string_view entry) {
    return entry.ends_with('.') && entry.find_first_not_of("0123456789.") == std::string_view::npos;
}

bool fits_address(std::string_view entry, const std::string& host, const IpAddress& address) {
    const std::size_t slash = entry.find('/');
    if (slash != std::string_view::npos) {
        const auto network = IpAddress::parse(entry.substr(0, slash));
        const auto bits = text::parse_integer(entry.substr(slash + 1));
        return network && bits && *bits >= 0 && *bits <= 128 &&
               address.is_in(*network, static_cast<int>(*bits));
    }
    if (begins_addresses(entry)) return !address.v6 && host.starts_with(entry);
    return IpAddress::parse(entry) == address;
}

bool fits(std::string entry, const std::string& host, std::uint16_t port) {
    if (entry == "*") return true;
    if (!port_fits(entry, port)) return false;
    if (entry.find('*') != std::string::npos) return fnmatch(entry.c_str(), host.c_str(), 0) == 0;
    if (const auto address = IpAddress::parse(host)) return fits_address(entry, host, *address);
    entry = plain_host(entry);
    if (entry.starts_with('.')) entry.erase(0, 1);
    if (entry.empty()) return false;
    return host == entry || host.ends_with("." + entry);
}

}  // namespace

ProxyEnvironment read_proxy_environment() {
    return {variable("https_proxy", "HTTPS_PROXY"), variable("http_proxy", "HTTP_PROXY"),
            variable("no_proxy", "NO_PROXY")};
}

std::string proxy_of_environment(const std::string& url) {
    const auto parts = Url::parse(url);
    if (!parts) return {};
    const bool tls = parts->scheme == "https";
    return read_proxy_environment().proxy_for(tls, parts->host, parts->port.value_or(tls ? 443 : 80));
}

bool is_without_proxy(std::string_view no_proxy, std::string_view host, std::uint16_t port) {
    std::string entries = text::lower(no_proxy);
    std::replace_if(
        entries.begin(), entries.end(), [](char c) { return c == ' ' || c == '\t'; }, ',');
    const std::string name = plain_host(host);
    const auto all = text::split_list(entries);
    return std::any_of(all.begin(), all.end(),
                       [&](const std::string& entry) { return fits(entry, name, port); });
}

std::string ProxyEnvironment::proxy_for(bool tls, std::string_view host, std::uint16_t port) const {
    const std::string& named = tls ? https_proxy : http_proxy;
    if (named.empty() || is_loopback_host(host) || is_without_proxy(no_proxy, host, port)) return {};
    return named;
}

}  // namespace emprops::web
