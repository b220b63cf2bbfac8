// The control socket under bad clients: followers that never read, too many connections.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <filesystem>

#include "supervisor/control/server.h"
#include "tests/support/run_until.h"
#include "tests/support/temp_dir.h"

namespace emprops::control {
namespace {

using testing::HasSubstr;

/// Its log is whatever the test says.
struct Talker : Operations {
    std::vector<OnLine> followers;

    Json status() const override { return {{"state", "running"}}; }
    Json jobs() const override { return Json::object(); }
    Result<std::string> why(const std::string&) const override { return std::string(); }
    Result<std::string> restart(const std::string&) override { return std::string(); }
    Result<std::string> restart_service(const std::string&) override { return std::string(); }
    Result<std::string> start(const std::string&) override { return std::string(); }
    Result<std::string> stop(const std::string&) override { return std::string(); }
    Result<std::string> drain(const std::string&, const std::string&) override { return std::string(); }
    Result<std::string> resume(const std::string&) override { return std::string(); }
    Result<std::string> reload() override { return std::string(); }
    Result<std::string> cancel(const std::string&, const std::string&) override { return std::string(); }
    Result<std::string> deliver_again(const std::string&) override { return std::string(); }
    Result<std::vector<std::string>> log_tail(const std::string&) const override {
        return std::vector<std::string>();
    }
    Result<Subscription> follow_log(const std::string&, OnLine on_line) override {
        on_line("the last line before");
        followers.push_back(std::move(on_line));
        return Subscription(std::make_shared<int>(1));
    }
    Result<Subscription> follow_trace(const std::string&, OnLine) override {
        return Error{"not_found", "no connector is named so"};
    }
};

/// A client that does only what the test says; it never blocks. Without a target it says nothing.
class RawClient {
  public:
    RawClient(const std::string& path, const std::string& target) {
        fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
        if (target.empty()) return;
        const std::string request = "GET " + target + " HTTP/1.1\r\nHost: x\r\n\r\n";
        EXPECT_EQ(::send(fd_, request.data(), request.size(), MSG_NOSIGNAL),
                  static_cast<ssize_t>(request.size()));
    }
    ~RawClient() { ::close(fd_); }
    RawClient(const RawClient&) = delete;
    RawClient& operator=(const RawClient&) = delete;

    /// What fits in the socket now.
    void send(const std::string& text) { EXPECT_GT(::send(fd_, text.data(), text.size(), MSG_NOSIGNAL), 0); }

    const std::string& read() {
        char buffer[4096];
        ssize_t got = 0;
        while ((got = ::recv(fd_, buffer, sizeof buffer, 0)) > 0)
            text_.append(buffer, static_cast<std::size_t>(got));
        ended_ = ended_ || got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
        return text_;
    }
    bool ended() {
        read();
        return ended_;
    }

  private:
    int fd_ = -1;
    std::string text_;
    bool ended_ = false;
};

class ControlServerTest : public testing::Test {
  protected:
    void listen(Server::Limits limits) {
        auto listening = Server::listen(loop.get_executor(), path(), talker, limits);
        ASSERT_TRUE(listening.ok()) << listening.error().message;
        server = std::move(listening).value();
    }
    std::string path() const { return (dir / "control.sock").string(); }
    bool run_until(const std::function<bool()>& condition) { return test::run_until(loop, condition); }

