// The WebSocket to a ComfyUI that says nothing for long: asked for a sign, and given up only when it gives none.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "connectors/comfyui/server/socket.h"
#include "connectors/comfyui/text/web.h"
#include "tests/support/child_process.h"

namespace emprops::test {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;
using tcp = asio::ip::tcp;

/// Takes one connection after the other and never says anything by itself; one that `reads` answers pings.
class QuietServer {
  public:
    explicit QuietServer(bool reads) : reads_(reads), thread_([this] { serve(); }) {}
    ~QuietServer() {
        stop_ = true;
        asio::io_context io;
        tcp::socket last(io);
        boost::system::error_code ignored;
        last.connect(acceptor_.local_endpoint(), ignored);
        thread_.join();
    }
    std::string url() const {
        return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port());
    }
    int pings() const { return pings_; }

  private:
    void serve() {
        std::vector<websocket::stream<tcp::socket>> mute;
        while (true) {
            tcp::socket socket = acceptor_.accept();
            if (stop_) return;
            websocket::stream<tcp::socket> ws(std::move(socket));
            ws.control_callback([this](websocket::frame_type type, beast::string_view) {
                if (type == websocket::frame_type::ping) ++pings_;
            });
            boost::system::error_code error;
            ws.accept(error);
            beast::flat_buffer buffer;
            while (reads_ && !error)
                ws.read(buffer, error);
            if (!reads_) mute.push_back(std::move(ws));
        }
    }

    const bool reads_;
    asio::io_context io_;
    tcp::acceptor acceptor_{io_, {asio::ip::address_v4::loopback(), 0}};
    std::atomic<bool> stop_{false};
    std::atomic<int> pings_{0};
    std::thread thread_;
};

/// What the socket said of its state.
struct States {
    comfyui::SocketHandlers handlers() {
        return {[](std::string_view) {},
                [](std::string_view) {},
                [this](bool up, const std::string& why) {
                    const std::lock_guard lock(mutex);
                    all.push_back(up ? "up" : why);
                },
                {}};
    }
    std::vector<std::string> seen() {
        const std::lock_guard lock(mutex);
        return all;
    }
    std::mutex mutex;
    std::vector<std::string> all;
};

constexpr comfyui::Ms idle{600};

TEST(ComfyUiSocket, AServerThatAnswersPingsStaysConnectedHoweverLongItSaysNothing) {
    QuietServer server(true);
    comfyui::Settings settings;
    settings.server = comfyui::parse_url(server.url()).value();
    States states;
    const comfyui::Socket socket(settings, "c", states.handlers(), idle);
    ASSERT_TRUE(wait_until([&] { return server.pings() >= 5; }));
    EXPECT_THAT(states.seen(), testing::ElementsAre("up"));
}

TEST(ComfyUiSocket, OneThatGivesNoByteIsGivenUpAndTriedAgain) {
    QuietServer server(false);
    comfyui::Settings settings;
    settings.server = comfyui::parse_url(server.url()).value();
    States states;
    const comfyui::Socket socket(settings, "c", states.handlers(), idle);
    ASSERT_TRUE(wait_until([&] { return states.seen().size() >= 3; }));
    EXPECT_THAT(states.seen(), testing::ElementsAre("up", "not a byte came for 600 ms", "up"));
}

}  // namespace
}  // namespace emprops::test
