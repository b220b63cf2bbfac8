// How the worker finds its Hub: names with several addresses, IPv6, a name look-up that hangs.

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "tests/support/job_client.h"
#include "tests/support/sanitizer.h"
#include "tests/support/silent_address.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

constexpr const char* simulation = "[connectors.simulation]\nenv = {SIMULATION_PROCESSING_TIME = \"0.1\"}\n";

// Nothing can be preloaded into a program with AddressSanitizer, which wants to be the first library.
#if !EMPROPS_ADDRESS_SANITIZER
std::vector<std::string> own_name_lookup() {
    return {"LD_PRELOAD=" EMPROPS_PRELOAD_NAME_LOOKUP};
}

TEST(Addresses, TheNextAddressOfANameIsTriedWhenTheFirstRefuses) {
    TestHub hub;  // on 127.0.0.1 only
    const std::string url = "ws://localhost:" + std::to_string(hub.port());
    TestWorker worker({url, simulation, {}, {}, own_name_lookup()});
    worker.wait_log("connected to the Hub as");
    EXPECT_EQ(worker.log().find("no connection to the Hub"), std::string::npos) << worker.log();
    JobClient client(hub);
    EXPECT_EQ(client.completed(client.submit("simulation", Json::object())).at("status"), "success");
}

TEST(Addresses, ASilentAddressBesideALiveOneIsPassedSoon) {
    TestHub hub;                                          // on 127.0.0.1 only
    const SilentAddress silent("127.0.0.2", hub.port());  // the first address of the name
    const std::string url = "ws://localhost:" + std::to_string(hub.port());
    TestWorker worker({url, simulation, {}, {}, own_name_lookup()});
    // Far below connect_timeout, and a part of it.
    worker.wait_log("connected to the Hub as", Ms(8'000));
    EXPECT_EQ(worker.log().find("no connection to the Hub"), std::string::npos) << worker.log();
    // The client connection (a job that runs is asked about) and the command line go the same way.
    const auto done = run_program({"submit", "--hub", url, "--type", "simulation", "--wait"},
                                  worker.dir().path(), Ms(8'000), own_name_lookup());
    EXPECT_EQ(done.exit_code, 0) << done.err << worker.log();
}

TEST(Addresses, LocalhostNeedsNoNameService) {
    TestHub hub;
    auto environment = own_name_lookup();
    environment.emplace_back("EMPROPS_TEST_NO_LOCALHOST=1");  // as in a container without /etc/hosts
    TestWorker worker({"ws://localhost:" + std::to_string(hub.port()), simulation, {}, {}, environment});
    worker.wait_log("connected to the Hub as");
}

TEST(Addresses, AHungNameLookUpDoesNotHoldUpTheEnd) {
    TestWorker worker({"ws://stuck.test:1", simulation, {}, {}, own_name_lookup()});
    worker.wait_log("name look-up is stuck");
    worker.wait_state("simulation", "ready");
    worker.stop_and_wait(0);
    EXPECT_NE(worker.log().find("worker ended"), std::string::npos) << "the log is whole";
}

TEST(Addresses, AHungNameLookUpDoesNotHoldUpSubmit) {
    TempDir dir;
    const auto output = run_program(
        {"submit", "--hub", "ws://stuck.test:1", "--type", "x", "--set", "hub.connect_timeout=500ms"},
        dir.path(), Ms(20'000), own_name_lookup());
    EXPECT_EQ(output.exit_code, 75) << output.err;
}
#endif

TEST(Addresses, TheLocalHubAndItsWorkerSpeakIpv6) {
    try {
        boost::asio::io_context io;
        boost::asio::ip::tcp::acceptor probe(io, {boost::asio::ip::make_address("::1"), 0});
    } catch (const std::exception& error) {
        GTEST_SKIP() << "no IPv6 on this machine: " << error.what();
    }
    TestWorker worker(
        {"",
         std::string("[hub]\nembedded = true\n[local_hub]\nlisten = \"::1\"\nport = 0\n") + simulation,
         {},
         {},
         {}});
    worker.wait_log("connected to the Hub as");
    worker.wait_state("simulation", "ready");
    const std::string address = worker.status().at("hub").at("address");
    ASSERT_EQ(address.rfind("ws://[::1]:", 0), 0u) << address;
    const auto url = address.substr(0, address.find('/', 5));
    const auto done =
        run_program({"submit", "--hub", url, "--type", "simulation", "--wait"}, worker.dir().path());
    EXPECT_EQ(done.exit_code, 0) << done.err << worker.log();
}

}  // namespace
}  // namespace emprops::test
