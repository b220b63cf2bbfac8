// One WebSocket under load: the order of what leaves, and the bound of what waits.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/websocket.hpp>

#include "supervisor/base/time.h"
#include "supervisor/hub/link.h"
#include "tests/support/fault_proxy.h"
#include "tests/support/hub_double.h"

namespace emprops::hub {
namespace {

using test::HubDouble;
using test::until;
using testing::HasSubstr;

class WsLinkTest : public testing::Test {
  protected:
    void connect(std::uint16_t port = 0) {
        const boost::asio::any_io_executor executor(io.get_executor());
        link = make_ws_link(executor, settings);
        auto target =
            parse_url("ws://127.0.0.1:" + std::to_string(port == 0 ? hub.port() : port) + "/ws/worker/w");
        ASSERT_TRUE(target.ok());
        Link::Handlers handlers;
        handlers.on_connected = [this] { connected = true; };
        handlers.on_closed = [this](const std::string& reason) { closed = reason; };
        link->connect(std::move(target).value(), std::nullopt, std::move(handlers));
        ASSERT_TRUE(until(io, [&] { return connected && hub.peer("/ws/worker/") != nullptr; })) << closed;
    }

    boost::asio::io_context io;
    config::HubSettings settings;
    HubDouble hub{io};
    std::unique_ptr<Link> link;
    bool connected = false;
    std::string closed;
};

TEST_F(WsLinkTest, TheHeadersOfTheConfigurationAreSent) {
    settings.headers = {{"CF-Access-Client-Id", "me"}, {"User-Agent", "mine"}};
    connect();
    auto& headers = hub.peer("/ws/worker/")->headers;
    EXPECT_EQ(headers["cf-access-client-id"], "me");
    EXPECT_EQ(headers["user-agent"], "mine");
    EXPECT_EQ(headers["upgrade"], "websocket");
}

TEST_F(WsLinkTest, ASignOfLifeOvertakesWhatHasNotBegunAndNothingElse) {
    connect();
    link->send("begun " + std::string(4 << 20, 'x'));
    ASSERT_TRUE(until(io, [&] { return link->queued_bytes() < 4 << 20; }));
    link->send("result 1");
    link->send("result 2");
    link->send_first("sign of life 1");
    link->send_first("sign of life 2");
    const auto peer = hub.peer("/ws/worker/");
    ASSERT_TRUE(until(io, [&] { return peer->frames.size() == 5; }));
    EXPECT_EQ(peer->frames[0].substr(0, 5), "begun");
    EXPECT_EQ(peer->frames[1], "sign of life 1");
    EXPECT_EQ(peer->frames[2], "sign of life 2");
    EXPECT_EQ(peer->frames[3], "result 1");
    EXPECT_EQ(peer->frames[4], "result 2");
    EXPECT_TRUE(until(io, [&] { return link->queued_bytes() == 0; }));
}

/// The kernel takes no more than it can soon pass on: the Hub's ping is answered while a large frame is on
/// its way, what waits shrinks all the time, and a line that carries our bytes is not given up.
TEST_F(WsLinkTest, OnASlowLinePongsGetBetweenTheFragmentsAndTheLineIsNotCut) {
    test::FaultProxy relay(io, hub.port());
    relay.faults.upload_per_second = 200'000;
    settings.idle_timeout = Ms(1000);
    connect(relay.port());
    const auto peer = hub.peer("/ws/worker/");
    link->send("large " + std::string(800'000, 'x'));
    ASSERT_TRUE(until(io, [&] { return link->queued_bytes() < 800'000; }));
    link->send("later");
    link->send_first("sign of life");
    ASSERT_TRUE(until(io, [&] { return link->queued_bytes() < 700'000; }));
    peer->ping();
    ASSERT_TRUE(until(io, [&] { return peer->pongs > 0; }));
    EXPECT_TRUE(peer->frames.empty()) << "the frame is still on its way";
    EXPECT_GT(link->queued_bytes(), 100'000u);
    ASSERT_TRUE(until(
        io, [&] { return peer->frames.size() == 3; }, std::chrono::seconds(30)))
        << closed;
    EXPECT_EQ(peer->frames[0].size(), 800'006u);
    EXPECT_EQ(peer->frames[1], "sign of life");
    EXPECT_EQ(closed, "");
}

TEST_F(WsLinkTest, ALineThatStandsStillInTheMiddleOfAFrameIsGivenUpAndSaysWhatWasLeft) {
    test::FaultProxy relay(io, hub.port());
    relay.faults.upload_per_second = 200'000;
    settings.idle_timeout = Ms(500);
    connect(relay.port());
    link->send(std::string(800'000, 'x'));
    ASSERT_TRUE(until(io, [&] { return link->queued_bytes() < 700'000; }));
    relay.faults.blackhole = true;
    ASSERT_TRUE(until(io, [&] { return !closed.empty(); }));
    EXPECT_THAT(closed, HasSubstr("no sign of life from the Hub for 500 ms"));
    EXPECT_GT(link->queued_bytes(), 100'000u);
}

/// RFC 6455 5.5.1: behind the answer to a close frame nothing is sent; what was not sent stays known.
TEST_F(WsLinkTest, WhenTheHubClosesInTheMiddleOfAFrameTheRestOfItStays) {
    test::FaultProxy relay(io, hub.port());
    relay.faults.upload_per_second = 1'000'000;
    connect(relay.port());
    link->send(std::string(4'000'000, 'x'));
    ASSERT_TRUE(until(io, [&] { return link->queued_bytes() < 3'800'000; }));
    hub.peer("/ws/worker/")->close(1012, "restart");
    ASSERT_TRUE(until(io, [&] { return !closed.empty(); }));
    EXPECT_THAT(closed, HasSubstr("1012"));
    EXPECT_GT(link->queued_bytes(), 1'000'000u);
}

TEST_F(WsLinkTest, AHubThatDoesNotReadDoesNotFillOurMemory) {
    settings.send_limit = 1 << 20;
    connect();
    std::size_t most = 0;
    for (int i = 0; i < 100; ++i) {  // the event loop does not run: nothing is taken
        link->send(std::string(1 << 20, 'x'));
        most = std::max(most, link->queued_bytes());
    }
    ASSERT_TRUE(until(io, [&] { return !closed.empty(); }));
    EXPECT_THAT(closed, HasSubstr("takes too little"));
    EXPECT_LE(most, std::size_t{64} << 20);
}

/// A Hub that goes writes its close frame and is gone: the echo of it fails, the reason was read all the
/// same.
TEST_F(WsLinkTest, TheReasonOfACloseIsToldAlsoWhenItsEchoFails) {
    namespace asio = boost::asio;
    using asio::ip::tcp;
    tcp::acceptor acceptor(io, {asio::ip::make_address("127.0.0.1"), 0});
    tcp::socket peer(io);
    boost::beast::websocket::stream<tcp::socket&> ws(peer);
    const std::string going_away = "\x88\x02\x03\xf4";  // close, 1012
    acceptor.async_accept(peer, [&](boost::system::error_code error) {
        if (error) return;
        ws.async_accept([&](boost::system::error_code failed) {
            if (failed) return;
            asio::write(peer, asio::buffer(going_away), failed);
            peer.set_option(asio::socket_base::linger(true, 0), failed);
            peer.close(failed);
        });
    });
    link = make_ws_link(io.get_executor(), settings);
    Link::Handlers handlers;
    handlers.on_closed = [this](const std::string& reason) { closed = reason; };
    link->connect(
        *parse_url("ws://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()) + "/ws/worker/w"),
        std::nullopt, std::move(handlers));
    ASSERT_TRUE(until(io, [&] { return !closed.empty(); }));
    EXPECT_THAT(closed, HasSubstr("the Hub closed the connection (1012)"));
}

/// What is in place of a Hub, byte for byte, and a word of what a person is told.
TEST_F(WsLinkTest, WhatAnswersInPlaceOfAHubIsExplained) {
    namespace asio = boost::asio;
    using asio::ip::tcp;
    const std::pair<std::string, std::string> answers[] = {
        {"HTTP/1.1 301 Moved Permanently\r\nLocation: https://hub.example/x\r\nContent-Length: 0\r\n\r\n",
         "USE_SSL=true"},
        {"HTTP/1.1 502 Bad Gateway\r\nServer: Caddy\r\nContent-Length: 4\r\n\r\ndown",
         "from Caddy, \"down\""},
        {"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "\"abc\""},
        {"HTTP/1.0 200 OK\r\n\r\n<html><title>A page that ends with the connection</title>",
         "\"A page that ends with the connection\""},
        {"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n",
         "Basic realm=\"x\""},
        {"-ERR unknown command\r\n", "does not answer as a Hub"},
        {"\x15\x03\x01\x00\x02\x02\x46", "USE_SSL=true"},
        {"", "does not answer as a Hub"},
    };
    tcp::acceptor acceptor(io, {asio::ip::make_address("127.0.0.1"), 0});
    for (const auto& [answer, word] : answers) {
        const auto peer = std::make_shared<tcp::socket>(io);
        const auto asked = std::make_shared<std::string>();
        acceptor.async_accept(*peer, [&answer = answer, peer, asked](boost::system::error_code error) {
            if (error) return;
            asio::async_read_until(*peer, asio::dynamic_buffer(*asked), "\r\n\r\n",
                                   [&answer, peer, asked](boost::system::error_code failed, std::size_t) {
                                       asio::write(*peer, asio::buffer(answer), failed);
                                       peer->shutdown(tcp::socket::shutdown_send, failed);
                                   });
        });
        closed.clear();
        link = make_ws_link(io.get_executor(), settings);
        Link::Handlers handlers;
        handlers.on_closed = [this](const std::string& reason) { closed = reason; };
        link->connect(
            *parse_url("ws://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()) + "/ws/worker/w"),
            std::nullopt, std::move(handlers));
        ASSERT_TRUE(until(io, [&] { return !closed.empty(); })) << answer;
        EXPECT_THAT(closed, HasSubstr(word)) << answer;
    }
}

}  // namespace
}  // namespace emprops::hub
