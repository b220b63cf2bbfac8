// The companion service of a connector with real processes and ports: it is watched, restarted, waited for
// and stopped, and its connector lives through all of that.

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>

#include "tests/support/fake_service.h"
#include "tests/support/free_ports.h"
#include "tests/support/process_fleet_driver.h"
#include "tests/support/process_survivors.h"

namespace emprops::test {
namespace {

using process::ServiceStatus;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct ServiceTest : testing::Test {
    config::ConnectorSettings settings(const std::string& mode = "hold", int instances = 1) {
        config::ConnectorSettings result = fault_settings("c", mode);
        result.instances = static_cast<std::uint32_t>(instances);
        result.supervision.breaker_deaths = 0;
        config::ServiceSettings& service = result.service;
        service.command = fake_service(folder.path());
        service.env = {{"CUDA_VISIBLE_DEVICES", "{instance}"}};
        service.port = free_ports(instances);
        service.health_interval = 50ms;
        service.health_timeout = 300ms;
        service.health_missed = 3;
        service.supervision.start_timeout = 20s;
        service.supervision.backoff_initial = 20ms;
        service.supervision.backoff_max = 100ms;
        service.supervision.breaker_deaths = 0;
        service.supervision.stop = {0ms, 500ms, 500ms};
        return result;
    }
    ServiceStatus service(int index = 0) { return driver.status("c", index).service.value(); }
    bool run_until_service(State wanted, int index = 0) {
        return driver.run_until([&] { return service(index).state == wanted; });
    }
    /// What the dispatcher knows of the newest instance.
    bool available() const {
        if (driver.ready.empty()) return false;
        const auto& [id, info] = driver.ready.back();
        for (auto change = driver.changes.rbegin(); change != driver.changes.rend(); ++change) {
            if (change->first == id) return change->second.available;
        }
        return info.available;
    }
    bool start_healthy(const config::ConnectorSettings& connector) {
        return driver.start({connector}) && run_until_service(State::ready) &&
               driver.run_until([&] { return available(); });
    }
    void touch(const char* name) { folder.write_file(name, ""); }
    void remove(const char* name) { std::filesystem::remove(folder / name); }
    std::vector<pid_t> pids(int index = 0) { return noted(folder / ("pids-" + std::to_string(index))); }
    std::string last_reason() const { return driver.statuses.empty() ? "" : driver.statuses.back().reason; }

    TempDir folder;
    FleetDriver driver;
};

TEST_F(ServiceTest, TheConnectorIsReadyAtOnceAndOfferedWhenItsServiceAnswers) {
    touch("slow");
    std::vector<std::string> log;
    driver.fleet->subscribe("c", process::Fleet::Lines::for_people,
                            [&](const process::TraceLine& line) { log.push_back(line.text); });
    ASSERT_TRUE(driver.start({settings()}));
    EXPECT_FALSE(driver.ready.back().second.available);
    EXPECT_THAT(driver.ready.back().second.unavailable_reason, HasSubstr("its service is starting"));
    ASSERT_TRUE(driver.run_until([&] { return !driver.statuses.empty(); }));
    EXPECT_FALSE(driver.statuses.back().available);
    EXPECT_THAT(last_reason(), HasSubstr("its service is starting"));
    EXPECT_THAT(driver.why("c"), HasSubstr("c is unavailable: its service is starting"));
    ASSERT_TRUE(driver.run_until([&] { return service().why.find("does not answer") != std::string::npos; }));
    remove("slow");
    ASSERT_TRUE(driver.run_until([&] { return available(); }));
    EXPECT_EQ(service().state, State::ready);
    EXPECT_TRUE(driver.statuses.back().available);
    EXPECT_EQ(service().counters.starts, 1u);
    EXPECT_EQ(service().vram_used, 0u);
    EXPECT_THAT(log, Contains(HasSubstr("service: fake service: listens on port")));
}

TEST_F(ServiceTest, EachInstanceHasItsOwnWithPortAndGpu) {
    const auto connector = settings("hold", 2);
    ASSERT_TRUE(driver.start({connector}));
    ASSERT_TRUE(run_until_service(State::ready, 0));
    ASSERT_TRUE(run_until_service(State::ready, 1));
    EXPECT_EQ(service(0).port, connector.service.port);
    EXPECT_EQ(service(1).port, connector.service.port + 1);
    EXPECT_THAT(noted(folder / "gpu-0"), ElementsAre(0));
    EXPECT_THAT(noted(folder / "gpu-1"), ElementsAre(1));
    EXPECT_TRUE(process_alive(pids(0).back()) && process_alive(pids(1).back()));
}

TEST_F(ServiceTest, ACrashRestartsItAndTheConnectorLivesOnWithItsJob) {
    ASSERT_TRUE(start_healthy(settings()));
    const InstanceId id = *driver.newest("c");
    ASSERT_TRUE(driver.give(id, "j"));
    touch("slow");
    touch("crash");
    ASSERT_TRUE(driver.run_until([&] { return !available(); }));
    ASSERT_TRUE(driver.run_until([&] { return service().last_death.has_value(); }));
    EXPECT_EQ(service().last_death->exit_code, 3);
    EXPECT_THAT(service().last_death->jobs_held, ElementsAre("j"));
    EXPECT_THAT(service().last_death->stderr_tail, testing::Contains(HasSubstr("about to crash")));
    EXPECT_EQ(service().counters.deaths, 1u);
    ASSERT_TRUE(driver.run_until([&] { return pids().size() == 2; }));
    EXPECT_THAT(driver.why("c"), HasSubstr("exited with code 3"));
    remove("slow");
    ASSERT_TRUE(driver.run_until([&] { return available(); }));
    EXPECT_FALSE(driver.is_gone(id));
    EXPECT_EQ(driver.status("c").counters.starts, 1u);
    EXPECT_THAT(driver.status("c").jobs, ElementsAre("j"));
    driver.fleet->job_ended(id, "j");
}

TEST_F(ServiceTest, KillingItsProcessIsACrashToo) {
    ASSERT_TRUE(start_healthy(settings()));
    ::kill(pids().back(), SIGKILL);
    ASSERT_TRUE(driver.run_until([&] { return pids().size() == 2 && available(); }));
    EXPECT_EQ(service().last_death->signal, SIGKILL);
    EXPECT_EQ(driver.status("c").counters.starts, 1u);
}

TEST_F(ServiceTest, OneThatHangsIsEndedAlsoWhenItIgnoresSigterm) {
    touch("deaf");
    ASSERT_TRUE(start_healthy(settings()));
    touch("hang");
    ASSERT_TRUE(driver.run_until([&] { return !available(); }));
    EXPECT_THAT(last_reason(), HasSubstr("gives no healthy answer"));
    ASSERT_TRUE(driver.run_until([&] { return service().counters.deaths == 1; }));
    EXPECT_EQ(service().last_death->stopped_for, StopReason::hung);
    EXPECT_EQ(service().last_death->signal, SIGKILL);
    remove("hang");
    ASSERT_TRUE(driver.run_until([&] { return available(); }));
    EXPECT_EQ(driver.status("c").counters.starts, 1u);
}

TEST_F(ServiceTest, AnAnswerThatIsAnErrorIsNoHealth) {
    ASSERT_TRUE(start_healthy(settings()));
    touch("broken");
    ASSERT_TRUE(run_until_service(State::unhealthy));
    EXPECT_THAT(service().why, HasSubstr("it answers HTTP 503"));
    remove("broken");
    ASSERT_TRUE(driver.run_until([&] { return available(); }));
    EXPECT_EQ(service().counters.deaths, 0u);
    EXPECT_GE(service().counters.probes_missed, 1u);
}

TEST_F(ServiceTest, APortOfAStrangerIsWaitedForAndHeIsNamed) {
    const auto connector = settings();
    std::optional<Stranger> stranger(std::in_place, connector.service.port);
    ASSERT_TRUE(driver.start({connector}));
    ASSERT_TRUE(run_until_service(State::waiting));
    EXPECT_FALSE(available());
    EXPECT_THAT(service().why, HasSubstr("port " + std::to_string(connector.service.port) +
                                         " belongs to pid " + std::to_string(::getpid()) + " ("));
    EXPECT_THAT(service().why, HasSubstr("integration_process_service"));
    EXPECT_EQ(service().counters.starts, 0u);
    stranger.reset();
    ASSERT_TRUE(driver.run_until([&] { return available(); }));
    EXPECT_EQ(service().counters.starts, 1u);
}

TEST_F(ServiceTest, AStrangerWhoTakesThePortWhileItStartsIsNotTakenForIt) {
    touch("slow");
    auto connector = settings();
    ASSERT_TRUE(driver.start({connector}));
    ASSERT_TRUE(driver.run_until([&] { return !pids().empty(); }));
    const Stranger stranger(connector.service.port);
    ASSERT_TRUE(driver.run_until(
        [&] { return service().why.find("which is not this service") != std::string::npos; }));
    EXPECT_FALSE(available());
    EXPECT_EQ(service().state, State::starting);
}

TEST_F(ServiceTest, IsRecycledBetweenJobsOnly) {
    auto connector = settings();
    connector.service.supervision.max_jobs = 1;
    ASSERT_TRUE(start_healthy(connector));
    const InstanceId id = *driver.newest("c");
    ASSERT_TRUE(driver.give(id, "j"));
    ASSERT_TRUE(driver.run_until([&] { return !available(); })) << "no second job meanwhile";
    EXPECT_THAT(service().why, HasSubstr("is restarted when 1 job(s) have ended: it has had 1 jobs"));
    driver.run_for(300ms);
    EXPECT_EQ(pids().size(), 1u);
    driver.fleet->job_ended(id, "j");
    ASSERT_TRUE(driver.run_until([&] { return pids().size() == 2 && available(); }));
    EXPECT_EQ(service().counters.recycles, 1u);
    EXPECT_EQ(service().counters.deaths, 0u);
    EXPECT_FALSE(driver.is_gone(id));
}

TEST_F(ServiceTest, TooMuchGraphicsMemoryRecyclesIt) {
    auto connector = settings();
    connector.service.max_vram = 1000;
    ASSERT_TRUE(start_healthy(connector));
    folder.write_file("vram", "1001");
    ASSERT_TRUE(driver.run_until([&] { return service().vram_used == 1001u; }));
    EXPECT_EQ(service().counters.recycles, 0u) << "a new one would not help: it has had no job";
    const InstanceId id = *driver.newest("c");
    ASSERT_TRUE(driver.give(id, "j"));
    driver.fleet->job_ended(id, "j");
    ASSERT_TRUE(driver.run_until([&] { return pids().size() == 2; }));
    remove("vram");
    EXPECT_TRUE(driver.run_until([&] { return service().counters.recycles >= 1 && available(); }));
}

TEST_F(ServiceTest, AConnectorThatDiedTooOftenWhileItsServiceStartedIsTriedWhenThatAnswers) {
    touch("slow");
    touch("broken");
    auto connector = settings();
    connector.command =
        fault_settings("c", "broken_when_file_exists", {(folder / "broken").string()}).command;
    connector.supervision.breaker_deaths = 2;
    connector.supervision.breaker_trial = 1h;
    driver.fleet->configure({connector});
    ASSERT_TRUE(driver.run_until_state("c", State::breaker_open));
    remove("broken");
    remove("slow");
    EXPECT_TRUE(driver.run_until_state("c", State::ready));
    EXPECT_TRUE(driver.run_until([&] { return available(); }));
}

TEST_F(ServiceTest, AnotherPortComesWithANewProcessAfterTheJobsOfTheOldOne) {
    auto connector = settings();
    ASSERT_TRUE(start_healthy(connector));
    const InstanceId old = *driver.newest("c");
    ASSERT_TRUE(driver.give(old, "j"));
    connector.service.port = free_ports(1);
    driver.fleet->configure({connector});
    driver.run_for(200ms);
    EXPECT_EQ(*driver.newest("c"), old) << "a second process would wait for a port that nobody has";
    driver.fleet->job_ended(old, "j");
    ASSERT_TRUE(driver.run_until([&] { return driver.is_gone(old); }));
    ASSERT_TRUE(driver.run_until([&] { return driver.ready.size() == 2 && service().usable; }));
    EXPECT_EQ(service().port, connector.service.port);
}

TEST_F(ServiceTest, OfAStoppedConnectorCannotBeRestartedAlone) {
    ASSERT_TRUE(start_healthy(settings()));
    ASSERT_TRUE(driver.fleet->stop("c").ok());
    const Result<> done = driver.fleet->restart_service("c");
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code, "stopped");
    EXPECT_THAT(done.error().message, HasSubstr("`emprops-worker start c` starts both"));
}

TEST_F(ServiceTest, ARestartOfTheConnectorLeavesItRunningAndTheOtherWayRound) {
    ASSERT_TRUE(start_healthy(settings()));
    const InstanceId old = *driver.newest("c");
    ASSERT_TRUE(driver.fleet->restart("c").ok());
    ASSERT_TRUE(driver.run_until([&] { return driver.is_gone(old); }));
    EXPECT_EQ(pids().size(), 1u);
    const InstanceId second = *driver.newest("c");
    ASSERT_TRUE(driver.fleet->restart_service("c").ok());
    ASSERT_TRUE(driver.run_until([&] { return pids().size() == 2 && available(); }));
    EXPECT_FALSE(driver.is_gone(second));
    EXPECT_EQ(service().counters.deaths, 0u);
    driver.fleet->configure({fault_settings("d", "echo")});
    ASSERT_TRUE(driver.run_until([&] { return driver.newest("d").has_value(); }));
    EXPECT_EQ(driver.fleet->restart_service("d").error().code, "no_service");
}

TEST_F(ServiceTest, StopEndsTheConnectorFirstAndStartBringsBothBack) {
    ASSERT_TRUE(start_healthy(settings()));
    const InstanceId id = *driver.newest("c");
    ASSERT_TRUE(driver.give(id, "j"));
    ASSERT_TRUE(driver.fleet->stop("c").ok());
    driver.run_for(200ms);
    EXPECT_TRUE(process_alive(pids().back())) << "its job still runs";
    EXPECT_FALSE(driver.is_gone(id));
    driver.fleet->job_ended(id, "j");
    ASSERT_TRUE(driver.run_until([&] { return driver.is_gone(id); }));
    ASSERT_TRUE(run_until_service(State::stopped));
    EXPECT_THAT(survivors(folder / "pids-0"), IsEmpty());
    EXPECT_EQ(driver.status("c").state, State::stopped);
    ASSERT_TRUE(driver.fleet->start("c").ok());
    ASSERT_TRUE(driver.run_until([&] { return available() && pids().size() == 2; }));
}

TEST_F(ServiceTest, AReloadRestartsWhatChangedWhenTheJobsHaveEnded) {
    auto connector = settings();
    ASSERT_TRUE(start_healthy(connector));
    const InstanceId id = *driver.newest("c");
    ASSERT_TRUE(driver.give(id, "j"));
    connector.service.env["MORE"] = "x";
    driver.fleet->configure({connector});
    ASSERT_TRUE(driver.run_until([&] { return !available(); }));
    driver.run_for(200ms);
    EXPECT_EQ(pids().size(), 1u) << "its job still runs";
    driver.fleet->job_ended(id, "j");
    ASSERT_TRUE(driver.run_until([&] { return pids().size() == 2 && available(); }));
    EXPECT_FALSE(driver.is_gone(id)) << "the connector has nothing to do with it";

    connector.service.port = free_ports();
    driver.fleet->configure({connector});
    ASSERT_TRUE(driver.run_until([&] { return driver.is_gone(id) && pids().size() == 3; }))
        << "the connector must learn where it is now";
    ASSERT_TRUE(run_until_service(State::ready));
    EXPECT_EQ(service().port, connector.service.port);

    connector.service = {};
    driver.fleet->configure({connector});
    ASSERT_TRUE(driver.run_until([&] { return !driver.status("c").service.has_value(); }));
    EXPECT_THAT(survivors(folder / "pids-0"), IsEmpty());
    EXPECT_TRUE(driver.run_until([&] { return available(); })) << "without a service of ours";

    connector = settings();
    driver.fleet->configure({connector});
    EXPECT_TRUE(driver.run_until([&] { return pids().size() == 4 && available(); }));
}

TEST_F(ServiceTest, FewerInstancesMeanFewerServices) {
    auto connector = settings("hold", 2);
    ASSERT_TRUE(driver.start({connector}));
    ASSERT_TRUE(run_until_service(State::ready, 1));
    connector.instances = 1;
    driver.fleet->configure({connector});
    ASSERT_TRUE(driver.run_until([&] { return survivors(folder / "pids-1").empty(); }));
    EXPECT_THAT(survivors(folder / "pids-0"), ElementsAre(pids(0).back()));
}

TEST_F(ServiceTest, ItsGrandchildrenGoWithIt) {
    touch("child");
    ASSERT_TRUE(start_healthy(settings()));
    ASSERT_TRUE(driver.run_until([&] { return noted(folder / "children").size() == 1; }));
    remove("child");
    touch("crash");
    ASSERT_TRUE(driver.run_until([&] { return pids().size() == 2 && available(); }));
    EXPECT_TRUE(driver.run_until([&] { return survivors(folder / "children").empty(); }));
}

TEST_F(ServiceTest, AProgramThatIsNotThereIsNamed) {
    auto connector = settings();
    connector.service.command = {"/nonexistent/python"};
    ASSERT_TRUE(driver.start({connector}));
    ASSERT_TRUE(driver.run_until([&] { return service().last_death.has_value(); }));
    EXPECT_THAT(service().why, HasSubstr("/nonexistent/python"));
    EXPECT_THAT(service().why, HasSubstr("`command` of [connectors.c.service]"));
    EXPECT_FALSE(available());
}

TEST_F(ServiceTest, AtTheEndOfTheWorkerItIsStoppedLast) {
    ASSERT_TRUE(start_healthy(settings()));
    bool done = false;
    driver.fleet->shutdown([&] { done = true; });
    ASSERT_TRUE(driver.run_until([&] { return done; }));
    EXPECT_THAT(survivors(folder / "pids-0"), IsEmpty());
    EXPECT_THAT(driver.order, ElementsAre("ready c", "leaving c", "gone c"));
    EXPECT_EQ(service().last_death, std::nullopt) << "that was no death";
}

TEST_F(ServiceTest, AStoppedOneWithoutAPageIsNotHealthyEither) {
    auto connector = settings();
    connector.service.command = {"sleep", "1000"};
    connector.service.port = 0;
    connector.service.health_url.clear();
    ASSERT_TRUE(start_healthy(connector));
    const int pid = service().pid;
    ASSERT_EQ(::kill(pid, SIGSTOP), 0);
    ASSERT_TRUE(run_until_service(State::unhealthy));
    EXPECT_TRUE(driver.run_until([&] { return !available(); }));
    EXPECT_THAT(driver.why("c"), HasSubstr("its service is stopped by SIGSTOP"));
    ASSERT_EQ(::kill(pid, SIGCONT), 0);
    ASSERT_TRUE(run_until_service(State::ready));
    EXPECT_TRUE(driver.run_until([&] { return available(); }));
    EXPECT_EQ(service().counters.deaths, 0u);
}

TEST_F(ServiceTest, OneThatGoesIntoTheBackgroundIsNamedAsThat) {
    touch("daemon");
    driver.fleet->configure({settings()});
    ASSERT_TRUE(driver.run_until([&] { return service().last_death.has_value(); }));
    EXPECT_EQ(service().last_death->exit_code, 0);
    const std::string what =
        "and left 1 process in the background, ended with it: what is supervised must stay in the "
        "foreground";
    EXPECT_THAT(service().last_death->summary(), HasSubstr(what));
    EXPECT_TRUE(driver.run_until([&] { return driver.why("c").find(what) != std::string::npos; }));
}

TEST_F(ServiceTest, SoIsAScriptThatStartsSomethingAndEnds) {
    auto connector = settings();
    connector.service.command = {"bash", "-c", "setsid sleep 1000 & sleep 1000 & exit 0"};
    driver.fleet->configure({connector});
    ASSERT_TRUE(driver.run_until([&] { return service().last_death.has_value(); }));
    EXPECT_THAT(service().last_death->summary(), HasSubstr("left 2 processes in the background"));
    EXPECT_THAT(service().last_death->summary(), HasSubstr("a script ends with `exec PROGRAM`"));
}

TEST_F(ServiceTest, AnOrdinaryEndLeavesNothingBehind) {
    auto connector = settings();
    connector.service.command = {"bash", "-c", "exit 0"};
    driver.fleet->configure({connector});
    ASSERT_TRUE(driver.run_until([&] { return service().last_death.has_value(); }));
    EXPECT_EQ(service().last_death->left_behind, 0u);
}

TEST_F(ServiceTest, OneThatListensOnIpv6OnlyIsFound) {
    const int probe = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    const bool possible =
        probe >= 0 && ::bind(probe, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
    if (probe >= 0) ::close(probe);
    if (!possible) GTEST_SKIP() << "no IPv6 on this machine";
    touch("ipv6");
    for (const char* page :
         {"http://127.0.0.1:{port}/x", "http://[::1]:{port}/x", "http://localhost:{port}/x"}) {
        auto connector = settings();
        connector.service.health_url = page;
        driver.fleet->configure({connector});
        EXPECT_TRUE(run_until_service(State::ready)) << page << ": " << driver.why("c");
    }
}

}  // namespace
}  // namespace emprops::test
