#include "connectors/comfyui/text/url.h"

#include "ipc/text/percent.h"
#include "ipc/text/values.h"
#include "ipc/web/url.h"

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
    return scheme + "://" + web::Url::authority(host, static_cast<std::uint16_t>(port)) + prefix;
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

std::string query(const std::vector<std::pair<std::string, std::string>>& pairs) {
    std::string out;
    for (const auto& [key, value] : pairs) {
        out += out.empty() ? '?' : '&';
        out += text::percent_encode(key) + "=" + text::percent_encode(value);
    }
    return out;
}

}  // namespace emprops::comfyui
