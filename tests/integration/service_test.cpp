// A connector with a companion service in the whole worker, on the local hub: no job is claimed while the
// service cannot be used, jobs go on afterwards, an operator sees why, and nothing is left behind.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/fake_service.h"
#include "tests/support/free_ports.h"
#include "tests/support/job_client.h"
#include "tests/support/process_survivors.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

struct ServiceOfWorker : testing::Test {
    std::string toml(const std::string& more = "", int instances = 1, const std::string& own = "") {
        port = free_ports(instances);
        return "[connectors.sim]\ncommand = [\"emprops-connector-simulation\"]\ninstances = " +
               std::to_string(instances) +
               "\nenv = {SIMULATION_JOB_TYPE = \"sim\", SIMULATION_PROCESSING_TIME = \"0.2\", "
               "SIMULATION_STEPS = \"2\"}\nbackoff_initial = \"50ms\"\n" +
               own + "[connectors.sim.service]\ncommand = " + fake_service_toml(folder.path()) +
               "\nport = " + std::to_string(port) +
               "\nhealth_interval = \"100ms\"\nhealth_timeout = \"500ms\"\nhealth_missed = 3\n"
               "stop_term = \"500ms\"\nenv = {CUDA_VISIBLE_DEVICES = \"{instance}\"}\n" +
               more +
               "[connectors.good]\ncommand = [\"emprops-connector-simulation\"]\n"
               "env = {SIMULATION_JOB_TYPE = \"good\", SIMULATION_PROCESSING_TIME = \"0.1\"}\n";
    }
    void start(const std::string& more = "", int instances = 1, const std::string& own = "") {
        worker = std::make_unique<TestWorker>(
            TestWorkerOptions{hub.url(), toml(more, instances, own), {}, {}, {}});
        client = std::make_unique<JobClient>(hub);
    }
    Json service(int index = 0) const { return worker->connector("sim", index).at("service"); }
    bool wait_service(const std::string& state, int index = 0) {
        return wait_until([&] { return service(index).at("state") == state; }, Ms(20'000));
    }
    bool told(const std::string& type) const {
        const Json status = worker->status();
        const Json& types = status.at("hub").at("told_job_types");
        return std::find(types.begin(), types.end(), type) != types.end();
    }
    /// Until then it is the worker's, and waits with it for another instance or for the service.
    bool wait_given(const std::string& job_id) {
        return wait_until([&] { return worker->connector("sim").at("jobs") == Json{job_id}; });
    }
    void touch(const char* name) { folder.write_file(name, ""); }
    void remove(const char* name) { std::filesystem::remove(folder / name); }
    std::vector<pid_t> pids(int index = 0) { return noted(folder / ("pids-" + std::to_string(index))); }

    TempDir folder;
    TestHub hub;
    std::uint16_t port = 0;
    std::unique_ptr<TestWorker> worker;
    std::unique_ptr<JobClient> client;
};

TEST_F(ServiceOfWorker, NoJobIsClaimedBeforeItAnswers) {
    touch("slow");
    start();
    worker->wait_state("sim", "unavailable");
    ASSERT_TRUE(wait_service("starting"));
    ASSERT_TRUE(wait_until([&] { return told("good"); }));
    EXPECT_FALSE(told("sim"));
    const auto job = client->submit("sim", Json::object());
    EXPECT_EQ(client->completed(client->submit("good", Json::object())).at("status"), "success");
    EXPECT_EQ(wait_job_status(hub, job, "pending", Ms(2'000)), "pending");
    EXPECT_EQ(worker->connector("sim").at("counters").at("jobs_given"), 0);

    const auto why = worker->cli({"why", "sim"});
    EXPECT_THAT(why.out, HasSubstr("sim is unavailable: its service is starting for"));
    const auto text = worker->cli({"status"}).out;
    EXPECT_THAT(text, testing::ContainsRegex("\nsim  +unavailable  "));
    EXPECT_THAT(text, HasSubstr("sim service"));
    EXPECT_THAT(text, HasSubstr("port " + std::to_string(port)));

    remove("slow");
    EXPECT_EQ(client->completed(job).at("status"), "success") << worker->log();
    EXPECT_TRUE(told("sim"));
    worker->wait_state("sim", "ready");
    EXPECT_THAT(worker->cli({"logs", "sim"}).out, HasSubstr("| service: fake service: listens on port"));
    worker->stop_and_wait();
    EXPECT_THAT(survivors(folder / "pids-0"), IsEmpty());
}

TEST_F(ServiceOfWorker, ItsDeathInMidJobTakesNeitherTheConnectorNorTheJobAndNothingIsClaimedInBetween) {
    start();
    ASSERT_TRUE(wait_service("healthy"));
    const int connector_pid = worker->connector("sim").at("pid");
    const auto running = client->submit("sim", {{"processing_time", 2}, {"steps", 20}});
    ASSERT_TRUE(wait_given(running));
    touch("slow");
    ::kill(pids().back(), SIGKILL);
    ASSERT_TRUE(wait_until([&] { return pids().size() == 2; }));
    EXPECT_EQ(client->completed(running).at("status"), "success") << "the connector decides about its job";
    ASSERT_TRUE(wait_until([&] { return !told("sim"); }));
    const auto job = client->submit("sim", Json::object());
    EXPECT_EQ(client->completed(client->submit("good", Json::object())).at("status"), "success");
    EXPECT_EQ(wait_job_status(hub, job, "pending", Ms(2'000)), "pending");
    EXPECT_EQ(worker->connector("sim").at("counters").at("jobs_given"), 1);
    remove("slow");
    EXPECT_EQ(client->completed(job).at("status"), "success") << worker->log();

    const auto one = worker->connector("sim");
    EXPECT_EQ(one.at("pid"), connector_pid);
    EXPECT_EQ(one.at("counters").at("deaths"), 0);
    EXPECT_EQ(one.at("service").at("counters").at("deaths"), 1);
    EXPECT_EQ(one.at("service").at("last_death").at("signal"), SIGKILL);
    EXPECT_EQ(one.at("service").at("last_death").at("jobs_held"), Json{running});
}

TEST_F(ServiceOfWorker, AJobThatFailsAfterItsDeathSaysSo) {
    start();
    ASSERT_TRUE(wait_service("healthy"));
    const auto job = client->submit(
        "sim",
        {{"processing_time", 2}, {"steps", 4}, {"fault", "fail"}, {"at_step", 4}, {"retryable", false}});
    ASSERT_TRUE(wait_given(job));
    touch("crash");
    const auto error = client->failed(job);
    EXPECT_THAT(error, HasSubstr("the job asked to fail; its service exited with code 3"));
    EXPECT_THAT(error, HasSubstr("its last words: "));
    EXPECT_THAT(error, HasSubstr("about to crash"));
}

TEST_F(ServiceOfWorker, AJobThatEndsItTwiceIsPoisonAndAnInnocentOneRunsAtOnce) {
    start("breaker_deaths = 2\n");
    ASSERT_TRUE(wait_service("healthy"));
    const auto bad = client->submit("sim", {{"processing_time", 60}, {"steps", 600}});
    ASSERT_TRUE(wait_given(bad));
    const auto innocent = client->submit("sim", Json::object());
    for (std::size_t life = 1; life <= 2; ++life) {
        ASSERT_TRUE(wait_until([&] { return pids().size() == life; }, Ms(20'000)));
        ASSERT_TRUE(wait_service("healthy"));
        touch("crash");
        ASSERT_TRUE(wait_until([&] { return service().at("counters").at("deaths") == life; }));
    }
    ASSERT_EQ(wait_job_status(hub, bad, "failed", Ms(20'000)), "failed") << "not retryable" << worker->log();
    const auto error = client->failed(bad);
    EXPECT_THAT(error, HasSubstr("[poison] this job has ended the service of sim twice"));
    EXPECT_THAT(error, HasSubstr("exited with code 3"));
    EXPECT_THAT(error, HasSubstr("about to crash"));
    EXPECT_EQ(client->completed(innocent, Ms(15'000)).at("status"), "success") << worker->log();
    EXPECT_EQ(service().at("counters").at("deaths"), 2);
    EXPECT_THAT(worker->log(), Not(HasSubstr("breaker open")));
}

TEST_F(ServiceOfWorker, TwoJobsThatEndItOneAfterTheOtherAccuseTheMachine) {
    start();
    for (std::size_t death = 1; death <= 2; ++death) {
        ASSERT_TRUE(wait_until([&] { return pids().size() == death; }, Ms(20'000)));
        ASSERT_TRUE(wait_service("healthy"));
        const auto job = client->submit("sim", {{"processing_time", 60}, {"steps", 600}});
        ASSERT_TRUE(wait_given(job));
        touch("crash");
        ASSERT_TRUE(wait_until([&] { return service().at("counters").at("deaths") == death; }));
        if (death == 1) {
            EXPECT_EQ(worker->cli({"cancel", job}).exit_code, 0);
            continue;
        }
        ASSERT_TRUE(wait_service("breaker_open"));
        EXPECT_EQ(wait_job_status(hub, job, "pending", Ms(5'000)), "pending") << "back, for others";
    }
    EXPECT_EQ(worker->connector("sim").at("jobs"), Json::array());
    const auto why = worker->cli({"why", "sim"}).out;
    EXPECT_THAT(why, HasSubstr("ended it one after the other with no success between them"));
    EXPECT_THAT(why, HasSubstr("breaker open"));
    EXPECT_THAT(worker->log(), Not(HasSubstr("[poison]")));
}

TEST_F(ServiceOfWorker, NoJobKeepsItsSlotWhileItIsAwayForMinutes) {
    start("breaker_deaths = 1\n", 1, "poison_deaths = 0\n");
    ASSERT_TRUE(wait_service("healthy"));
    const auto job = client->submit("sim", {{"processing_time", 60}, {"steps", 600}});
    ASSERT_TRUE(wait_given(job));
    touch("crash");
    ASSERT_TRUE(wait_service("breaker_open"));
    EXPECT_EQ(wait_job_status(hub, job, "pending", Ms(5'000)), "pending");
    EXPECT_TRUE(wait_until([&] { return worker->connector("sim").at("jobs").empty(); }));
    EXPECT_THAT(worker->log(),
                HasSubstr("gave this job back, because its service will not be there soon: its "
                          "service is tried again in 5 min only"));
}

TEST_F(ServiceOfWorker, ItsConnectorMayAskForARestart) {
    start();
    ASSERT_TRUE(wait_service("healthy"));
    const auto job = client->submit("sim", {{"fault", "restart_service"}, {"processing_time", 0.5}});
    EXPECT_EQ(client->completed(job).at("status"), "success");
    ASSERT_TRUE(wait_until([&] { return pids().size() == 2; }));
    ASSERT_TRUE(wait_service("healthy"));
    const auto counters = service().at("counters");
    EXPECT_EQ(counters.at("restarts_asked"), 1);
    EXPECT_EQ(counters.at("deaths"), 1);
    EXPECT_EQ(service().at("last_death").at("stopped_for"), "asked");
    EXPECT_THAT(service().at("last_death").at("summary").get<std::string>(),
                HasSubstr("its connector asked for a restart: the job asked for it"));
    EXPECT_EQ(client->completed(client->submit("sim", Json::object())).at("status"), "success");
}

TEST_F(ServiceOfWorker, WithoutOneSuchARequestIsLoggedWithItsCure) {
    start();
    worker->wait_state("good", "ready");
    client->completed(client->submit("good", {{"fault", "restart_service"}, {"processing_time", 0.1}}));
    EXPECT_TRUE(worker->process().wait_stderr("([connectors.good.service])")) << worker->log();
}

TEST_F(ServiceOfWorker, TheOperatorRestartsItAloneOrStopsAndStartsBoth) {
    start();
    ASSERT_TRUE(wait_service("healthy"));
    const int connector_pid = worker->connector("sim").at("pid");
    const auto alone = worker->cli({"restart", "sim", "--service", "--wait"});
    EXPECT_EQ(alone.exit_code, 0) << alone.err;
    EXPECT_THAT(alone.out, HasSubstr("restarting the service of sim"));
    EXPECT_EQ(pids().size(), 2u);
    EXPECT_EQ(worker->connector("sim").at("pid"), connector_pid);

    EXPECT_EQ(worker->cli({"restart", "sim", "--wait"}).exit_code, 0);
    EXPECT_NE(worker->connector("sim").at("pid"), connector_pid);
    EXPECT_EQ(pids().size(), 2u) << "left alone";

    EXPECT_EQ(worker->cli({"stop", "sim", "--wait"}).exit_code, 0);
    EXPECT_THAT(survivors(folder / "pids-0"), IsEmpty());
    EXPECT_EQ(service().at("state"), "stopped");
    EXPECT_EQ(worker->cli({"start", "sim", "--wait"}).exit_code, 0);
    EXPECT_TRUE(wait_service("healthy"));
    EXPECT_EQ(client->completed(client->submit("sim", Json::object())).at("status"), "success");

    const auto none = worker->cli({"restart", "good", "--service"});
    EXPECT_NE(none.exit_code, 0);
    EXPECT_THAT(none.err, HasSubstr("[connectors.good.service]"));
}

TEST_F(ServiceOfWorker, TwoInstancesServeOnTwoPortsAndOneDeadServiceTakesOneInstanceOnly) {
    start("", 2);
    ASSERT_TRUE(wait_service("healthy", 0));
    ASSERT_TRUE(wait_service("healthy", 1));
    EXPECT_EQ(service(0).at("port"), port);
    EXPECT_EQ(service(1).at("port"), port + 1);
    EXPECT_EQ(noted(folder / "gpu-1"), std::vector<pid_t>{1});
    touch("slow");
    ::kill(pids(1).back(), SIGKILL);
    ASSERT_TRUE(wait_service("starting", 1));
    EXPECT_TRUE(told("sim")) << "the other one goes on";
    EXPECT_EQ(client->completed(client->submit("sim", Json::object())).at("status"), "success");
    EXPECT_EQ(worker->connector("sim", 0).at("counters").at("jobs_given"), 1);
    EXPECT_EQ(worker->connector("sim", 1).at("counters").at("jobs_given"), 0);
}

TEST_F(ServiceOfWorker, NothingIsLeftAfterAKillOfTheSupervisor) {
    touch("child");
    start();
    ASSERT_TRUE(wait_service("healthy"));
    ASSERT_TRUE(wait_until([&] { return noted(folder / "children").size() == 1; }));
    ::kill(worker->supervisor_pid(), SIGKILL);
    EXPECT_TRUE(wait_until(
        [&] { return survivors(folder / "pids-0").empty() && survivors(folder / "children").empty(); },
        Ms(5'000)));
}

TEST_F(ServiceOfWorker, AReloadThatChangesItsSettingsRestartsItAndABrokenOneChangesNothing) {
    start();
    ASSERT_TRUE(wait_service("healthy"));
    const std::string file = worker->dir().read_file("emprops-worker.toml");
    worker->dir().write_file("emprops-worker.toml", file + "[connectors.sim.service.evn]\nX = \"y\"\n");
    const auto refused = worker->cli({"reload"});
    EXPECT_NE(refused.exit_code, 0);
    EXPECT_THAT(refused.err, HasSubstr("did you mean `connectors.sim.service.env`?"));
    EXPECT_EQ(pids().size(), 1u);
    worker->dir().write_file("emprops-worker.toml", file);
    worker->dir().write_file("config.d/more.toml", "[connectors.sim.service]\nmax_jobs = 100\n");
    EXPECT_EQ(worker->cli({"reload"}).exit_code, 0);
    EXPECT_TRUE(wait_until([&] { return pids().size() == 2; }));
    EXPECT_TRUE(wait_service("healthy"));
    EXPECT_EQ(worker->connector("sim").at("counters").at("spawns"), 1);
    EXPECT_THAT(worker->log(), Not(HasSubstr("SIGKILL")));
}

}  // namespace
}  // namespace emprops::test
