#include "supervisor/hub/refused_link.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::hub {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

config::HubSettings hub_at(std::optional<std::uint16_t> port = 8001) {
    config::HubSettings settings;
    settings.host = "hub.lan";
    settings.port = port;
    settings.token = "s3c ret";
    return settings;
}

std::string refused(const HttpAnswer& answer, const config::HubSettings& settings = hub_at()) {
    return refused_handshake(settings, *worker_target(settings, "w"), answer);
}

TEST(RefusedHandshake, ARedirectSaysWhereToAndWhatToSet) {
    EXPECT_THAT(
        refused({.status = 301,
                 .phrase = "Moved Permanently",
                 .location = "https://hub.lan:8001/ws/worker/w?token=s3c%20ret"}),
        AllOf(HasSubstr("HTTP 301 (Moved Permanently): it redirects to https://hub.lan:8001/ws/worker/w; "
                        "set USE_SSL=true (hub.tls)"),
              Not(HasSubstr("s3c")), Not(HasSubstr("REDIS_API"))));
    EXPECT_THAT(refused({.status = 308, .location = "https://hub.example/ws/worker/w"}),
                HasSubstr("set USE_SSL=true (hub.tls), REDIS_API_HOST=hub.example (hub.host) and no "
                          "REDIS_API_PORT (hub.port)"));
    EXPECT_THAT(refused({.status = 307, .location = "http://hub.lan:9000/ws/worker/w"}),
                HasSubstr("set REDIS_API_PORT=9000 (hub.port)"));
    EXPECT_THAT(refused({.status = 302, .location = "/ws/worker/w/"}), HasSubstr("set hub.url"));
    EXPECT_THAT(refused({.status = 302}), HasSubstr("does not say where to"));
    auto verbatim = hub_at();
    verbatim.url = "ws://hub.lan/ws/worker/w";
    EXPECT_THAT(refused({.status = 301, .location = "https://hub.lan/ws/worker/w"}, verbatim),
                HasSubstr("set hub.url (REDIS_WS_URL) to \"wss://hub.lan\""));
}

TEST(RefusedHandshake, ARedirectToALoginIsOne) {
    for (const char* location : {"https://team.example/cdn-cgi/access/login?kid=1", "/oauth2/start?rd=%2Fws",
                                 "https://sso.example/saml/in"})
        EXPECT_THAT(refused({.status = 302, .location = location}),
                    AllOf(HasSubstr("a login"), HasSubstr("hub.headers"), Not(HasSubstr("?"))))
            << location;
}

TEST(RefusedHandshake, PlainHttpAtATlsPortIsThatWhoeverSaysSo) {
    for (const char* body :
         {"<html><h1>400 Bad Request</h1>The plain HTTP request was sent to HTTPS port nginx</html>",
          "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />",
          "Client sent an HTTP request to an HTTPS server.\n"})
        EXPECT_THAT(refused({.status = 400, .phrase = "Bad Request", .body = body}),
                    AllOf(HasSubstr("it is a TLS port"), HasSubstr("USE_SSL=true")))
            << body;
}

TEST(RefusedHandshake, AnUpgradeThatDidNotArriveNamesTheProxysPart) {
    EXPECT_THAT(refused({.status = 426, .phrase = "Upgrade Required"}), HasSubstr("headers Upgrade and"));
    EXPECT_THAT(refused({.status = 400,
                         .body = "Failed to open a WebSocket connection: empty Connection "
                                 "header."}),
                HasSubstr("headers Upgrade and"));
}

TEST(RefusedHandshake, WhoAsksForALoginIsNamedWithTheSetting) {
    EXPECT_THAT(
        refused({.status = 401,
                 .phrase = "Unauthorized",
                 .server = "nginx/1.22.1",
                 .asks_for = "Basic realm=\"team\""}),
        AllOf(HasSubstr("HTTP 401 (Unauthorized) from nginx/1.22.1, which asks for Basic realm=\"team\""),
              HasSubstr("hub.headers")));
    EXPECT_THAT(refused({.status = 407, .asks_for = "Basic realm=\"out\""}),
                AllOf(HasSubstr("Basic realm=\"out\""), HasSubstr("hub.proxy")));
}

