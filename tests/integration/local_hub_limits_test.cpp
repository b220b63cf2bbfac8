// What comes from outside has a limit over all connections together: messages and requests that never end.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <memory>

#include "tests/support/hub_client.h"
#include "tests/support/running_hub.h"
#include "tests/support/temp_dir.h"

namespace emprops::test {
namespace {

namespace asio = boost::asio;
namespace websocket = boost::beast::websocket;
using Json = nlohmann::json;
using tcp = asio::ip::tcp;

constexpr std::size_t mib = std::size_t{1} << 20;

class LocalHubLimitsTest : public testing::Test {
  protected:
    LocalHubLimitsTest() {
        config::LocalHubSettings settings;
        settings.port = 0;
        settings.database = folder_ / "hub.sqlite";
        settings.max_message_bytes = 16 * mib;  // 64 MiB together
        hub_ = std::make_unique<RunningHub>(settings);
    }

    /// A job still goes all the way.
    void serves() {
        HubClient client(hub_->port(), HubRole::client, "c");
        client.send({{"type", "submit_job"}, {"job_type", "sim"}, {"payload", {{"a", 1}}}});
        client.receive("job_accepted");
    }

    TempDir folder_;
    std::unique_ptr<RunningHub> hub_;
    asio::io_context io_;
};

TEST_F(LocalHubLimitsTest, ManyMessagesThatNeverEndDoNotTakeTheMemory) {
    using Ws = websocket::stream<boost::beast::tcp_stream>;
    std::vector<std::unique_ptr<Ws>> peers;
    const std::string half(15 * mib, 'x');
    std::size_t refused = 0;
    for (int i = 0; i < 8; ++i) {
        auto& ws = *peers.emplace_back(std::make_unique<Ws>(io_));
        boost::beast::get_lowest_layer(ws).connect({asio::ip::make_address("127.0.0.1"), hub_->port()});
        ws.handshake("127.0.0.1", "/ws/client/c" + std::to_string(i));
        boost::beast::flat_buffer welcome;
        ws.read(welcome);
        ws.text(true);
        boost::system::error_code error;
        ws.write_some(false, asio::buffer(half), error);
        // Who is given up learns it from a close frame; those that fit are waited for in vain.
        if (!error && i >= 4) {
            boost::beast::flat_buffer answer;
            ws.read(answer, error);
        }
        if (error) ++refused;
        if (error == websocket::error::closed) {
            EXPECT_EQ(ws.reason().code, 1013);
        }
    }
    EXPECT_GE(refused, 4u);
    serves();
}

TEST_F(LocalHubLimitsTest, ManyRequestsThatNeverEndDoNotTakeTheMemory) {
    std::vector<tcp::socket> peers;
    const std::string half(15 * mib, ' ');
    std::size_t refused = 0;
    for (int i = 0; i < 8; ++i) {
        auto& socket = peers.emplace_back(io_);
        socket.connect({asio::ip::make_address("127.0.0.1"), hub_->port()});
        const std::string head =
            "POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " + std::to_string(16 * mib - 1) +
            "\r\n\r\n";
        boost::system::error_code error;
        asio::write(socket, asio::buffer(head), error);
        asio::write(socket, asio::buffer(half), error);
        if (i < 4 && !error) continue;
        std::string answer(12, '\0');
        if (!error) asio::read(socket, asio::buffer(answer), error);
        if (!error) {
            EXPECT_EQ(answer, "HTTP/1.1 503");
        }
        ++refused;
    }
    EXPECT_GE(refused, 4u);
    serves();
}

TEST_F(LocalHubLimitsTest, AWorkerThatNamesTooManyJobTypesIsToldSo) {
    HubClient worker(hub_->port(), HubRole::worker, "w");
    Json types = Json::array();
    for (int i = 0; i < 42'000; ++i)
        types.push_back("t" + std::to_string(i));
    worker.send({{"type", "register_worker"},
                 {"capabilities", {{"supported_job_types", types}}},
                 {"status", "idle"}});
    const auto error = worker.receive("error");
    EXPECT_EQ(error["error"], "Failed to register worker w");
    EXPECT_THAT(error["details"]["reason"].get<std::string>(), testing::HasSubstr("42000 job types"));
    serves();
}

}  // namespace
}  // namespace emprops::test
