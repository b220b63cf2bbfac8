#include "supervisor/redis/wire/address.h"

#include <charconv>

#include "ipc/text/values.h"
#include "ipc/web/url.h"

namespace emprops::redis {
namespace {

std::string scheme_of(const std::string& url) {
    return text::lower(url.substr(0, url.find("://")));
}

}  // namespace

bool is_redis_url(const std::string& url) {
    const std::string scheme = scheme_of(url);
    return url.find("://") != url.npos && (scheme == "redis" || scheme == "rediss");
}

Result<Address> parse_address(const std::string& text) {
    const auto url = web::Url::parse(text);
    if (!url.ok()) return Error{"bad_url", "hub.url cannot be used: " + url.error().message};
    if (!is_redis_url(text)) return Error{"bad_url", "hub.url does not begin with redis:// or rediss://"};
    Address out;
    out.target.tls = url->scheme == "rediss";
    out.target.host = url->host;
    out.target.port = url->port.value_or(6379);
    out.user = url->user;
    out.password = url->password;
    if (!url->query.empty())
        return Error{"bad_url", "hub.url has a query (\"?...\"), for which Redis has no use"};
    if (const std::string path = url->path; path.size() > 1) {
        const auto read = std::from_chars(path.data() + 1, path.data() + path.size(), out.database);
        if (read.ec != std::errc{} || read.ptr != path.data() + path.size())
            return Error{"bad_url",
                         "what follows the host in hub.url must be the number of a database: redis://host/0"};
    }
    out.target.printable = url->scheme + "://" + web::Url::authority(url->host, out.target.port) +
                           (out.database == 0 ? "" : "/" + std::to_string(out.database));
    return out;
}

}  // namespace emprops::redis
