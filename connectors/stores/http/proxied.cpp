#include "connectors/stores/http/proxied.h"

#include "connectors/stores/http/url.h"

namespace emprops::stores {

std::string shown_proxy(const std::string& proxy) {
    const std::size_t at = proxy.rfind('@');
    if (at != std::string::npos) return proxy.substr(at + 1);
    const std::size_t scheme = proxy.find("://");
    return scheme == std::string::npos ? proxy : proxy.substr(scheme + 3);
}

bool may_not_be_asked_for(const std::string& url, const Permitted& permitted) {
    const auto parsed = parse_url(url.substr(0, url.find_first_of("?#")));
    return !parsed.ok() ||
           has_private_address(parsed->host, static_cast<std::uint16_t>(parsed->port), permitted);
}

}  // namespace emprops::stores
