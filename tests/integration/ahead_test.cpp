// A job more than there are slots, with the real programs on the local hub: it waits prepared, begins with the slot,
// and goes back for nothing, whoever ends first.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <map>
#include <set>

#include "tests/support/job_client.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

using ::testing::HasSubstr;

std::string simulation(const std::string& keys = "",
                       const std::string& settings = "processing_time = 600\nsteps = 600\n") {
    return "[connectors.simulation]\n" + keys + "[connectors.simulation.settings]\nprepare = true\n" +
           settings;
}
const Json quick{{"processing_time", 0.1}, {"steps", 1}};
const Json endless{{"processing_time", 600}, {"steps", 6000}};

bool is_waiting(const Json& message, const std::string& job_id) {
    return message.at("type") == "update_job_progress" && message.at("job_id") == job_id &&
           message.value("begun", true) == false;
}

struct World {
    explicit World(const std::string& toml = simulation(), std::vector<std::string> hub_settings = {})
        : hub(std::move(hub_settings)), worker({hub.url(), toml, {}, {}, {}}), client(hub) {
        worker.wait_state("simulation", "ready");
    }
    /// One that runs until it is cancelled, and one that waits behind it.
    void run_and_prepare() {
        running = client.submit("simulation", endless);
        client.progressed(running);
        next = client.submit("simulation", quick);
        const Json told = client.hub.receive([&](const Json& message) { return is_waiting(message, next); });
        EXPECT_EQ(told.at("message"), "waits for the slot");
        // That was said at the assignment, before the ledger and the connector have the job.
        EXPECT_TRUE(wait_until([&] { return state_here(next) == "prepared"; }));
    }
    void cancel(const std::string& job_id) {
        client.hub.send({{"type", "cancel_job"}, {"job_id", job_id}, {"reason", "enough"}});
    }
    std::string state_here(const std::string& job_id) const {
        const Json page = Json::parse(worker.cli({"jobs", "--json"}).out);
        for (const Json& job : page.at("jobs"))
            if (job.at("job_id") == job_id) return job.at("state");
        return "";
    }
    int attempts_failed() const {
        int count = 0;
        for (const Json& message : client.hub.seen())
            count += message.at("type") == "fail_job";
        return count;
    }

    TestHub hub;
    TestWorker worker;
    JobClient client;
    std::string running, next;
};

TEST(Ahead, TheNextJobIsPreparedAndBeginsWithTheSlot) {
    World world;
    world.run_and_prepare();
    EXPECT_EQ(world.state_here(world.next), "prepared");
    const std::string third = world.client.submit("simulation", quick);
    world.cancel(world.running);
    EXPECT_EQ(world.client.completed(world.next).at("status"), "success");
    EXPECT_EQ(world.client.completed(third).at("status"), "success");
    EXPECT_EQ(world.attempts_failed(), 0);
    EXPECT_THAT(world.worker.log(), HasSubstr("begun by simulation"));
    world.worker.stop_and_wait();
}

TEST(Ahead, WhoeverDoesNotDeclareItGetsNothingAhead) {
    World world("[connectors.simulation.settings]\nprocessing_time = 600\nsteps = 600\n");
    const std::string running = world.client.submit("simulation", endless);
    world.client.progressed(running);
    const std::string next = world.client.submit("simulation", quick);
    EXPECT_TRUE(
        world.client.hub.nothing([&](const Json& message) { return is_waiting(message, next); }, 500ms));
    world.cancel(running);
    world.client.completed(next);
    world.worker.stop_and_wait();
}

