// Machines that will be taken away say so by a file that appears or by a URL that begins to answer 200: the
// worker takes nothing new, lets jobs finish within drain_timeout, gives back what does not, and leaves.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>
#include <thread>

#include "tests/support/job_client.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

/// A metadata service of a cloud: answers `status` to everything, on a thread of its own.
class NoticeServer {
  public:
    NoticeServer() : acceptor_(io_, {asio::ip::make_address("127.0.0.1"), 0}) {
        port_ = acceptor_.local_endpoint().port();
        thread_ = std::thread([this] { serve(); });
    }
    ~NoticeServer() {
        ending_ = true;
        boost::system::error_code ignored;
        tcp::socket waker(io_);
        waker.connect({asio::ip::make_address("127.0.0.1"), port_}, ignored);
        thread_.join();
    }
    std::string url() const { return "http://127.0.0.1:" + std::to_string(port_) + "/preempted"; }

    std::atomic<int> status = 404;
    std::atomic<int> requests = 0;

  private:
    void serve() {
        while (!ending_) {
            boost::system::error_code error;
            tcp::socket socket(io_);
            acceptor_.accept(socket, error);
            if (error || ending_) continue;
            asio::streambuf request;
            asio::read_until(socket, request, "\r\n\r\n", error);
            const std::string answer = "HTTP/1.1 " + std::to_string(status.load()) +
                                       " X\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            asio::write(socket, asio::buffer(answer), error);
            ++requests;
        }
    }

    asio::io_context io_;
    tcp::acceptor acceptor_;
    std::uint16_t port_ = 0;
    std::atomic<bool> ending_ = false;
    std::thread thread_;
};

/// `worker` goes into [worker].
TestWorkerOptions noticing(const TestHub& hub, const std::string& worker) {
    TestWorkerOptions options;
    options.hub_url = hub.url();
    options.toml = worker + "drain_notice_interval = \"100ms\"\n[connectors.simulation]\n";
    return options;
}

void expect_end(TestWorker& worker) {
    const auto ended = worker.process().wait(Ms(30'000));
    ASSERT_TRUE(ended) << worker.log();
    EXPECT_EQ(*ended, (ExitStatus{0, 0})) << worker.log();
}

TEST(DrainNotice, AFileThatAppearsLetsTheJobFinishAndTheWorkerLeave) {
    TestHub hub;
    TempDir outside;
    TestWorker worker(noticing(hub, "drain_notice_file = \"" + (outside / "notice").string() + "\"\n"));
    worker.wait_state("simulation", "ready");
    JobClient client(hub);
    const auto job = client.submit("simulation", {{"processing_time", 2}, {"steps", 20}});
    client.progressed(job);
    outside.write_file("notice", "");
    worker.wait_log("the drain notice");
    const auto late = client.submit("simulation", Json::object());
    EXPECT_EQ(client.completed(job).at("status"), "success") << worker.log();
    expect_end(worker);
    EXPECT_EQ(wait_job_status(hub, late, "pending", Ms(5'000)), "pending") << "nothing new is taken";
}

TEST(DrainNotice, AUrlThatAnswers200GivesBackWhatDoesNotFinishInTime) {
    TestHub hub;
    NoticeServer metadata;
    TestWorker worker(
        noticing(hub, "drain_timeout = \"1s\"\ndrain_notice_url = \"" + metadata.url() + "\"\n"));
    worker.wait_state("simulation", "ready");
    JobClient client(hub);
    const auto job = client.submit("simulation", {{"processing_time", 600}, {"steps", 6000}});
    client.progressed(job);
    ASSERT_TRUE(wait_until([&] { return metadata.requests >= 3; })) << "404 is no notice";
    EXPECT_EQ(worker.status().at("worker").at("state"), "running");
    metadata.status = 200;
    EXPECT_THAT(client.failed(job), testing::HasSubstr("[drained]"));
    expect_end(worker);
    EXPECT_EQ(wait_job_status(hub, job, "pending", Ms(5'000)), "pending") << "others get it";
}

TEST(DrainNotice, ANoticeServerThatIsAwayIsNoNotice) {
    TestHub hub;
    std::string url;
    {
        NoticeServer gone;
        url = gone.url();
    }
    TestWorker worker(noticing(hub, "drain_notice_url = \"" + url + "\"\n"));
    worker.wait_state("simulation", "ready");
    JobClient client(hub);
    EXPECT_EQ(client.completed(client.submit("simulation", {{"processing_time", 0.5}})).at("status"),
              "success");
    EXPECT_EQ(worker.status().at("worker").at("state"), "running");
}

}  // namespace
}  // namespace emprops::test
