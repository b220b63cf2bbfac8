#include "supervisor/hub/refused_link.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "ipc/text/percent.h"
#include "ipc/text/utf8.h"
#include "ipc/text/values.h"
#include "ipc/web/page_text.h"
#include "ipc/web/request_target.h"
#include "ipc/web/url.h"

namespace emprops::hub {
namespace {

constexpr std::size_t longest_header = 200;

bool has_any(std::string_view text, std::initializer_list<std::string_view> words) {
    return std::any_of(words.begin(), words.end(),
                       [&](std::string_view word) { return text.find(word) != std::string_view::npos; });
}

/// A page or a redirect may repeat the address that we asked for.
std::string without_our_token(std::string text, const Target& target) {
    const auto query = web::RequestTarget::parse(target.path_and_query).query;
    const auto token = query.find("token");
    if (token == query.end() || token->second.empty()) return text;
    for (const std::string& secret : {token->second, text::percent_encode(token->second)}) {
        for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3))
            text.replace(at, secret.size(), "***");
    }
    return text;
}

/// "HTTP 502 (Bad Gateway) from nginx, \"upstream down\""
std::string who_said_what(const HttpAnswer& answer, const std::string& asked_for = {}) {
    std::string text = "the answer was HTTP " + std::to_string(answer.status);
    if (!answer.phrase.empty()) text += " (" + answer.phrase + ")";
    if (!answer.server.empty()) text += " from " + text::shortened(answer.server, 60);
    const std::string page = web::page_text(answer.body);
    const bool repeats =
        page.empty() || text::lower(page) == text::lower(std::to_string(answer.status) + " " + answer.phrase);
    if (!repeats) text += ", \"" + page + "\"";
    if (!asked_for.empty()) text += ", which asks for " + text::shortened(asked_for, longest_header);
    return text;
}

/// "set USE_SSL=true (hub.tls) and REDIS_API_HOST=hub.example": how this address is written where the present one
/// stands.
std::string set_to(const config::HubSettings& settings, const Target& now, const Target& wanted) {
    if (!settings.url.empty())
        return std::string("set hub.url (REDIS_WS_URL) to \"") + (wanted.tls ? "wss://" : "ws://") +
               wanted.authority() + "\"";
    std::vector<std::string> changes;
    if (wanted.tls != now.tls)
        changes.emplace_back(wanted.tls ? "USE_SSL=true (hub.tls)" : "USE_SSL=false (hub.tls)");
    if (wanted.host != now.host) changes.push_back("REDIS_API_HOST=" + wanted.host + " (hub.host)");
    const bool usual = wanted.port == (wanted.tls ? 443 : 80);
    if (settings.port && wanted.port != *settings.port)
        changes.push_back(usual ? "no REDIS_API_PORT (hub.port)"
                                : "REDIS_API_PORT=" + std::to_string(wanted.port) + " (hub.port)");
    std::string text = "set ";
    for (std::size_t n = 0; n < changes.size(); ++n)
        text += (n == 0 ? "" : n + 1 == changes.size() ? " and " : ", ") + changes[n];
    return text;
}

std::string use_tls(const config::HubSettings& settings, const Target& target, bool tls) {
    Target wanted = target;
    wanted.tls = tls;
    return set_to(settings, target, wanted);
}

constexpr const char* right_port = "is it the Hub's port (REDIS_API_PORT, hub.port or hub.url)?";
constexpr const char* pass_upgrade_on =
    "; a proxy in front of the Hub must pass WebSockets on (for nginx: proxy_http_version 1.1 and the headers "
    "Upgrade and Connection)";

/// The words of a path that a login has and a Hub has not.
bool is_login(std::string_view path) {
    return has_any(text::lower(path),
                   {"login", "signin", "sign-in", "sign_in", "oauth", "/auth", "/sso", "saml", "/access"});
}

std::string redirect(const config::HubSettings& settings, const Target& target, const HttpAnswer& answer) {
    const std::string said = who_said_what(answer);
    if (answer.location.empty()) return said + ", a redirect that does not say where to";
    const auto to = web::Url::parse(answer.location);
    std::string shown = answer.location.substr(0, answer.location.find_first_of("?#"));
    if (to.ok()) shown = to->scheme + "://" + web::Url::authority(to->host, to->port) + to->path;
    const std::string text =
        said + ": it redirects to " + without_our_token(text::shortened(shown, longest_header), target);
    const std::string our_path = target.path_and_query.substr(0, target.path_and_query.find('?'));
    const std::string path = to.ok() ? to->path : shown;
    if (path != our_path && is_login(path))
        return text +
               ", a login that a worker cannot fill in; let it pass by a header of hub.headers, or let the path "
               "/ws/ through";
    const bool tls = to.ok() && (to->scheme == "https" || to->scheme == "wss");
    const bool plain = to.ok() && (to->scheme == "http" || to->scheme == "ws");
    if (!tls && !plain) return text + ", which a worker does not follow; set hub.url to where the Hub is";
    Target wanted = target;
    wanted.tls = tls;
    wanted.host = to->host;
    wanted.port = to->port.value_or(tls ? 443 : 80);
    if (wanted.tls == target.tls && wanted.host == target.host && wanted.port == target.port)
        return text + ", another path of the same server; set hub.url to the Hub's whole address";
    return text + "; " + set_to(settings, target, wanted);
}

