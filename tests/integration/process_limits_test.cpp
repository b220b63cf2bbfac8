// Lies, floods and escapes at their edges: what is passed on, what is cut, what is found again. With real
// processes.

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <iterator>

#include "supervisor/base/log.h"
#include "supervisor/process/os/proc_tree.h"
#include "tests/support/process_fleet_driver.h"
#include "tests/support/process_survivors.h"

namespace emprops::test {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

config::ConnectorSettings with_short_lines(const std::string& mode) {
    auto settings = fault_settings("c", mode);
    settings.supervision.max_line_bytes = 1 * config::MiB;
    return settings;
}

TEST(Flood, OfStatusAndCapabilitiesIsToldTenTimesASecondAndTheNewestBeforeTheResult) {
    FleetDriver driver;
    ASSERT_TRUE(driver.start({fault_settings("c", "status_flood")}));
    const TimePoint begin = Clock::now();
    ASSERT_TRUE(driver.give(*driver.newest("c"), "j"));
    ASSERT_TRUE(driver.run_until([&] { return driver.result("j").has_value(); }, 60s));
    const auto tenths = static_cast<std::size_t>((Clock::now() - begin) / 100ms);
    EXPECT_LE(driver.changes.size(), tenths + 3);
    EXPECT_LE(driver.statuses.size(), tenths + 3);
    EXPECT_EQ(driver.statuses.back().details.at("n"), 20'000);
    EXPECT_EQ(driver.changes.back().second.capabilities.at("n"), 20'000);
    EXPECT_TRUE(driver.changes.back().second.available);
    std::size_t requests = 0;
    std::size_t accepted = 0;
    for (const auto& [id, message] : driver.messages) {
        requests += std::holds_alternative<ipc::ServiceRequest>(message) ? 1 : 0;
        accepted += std::holds_alternative<ipc::Accepted>(message) ? 1 : 0;
    }
    EXPECT_LE(accepted, requests + 1) << "one more may mean something only after a service_request";
    EXPECT_LE(requests, 20 * (tenths / 10 + 2));
    EXPECT_EQ(driver.status("c").counters.requests_dropped + requests, 20'000u);
}

TEST(OverlongLine, OfStrayOutputFailsNobody) {
    FleetDriver driver;
    ASSERT_TRUE(driver.start({with_short_lines("overlong_stray")}));
    EXPECT_EQ(driver.result_of("c", "j"), R"({"ok":true})");
    EXPECT_TRUE(driver.errors.empty());
    EXPECT_EQ(driver.status("c").counters.overlong_lines, 1u);
    EXPECT_EQ(driver.status("c").counters.stray_lines, 1u);
}

TEST(OverlongLine, ThatNamesNoJobOrAForeignOneFailsNobody) {
    for (const char* mode : {"overlong_unnamed", "overlong_foreign", "broken_foreign"}) {
        FleetDriver driver;
        ASSERT_TRUE(driver.start({with_short_lines(mode)}));
        EXPECT_EQ(driver.result_of("c", "j"), R"({"ok":true})") << mode;
        EXPECT_TRUE(driver.errors.empty()) << mode;
    }
}

TEST(BrokenLine, IsNeverShownWithItsContent) {
    FleetDriver driver;
    std::string seen;
    driver.fleet->subscribe("c", process::Fleet::Lines::all,
                            [&](const process::TraceLine& line) { seen += line.text + "\n"; });
    ASSERT_TRUE(driver.start({fault_settings("c", "broken_secret")}));
    const InstanceId id = *driver.newest("c");
    ASSERT_TRUE(driver.give(id, "j"));
    ASSERT_TRUE(driver.run_until([&] { return !driver.errors.empty(); }));
    EXPECT_EQ(driver.errors[0].job_id, "j");
    EXPECT_THAT(driver.errors[0].message, HasSubstr("byte"));
    driver.fleet->job_ended(id, "j");
    ::kill(driver.status("c").pid, SIGKILL);
    ASSERT_TRUE(driver.run_until([&] { return driver.is_gone(id); }));
    const std::string evidence = testing::PrintToString(driver.report_of(id)->last_messages);
    for (const std::string& text : {seen, evidence, driver.errors[0].message}) {
        EXPECT_THAT(text, Not(HasSubstr("secret")));
    }
    EXPECT_THAT(evidence, HasSubstr("broken line of"));
    EXPECT_THAT(seen, HasSubstr("broken line of"));
}

/// The log goes to a file too, for one test.
struct LogFile {
    explicit LogFile(const TempDir& folder) : path(folder / "log") {
        config::LogSettings settings;
        settings.file = path;
        EXPECT_TRUE(setup_logging(settings).ok());
    }
    ~LogFile() { (void)setup_logging({}); }
    std::string text() const {
        close_logging();
        std::ifstream file(path);
        return {std::istreambuf_iterator<char>(file), {}};
    }
    std::filesystem::path path;
};

TEST(Evidence, TheLogHasTheLastLinesOfStderrAlsoWhenTheRateLimitHadDroppedThem) {
    FleetDriver driver;
    const LogFile log(driver.state);
    ASSERT_TRUE(driver.start({fault_settings("c", "last_words")}));
    const InstanceId id = *driver.newest("c");
    ASSERT_TRUE(driver.give(id, "j"));
    ASSERT_TRUE(driver.run_until([&] { return driver.is_gone(id); }));
    EXPECT_THAT(driver.report_of(id)->stderr_tail, Contains("the reason of my death"));
    const std::string text = log.text();
    EXPECT_THAT(text, HasSubstr("the reason of my death"));
    EXPECT_THAT(text, HasSubstr("lines of stderr and log messages were dropped"));
    const auto times = [&](const std::string& line) {
        std::size_t count = 0;
        for (auto at = text.find(line); at != std::string::npos; at = text.find(line, at + 1))
            ++count;
        return count;
    };
    EXPECT_EQ(times("chatter 0 "), 1u) << "what was logged is not logged again";
    EXPECT_EQ(times("chatter 490 "), 1u);
}

TEST(Escape, ADescendantWithoutMarkerAndSessionEndsWithItsConnector) {
    FleetDriver driver;
    const auto file = driver.state / "pids";
    ASSERT_TRUE(driver.start({fault_settings("c", "escape", {file.string()})}));
    ASSERT_TRUE(driver.run_until([&] { return noted(file).size() == 1; }));
    const pid_t escaped = noted(file)[0];
    // By itself it is looked for every two seconds.
    driver.host->remember_tree(driver.status("c").pid);
    ::kill(driver.status("c").pid, SIGKILL);
    EXPECT_TRUE(driver.run_until([&] { return !process_alive(escaped); }, 5s));
}

TEST(Escape, ItIsFoundByTheRegularLookAndWhenItsConnectorIsStopped) {
    FleetDriver driver;
    const auto looked = driver.state / "looked";
    const auto stopped = driver.state / "stopped";
    ASSERT_TRUE(driver.start({fault_settings("looked", "escape", {looked.string()}),
                              fault_settings("stopped", "escape", {stopped.string()})}));
    const pid_t first = noted(looked).at(0);
    const pid_t second = noted(stopped).at(0);
    ASSERT_TRUE(driver.fleet->stop("stopped").ok());
    EXPECT_TRUE(driver.run_until([&] { return !process_alive(second); }, 5s));
    const TimePoint begin = Clock::now();
    driver.run_until([&] { return Clock::now() - begin > 2500ms; });  // longer than the look's interval
    ::kill(driver.status("looked").pid, SIGKILL);
    EXPECT_TRUE(driver.run_until([&] { return !process_alive(first); }, 5s));
}

/// A shell with this marker, which ends when it has run the script.
process::LaunchSpec shell(const FleetDriver& driver, const std::string& marker, const std::string& script) {
    process::LaunchSpec spec;
    spec.executable = "/bin/sh";
    spec.arguments = {"-c", script};
    spec.env = {{"PATH", "/usr/bin:/bin"}};
    spec.working_dir = driver.state.path();
    spec.marker = marker;
    return spec;
}

/// Before that it is a copy of the shell that noted it, with the shell's marker or none.
bool has_become_its_program(const std::filesystem::path& file, const std::string& marker) {
    const auto pids = noted(file);
    return pids.size() == 1 && process::environment_has(pids.front(), process::marker_variable, {marker});
}

TEST(Escape, OneLookFindsWhatSeveralHaveLeftBelowProcessesOfNobody) {
    FleetDriver driver;
    ASSERT_TRUE(driver.start({fault_settings("others", "echo")}));
    int ended = 0;
    const std::filesystem::path files[] = {driver.state / "a", driver.state / "b"};
    for (const auto& file : files) {
        // A process without a marker in a session of its own, and below it one with the marker.
        const std::string marker = file.filename().string() + "/0/1";
        const std::string below = "EMPROPS_INSTANCE=" + marker + " sleep 60 & echo $! >" + file.string();
        const std::string script = "setsid env -i PATH=/usr/bin:/bin sh -c '" + below +
                                   "; exec sleep 60' </dev/null & while ! grep -qs . " + file.string() +
                                   "; do sleep 0.01; done";
        ASSERT_TRUE(driver.host->start(shell(driver, marker, script), [&](const auto&) { ++ended; }));
    }
    ASSERT_TRUE(driver.run_until([&] {
        return ended == 2 && has_become_its_program(files[0], "a/0/1") &&
               has_become_its_program(files[1], "b/0/1");
    }));
    const auto alive = [&] { return survivors(files[0]).size() + survivors(files[1]).size(); };
    EXPECT_EQ(driver.host->sweep({"b/0/2"}), 0u);
    EXPECT_EQ(alive(), 2u);
    EXPECT_EQ(driver.host->sweep({"a/0/1", "b/0/1"}), 2u);
    EXPECT_TRUE(driver.run_until([&] { return alive() == 0; }));
    driver.host->sweep_all();
}

TEST(Escape, WhatRunsBelowALivingChildIsItsOwnWhateverItsMarkerSays) {
    FleetDriver driver;  // a worker within a worker has connectors of the same names
    const auto file = driver.state / "pids";
    const auto inner = driver.host->start(
        shell(driver, "outer/0/1",
              "EMPROPS_INSTANCE=c/0/1 sleep 60 </dev/null & echo $! >" + file.string() + "; wait"),
        [](const auto&) {});
    ASSERT_TRUE(inner);
    ASSERT_TRUE(driver.run_until([&] { return has_become_its_program(file, "c/0/1"); }));
    EXPECT_EQ(driver.host->sweep({"c/0/1"}), 0u);
    EXPECT_EQ(survivors(file).size(), 1u);
    EXPECT_EQ(driver.host->sweep({"outer/0/1"}), 0u) << "its own marker is the inner one's";
    driver.host->sweep_all();
}

int connect_to(FleetDriver& driver, const std::string& path) {
    const int peer = ::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    EXPECT_TRUE(driver.run_until(
        [&] { return ::connect(peer, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0; }));
    return peer;
}

TEST(Attach, SwitchedOnByAReloadStillEndsTheOldProcessBySignals) {
    FleetDriver driver;
    auto settings = fault_settings("c", "ignore_term");
    ASSERT_TRUE(driver.start({settings}));
    const InstanceId old = *driver.newest("c");
    const int pid = driver.status("c").pid;
    settings.attach = true;
    driver.fleet->configure({settings});
    ASSERT_TRUE(driver.run_until([&] { return driver.is_gone(old); }));
    EXPECT_EQ(driver.report_of(old)->signal, SIGKILL);
    EXPECT_FALSE(process_alive(pid));
    EXPECT_TRUE(driver.run_until([&] { return std::filesystem::exists(driver.state / "attach-c.sock"); }));
}

TEST(Attach, SwitchedOffByAReloadLetsTheAttachedOneGo) {
    FleetDriver driver;
    auto settings = fault_settings("c", "echo");
    settings.attach = true;
    driver.fleet->configure({settings});
    const int peer = connect_to(driver, (driver.state / "attach-c.sock").string());
    const std::string ready = "{\"type\":\"ready\",\"protocol\":1,\"job_types\":[\"t\"]}\n";
    ASSERT_EQ(::write(peer, ready.data(), ready.size()), static_cast<ssize_t>(ready.size()));
    ASSERT_TRUE(driver.run_until([&] { return driver.ready.size() == 1; }));
    EXPECT_TRUE(driver.ready[0].second.attached);
    const InstanceId attached = *driver.newest("c");
    settings.attach = false;
    driver.fleet->configure({settings});
    // The peer does not close its end: the ladder has to let go of it.
    EXPECT_TRUE(driver.run_until([&] { return driver.is_gone(attached); }));
    EXPECT_TRUE(driver.run_until([&] { return driver.newest("c") != attached; }));
    EXPECT_FALSE(driver.ready.back().second.attached);
    ::close(peer);
}

TEST(GiveJob, SaysWhyAFolderCannotBeMade) {
    FleetDriver driver;
    ASSERT_TRUE(driver.start({fault_settings("c", "echo")}));
    // Inside its own folder nothing is in the way for long (work_dirs_test); above it the worker removes nothing.
    std::filesystem::remove_all(driver.state / "work");
    driver.state.write_file("work", "a file in the way\n");
    ipc::Job job;
    job.job_id = "j";
    job.job_type = "t";
    const auto given = driver.fleet->give_job(*driver.newest("c"), job);
    ASSERT_FALSE(given.ok());
    EXPECT_EQ(given.error().code, "work_dir");
    EXPECT_THAT(given.error().message, HasSubstr("/work: "));
}

TEST(Recycle, ByAgeBetweenJobs) {
    FleetDriver driver;
    auto settings = fault_settings("c", "hold");
    settings.supervision.max_age = 300ms;
    ASSERT_TRUE(driver.start({settings}));
    const InstanceId old = *driver.newest("c");
    ASSERT_TRUE(driver.give(old, "j"));
    ASSERT_TRUE(driver.run_until([&] { return driver.newest("c") != old; })) << "no new process came";
    EXPECT_FALSE(driver.is_gone(old)) << "its job was not waited for";
    driver.fleet->job_ended(old, "j");
    ASSERT_TRUE(driver.run_until([&] { return driver.is_gone(old); }));
    EXPECT_EQ(driver.report_of(old)->stopped_for, StopReason::recycle);
}

/// Its "processes" never end, whatever is sent to them: uninterruptible sleep.
class StuckHost : public process::ProcessHost {
  public:
    Result<process::Started> start(const process::LaunchSpec&, ExitHandler) override {
        int in[2];
        int out[2];
        int err[2];
        if (::pipe2(in, O_CLOEXEC) != 0 || ::pipe2(out, O_CLOEXEC) != 0 || ::pipe2(err, O_CLOEXEC) != 0)
            return Error{"start_failed", "no pipes"};
        for (const int fd : {in[0], out[1], err[1]})
            theirs.emplace_back(fd);
        const std::string ready = "{\"type\":\"ready\",\"protocol\":1,\"job_types\":[\"t\"]}\n";
        EXPECT_GT(::write(out[1], ready.data(), ready.size()), 0);
        process::Started child;
        child.pid = 0x3fffffff;  // above every pid_max
        child.stdin_fd.reset(in[1]);
        child.stdout_fd.reset(out[0]);
        child.stderr_fd.reset(err[0]);
        return child;
    }
    void signal_group(int, int signal) override { signals.push_back(signal); }
    int stopped_by(int) const override { return 0; }
    std::string heir(int, int, Ms) const override { return {}; }
    void remember_tree(int) override {}
    std::size_t sweep(const std::set<std::string>&) override { return 0; }
    std::size_t sweep_all() override { return 0; }
    void reap_orphans() override {}
    std::uint64_t tree_rss_bytes(int) override { return 0; }
    process::PortOwner port_owner(std::uint16_t, int, const std::string&) override { return {}; }

    std::vector<UniqueFd> theirs;
    std::vector<int> signals;
};

TEST(Shutdown, DoesNotWaitForEverForAProcessThatCannotBeKilled) {
    FleetDriver driver;
    StuckHost stuck;
    process::FleetOptions options;
    options.state_dir = driver.state / "stuck";
    driver.fleet = std::make_unique<process::Fleet>(driver.loop.get_executor(), stuck, driver, options);
    auto settings = fault_settings("c", "echo");
    settings.supervision.stop = {100ms, 100ms, 100ms};
    driver.fleet->configure({settings});
    ASSERT_TRUE(driver.run_until([&] { return !driver.ready.empty(); }));
    bool done = false;
    driver.fleet->shutdown([&] { done = true; });
    EXPECT_TRUE(driver.run_until([&] { return done; }, 15s));
    EXPECT_THAT(stuck.signals, testing::AllOf(Contains(SIGTERM), Contains(SIGKILL)));
    driver.restart_fleet();
}

}  // namespace
}  // namespace emprops::test
