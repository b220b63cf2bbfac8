#include "supervisor/hub/url.h"
#include "ipc/text/percent.h"
#include "ipc/text/values.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace emprops::hub {
namespace {

constexpr std::string_view worker_path = "/ws/worker/";
constexpr std::string_view client_path = "/ws/client/";

struct HostPort {
    std::string host;
    std::optional<std::uint16_t> port;
};

std::optional<HostPort> split_host_port(std::string_view text) {
    HostPort result;
    std::string_view port;
    if (!text.empty() && text.front() == '[') {
        const auto end = text.find(']');
        if (end == std::string_view::npos) return std::nullopt;
        result.host = text.substr(1, end - 1);
        port = text.substr(end + 1);
    } else {
        const auto colon = text.find(':');
        result.host = text.substr(0, colon);
        if (colon != std::string_view::npos) port = text.substr(colon);
    }
    const bool strange = std::any_of(result.host.begin(), result.host.end(), [](char c) {
        return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '@' || c == '"' || c == '\\';
    });
    if (result.host.empty() || strange) return std::nullopt;
    if (port.empty()) return result;
    unsigned number = 0;
    const auto [end, error] = std::from_chars(port.data() + 1, port.data() + port.size(), number);
    if (port.front() != ':' || error != std::errc() || end != port.data() + port.size()) return std::nullopt;
    if (number == 0 || number > 65535) return std::nullopt;
    result.port = static_cast<std::uint16_t>(number);
    return result;
}

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

std::string getenv_text(const char* upper_name) {
    const char* value = std::getenv(upper_name);
    if (value == nullptr || *value == '\0') value = std::getenv(text::lower(upper_name).c_str());
    return value == nullptr ? "" : value;
}

bool is_loopback(const std::string& host) {
    return host == "localhost" || host == "::1" || host.starts_with("127.");
}

bool bypasses_proxy(std::string_view no_proxy, const Target& target) {
    const std::string host = text::lower(target.host);
    if (is_loopback(host)) return true;
    const std::string list = text::lower(no_proxy) + ",";
    std::size_t begin = 0;
    for (std::size_t end = list.find(','); end != std::string::npos;
         begin = end + 1, end = list.find(',', begin)) {
        std::string entry = list.substr(begin, end - begin);
        entry.erase(std::remove(entry.begin(), entry.end(), ' '), entry.end());
        if (entry.empty()) continue;
        if (entry == "*" || entry == host || entry == host + ":" + std::to_string(target.port)) return true;
        if (entry.front() == '*') entry.erase(0, 1);
        if (entry.front() != '.') entry.insert(0, ".");
        if (host.ends_with(entry)) return true;
    }
    return false;
}

}  // namespace

std::string Target::authority() const {
    std::string text = host.find(':') == std::string::npos ? host : "[" + host + "]";
    if (port != (tls ? 443 : 80)) text += ":" + std::to_string(port);
    return text;
}

Result<Target> parse_url(const std::string& url) {
    const std::string_view text = url;
    const auto fail = [&](const std::string& what) {
        return Error{"bad_url", "the Hub's URL \"" + without_secrets(text) + "\" " + what};
    };
    Target target;
    const std::string scheme = text::lower(text.substr(0, text.find("://")));
    if (scheme != "ws" && scheme != "wss") return fail("does not begin with ws:// or wss://");
    target.tls = scheme == "wss";
    const std::string_view rest = text.substr(scheme.size() + 3);
    const auto path_at = rest.find_first_of("/?#");
    const auto host = split_host_port(rest.substr(0, path_at));
    if (!host) return fail("has no usable host and port");
    target.host = host->host;
    target.port = host->port.value_or(target.tls ? 443 : 80);
    std::string_view path = path_at == std::string_view::npos ? std::string_view() : rest.substr(path_at);
    path = path.substr(0, path.find('#'));
    const bool strange =
        std::any_of(path.begin(), path.end(), [](char c) { return static_cast<unsigned char>(c) <= 0x20; });
    if (strange) return fail("contains a space or a control character");
    target.path_and_query = (path.empty() || path.front() != '/' ? "/" : "") + std::string(path);
    const auto query_at = target.path_and_query.find('?');
    target.printable = scheme + "://" + target.authority() + target.path_and_query.substr(0, query_at);
    if (query_at != std::string::npos)
        target.printable += without_token(std::string_view(target.path_and_query).substr(query_at + 1));
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

ProxyEnvironment read_proxy_environment() {
    return {getenv_text("HTTPS_PROXY"), getenv_text("HTTP_PROXY"), getenv_text("NO_PROXY")};
}

Result<std::optional<Proxy>> choose_proxy(const config::HubSettings& settings,
                                          const ProxyEnvironment& environment, const Target& target) {
    std::string url = settings.proxy;
    if (url.empty()) {
        if (bypasses_proxy(environment.no_proxy, target)) return std::optional<Proxy>();
        url = target.tls ? environment.https_proxy : environment.http_proxy;
        if (url.empty()) return std::optional<Proxy>();
    }
    std::string_view rest = url;
    const auto scheme_end = rest.find("://");
    if (scheme_end != std::string_view::npos) {
        if (text::lower(rest.substr(0, scheme_end)) != "http")
            return Error{"bad_proxy", "the proxy for the Hub must be http://host:port (" +
                                          std::string(rest.substr(0, scheme_end)) + ":// is not supported)"};
        rest = rest.substr(scheme_end + 3);
    }
    rest = rest.substr(0, rest.find('/'));
    Proxy proxy;
    if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
        proxy.user_password = text::percent_decode(rest.substr(0, at));
        rest = rest.substr(at + 1);
    }
    const auto host = split_host_port(rest);
    if (!host) return Error{"bad_proxy", "the proxy for the Hub has no usable host and port"};
    proxy.host = host->host;
    proxy.port = host->port.value_or(80);
    return std::optional<Proxy>(std::move(proxy));
}

}  // namespace emprops::hub
