// A worker that may have little memory: something large costs its job or its connection, and never the worker.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <fstream>

#include "tests/support/job_client.h"
#include "tests/support/sanitizer.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

std::uint64_t address_space_of(int pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/statm");
    std::uint64_t pages = 0;
    file >> pages;
    return pages * 4096;
}

/// How much above what the running worker has it may have: from no copy of the payload to all of them.
class MemoryLimit : public testing::TestWithParam<int> {};

TEST_P(MemoryLimit, ALargePayloadCostsItsJobOrTheConnectionAndNotTheWorker) {
    TestHub hub;
    TestWorker worker({hub.url(), "[connectors.simulation]\n", {}, {}, {}});
    worker.wait_state("simulation", "ready");
    const int pid = worker.supervisor_pid();
    rlimit limit{};
    limit.rlim_cur = limit.rlim_max = address_space_of(pid) + (static_cast<std::uint64_t>(GetParam()) << 20);
    // AddressSanitizer needs the address space for itself: under it only the way of a large payload is seen.
    const bool limited = address_sanitizer || ::prlimit(pid, RLIMIT_AS, &limit, nullptr) == 0;
    ASSERT_TRUE(limited);

    JobClient client(hub);
    Json payload{{"processing_time", 0.05}, {"steps", 1}};
    payload["blob"] = std::string(std::size_t{24} << 20, 'x');
    const auto large = client.submit("simulation", payload);
    std::string status;
    ASSERT_TRUE(wait_until(
        [&] {
            status = http_get(hub.port(), "/api/jobs/" + large).json().value("status", "");
            return status == "completed" || status == "failed" ||
                   worker.log().find("no memory left") != std::string::npos;
        },
        Ms(60'000)))
        << status << worker.log();
    client.hub.send({{"type", "cancel_job"}, {"job_id", large}});
    payload.erase("blob");
    client.completed(client.submit("simulation", payload), Ms(60'000));
    EXPECT_EQ(worker.supervisor_pid(), pid) << worker.log();
}

INSTANTIATE_TEST_SUITE_P(Mib, MemoryLimit, testing::Values(8, 60, 130));

}  // namespace
}  // namespace emprops::test
