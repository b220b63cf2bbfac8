#include "connectors/comfyui/text/url.h"
#include "ipc/text/percent.h"
#include "ipc/text/values.h"

#include <cctype>
#include <charconv>

namespace emprops::comfyui {
namespace {

Error bad_url(std::string_view text, const std::string& why) {
    // What stands before an "@" may be a password: never repeat it.
    const auto at = text.rfind('@');
    const std::string shown(at == std::string_view::npos ? text : text.substr(at + 1));
    return {"invalid_url", "\"" + shown + "\" is no usable web address: " + why};
}

}  // namespace

std::string Url::text() const {
    const bool v6 = host.find(':') != std::string::npos;
    return scheme + "://" + (v6 ? "[" + host + "]" : host) + ":" + std::to_string(port) + prefix;
}

Result<Url> parse_url(std::string_view text) {
    Url url;
    const auto colon = text.find("://");
    if (colon == std::string_view::npos) {
        return bad_url(text, "it must begin with http:// or https://");
    }
    const std::string scheme = text::lower(text.substr(0, colon));
    if (scheme == "http" || scheme == "ws") {
        url.scheme = "http";
    } else if (scheme == "https" || scheme == "wss") {
        url.scheme = "https";
        url.port = 443;
    } else {
        return bad_url(text, "it must begin with http:// or https://");
    }
    std::string_view rest = text.substr(colon + 3);
    const auto path_at = rest.find_first_of("/?#");
    std::string_view authority = rest.substr(0, path_at);
    if (path_at != std::string_view::npos) {
        std::string_view path = rest.substr(path_at);
        if (path.find_first_of("?#") != std::string_view::npos) {
            return bad_url(text, "it must not have a query or a fragment");
        }
        while (!path.empty() && path.back() == '/') {
            path.remove_suffix(1);
        }
        url.prefix = path;
    }
    if (const auto at = authority.rfind('@'); at != std::string_view::npos) {
        const std::string_view user = authority.substr(0, at);
        const auto split = user.find(':');
        url.username = text::percent_decode(user.substr(0, split));
        if (split != std::string_view::npos) url.password = text::percent_decode(user.substr(split + 1));
        authority.remove_prefix(at + 1);
    }
    std::string_view port;
    if (!authority.empty() && authority.front() == '[') {
        const auto close = authority.find(']');
        if (close == std::string_view::npos) return bad_url(text, "the \"]\" of the address is missing");
        url.host = authority.substr(1, close - 1);
        authority.remove_prefix(close + 1);
        if (!authority.empty() && authority.front() == ':') port = authority.substr(1);
    } else {
        const auto split = authority.rfind(':');
        url.host = authority.substr(0, split);
        if (split != std::string_view::npos) port = authority.substr(split + 1);
    }
    if (url.host.empty()) return bad_url(text, "it names no host");
    for (const char c : url.host) {
        if (std::iscntrl(static_cast<unsigned char>(c)) != 0 || c == ' ') {
            return bad_url(text, "its host has a character that no host has");
        }
    }
    if (!port.empty()) {
        const auto [end, code] = std::from_chars(port.data(), port.data() + port.size(), url.port);
        if (code != std::errc{} || end != port.data() + port.size() || url.port < 1 || url.port > 65535) {
            return bad_url(text, "the port must be a number from 1 to 65535");
        }
    }
    return url;
}

std::string query(const std::vector<std::pair<std::string, std::string>>& pairs) {
    std::string out;
    for (const auto& [key, value] : pairs) {
        out += out.empty() ? '?' : '&';
        out += text::percent_encode(key) + "=" + text::percent_encode(value);
    }
    return out;
}

}  // namespace emprops::comfyui
