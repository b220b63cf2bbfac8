#include "connectors/stores/http/url.h"

#include <cstring>
#include <optional>

#include "ipc/text/percent.h"
#include "ipc/text/values.h"
#include "ipc/web/host.h"
#include "ipc/web/url.h"

namespace emprops::stores {
namespace {

Error bad_url(std::string_view text, const std::string& why) {
    // What stands before an "@" may be a password: never repeat it.
    const auto at = text.rfind('@');
    const std::string shown(at == std::string_view::npos ? text : text.substr(at + 1));
    return {"invalid_url", "\"" + shown + "\" is no usable web address: " + why};
}

}  // namespace

std::string Url::text() const {
    return scheme + "://" + web::Url::authority(host, static_cast<std::uint16_t>(port)) + prefix;
}

std::string Url::authority() const {
    const bool own_port = port == (tls() ? 443 : 80);
    const auto shown = own_port ? std::nullopt : std::optional(static_cast<std::uint16_t>(port));
    return web::Url::authority(host.substr(0, host.find('%')), shown);
}

std::string Url::server_name() const {
    const std::string name = host.substr(0, host.find_last_not_of('.') + 1);
    return web::IpAddress::parse(name) ? "" : name;
}

Result<Url> parse_url(std::string_view text) {
    Url url;
    const std::string scheme = text::lower(text.substr(0, text.find("://")));
    if (scheme == "https" || scheme == "wss") {
        url.scheme = "https";
        url.port = 443;
    } else if (scheme != "http" && scheme != "ws") {
        return bad_url(text, "it must begin with http:// or https://");
    }
    const auto parsed = web::Url::parse(text);
    if (!parsed.ok()) return bad_url(text, parsed.error().message);
    if (!parsed->query.empty() || text.find('#') != std::string_view::npos)
        return bad_url(text, "it must not have a query or a fragment");
    url.host = parsed->host;
    if (parsed->port) url.port = *parsed->port;
    url.username = parsed->user;
    url.password = parsed->password;
    url.prefix = parsed->path.substr(0, parsed->path.find_last_not_of('/') + 1);
    return url;
}

bool is_web_address(std::string_view text) {
    const std::string begin = text::lower(text.substr(0, 8));
    return begin.rfind("http://", 0) == 0 || begin == "https://";
}

std::string tidy_url(std::string_view text) {
    text = text::trim(text);
    const std::size_t host = text.find("://");
    const std::size_t path = host == std::string_view::npos ? 0 : text.find_first_of("/?#", host + 3);
    std::string out(text.substr(0, path));
    if (path == std::string_view::npos) return out;
    for (const char c : text.substr(path)) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '\n' || c == '\r' || c == '\t') continue;
        const bool plain = byte > 0x20 && byte < 0x7F && std::strchr("\"<>\\^`{|}", c) == nullptr;
        out += plain ? std::string(1, c) : text::percent_encode({&c, 1});
    }
    return out;
}

std::string absolute_location(const std::string& from, const std::string& location) {
    const std::string to = tidy_url(location);
    if (to.empty()) return {};
    if (is_web_address(to)) return to;
    const auto scheme = from.find("://");
    if (scheme == std::string::npos) return {};
    if (to.rfind("//", 0) == 0) return from.substr(0, scheme + 1) + to;
    // "ftp:..." and the like: a colon before any slash.
    const auto colon = to.find(':');
    if (colon != std::string::npos && colon < to.find_first_of("/?#")) return {};
    const auto path_at = from.find_first_of("/?#", scheme + 3);
    const std::string origin = from.substr(0, path_at);
    if (to.front() == '/') return origin + to;
    const std::string path = path_at == std::string::npos
                                 ? "/"
                                 : from.substr(path_at, from.find_first_of("?#", path_at) - path_at);
    if (to.front() == '?' || to.front() == '#') return origin + path + to;
    return origin + "/" + path.substr(path.empty() ? 0 : 1, path.rfind('/')) + to;
}

std::string without_secrets(const std::string& url) {
    const std::string shown = url.substr(0, url.find_first_of("?#"));
    const auto scheme = shown.find("://");
    if (scheme == std::string::npos) return shown;
    // Of a password with an "@" in it, the last one before the path counts.
    const auto at = shown.substr(0, shown.find('/', scheme + 3)).rfind('@');
    if (at == std::string::npos) return shown;
    return shown.substr(0, scheme + 3) + shown.substr(at + 1);
}

std::string query(const std::vector<std::pair<std::string, std::string>>& pairs) {
    std::string out;
    for (const auto& [key, value] : pairs) {
        out += out.empty() ? '?' : '&';
        out += text::percent_encode(key) + "=" + text::percent_encode(value);
    }
    return out;
}

}  // namespace emprops::stores
