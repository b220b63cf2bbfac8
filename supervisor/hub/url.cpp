#include "supervisor/hub/url.h"

#include <algorithm>

#include "ipc/text/percent.h"
#include "ipc/text/values.h"
#include "ipc/web/url.h"

namespace emprops::hub {
namespace {

constexpr std::string_view worker_path = "/ws/worker/";
constexpr std::string_view client_path = "/ws/client/";

/// The URL without its query and without user:password@ (in which "/" and "?" may stand unencoded), which
/// both may hold a secret; for people.
std::string without_secrets(std::string_view url) {
    const auto scheme_end = url.find("://");
    const std::size_t begin = scheme_end == std::string_view::npos ? 0 : scheme_end + 3;
    const auto at = url.find('@');
    if (at == std::string_view::npos) return std::string(url.substr(0, url.find('?')));
    const std::string masked = std::string(url.substr(0, begin)) + "***";
    if (url.find('?') < at) return masked;
    const std::string_view rest = url.substr(url.rfind('@', url.find('?')));
    return masked + std::string(rest.substr(0, rest.find('?')));
}

/// The query without token=...; for people.
std::string without_token(std::string_view query) {
    std::string kept;
    while (!query.empty()) {
        const auto end = query.find('&');
        const std::string_view part = query.substr(0, end);
        query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
        if (text::lower(part).starts_with("token=")) continue;
        kept += kept.empty() ? "?" : "&";
        kept += part;
    }
    return kept;
}

/// "ws://host:8001", also with a slash: an address, not a whole URL. The Hub answers 403 to it.
bool has_no_path(const std::string& url) {
    const auto host = url.find("://");
    if (host == std::string::npos) return false;
    const auto path = url.find_first_of("/?#", host + 3);
    return path == std::string::npos || (url[path] == '/' && path + 1 == url.size());
}

std::string base_url(const config::HubSettings& settings, const std::string& worker_id) {
    if (!settings.url.empty() && !has_no_path(settings.url)) return settings.url;
    if (!settings.url.empty()) {
        const bool slash = settings.url.back() == '/';
        return settings.url.substr(0, settings.url.size() - (slash ? 1 : 0)) + std::string(worker_path) +
               text::percent_encode(worker_id);
    }
    std::string host = settings.host;
    if (host.find(':') != std::string::npos && host.front() != '[') host = "[" + host + "]";
    std::string url = settings.tls ? "wss://" : "ws://";
    url += host;
    if (settings.port) url += ":" + std::to_string(*settings.port);
    return url + std::string(worker_path) + text::percent_encode(worker_id);
}

std::string with_token(std::string url, const std::string& token) {
    url = url.substr(0, url.find('#'));
    if (token.empty()) return url;
    return url + (url.find('?') == std::string::npos ? "?" : "&") + "token=" + text::percent_encode(token);
}

}  // namespace

std::string Target::authority() const {
    return web::Url::authority(host, port == (tls ? 443 : 80) ? std::nullopt : std::optional(port));
}

Result<Target> parse_url(const std::string& text) {
    const auto fail = [&](const std::string& what) {
        return Error{"bad_url", "the Hub's URL \"" + without_secrets(text) + "\" " + what};
    };
    const std::string scheme = text::lower(text.substr(0, text.find("://")));
    if (scheme != "ws" && scheme != "wss") return fail("does not begin with ws:// or wss://");
    const auto url = web::Url::parse(text);
    if (!url.ok()) return fail("cannot be used: " + url.error().message);
    if (!url->user.empty() || !url->password.empty())
        return fail("has a user or a password in it, for which the Hub has no use");
    Target target;
    target.tls = scheme == "wss";
    target.host = url->host;
    target.port = url->port.value_or(target.tls ? 443 : 80);
    target.path_and_query = url->path + (url->query.empty() ? "" : "?" + url->query);
    target.printable = scheme + "://" + target.authority() + url->path + without_token(url->query);
    return target;
}

Result<Target> worker_target(const config::HubSettings& settings, const std::string& worker_id) {
    return parse_url(with_token(base_url(settings, worker_id), settings.token));
}

namespace {

/// The Hub's URL with another path in place of /ws/worker/<id>.
Result<Target> beside_worker(const config::HubSettings& settings, const std::string& path,
                             const char* connection) {
    std::string url = base_url(settings, "x");
    const auto query_at = std::min(url.find('?'), url.size());
    const auto at = url.substr(0, query_at).rfind(worker_path);
    if (at == std::string::npos)
        return Error{"no_client_url", "the Hub's URL has no " + std::string(worker_path) + " in it, so its " +
                                          connection + " cannot be derived"};
    url.replace(at, query_at - at, path);
    return parse_url(with_token(url, settings.token));
}

}  // namespace

Result<Target> watch_target(const config::HubSettings& settings, const std::string& client_id) {
    return beside_worker(settings, std::string(client_path) + text::percent_encode(client_id),
                         "client connection");
}

Result<Target> bulk_target(const config::HubSettings& settings, const std::string& worker_id) {
    return beside_worker(settings, std::string(worker_path) + text::percent_encode(worker_id),
                         "connection for large results");
}

std::optional<std::string> fixed_worker_id(const config::HubSettings& settings) {
    if (settings.url.empty()) return std::nullopt;
    const std::string path = settings.url.substr(0, settings.url.find_first_of("?#"));
    const auto at = path.rfind(worker_path);
    if (at == std::string::npos || at + worker_path.size() == path.size()) return std::nullopt;
    return text::percent_decode(path.substr(at + worker_path.size()));
}

Result<std::optional<Proxy>> choose_proxy(const config::HubSettings& settings,
                                          const web::ProxyEnvironment& environment, const Target& target) {
    std::string url = settings.proxy;
    if (url.empty()) url = environment.proxy_for(target.tls, target.host, target.port);
    if (url.empty()) return std::optional<Proxy>();
    if (url.find("://") == std::string::npos) url.insert(0, "http://");
    const auto parsed = web::Url::parse(url);
    if (!parsed.ok())
        return Error{"bad_proxy",
                     "the proxy for the Hub has no usable host and port: " + parsed.error().message};
    if (parsed->scheme != "http")
        return Error{"bad_proxy", "the proxy for the Hub must be http://host:port (" + parsed->scheme +
                                      ":// is not supported)"};
    Proxy proxy{parsed->host, parsed->port.value_or(80), parsed->user};
    if (!parsed->password.empty()) proxy.user_password += ":" + parsed->password;
    return std::optional<Proxy>(std::move(proxy));
}

}  // namespace emprops::hub
