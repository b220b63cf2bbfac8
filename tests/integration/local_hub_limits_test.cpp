// What comes from outside has a limit over all connections together: messages and requests that never end. And what the
// database keeps of the disk.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/websocket.hpp>
#include <chrono>
#include <filesystem>
#include <memory>

#include "supervisor/local_hub/store.h"
#include "tests/support/child_process.h"
#include "tests/support/hub_client.h"
#include "tests/support/run_until.h"
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

    template <class Condition>
    bool run_until(Condition condition) {
        return test::run_until(io_, condition, std::chrono::seconds(60));
    }

    TempDir folder_;
    std::unique_ptr<RunningHub> hub_;
    asio::io_context io_;
};

TEST_F(LocalHubLimitsTest, ManyMessagesThatNeverEndDoNotTakeTheMemory) {
    using Ws = websocket::stream<boost::beast::tcp_stream>;
    std::vector<std::unique_ptr<Ws>> peers;
    std::vector<boost::beast::flat_buffer> answers(8);
    const std::string half(15 * mib, 'x');
    std::size_t refused = 0;
    for (auto& answer : answers) {
        auto& ws = *peers.emplace_back(std::make_unique<Ws>(io_));
        boost::beast::get_lowest_layer(ws).connect({asio::ip::make_address("127.0.0.1"), hub_->port()});
        ws.handshake("127.0.0.1", "/ws/client/c" + std::to_string(peers.size()));
        ws.read(answer);  // the welcome
        answer.clear();
        ws.text(true);
        boost::system::error_code error;
        ws.write_some(false, asio::buffer(half), error);
        if (error) {
            ++refused;
            continue;
        }
        // Whoever is over the limit at the moment is given up, which need not be the last one.
        ws.async_read(answer, [&](boost::system::error_code closed, std::size_t) {
            ++refused;
            if (closed == websocket::error::closed) {
                EXPECT_EQ(ws.reason().code, 1013);
            }
        });
    }
    EXPECT_TRUE(run_until([&] { return refused >= 4; })) << refused;
    serves();
}

TEST_F(LocalHubLimitsTest, ManyRequestsThatNeverEndDoNotTakeTheMemory) {
    std::vector<std::unique_ptr<tcp::socket>> peers;
    std::vector<std::string> answers(8, std::string(12, '\0'));
    const std::string half(15 * mib, ' ');
    const std::string head =
        "POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " + std::to_string(16 * mib - 1) +
        "\r\n\r\n";
    std::size_t refused = 0;
    for (auto& answer : answers) {
        auto& socket = *peers.emplace_back(std::make_unique<tcp::socket>(io_));
        socket.connect({asio::ip::make_address("127.0.0.1"), hub_->port()});
        boost::system::error_code error;
        asio::write(socket, asio::buffer(head), error);
        if (!error) asio::write(socket, asio::buffer(half), error);
        if (error) {
            ++refused;
            continue;
        }
        asio::async_read(socket, asio::buffer(answer), [&](boost::system::error_code failed, std::size_t) {
            ++refused;
            if (!failed) {
                EXPECT_EQ(answer, "HTTP/1.1 503");
            }
        });
    }
    EXPECT_TRUE(run_until([&] { return refused >= 4; })) << refused;
    serves();
}

/// As many as may wait at once hang up, by an end of stream or by a reset; as many may wait again.
TEST_F(LocalHubLimitsTest, WhoHangsUpInTheMiddleOfAWaitFreesItsPlace) {
    Json wish{{"job_type", "nobody"}, {"payload", {{"a", 1}}}, {"wait", true}, {"timeout", 600}};
    const std::string body = wish.dump();
    const std::string request =
        "POST /api/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: " + std::to_string(body.size()) +
        "\r\n\r\n" + body;
    std::vector<std::unique_ptr<tcp::socket>> peers;
    const auto wait_for_jobs = [&](int count) {
        for (int n = 0; n < count; ++n) {
            peers.push_back(std::make_unique<tcp::socket>(io_));
            peers.back()->connect({asio::ip::make_address("127.0.0.1"), hub_->port()});
            asio::write(*peers.back(), asio::buffer(request));
        }
    };
    wish["timeout"] = 0;
    const auto full = [&] { return http_post(hub_->port(), "/api/jobs", wish.dump()).status == 503; };
    wait_for_jobs(256);
    ASSERT_TRUE(wait_until(full));
    for (std::size_t n = 0; n < peers.size(); n += 2)
        peers[n]->set_option(asio::socket_base::linger(true, 0));
    peers.clear();
    ASSERT_TRUE(wait_until([&] { return !full(); }));
    wait_for_jobs(255);
    serves();
    EXPECT_FALSE(full());
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

// ---- the database

local_hub::Job finished_job(local_hub::Store& store, int number, std::size_t payload_bytes) {
    local_hub::Job job;
    job.id = "j" + std::to_string(number);
    job.type = "sim";
    job.sequence = store.insert(job, "\"" + std::string(payload_bytes, 'x') + "\"").value();
    job.status = local_hub::JobStatus::completed;
    job.completed_at = 100;
    EXPECT_TRUE(store.update(job).ok());
    return job;
}

std::uint64_t given_back(local_hub::Store& store) {
    std::uint64_t steps = 0;
    while (store.give_back_space(1u << 20).value()) {
        if (++steps > 1000) break;
    }
    return steps;
}

TEST(LocalHubDatabase, GivesTheSpaceOfForgottenJobsBackInSmallSteps) {
    TempDir dir;
    const auto file = dir / "hub.sqlite";
    {
        auto store = local_hub::Store::open(file).value();
        for (int i = 0; i < 300; ++i)
            finished_job(*store, i, 100'000);
        EXPECT_FALSE(store->give_back_space(1u << 20).value()) << "nothing is free";
        EXPECT_EQ(store->forget_finished_before(200, 1000).value().size(), 1u);
        EXPECT_GE(given_back(*store), 20u);
        EXPECT_FALSE(store->give_back_space(1u << 20).value()) << "a little stays";
        finished_job(*store, 1000, 10);
    }
    EXPECT_LT(std::filesystem::file_size(file), 6u << 20);
}

TEST(LocalHubDatabase, AnOlderOneThatIsMostlyEmptyIsRewrittenOnce) {
    TempDir dir;
    const auto file = dir / "hub.sqlite";
    sqlite3* raw = nullptr;
    ASSERT_EQ(sqlite3_open(file.c_str(), &raw), SQLITE_OK);
    ASSERT_EQ(
        sqlite3_exec(
            raw,
            "PRAGMA auto_vacuum=NONE; CREATE TABLE filler(x); INSERT INTO filler VALUES(zeroblob(30000000)); "
            "DELETE FROM filler;",
            nullptr, nullptr, nullptr),
        SQLITE_OK);
    sqlite3_close(raw);
    ASSERT_GT(std::filesystem::file_size(file), 29'000'000u);
    auto store = local_hub::Store::open(file).value();
    finished_job(*store, 1, 10);
    EXPECT_LT(std::filesystem::file_size(file), 1'000'000u);
}

}  // namespace
}  // namespace emprops::test
