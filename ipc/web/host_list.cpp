#include "ipc/web/host_list.h"

#include <algorithm>
#include <utility>

#include "ipc/text/values.h"

namespace emprops::web {
namespace {

bool is_tls(const Url& url) {
    return url.scheme == "https";
}

std::uint16_t port_of(const Url& url) {
    return url.port.value_or(is_tls(url) ? 443 : 80);
}

/// One spelling of an address is as good as another.
bool same_host(const std::string& one, const std::string& other) {
    const auto first = IpAddress::parse(one), second = IpAddress::parse(other);
    return first || second ? first == second : one == other;
}

}  // namespace

Result<HostList::Entry> HostList::parse_one(const std::string& text) {
    const auto bad = [&](const std::string& why) { return Error{"bad_host", "\"" + text + "\" " + why}; };
    Entry entry;
    std::string rest = text::lower(text::trim(text));
    if (const auto scheme = rest.find("://"); scheme != std::string::npos) {
        entry.tls = rest.substr(0, scheme) == "https";
        if (!entry.tls && rest.substr(0, scheme) != "http")
            return bad("begins with neither http:// nor https://");
        rest = rest.substr(scheme + 3);
    }
    entry.below = rest.starts_with("*.");
    if (entry.below) rest = rest.substr(2);
    if (rest.empty() || rest.find_first_of("*/?#@\\") != std::string::npos)
        return bad("is no host: write host, host:port, *.domain or http://host:port");
    const auto url = Url::parse((entry.tls ? "https://" : "http://") + rest);
    if (!url) return bad("is no host: " + url.error().message);
    entry.host = plain_host(url->host);
    entry.port = port_of(*url);
    if (entry.below && IpAddress::parse(entry.host)) return bad("has a `*.` before an address");
    return entry;
}

Result<HostList> HostList::parse(const std::vector<std::string>& entries) {
    HostList list;
    for (const std::string& each : entries) {
        auto entry = parse_one(each);
        if (!entry) return entry.error();
        list.entries_.push_back(std::move(*entry));
    }
    return list;
}

bool HostList::permits(const Url& url) const {
    if (url.scheme != "https" && url.scheme != "http") return false;
    const std::string host = plain_host(url.host);
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& each) {
        if (each.tls != is_tls(url) || each.port != port_of(url)) return false;
        if (!each.below) return same_host(host, each.host);
        return host.size() > each.host.size() + 1 && host.ends_with("." + each.host);
    });
}

bool HostList::names(const IpAddress& address, std::uint16_t port) const {
    return std::any_of(entries_.begin(), entries_.end(), [&](const Entry& each) {
        return !each.below && each.port == port && IpAddress::parse(each.host) == address;
    });
}

}  // namespace emprops::web