    test::TempDir dir;
    boost::asio::io_context loop;
    Talker talker;
    std::unique_ptr<Server> server;
};

TEST_F(ControlServerTest, WhoComesWhenAllConnectionsAreTakenIsToldSo) {
    listen({2, 1, std::chrono::seconds(30)});
    RawClient first(path(), "/v1/logs?follow=1");
    RawClient second(path(), "/v1/logs?follow=1");
    ASSERT_TRUE(run_until([&] { return talker.followers.size() == 2; }));
    RawClient third(path(), "/v1/status");
    ASSERT_TRUE(run_until([&] { return third.ended(); }));
    EXPECT_THAT(third.read(), HasSubstr("HTTP/1.1 503"));
    EXPECT_THAT(third.read(), HasSubstr("\"busy\""));
    EXPECT_THAT(first.read(), HasSubstr("the last line before"));
}

TEST_F(ControlServerTest, FollowersThatNeverReadLoseTheirConnectionAndAQuietOneKeepsIt) {
    listen({3, 1, std::chrono::milliseconds(200)});
    RawClient quiet(path(), "/v1/logs?follow=1");
    ASSERT_TRUE(run_until([&] { return talker.followers.size() == 1; }));
    RawClient stuck(path(), "/v1/logs?follow=1");
    RawClient also_stuck(path(), "/v1/logs?follow=1");
    ASSERT_TRUE(run_until([&] { return talker.followers.size() == 3; }));
    for (int i = 0; i < 2000; ++i) {  // more than a socket's buffer holds
        talker.followers[1](std::string(1000, 'x'));
        talker.followers[2](std::string(1000, 'x'));
    }
    // Their places are free again once the deadline is over.
    std::unique_ptr<RawClient> next;
    EXPECT_TRUE(run_until([&] {
        if (!next || next->ended())  // told that it is busy
            next = std::make_unique<RawClient>(path(), "/v1/status");
        return next->read().find("running") != std::string::npos;
    }));
    EXPECT_FALSE(quiet.ended()) << "nothing was owed to it";
}

TEST_F(ControlServerTest, ASilentClientIsNotWaitedForLongerThanItsDeadline) {
    listen({1, 1, std::chrono::milliseconds(100)});
    RawClient silent(path(), "");
    EXPECT_TRUE(run_until([&] { return silent.ended(); }));
}

TEST_F(ControlServerTest, ManySilentClientsDoNotKeepOutWhoAsks) {
    listen({2, 4, std::chrono::seconds(30)});
    std::vector<std::unique_ptr<RawClient>> silent;
    for (int n = 0; n < 50; ++n)
        silent.push_back(std::make_unique<RawClient>(path(), ""));
    RawClient asks(path(), "/v1/status");
    ASSERT_TRUE(run_until([&] { return asks.ended(); }));
    EXPECT_THAT(asks.read(), HasSubstr("running"));
    RawClient follows(path(), "/v1/logs?follow=1");
    ASSERT_TRUE(run_until([&] { return talker.followers.size() == 1; }));
    for (int n = 0; n < 50; ++n)
        silent.push_back(std::make_unique<RawClient>(path(), ""));
    ASSERT_TRUE(run_until([&] { return silent.front()->ended() && silent[94]->ended(); }));
    EXPECT_FALSE(silent.back()->ended()) << "the newest of them may still ask";
    EXPECT_FALSE(follows.ended()) << "it has asked: it does not give way";
}

/// Also one whose client writes on before it reads, and one that never says how long it is.
TEST_F(ControlServerTest, ARequestThatIsTooLargeIsToldSo) {
    listen({2, 4, std::chrono::seconds(30)});
    const std::string large(200'000, 'x');
    RawClient announced(path(), "");
    announced.send("POST /v1/cancel HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + large);
    RawClient chunked(path(), "");
    chunked.send("POST /v1/cancel HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n30d40\r\n" +
                 large);
    RawClient talkative(path(), "");
    talkative.send("GET /v1/status HTTP/1.1\r\nHost: " + large + "\r\n\r\n");
    for (RawClient* client : {&announced, &chunked, &talkative}) {
        ASSERT_TRUE(run_until([&] { return client->read().find("}}") != std::string::npos; }));
        EXPECT_THAT(client->read(), HasSubstr("HTTP/1.1 413"));
        EXPECT_THAT(client->read(), HasSubstr("65536 bytes"));
    }
}

TEST_F(ControlServerTest, ASocketFileThatACleanerRemovedIsMadeAgain) {
    listen({});
    EXPECT_EQ(server->look(), "");
    for (const auto& removed : {std::filesystem::path(path()), dir.path()}) {
        std::filesystem::remove_all(removed);
        EXPECT_THAT(server->look(), HasSubstr("is made again"));
        EXPECT_EQ(server->look(), "");
        RawClient client(path(), "/v1/status");
        EXPECT_TRUE(run_until([&] { return client.read().find("running") != std::string::npos; })) << removed;
    }
    struct stat found {};
    ASSERT_EQ(::stat(path().c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777U, 0600U);
}

TEST_F(ControlServerTest, ASocketFileOfTheNextOwnerIsToldOnceAndLeftToIt) {
    listen({});
    std::filesystem::remove(path());
    Talker next_talker;
    auto next = Server::listen(loop.get_executor(), path(), next_talker);
    ASSERT_TRUE(next.ok()) << next.error().message;
    EXPECT_THAT(server->look(), HasSubstr("belongs to another process by now"));
    EXPECT_EQ(server->look(), "");
    server.reset();
    RawClient client(path(), "/v1/status");
    EXPECT_TRUE(run_until([&] { return client.read().find("running") != std::string::npos; }));
}

TEST_F(ControlServerTest, WhatIsNotOursToReplaceStays) {
    listen({});
    Talker second_talker;
    const auto second = Server::listen(loop.get_executor(), path(), second_talker);
    ASSERT_FALSE(second.ok());
    EXPECT_THAT(second.error().message, HasSubstr("another process listens there; control.socket"));
    EXPECT_TRUE(std::filesystem::exists(path()));
    const auto file = dir.write_file("notes.txt", "mine");
    const auto third = Server::listen(loop.get_executor(), file, second_talker);
    ASSERT_FALSE(third.ok());
    EXPECT_THAT(third.error().message, HasSubstr("a file that is no socket lies there"));
    EXPECT_EQ(dir.read_file("notes.txt"), "mine");
}

TEST_F(ControlServerTest, ASocketFileThatADeadWorkerLeftIsReplaced) {
    listen({});
    std::filesystem::rename(path(), dir / "left.sock");
    server.reset();  // which is no longer its file
    std::filesystem::rename(dir / "left.sock", path());
    listen({});
    EXPECT_EQ(server->look(), "");
}

}  // namespace
}  // namespace emprops::control
