// The connector stands still for some seconds, as in a paused container: none of its limits counts that time, and what
// it was at is finished. ComfyUI and the sources are elsewhere and go on, or stand still with it.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/child_process.h"
#include "tests/support/comfyui_connector.h"
#include "tests/support/comfyui_double.h"
#include "tests/support/comfyui_outcome.h"

namespace emprops::test {
namespace {

using Json = nlohmann::json;
namespace asio = boost::asio;

/// Longer than the limit of each test, and than what a busy machine may need (ipc/time/running_time.h).
constexpr std::chrono::milliseconds pause_length{4'500};
constexpr const char* limit = "3s";

void pause(ComfyConnector& connector) {
    connector.child().signal(SIGSTOP);
    std::this_thread::sleep_for(pause_length);
    connector.child().signal(SIGCONT);
}

/// A prompt of which nothing is heard for longer than the pause.
ComfyScript slow_script() {
    ComfyScript script = good_script(
        {{"2", {{"images", {{{"filename", "out_1.png"}, {"subfolder", ""}, {"type", "output"}}}}}}});
    for (std::size_t i = 4; i < script.messages.size(); ++i)
        script.messages[i].at += pause_length + Ms(500);
    return script;
}

TEST(ComfyUiPause, ARenderIsNotChargedForIt) {
    for (const bool websocket : {true, false}) {
        ComfyDouble comfy;
        ComfyConnector connector(comfy.url(), {{"no_progress_timeout", limit}, {"websocket", websocket}});
        ASSERT_TRUE(connector.wait_available());
        comfy.add_script(slow_script());
        connector.give("job", graph());
        ASSERT_TRUE(wait_until([&] { return comfy.sent_messages() >= 4; }, Ms(10'000)));
        pause(connector);
        const Json outcome = connector.outcome("job");
        EXPECT_EQ(code(outcome), "result") << outcome;
        EXPECT_EQ(comfy.posts().size(), 1u);
    }
}

/// ComfyUI is away before and after the pause: together that is less than unreachable_timeout.
TEST(ComfyUiPause, AnOutageIsNotLongerThanTheTimeInWhichWeLooked) {
    ComfyDouble comfy;
    ComfyConnector connector(comfy.url(), {{"unreachable_timeout", limit}, {"no_progress_timeout", "20s"}});
    ASSERT_TRUE(connector.wait_available());
    comfy.add_script(endless_script());
    connector.give("job", graph());
    ASSERT_TRUE(wait_until([&] { return comfy.sent_messages() >= 4; }, Ms(10'000)));
    comfy.die(pause_length + Ms(1'000));
    ASSERT_TRUE(connector.wait_unavailable());
    pause(connector);
    const Json outcome = connector.outcome("job");
    EXPECT_EQ(code(outcome), "result") << outcome;
    EXPECT_EQ(comfy.posts().size(), 2u) << "with the process its queue was gone";
}

/// A source that takes the first connection and says nothing, and answers each later one.
class LateSource {
  public:
    LateSource() : thread_([this] { serve(); }) {}
    ~LateSource() {
        stop_ = true;
        asio::io_context io;
        asio::ip::tcp::socket last(io);
        boost::system::error_code ignored;
        last.connect(acceptor_.local_endpoint(), ignored);
        thread_.join();
    }
    std::string url() const {
        return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()) + "/p.png";
    }
    int connections() const { return connections_; }

  private:
    void serve() {
        std::vector<asio::ip::tcp::socket> held;
        while (true) {
            asio::ip::tcp::socket socket = acceptor_.accept();
            if (stop_) return;
            if (connections_++ > 0) {
                boost::system::error_code ignored;
                asio::streambuf head;
                asio::read_until(socket, head, "\r\n\r\n", ignored);
                const std::string body("\x89PNG\r\n\x1a\n\0REAL", 13);
                asio::write(socket,
                            asio::buffer("HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: " +
                                         std::to_string(body.size()) + "\r\n\r\n" + body),
                            ignored);
            }
            held.push_back(std::move(socket));
        }
    }

    asio::io_context io_;
    asio::ip::tcp::acceptor acceptor_{io_, {asio::ip::address_v4::loopback(), 0}};
    std::atomic<bool> stop_{false};
    std::atomic<int> connections_{0};
    std::thread thread_;
};

TEST(ComfyUiPause, AnInputHasItsWholeTime) {
    ComfyDouble comfy;
    LateSource source;
    ComfyConnector connector(comfy.url(), {{"input_timeout", limit}, {"input_allow_private", true}});
    ASSERT_TRUE(connector.wait_available());
    const Json payload{
        {"prompt",
         {{"1", {{"class_type", "LoadImage"}, {"inputs", {{"image", {{"$input", "photo"}}}}}}},
          {"2",
           {{"class_type", "SaveImage"}, {"inputs", {{"images", {"1", 0}}, {"filename_prefix", "a"}}}}}}},
        {"inputs", {{"photo", {{"url", source.url()}}}}}};
    connector.give("job", payload);
    ASSERT_TRUE(wait_until([&] { return source.connections() == 1; }, Ms(10'000)));
    pause(connector);
    const Json outcome = connector.outcome("job");
    EXPECT_EQ(code(outcome), "result") << outcome;
    EXPECT_EQ(comfy.uploads().size(), 1u);
}

}  // namespace
}  // namespace emprops::test