TEST(Ahead, TheWaitingOneCanBeCancelledAndTheRunningOneGoesOn) {
    World world;
    world.run_and_prepare();
    world.cancel(world.next);
    EXPECT_EQ(wait_job_status(world.hub, world.next, "cancelled", Ms(10'000)), "cancelled");
    const std::string third = world.client.submit("simulation", quick);
    world.client.hub.receive([&](const Json& message) { return is_waiting(message, third); });
    EXPECT_EQ(world.state_here(world.running), "running");
    EXPECT_EQ(world.state_here(world.next), "");
    world.cancel(third);
    world.cancel(world.running);
    EXPECT_EQ(wait_job_status(world.hub, world.running, "cancelled", Ms(10'000)), "cancelled");
    EXPECT_EQ(world.client.completed(world.client.submit("simulation", quick)).at("status"), "success");
    EXPECT_EQ(world.attempts_failed(), 0);
    world.worker.stop_and_wait();
}

TEST(Ahead, ADrainSendsItBackAtOnceAndTheRunningOneFinishes) {
    for (const bool signal : {false, true}) {
        World world;
        world.running = world.client.submit("simulation", {{"processing_time", 3}, {"steps", 30}});
        world.client.progressed(world.running);
        world.next = world.client.submit("simulation", quick);
        world.client.hub.receive([&](const Json& message) { return is_waiting(message, world.next); });
        if (signal)
            world.worker.process().signal(SIGTERM);
        else
            EXPECT_EQ(world.worker.cli({"drain", "simulation"}).exit_code, 0);
        EXPECT_EQ(wait_job_status(world.hub, world.next, "pending", Ms(2'500)), "pending");
        EXPECT_NE(wait_job_status(world.hub, world.running, "completed", Ms(0)), "completed") << "at once";
        EXPECT_EQ(world.client.completed(world.running).at("status"), "success");
        TestWorker other({world.hub.url(), simulation(), {}, {}, {}});
        EXPECT_EQ(world.client.completed(world.next, Ms(30'000)).at("status"), "success");
        EXPECT_EQ(world.attempts_failed(), 0) << "it went back for nothing";
        other.stop_and_wait();
        if (!signal) world.worker.stop_and_wait();
    }
}

TEST(Ahead, TheConnectorsDeathIsNotPutDownToIt) {
    World world(simulation("backoff_initial = \"100ms\"\n"));
    world.run_and_prepare();
    ASSERT_EQ(::kill(world.worker.connector("simulation").at("pid").get<int>(), SIGKILL), 0);
    EXPECT_EQ(world.client.completed(world.next, Ms(30'000)).at("status"), "success");
    EXPECT_THAT(world.client.failed(world.running), HasSubstr("crashed"));
    EXPECT_EQ(world.attempts_failed(), 1);
    world.cancel(world.running);
    world.worker.stop_and_wait();
}

TEST(Ahead, AKilledWorkerRunsItAfterItsRestart) {
    World world;
    world.run_and_prepare();
    world.worker.process().signal(SIGKILL);
    world.worker.process().wait();
    world.cancel(world.running);
    world.worker.start();
    EXPECT_EQ(world.client.completed(world.next, Ms(60'000)).at("status"), "success");
    EXPECT_EQ(world.attempts_failed(), 0) << world.worker.log();
    world.worker.stop_and_wait();
}

TEST(Ahead, AWorkerThatStaysAwayCostsItNoAttempt) {
    World world(simulation(), {"local_hub.requeue_after=1s"});
    world.run_and_prepare();
    world.worker.process().signal(SIGKILL);
    EXPECT_EQ(wait_job_status(world.hub, world.next, "pending", Ms(20'000)), "pending");
    TestWorker other({world.hub.url(), simulation(), {}, {}, {}});
    world.cancel(world.running);
    EXPECT_EQ(world.client.completed(world.next, Ms(30'000)).at("status"), "success");
    other.stop_and_wait();
}

/// Two hundred jobs of mixed length; of the two who run them one takes ten times as long. Until the queue is empty both
/// are busy, and what waits behind the slow one then is begun by the other.
void expect_both_busy_to_the_end(JobClient& client, const std::function<std::string(const Json&)>& who) {
    std::vector<std::string> ids;
    for (int i = 0; i < 200; ++i)
        ids.push_back(client.submit("simulation", {{"steps", 1 + i % 3}}));
    for (const auto& id : ids)
        EXPECT_EQ(client.completed(id, Ms(120'000)).at("status"), "success");
    std::map<std::string, double> last;
    std::map<std::string, int> done;
    for (const Json& message : client.hub.seen()) {
        EXPECT_NE(message.at("type"), "fail_job") << message.dump();
        if (message.at("type") != "complete_job") continue;
        last[who(message)] = message.at("timestamp");
        ++done[who(message)];
    }
    ASSERT_EQ(last.size(), 2u);
    const double apart = std::abs(last.begin()->second - last.rbegin()->second);
    EXPECT_LT(apart, 5.0) << last.begin()->first << ": " << done.begin()->second << ", "
                          << last.rbegin()->first << ": " << done.rbegin()->second;
}

TEST(Ahead, TwoWorkersOneOfThemSlowAreBothBusyToTheEnd) {
    World world(simulation("", "processing_time = 0.02\n"));
    TestWorker slow({world.hub.url(), simulation("", "processing_time = 0.4\n"), {}, {}, {}});
    slow.wait_state("simulation", "ready");
    expect_both_busy_to_the_end(
        world.client, [](const Json& message) { return message.at("worker_id").get<std::string>(); });
    slow.stop_and_wait();
    world.worker.stop_and_wait();
}

}  // namespace
}  // namespace emprops::test
