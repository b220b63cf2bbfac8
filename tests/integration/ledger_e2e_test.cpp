// What the job ledger promises, with the whole worker: kill -9 of the supervisor while jobs run or outcomes
// wait, a hub that is away, a half-open link, a disk that refuses. Nothing is lost, nothing is reported
// twice.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/job_client.h"
#include "tests/support/proxy_thread.h"
#include "tests/support/supervision_bench.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* quick_reconnects = "[hub]\nreconnect_min = \"100ms\"\nreconnect_max = \"500ms\"\n";

/// A hub, a worker with one simulation that keeps a journal, and a client.
struct World {
    explicit World(const std::string& env = "", const std::string& hub_url = "",
                   const std::string& link = quick_reconnects, std::vector<std::string> hub_settings = {})
        : hub(std::move(hub_settings)) {
        TestWorkerOptions options;
        options.hub_url = hub_url.empty() ? hub.url() : hub_url;
        options.toml = link + "\n[connectors.simulation]\nenv = {SIMULATION_JOURNAL = \"" +
                       (dir / "journal").string() + "\"" + env + "}\n";
        worker = std::make_unique<TestWorker>(options);
        worker->wait_state("simulation", "ready");
    }
    void kill_supervisor() {
        ASSERT_EQ(::kill(worker->supervisor_pid(), SIGKILL), 0);
        ASSERT_TRUE(worker->process().wait(Ms(20'000)));
    }
    std::vector<int> starts(const std::string& job) const { return read_journal(dir / "journal")[job]; }
    bool owes_nothing() const { return worker->status().at("ledger").at("records") == 0; }

    TempDir dir;
    TestHub hub;
    std::unique_ptr<TestWorker> worker;
};

/// How often the client was told of an end of this job.
int ends_told(const JobClient& client, const std::string& job) {
    int number = 0;
    for (const auto& message : client.hub.seen()) {
        const auto type = message.value("type", "");
        number += (type == "complete_job" || type == "fail_job") && message.value("job_id", "") == job;
    }
    return number;
}

TEST(LedgerEndToEnd, AJobOfAKilledSupervisorIsReportedLostAtTheNextStartAndRunAgain) {
    World world;
    JobClient client(world.hub);
    const auto job = client.submit("simulation", {{"processing_time", 4}, {"steps", 40}});
    client.progressed(job);
    world.kill_supervisor();
    world.worker->start();
    EXPECT_THAT(client.failed(job), HasSubstr("[lost]")) << world.worker->log();
    EXPECT_EQ(client.completed(job).at("status"), "success");
    EXPECT_EQ(world.starts(job).size(), 2u);
    EXPECT_EQ(ends_told(client, job), 2) << "one lost, one completed";
    EXPECT_TRUE(wait_until([&] { return world.owes_nothing(); })) << world.worker->status().at("ledger");
}

TEST(LedgerEndToEnd, AJobOfAConnectorThatCanResumeIsResumedAfterAKillOfTheSupervisor) {
    World world(", SIMULATION_RESUME = \"1\"");
    JobClient client(world.hub);
    const Json payload{{"processing_time", 3}, {"steps", 30}, {"echo", true}, {"secret", "1.10"}};
    const auto job = client.submit("simulation", payload);
    client.progressed(job);
    world.kill_supervisor();
    world.worker->start();
    const auto result = client.completed(job);
    EXPECT_EQ(result.at("output").value("resumed", false), true) << result << "\n" << world.worker->log();
    EXPECT_EQ(result.at("output").at("echo"), payload);
    EXPECT_THAT(world.starts(job), ElementsAre(1, 2));
    EXPECT_EQ(ends_told(client, job), 1);
    EXPECT_TRUE(wait_until([&] { return world.owes_nothing(); })) << world.worker->status().at("ledger");
}

TEST(LedgerEndToEnd, AnOutcomeThatWaitedForTheHubSurvivesAKillOfTheSupervisor) {
    World world;
    std::string job;
    {
        JobClient client(world.hub);
        job = client.submit("simulation", {{"processing_time", 2}, {"steps", 8}, {"echo", true}});
        client.progressed(job);
    }
    world.hub.kill();
    EXPECT_TRUE(
        wait_until([&] { return world.worker->status().at("ledger").at("outcomes") == 1; }, Ms(20'000)))
        << world.worker->status().dump(1);
    world.kill_supervisor();
    world.worker->start();
    world.worker->wait_log("1 finished and 0 unfinished");
    world.hub.start();
    EXPECT_EQ(wait_job_status(world.hub, job, "completed", Ms(40'000)), "completed") << world.worker->log();
    EXPECT_EQ(world.starts(job).size(), 1u) << "it was run again although it was done";
    EXPECT_TRUE(wait_until([&] { return world.owes_nothing(); })) << world.worker->status().at("ledger");
}

TEST(LedgerEndToEnd, AHubThatIsAwayLongerThanItsOwnPatienceGetsTheResultAndNobodyRunsTheJobAgain) {
    World world("", "", quick_reconnects, {"local_hub.requeue_after=1s", "local_hub.max_attempts=1"});
    std::string job;
    {
        JobClient client(world.hub);
        job = client.submit("simulation", {{"processing_time", 1}, {"steps", 4}});
        client.progressed(job);
    }
    world.hub.kill();
    EXPECT_TRUE(
        wait_until([&] { return world.worker->status().at("hub").at("outbox_depth") == 1; }, Ms(20'000)));
    // Away until at least one reconnect has failed.
    world.worker->wait_log("no connection to the Hub", Ms(20'000));
    world.hub.start();
    EXPECT_EQ(wait_job_status(world.hub, job, "completed", Ms(40'000)), "completed") << world.worker->log();
    EXPECT_EQ(world.starts(job).size(), 1u);
    EXPECT_EQ(world.worker->status().at("jobs").at("completed"), 1);
}

TEST(LedgerEndToEnd, AHalfOpenLinkIsNoticedAndTheResultComesOverTheNextOne) {
    TestHub hub;
    ProxyThread proxy(hub.port());
    TempDir dir;
    TestWorkerOptions options;
    options.hub_url = proxy.url();
    options.toml = std::string(quick_reconnects) +
                   "idle_timeout = \"3s\"\n[connectors.simulation]\nenv = {SIMULATION_JOURNAL = \"" +
                   (dir / "journal").string() + "\"}\n";
    TestWorker worker(options);
    worker.wait_state("simulation", "ready");
    JobClient client(hub);
    const auto job = client.submit("simulation", {{"processing_time", 2}, {"steps", 8}});
    client.progressed(job);
    FaultProxy::Faults silent;
    silent.blackhole = true;
    proxy.set(silent);
    // The default idle timeout is 40 s and pings go out at half of it, hence "within 45 s".
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_TRUE(wait_until([&] { return worker.status().at("hub").at("link") != "connected"; }, Ms(15'000)))
        << worker.log();
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
    proxy.set({});
    EXPECT_EQ(client.completed(job).at("status"), "success") << worker.log();
    EXPECT_EQ(read_journal(dir / "journal")[job].size(), 1u);
    // The proxy hands over what it held back, so the result can arrive before the next connection is
    // welcomed.
    EXPECT_TRUE(wait_until([&] { return worker.status().at("hub").at("reconnects") >= 1; })) << worker.log();
}

TEST(LedgerEndToEnd, AFolderThatCannotBeWrittenStopsClaimingAndStillDeliversWhatRuns) {
    World world;
    JobClient client(world.hub);
    const auto running = client.submit("simulation", {{"processing_time", 3}, {"steps", 30}});
    client.progressed(running);
    // A file in the place of the ledger's folder: also root cannot write into it.
    const auto ledger = world.worker->dir() / "state/ledger";
    ASSERT_TRUE(std::filesystem::is_directory(ledger));
    std::filesystem::rename(ledger, world.dir / "taken-away");
    world.worker->dir().write_file("state/ledger", "no folder");

    EXPECT_EQ(client.completed(running).at("status"), "success") << world.worker->log();
    world.worker->wait_log("claims no new jobs");
    EXPECT_EQ(world.worker->status().at("ledger").at("healthy"), false);
    const auto waiting = client.submit("simulation", {{"processing_time", 0.1}});
    EXPECT_TRUE(client.hub.nothing(
        [&](const Json& message) {
            return message.value("job_id", "") == waiting && message.value("type", "") != "job_accepted";
        },
        Ms(1500)));
    EXPECT_TRUE(world.starts(waiting).empty());

    std::filesystem::remove(ledger);
    std::filesystem::rename(world.dir / "taken-away", ledger);
    world.worker->wait_log("claims jobs again", Ms(60'000));
    EXPECT_EQ(client.completed(waiting).at("status"), "success") << world.worker->log();
}

}  // namespace
}  // namespace emprops::test
