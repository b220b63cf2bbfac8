// What an operator does with connectors while work goes on, and what a child finds when it starts; with real
// processes.

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tests/support/process_fleet_driver.h"
#include "tests/support/process_survivors.h"

namespace emprops::test {
namespace {

using nlohmann::json;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST(CleanStart, TheChildHasThreeDescriptorsDefaultSignalsItsOwnGroupAndNoSecrets) {
    ::setenv("HUB_TOKEN", "secret", 1);
    ::setenv("WORKER_WEBSOCKET_AUTH_TOKEN", "secret", 1);
    FleetDriver driver;
    ASSERT_TRUE(driver.start({fault_settings("other", "echo")})) << "its pipes must not leak";
    auto settings = fault_settings("c", "self_report");
    settings.instances = 2;
    settings.env = {{"GPU", "{instance}"}, {"OWN", "x"}};
    ASSERT_TRUE(driver.start({fault_settings("other", "echo"), settings}));
    ASSERT_TRUE(driver.run_until([&] { return driver.ready.size() == 3; }));
    const auto result = driver.result_of("c", "j");
    ASSERT_TRUE(result);
    const json report = json::parse(*result);
    EXPECT_EQ(report["fds"], json({"0", "1", "2"}));
    EXPECT_EQ(report["signals"], json::array());
    EXPECT_EQ(report["group_leader"], true);
    EXPECT_EQ(report["no_new_privs"], 1);
    const int index = driver.newest("c")->index;
    EXPECT_EQ(report["gpu"], std::to_string(index));
    EXPECT_EQ(report["cwd"], (driver.state / ("work/c-" + std::to_string(index))).string());
    const auto names = report["env"].get<std::vector<std::string>>();
    EXPECT_THAT(names, Contains("EMPROPS_CONNECTOR"));
    EXPECT_THAT(names, Contains("PATH"));
    EXPECT_THAT(names, Contains("OWN"));
    for (const std::string& name : names)
        EXPECT_THAT(name, Not(HasSubstr("TOKEN")));
}

TEST(CleanStart, ALimitThatCannotBeSetIsNamed) {
    FleetDriver driver;
    auto settings = fault_settings("c", "echo");
    settings.supervision.user = "no-such-user-here";
    auto elsewhere = fault_settings("d", "echo");
    elsewhere.working_dir = "/nonexistent/folder";
    driver.fleet->configure({settings, elsewhere});
    EXPECT_THAT(driver.status("c").last_death->start_error, HasSubstr("no-such-user-here"));
    EXPECT_THAT(driver.status("d").last_death->start_error, HasSubstr("/nonexistent/folder"));
}

TEST(JobFolder, ExistsDuringTheJobAndIsRemovedAtItsEnd) {
    FleetDriver driver;
    ASSERT_TRUE(driver.start({fault_settings("c", "work_dir")}));
    const InstanceId id = *driver.newest("c");
    ASSERT_TRUE(driver.give(id, "../../etc/x"));
    ASSERT_TRUE(driver.run_until([&] { return driver.result("../../etc/x").has_value(); }));
    const std::filesystem::path folder = json::parse(*driver.result("../../etc/x"))["dir"].get<std::string>();
    EXPECT_THAT(folder.string(), testing::StartsWith((driver.state / "work/c-0/jobs/").string()));
    EXPECT_TRUE(std::filesystem::exists(folder / "file"));
    driver.fleet->job_ended(id, "../../etc/x");
    EXPECT_FALSE(std::filesystem::exists(folder));
}

TEST(JobFolder, OfAResumedJobGoesWithItAlsoToAnotherIndex) {
    FleetDriver driver;
    auto settings = fault_settings("c", "resume");
    settings.instances = 2;
    ASSERT_TRUE(driver.start({settings}));
    const InstanceId first = driver.ready[0].first;
    const InstanceId other = driver.ready[1].first;
    ASSERT_TRUE(driver.give(first, "j"));
    ASSERT_TRUE(driver.run_until([&] { return driver.is_gone(first); }));
    driver.fleet->job_ended(first, "j");
    ipc::Job again;
    again.job_id = "j";
    again.job_type = "t";
    again.attempt = 2;
    again.resume = true;
    ASSERT_TRUE(driver.fleet->give_job(other, again).ok());
    ASSERT_TRUE(driver.run_until([&] { return driver.result("j").has_value(); }));
    EXPECT_EQ(driver.result("j"), R"({"found":true})");
    driver.fleet->job_ended(other, "j");
    for (const int index : {0, 1})
        EXPECT_TRUE(std::filesystem::is_empty(driver.state / ("work/c-" + std::to_string(index) + "/jobs")));
}

TEST(JobFolder, OfADeadProcessIsRemovedWhenNobodyResumesTheJobInTime) {
    FleetDriver driver;
    auto settings = fault_settings("c", "resume");
    settings.supervision.resume_window = 200ms;
    ASSERT_TRUE(driver.start({settings}));
    const InstanceId first = *driver.newest("c");
    ASSERT_TRUE(driver.give(first, "j"));
    ASSERT_TRUE(driver.run_until([&] { return driver.is_gone(first); }));
    const auto jobs = driver.state / "work/c-0/jobs";
    EXPECT_FALSE(std::filesystem::is_empty(jobs));
    EXPECT_TRUE(driver.run_until([&] { return std::filesystem::is_empty(jobs); }, 5s));
}

TEST(OverlappedRestart, TheOldProcessFinishesItsJobWhileTheNewOneTakesOver) {
    FleetDriver driver;
    ASSERT_TRUE(driver.start({fault_settings("c", "slow", {"600"})}));
    const InstanceId old = *driver.newest("c");
    ASSERT_TRUE(driver.give(old, "long"));
    ASSERT_TRUE(driver.fleet->restart("c").ok());
    ASSERT_TRUE(driver.run_until([&] { return driver.newest("c") != old; }));
    EXPECT_FALSE(driver.result("long")) << "the new one is ready before the old one has finished";
    EXPECT_FALSE(driver.give(old, "late"));
    EXPECT_TRUE(driver.give(*driver.newest("c"), "next"));
    ASSERT_TRUE(driver.run_until([&] { return driver.result("long").has_value(); }));
    driver.fleet->job_ended(old, "long");
    ASSERT_TRUE(driver.run_until([&] { return driver.is_gone(old); }));
    EXPECT_EQ(driver.report_of(old)->exit_code, 0);
    EXPECT_EQ(driver.report_of(old)->stopped_for, StopReason::restart);
    EXPECT_EQ(driver.status("c").counters.deaths, 0u);
}

TEST(OverlappedRestart, AnExclusiveConnectorGoesBeforeTheNextOneComes) {
    FleetDriver driver;
    auto settings = fault_settings("c", "echo");
    settings.exclusive = true;
    ASSERT_TRUE(driver.start({settings}));
    ASSERT_TRUE(driver.fleet->restart("c").ok());
    ASSERT_TRUE(driver.run_until([&] { return driver.ready.size() == 2; }));
    EXPECT_THAT(driver.order, ElementsAre("ready c", "leaving c", "gone c", "ready c"));
}

TEST(OverlappedRestart, ANewProcessThatNeverBecomesReadyLeavesTheOldOneServing) {
    FleetDriver driver;
    const auto flag = driver.state / "broken";
    ASSERT_TRUE(driver.start({fault_settings("c", "broken_when_file_exists", {flag.string()})}));
    const InstanceId old = *driver.newest("c");
    driver.state.write_file("broken", "");
    ASSERT_TRUE(driver.fleet->restart("c").ok());
    ASSERT_TRUE(
        driver.run_until([&] { return driver.why("c").find("old one goes on") != std::string::npos; }));
    EXPECT_EQ(driver.result_of("c", "j"), R"({"ok":true})");
    EXPECT_EQ(driver.newest("c"), old);
}

TEST(Recycle, ByNumberOfJobsAndByMemory) {
    FleetDriver driver;
    auto by_jobs = fault_settings("jobs", "echo");
    by_jobs.supervision.max_jobs = 2;
    auto by_memory = fault_settings("memory", "allocate");
    by_memory.supervision.max_rss = 50 * config::MiB;
    ASSERT_TRUE(driver.start({by_jobs, by_memory}));
    const InstanceId first = *driver.newest("jobs");
    const InstanceId fat = *driver.newest("memory");
    ASSERT_TRUE(driver.result_of("jobs", "1"));
    ASSERT_TRUE(driver.result_of("jobs", "2"));
    ASSERT_TRUE(driver.result_of("memory", "3")) << "before its first job a new process would not help";
    ASSERT_TRUE(driver.run_until([&] { return driver.is_gone(first) && driver.is_gone(fat); }));
    EXPECT_EQ(driver.report_of(first)->stopped_for, StopReason::recycle);
    EXPECT_EQ(driver.report_of(fat)->stopped_for, StopReason::recycle);
}

TEST(Reload, OnlyWhatChangedRestartsWhatIsNewStartsAndWhatIsMissingLeaves) {
    FleetDriver driver;
    const auto same = fault_settings("same", "echo");
    auto changed = fault_settings("changed", "echo");
    ASSERT_TRUE(driver.start({same, changed, fault_settings("removed", "echo")}));
    const int same_pid = driver.status("same").pid;
    const int changed_pid = driver.status("changed").pid;
    changed.settings = {{"x", 1}};
    changed.instances = 2;
    driver.fleet->configure({fault_settings("added", "echo"), same, changed});
    ASSERT_TRUE(driver.run_until([&] {
        return driver.status("added").state == State::ready && driver.status("changed").pid != changed_pid &&
               driver.status("changed", 1).state == State::ready && driver.why("removed").empty();
    }));
    EXPECT_EQ(driver.status("same").pid, same_pid);
    EXPECT_EQ(driver.fleet->restart("removed").error().code, "not_found");
    EXPECT_EQ(driver.fleet->snapshot().front().connector, "added") << "the order of the configuration";
}

TEST(Reload, FewerInstancesLetTheLastOneFinishItsJob) {
    FleetDriver driver;
    auto settings = fault_settings("c", "hold");
    settings.instances = 2;
    ASSERT_TRUE(driver.start({settings}));
    const InstanceId last{"c", 1,
                          driver.ready[0].first.index == 1 ? driver.ready[0].first.generation
                                                           : driver.ready[1].first.generation};
    ASSERT_TRUE(driver.give(last, "j"));
    settings.instances = 1;
    driver.fleet->configure({settings});
    driver.run_for(200ms);
    EXPECT_FALSE(driver.is_gone(last));
    driver.fleet->job_ended(last, "j");
    EXPECT_TRUE(driver.run_until([&] { return driver.is_gone(last); }));
    EXPECT_EQ(driver.fleet->snapshot().size(), 1u);
}

TEST(Operator, StopsStartsAndNamesUnknownConnectors) {
    FleetDriver driver;
    ASSERT_TRUE(driver.start({fault_settings("c", "echo")}));
    ASSERT_TRUE(driver.fleet->stop("c").ok());
    ASSERT_TRUE(driver.run_until_state("c", State::stopped));
    EXPECT_THAT(driver.why("c"), HasSubstr("an operator stopped it"));
    driver.run_for(300ms);
    EXPECT_EQ(driver.status("c").state, State::stopped);
    ASSERT_TRUE(driver.fleet->start("c").ok());
    EXPECT_TRUE(driver.run_until_state("c", State::ready));
    EXPECT_THAT(driver.fleet->restart("d").error().message, HasSubstr("there are: c"));
}

TEST(Operator, SeesTheProtocolWithoutPayloads) {
    FleetDriver driver;
    auto settings = fault_settings("c", "echo");
    settings.settings = {{"api_key", "secret"}};
    std::string seen;
    const auto subscription = driver.fleet->subscribe(
        "c", process::Fleet::Lines::all, [&](const process::TraceLine& line) { seen += line.text + "\n"; });
    ASSERT_TRUE(driver.start({settings}));
    ASSERT_TRUE(driver.give(*driver.newest("c"), "j", R"({"prompt":"secret"})"));
    ASSERT_TRUE(driver.run_until([&] { return driver.result("j").has_value(); }));
    EXPECT_THAT(seen, HasSubstr("\"type\":\"hello\""));
    EXPECT_THAT(seen, HasSubstr("\"type\":\"job\",\"job_id\":\"j\""));
    EXPECT_THAT(seen, HasSubstr("\"type\":\"result\",\"job_id\":\"j\""));
    EXPECT_THAT(seen, Not(HasSubstr("secret")));
    EXPECT_THAT(seen, Not(HasSubstr("\"ok\"")));
    driver.fleet->unsubscribe(subscription);
    seen.clear();
    driver.fleet->job_ended(*driver.newest("c"), "j");
    ASSERT_TRUE(driver.result_of("c", "k"));
    EXPECT_TRUE(seen.empty());
}

TEST(Operator, SeesLogMessagesWithOrWithoutTheProtocol) {
    using Lines = process::Fleet::Lines;
    for (const Lines lines : {Lines::for_people, Lines::all}) {
        FleetDriver driver;
        std::vector<std::string> log;
        std::size_t others = 0;
        driver.fleet->subscribe("c", lines, [&](const process::TraceLine& line) {
            if (line.for_people())
                log.push_back(line.text);
            else
                ++others;
        });
        ASSERT_TRUE(driver.start({fault_settings("c", "log")}));
        ASSERT_TRUE(driver.result_of("c", "j"));
        EXPECT_THAT(log, testing::ElementsAre(HasSubstr("as Python writes it")));
        EXPECT_EQ(others > 0, lines == Lines::all);
    }
}

TEST(Status, AConnectorWithTheFeatureIsUnavailableUntilItsFirstStatus) {
    FleetDriver driver;
    ASSERT_TRUE(driver.start({fault_settings("c", "status")}));
    EXPECT_FALSE(driver.ready[0].second.available);
    ASSERT_TRUE(driver.run_until([&] { return !driver.changes.empty(); }));
    EXPECT_TRUE(driver.changes[0].second.available);
    EXPECT_EQ(driver.statuses.at(0).service, "s");
}

TEST(Escape, GrandchildrenAndTheirChildrenEndWithTheirConnector) {
    FleetDriver driver;
    const auto file = driver.state / "pids";
    ASSERT_TRUE(driver.start({fault_settings("c", "grandchildren", {file.string()})}));
    ASSERT_TRUE(driver.run_until([&] { return noted(file).size() == 3; }));
    EXPECT_EQ(survivors(file).size(), 3u);
    const InstanceId id = *driver.newest("c");
    ::kill(driver.status("c").pid, SIGKILL);
    const TimePoint killed = Clock::now();
    ASSERT_TRUE(driver.run_until([&] {
        const auto alive = survivors(file);
        return noted(file).size() >= 3 && std::none_of(alive.begin(), alive.end(), [&](pid_t pid) {
                   return pid == noted(file)[0] || pid == noted(file)[1] || pid == noted(file)[2];
               });
    }));
    EXPECT_LT(Clock::now() - killed, 2s);
    EXPECT_TRUE(driver.run_until([&] { return driver.is_gone(id); }));
}

TEST(Shutdown, EndsEverythingAndSaysSoAfterTheLastNews) {
    FleetDriver driver;
    const auto file = driver.state / "pids";
    ASSERT_TRUE(driver.start({fault_settings("c", "echo"), fault_settings("stubborn", "ignore_term"),
                              fault_settings("g", "grandchildren", {file.string()})}));
    bool done = false;
    driver.fleet->shutdown([&] {
        done = true;
        EXPECT_EQ(driver.gone.size(), 3u);
    });
    ASSERT_TRUE(driver.run_until([&] { return done; }));
    EXPECT_THAT(survivors(file), IsEmpty());
    for (const auto& [id, report] : driver.gone)
        EXPECT_EQ(report.stopped_for, StopReason::worker_leaving);
}

TEST(Attach, AConnectorStartedByHandServesThroughASocketOfItsOwner) {
    FleetDriver driver;
    auto settings = fault_settings("c", "echo");
    settings.attach = true;
    driver.fleet->configure({settings});
    const std::string path = (driver.state / "attach-c.sock").string();
    struct stat mode {};
    ASSERT_EQ(::stat(path.c_str(), &mode), 0);
    EXPECT_EQ(mode.st_mode & 0777, 0600u);
    for (int round = 1; round <= 2; ++round) {
        const int peer = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        ASSERT_TRUE(driver.run_until([&] {
            return ::connect(peer, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        }));
        const std::string ready = "{\"type\":\"ready\",\"protocol\":1,\"job_types\":[\"t\"]}\n";
        ASSERT_EQ(::write(peer, ready.data(), ready.size()), static_cast<ssize_t>(ready.size()));
        ASSERT_TRUE(driver.run_until([&] { return driver.ready.size() == static_cast<std::size_t>(round); }));
        EXPECT_EQ(driver.ready.back().second.pid, ::getpid());
        ASSERT_TRUE(driver.give(*driver.newest("c"), "j" + std::to_string(round)));
        std::string heard;
        ASSERT_TRUE(driver.run_until([&] {
            char block[4096];
            const ssize_t count = ::read(peer, block, sizeof block);
            if (count > 0) heard.append(block, static_cast<std::size_t>(count));
            return heard.find("\"type\":\"job\"") != std::string::npos;
        }));
        EXPECT_THAT(heard, testing::StartsWith("{\"type\":\"hello\""));
        ::close(peer);
        ASSERT_TRUE(driver.run_until([&] { return driver.gone.size() == static_cast<std::size_t>(round); }));
    }
}

}  // namespace
}  // namespace emprops::test
