#include "supervisor/hub/url.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::hub {
namespace {

config::HubSettings at(const std::string& url) {
    config::HubSettings settings;
    settings.url = url;
    return settings;
}

std::string address(const Result<Target>& target) {
    if (!target.ok()) return target.error().message;
    return std::string(target->tls ? "wss " : "ws ") + target->host + " " + std::to_string(target->port) +
           " " + target->path_and_query;
}

TEST(HubUrl, IsBuiltFromHostPortAndTlsAsTheReferenceWorkerDoes) {
    config::HubSettings settings;
    EXPECT_EQ(address(worker_target(settings, "w-1")), "ws localhost 80 /ws/worker/w-1");
    settings.tls = true;
    EXPECT_EQ(address(worker_target(settings, "w-1")), "wss localhost 443 /ws/worker/w-1");
    settings.port = 8001;
    settings.token = "a b&c+\xC3\xA9";
    EXPECT_EQ(address(worker_target(settings, "w/1")),
              "wss localhost 8001 /ws/worker/w%2F1?token=a%20b%26c%2B%C3%A9");
    settings.host = "::1";
    EXPECT_EQ(worker_target(settings, "w")->authority(), "[::1]:8001");
}

TEST(HubUrl, IsUsedVerbatimWithTheTokenAppended) {
    auto settings = at("wss://hub.example/base/ws/worker/fix%20ed?x=1");
    settings.token = "t";
    EXPECT_EQ(address(worker_target(settings, "other")),
              "wss hub.example 443 /base/ws/worker/fix%20ed?x=1&token=t");
    EXPECT_EQ(fixed_worker_id(settings), "fix ed");
    EXPECT_EQ(address(watch_target(settings, "w-watch")),
              "wss hub.example 443 /base/ws/client/w-watch?x=1&token=t");
    EXPECT_EQ(address(bulk_target(settings, "fix ed-bulk")),
              "wss hub.example 443 /base/ws/worker/fix%20ed-bulk?x=1&token=t");
    EXPECT_EQ(fixed_worker_id(config::HubSettings{}), std::nullopt);
}

TEST(HubUrl, ThatIsASchemeOnlyIsRefused) {
    for (const char* text : {"ws", "wss", "wss:", "wss:/", "wss://", "ws://?token=x", ""})
        EXPECT_FALSE(parse_url(text).ok()) << text;
}

TEST(HubUrl, WithoutAPathIsAnAddressThatThePathIsAddedTo) {
    EXPECT_EQ(address(worker_target(at("ws://h"), "w 1")), "ws h 80 /ws/worker/w%201");
    EXPECT_EQ(address(worker_target(at("wss://h:9/"), "w")), "wss h 9 /ws/worker/w");
    EXPECT_EQ(address(watch_target(at("ws://h:9"), "c")), "ws h 9 /ws/client/c");
    EXPECT_EQ(fixed_worker_id(at("ws://h:9")), std::nullopt);
}

TEST(HubUrl, WithoutAWorkerPathHasNoClientConnection) {
    EXPECT_EQ(address(worker_target(at("ws://h/other"), "w")), "ws h 80 /other");
    EXPECT_FALSE(watch_target(at("ws://h/other"), "c").ok());
    EXPECT_FALSE(bulk_target(at("ws://h/other"), "c").ok());
    EXPECT_EQ(fixed_worker_id(at("ws://h/other")), std::nullopt);
}

TEST(HubUrl, IsPrintedWithoutTheToken) {
    auto settings = at("ws://h:9000/ws/worker/a?token=secret&x=1");
    settings.token = "topsecret";
    const auto target = worker_target(settings, "w");
    EXPECT_EQ(target->printable, "ws://h:9000/ws/worker/a?x=1");
}

TEST(HubUrl, ThatCannotBeUsedIsNamedWithoutItsQuery) {
    for (const char* url : {"http://h", "h:1", "ws://", "ws://h:0", "ws://h:99999", "ws://h:x", "ws://[::1",
                            "ws://user@h", "ws://h/a b", "ws://h\n/"}) {
        const auto target = parse_url(std::string(url) + "?token=secret");
        ASSERT_FALSE(target.ok()) << url;
        EXPECT_THAT(target.error().message, testing::Not(testing::HasSubstr("secret")));
    }
}

TEST(HubUrl, ThatCannotBeUsedIsNamedWithoutUserAndPassword) {
    for (const char* url : {"ws://user:secret@h/ws", "ws://user:se/cret@h", "ws://u:s?cret@h", "u:secret@h",
                            "ws://u:p@h?token=secret@x"}) {
        const auto target = parse_url(url);
        ASSERT_FALSE(target.ok()) << url;
        EXPECT_THAT(target.error().message, testing::Not(testing::HasSubstr("cret"))) << url;
        EXPECT_THAT(target.error().message, testing::HasSubstr("***")) << url;
    }
}

std::string proxy_for(const std::string& url, const web::ProxyEnvironment& environment,
                      const std::string& configured = "") {
    auto settings = at(url);
    settings.proxy = configured;
    const auto proxy = choose_proxy(settings, environment, *worker_target(settings, "w"));
    if (!proxy.ok()) return proxy.error().message;
    return *proxy ? (*proxy)->host + ":" + std::to_string((*proxy)->port) : "direct";
}

TEST(Proxy, FollowsTheEnvironmentAndItsExceptions) {
    const web::ProxyEnvironment environment{"http://secure:1", "plain:2", " .corp, x.org:8001 ,10.0.0.1"};
    EXPECT_EQ(proxy_for("wss://hub.example", environment), "secure:1");
    EXPECT_EQ(proxy_for("ws://hub.example", environment), "plain:2");
    for (const char* url : {"wss://a.corp", "ws://X.org:8001", "ws://sub.10.0.0.1", "ws://10.0.0.1",
                            "ws://localhost:1", "ws://127.0.0.1:8001", "ws://[::1]:1"})
        EXPECT_EQ(proxy_for(url, environment), "direct") << url;
    EXPECT_EQ(proxy_for("ws://x.org:9", environment), "plain:2");
    EXPECT_EQ(proxy_for("ws://h", {"", "p:1", "*"}), "direct");
    EXPECT_EQ(proxy_for("ws://notcorp", {"", "p:1", "corp"}), "p:1");
}

TEST(Proxy, OfTheConfigurationWinsAndMayHaveAPassword) {
    EXPECT_EQ(proxy_for("ws://localhost", {}, "http://p:3128"), "p:3128");
    auto settings = at("ws://h");
    settings.proxy = "http://us%40er:pass@p:1/";
    const auto proxy = choose_proxy(settings, {}, *worker_target(settings, "w"));
    EXPECT_EQ((*proxy)->user_password, "us@er:pass");
    EXPECT_THAT(proxy_for("ws://h", {}, "socks5://p:1"), testing::HasSubstr("not supported"));
    EXPECT_THAT(proxy_for("ws://h", {}, "http://p:x"), testing::HasSubstr("no usable host"));
}

}  // namespace
}  // namespace emprops::hub