std::string bad_request(const config::HubSettings& settings, const Target& target, const HttpAnswer& answer) {
    const std::string body = text::lower(answer.body.substr(0, 16 * 1024));
    const std::string said = who_said_what(answer);
    // nginx, Apache, Go, HAProxy
    const bool wants_tls = has_any(
        body, {"plain http", "speaking plain", "https port", "https server", "ssl-enabled", "tls port"});
    if (!target.tls && wants_tls) return said + ": it is a TLS port; " + use_tls(settings, target, true);
    if (has_any(body, {"upgrade", "websocket", "connection header"}))
        return said + ": what makes a WebSocket did not arrive" + pass_upgrade_on;
    return said + "; " + right_port;
}

}  // namespace

std::string refused_handshake(const config::HubSettings& settings, const Target& target,
                              const HttpAnswer& given) {
    HttpAnswer answer = given;
    answer.body = without_our_token(answer.body, target);
    const std::string said = who_said_what(answer);
    const unsigned status = answer.status;
    if (status / 100 == 3 && status != 304) return redirect(settings, target, answer);
    switch (status) {
        case 400:
            return bad_request(settings, target, answer);
        case 401:
            return who_said_what(answer, answer.asks_for) +
                   ": something in front of the Hub wants a login; set the header Authorization in hub.headers";
        case 403:
            return said +
                   ": the Hub answers so when it does not know the path (hub.url must end with "
                   "/ws/worker/ID), and a proxy or firewall in front of it when it does not let us in";
        case 404:
        case 405:
        case 410:
            return said + ": no Hub is at this path; " + right_port +
                   " Where a proxy serves it under a path of its own, hub.url must hold that";
        case 407:
            return who_said_what(answer, answer.asks_for) +
                   ": a proxy on the way wants a login; set hub.proxy to \"http://user:password@host:port\"";
        case 408:
        case 429:
            return said + ": something in front of the Hub takes no more from us for now";
        case 426:
            return said + ": what makes a WebSocket did not arrive" + pass_upgrade_on;
        case 502:
        case 503:
        case 504:
            return said + ": a proxy answers, and the Hub behind it does not";
        default:
            break;
    }
    if (status >= 500) return said + ": what answers there has a trouble of its own";
    if (status / 100 == 2) return said + ": something answers there that is no Hub; " + right_port;
    return said + "; " + right_port;
}

std::string refused_tunnel(const Target& target, const HttpAnswer& answer) {
    const std::string where = web::Url::authority(target.host, target.port);
    const std::string past_it =
        "; where it comes from HTTPS_PROXY or HTTP_PROXY, NO_PROXY=" + target.host + " goes past it";
    switch (answer.status) {
        case 401:
        case 407:
            return who_said_what(answer, answer.asks_for) +
                   ": it wants a login; set hub.proxy to \"http://user:password@host:port\"";
        case 403:
            return who_said_what(answer) + ": it does not let us to " + where + past_it;
        case 502:
        case 503:
        case 504:
            return who_said_what(answer) + ": it does not reach " + where + past_it;
        default:
            return who_said_what(answer) + ": is it a proxy that opens tunnels (CONNECT)? See hub.proxy";
    }
}

std::string no_http(const config::HubSettings& settings, const Target& target, const std::string& error) {
    std::string text = "what is there does not answer as a Hub (" + error + "); " + right_port;
    if (!target.tls) text += " If it is a TLS port, " + use_tls(settings, target, true);
    return text;
}

std::string no_tls(const config::HubSettings& settings, const Target& target, const std::string& error) {
    return "what is there does not speak TLS (" + error + "); if it is a port without, " +
           use_tls(settings, target, false);
}

std::string wrong_host(const config::HubSettings& settings, const Target& target, const std::string& names) {
    return "its certificate is not for " + target.host +
           (names.empty() ? ", it names no host" : ", but for " + names) +
           "; connect by a name that it has (" +
           (settings.url.empty() ? "REDIS_API_HOST, hub.host" : "hub.url, REDIS_WS_URL") +
           "), or have it made for this one";
}

std::string closed_by_hub(unsigned code, std::string_view reason) {
    const std::string text = "the Hub closed the connection (" + std::to_string(code);
    if (!reason.empty()) return text + ", " + std::string(reason) + ")";
    // RFC 6455 7.4.1 and the registry that it founds
    switch (code) {
        case 1000:
            return text + "): it gave no reason";
        case 1001:
            return text + "): it goes away";
        case 1002:
            return text + "): it could not read what we sent";
        case 1003:
        case 1007:
            return text + "): it does not take what we sent";
        case 1008:
            return text + "): its rules forbid what we sent";
        case 1009:
            return text + "): a message was too large for it";
        case 1011:
            return text + "): it had a trouble of its own";
        case 1012:
            return text + "): it restarts";
        case 1013:
            return text + "): it has too much to do";
        case 1014:
            return text + "): a proxy does not reach it";
        default:
            return text + ")";
    }
}

}  // namespace emprops::hub