TEST(RefusedHandshake, EveryOtherAnswerSaysWhatItMeans) {
    EXPECT_THAT(refused({.status = 403}), HasSubstr("/ws/worker/ID"));
    EXPECT_THAT(refused({.status = 404, .body = R"({"detail":"Not Found"})"}),
                AllOf(HasSubstr("REDIS_API_PORT"), HasSubstr("Not Found")));
    EXPECT_THAT(refused({.status = 429}), HasSubstr("for now"));
    const auto gateway = refused(
        {.status = 502,
         .phrase = "Bad Gateway",
         .server = "cloudflare",
         .body = "<!DOCTYPE html><html><head><title>hub.lan | 502: Bad gateway</title></head></html>"});
    EXPECT_THAT(gateway, AllOf(HasSubstr("cloudflare, \"hub.lan | 502: Bad gateway\""),
                               HasSubstr("the Hub behind it does not")));
    EXPECT_THAT(refused({.status = 200, .body = "<html><title>Jupyter Server</title></html>"}),
                AllOf(HasSubstr("Jupyter Server"), HasSubstr("is no Hub"), HasSubstr("REDIS_API_PORT")));
    EXPECT_THAT(refused({.status = 500, .phrase = "Internal Server Error"}), HasSubstr("of its own"));
    EXPECT_THAT(refused({.status = 418, .phrase = "I'm a teapot"}), HasSubstr("I'm a teapot"));
}

TEST(RefusedHandshake, APageIsShownOnceShortAndWithoutTheToken) {
    EXPECT_THAT(
        refused({.status = 502, .phrase = "Bad Gateway", .body = "<html><title>502 Bad Gateway</title>"}),
        Not(HasSubstr("\"502")));
    EXPECT_THAT(refused({.status = 404, .body = "no /ws/worker/w?token=s3c%20ret and no s3c ret here"}),
                AllOf(HasSubstr("token=***"), HasSubstr("no *** here")));
    const auto longest = refused({.status = 500, .body = std::string(159, 'x') + "\xC3\xA4\xC3\xA4"});
    EXPECT_THAT(longest, AllOf(HasSubstr("xxx...\""), Not(HasSubstr("\xC3"))));
}

TEST(RefusedTunnel, SaysWhetherItIsTheLoginTheRuleOrTheWay) {
    const auto target = *parse_url("wss://hub.example/ws/worker/w");
    EXPECT_THAT(refused_tunnel(target, {.status = 407, .asks_for = "Basic realm=\"corp\""}),
                AllOf(HasSubstr("realm=\"corp\""), HasSubstr("user:password@host:port")));
    EXPECT_THAT(refused_tunnel(target, {.status = 403, .phrase = "Forbidden"}),
                AllOf(HasSubstr("hub.example:443"), HasSubstr("NO_PROXY=hub.example")));
    EXPECT_THAT(refused_tunnel(target, {.status = 503}), HasSubstr("does not reach hub.example:443"));
    EXPECT_THAT(refused_tunnel(target, {.status = 405}), HasSubstr("opens tunnels"));
}

TEST(RefusedLink, BytesOfAnotherProtocolNameTheSettingThatChoosesTls) {
    const auto settings = hub_at();
    const auto target = *worker_target(settings, "w");
    EXPECT_THAT(no_http(settings, target, "bad version"),
                AllOf(HasSubstr("REDIS_API_PORT"), HasSubstr("USE_SSL=true")));
    auto secure = settings;
    secure.tls = true;
    EXPECT_THAT(no_tls(secure, *worker_target(secure, "w"), "wrong version number"),
                HasSubstr("USE_SSL=false (hub.tls)"));
    EXPECT_THAT(wrong_host(secure, *worker_target(secure, "w"), "hub.example, *.hub.example"),
                AllOf(HasSubstr("not for hub.lan, but for hub.example, *.hub.example"),
                      HasSubstr("REDIS_API_HOST"), Not(HasSubstr("ca_file"))));
}

TEST(RefusedLink, ACloseCodeIsNeverABareNumber) {
    EXPECT_EQ(closed_by_hub(1011, "keepalive ping timeout"),
              "the Hub closed the connection (1011, keepalive ping timeout)");
    EXPECT_EQ(closed_by_hub(1012, ""), "the Hub closed the connection (1012): it restarts");
    for (const unsigned code : {1000U, 1001U, 1002U, 1003U, 1007U, 1008U, 1009U, 1011U, 1013U, 1014U})
        EXPECT_THAT(closed_by_hub(code, ""), HasSubstr("): ")) << code;
}

}  // namespace
}  // namespace emprops::hub
