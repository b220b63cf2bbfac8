// Connectors that crash, hang, flood and lie, as real processes: each ends in the documented state, and its
// neighbour's jobs go on.

#include <gmock/gmock.h>

#include <algorithm>
#include <csignal>

#include "tests/support/process_fleet_driver.h"

namespace emprops::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

/// A fleet of one bad connector and one good one, both ready.
struct Faults : testing::Test {
    void start(const config::ConnectorSettings& bad) {
        ASSERT_TRUE(driver.start({bad, fault_settings("good", "echo")}));
        bad_id = *driver.newest(bad.name);
    }
    void expect_good_works() {
        EXPECT_EQ(driver.result_of("good", "good-job"), R"({"ok":true})");
        EXPECT_EQ(driver.status("good").counters.deaths, 0u);
    }
    DeathReport death() {
        EXPECT_TRUE(driver.run_until([&] { return driver.is_gone(bad_id); }));
        return driver.is_gone(bad_id) ? *driver.report_of(bad_id) : DeathReport{};
    }
    bool replaced() {
        return driver.run_until([&] { return driver.newest("bad") != bad_id; });
    }
    FleetDriver driver;
    InstanceId bad_id;
};

/// Says of each job that it took it, that it went to the service, and that the service has begun it.
constexpr const char* tells_begins = R"(
echo '{"type":"ready","protocol":1,"job_types":["t"],"concurrency":100}'
while IFS= read -r line; do
    [[ $line =~ '"job_id":"'([a-z0-9]*) ]] || continue
    id=${BASH_REMATCH[1]}
    echo '{"type":"accepted","job_id":"'$id'"}'
    echo '{"type":"service_request","job_id":"'$id'","service":"s","request_type":"r","content":{}}'
    echo '{"type":"accepted","job_id":"'$id'"}'
    echo '{"type":"accepted","job_id":"'$id'"}'
done)";

TEST_F(Faults, WhatTellsWhoIsToBlameForAServicesDeathIsNeverDropped) {
    auto settings = fault_settings("bad", "echo");
    settings.command = {"bash", "-c", tells_begins};
    start(settings);
    constexpr std::size_t jobs = 60;  // many times what may pass in a second
    for (std::size_t i = 0; i < jobs; ++i)
        ASSERT_TRUE(driver.give(bad_id, "j" + std::to_string(i)));
    const auto count = [&](auto is) {
        return static_cast<std::size_t>(std::count_if(driver.messages.begin(), driver.messages.end(), is));
    };
    const auto requests = [&] {
        return count([](const auto& m) { return std::holds_alternative<ipc::ServiceRequest>(m.second); });
    };
    const auto accepted = [&] {
        return count([](const auto& m) { return std::holds_alternative<ipc::Accepted>(m.second); });
    };
    EXPECT_TRUE(driver.run_until([&] { return requests() == jobs && accepted() >= 2 * jobs; }));
    expect_good_works();
    EXPECT_EQ(accepted(), 2 * jobs) << "taken, and begun; what is said again is not";
}

TEST_F(Faults, ASegmentationFaultIsReportedWithItsEvidenceAndTheConnectorComesBack) {
    start(fault_settings("bad", "segv_on_job"));
    ASSERT_TRUE(driver.give(bad_id, "j1", R"({"secret":"payload"})"));
    const DeathReport report = death();
    EXPECT_EQ(report.signal, SIGSEGV);
    EXPECT_FALSE(report.stopped_for);
    EXPECT_THAT(report.jobs_held, ElementsAre("j1"));
    EXPECT_THAT(report.stderr_tail, Contains("about to crash"));
    EXPECT_THAT(report.last_messages, Contains(HasSubstr("\"job_id\":\"j1\"")));
    EXPECT_THAT(testing::PrintToString(report.last_messages), testing::Not(HasSubstr("secret")));
    EXPECT_GT(report.peak_rss_bytes, 0u);
    EXPECT_THAT(report.summary(), HasSubstr("killed by SIGSEGV"));
    EXPECT_THAT(report.summary(), HasSubstr("while running job j1"));
    EXPECT_TRUE(replaced());
    expect_good_works();
}

TEST_F(Faults, LeavingIsToldBeforeTheEndOfAProcess) {
    start(fault_settings("bad", "exit_on_job"));
    ASSERT_TRUE(driver.give(bad_id, "j1"));
    EXPECT_EQ(death().exit_code, 5);
    driver.order.resize(4);
    EXPECT_THAT(driver.order,
                testing::UnorderedElementsAre("ready bad", "ready good", "leaving bad", "gone bad"));
    EXPECT_EQ(driver.order[2], "leaving bad");
}

TEST_F(Faults, AResultWrittenJustBeforeDeathCounts) {
    start(fault_settings("bad", "result_then_die"));
    ASSERT_TRUE(driver.give(bad_id, "j1"));
    EXPECT_EQ(death().signal, SIGKILL);
    EXPECT_EQ(driver.result("j1"), R"({"last":"words"})");
    std::vector<std::string> types;
    for (const auto& [id, message] : driver.messages)
        types.push_back(std::holds_alternative<ipc::JobResult>(message) ? "result" : "progress");
    EXPECT_THAT(types, ElementsAre("progress", "progress", "result"));
    EXPECT_LT(std::find(driver.order.begin(), driver.order.end(), "result bad"),
              std::find(driver.order.begin(), driver.order.end(), "gone bad"));
}

TEST_F(Faults, AConnectorThatAnswersNoPingsIsHungAndReplaced) {
    auto bad = fault_settings("bad", "hang");
    bad.supervision.ping_interval = 50ms;
    start(bad);
    const DeathReport report = death();
    EXPECT_EQ(report.stopped_for, StopReason::hung);
    EXPECT_EQ(report.signal, SIGTERM);
    EXPECT_TRUE(replaced());
    expect_good_works();
}

TEST_F(Faults, AStoppedProcessIsHungAndEndedBySigtermAllTheSame) {
    auto bad = fault_settings("bad", "sigstop");
    bad.supervision.ping_interval = 50ms;
    start(bad);
    const DeathReport report = death();
    EXPECT_EQ(report.stopped_for, StopReason::hung);
    EXPECT_EQ(report.signal, SIGTERM);
    expect_good_works();
}

TEST_F(Faults, OneThatIgnoresSigtermAndEndOfStdinIsKilledByTheLastStep) {
    start(fault_settings("bad", "ignore_term"));
    const TimePoint begin = Clock::now();
    ASSERT_TRUE(driver.fleet->stop("bad").ok());
    const DeathReport report = death();
    EXPECT_EQ(report.signal, SIGKILL);
    EXPECT_EQ(report.stopped_for, StopReason::requested);
    EXPECT_GE(Clock::now() - begin, 1000ms);
    EXPECT_TRUE(driver.run_until_state("bad", State::stopped));
}

TEST_F(Faults, OneThatClosesItsStdoutIsStoppedAndReplaced) {
    start(fault_settings("bad", "close_stdout"));
    const DeathReport report = death();
    EXPECT_EQ(report.stopped_for, StopReason::hung);
    EXPECT_TRUE(replaced());
    expect_good_works();
}

TEST_F(Faults, OneThatReadsNothingIsStoppedAfterTheWriteDeadline) {
    auto bad = fault_settings("bad", "not_reading");
    bad.supervision.ping_interval = config::off;
    bad.supervision.write_timeout = 300ms;
    start(bad);
    ASSERT_TRUE(driver.give(bad_id, "j1", "\"" + std::string(5'000'000, 'x') + "\""));
    EXPECT_FALSE(driver.give(bad_id, "j2", "\"" + std::string(5'000'000, 'x') + "\""))
        << "the queue is bounded";
    const DeathReport report = death();
    EXPECT_EQ(report.stopped_for, StopReason::write_stalled);
    EXPECT_THAT(report.jobs_held, ElementsAre("j1"));
    expect_good_works();
}

TEST_F(Faults, ReadySaidTwiceIsIgnored) {
    start(fault_settings("bad", "ready_twice"));
    EXPECT_EQ(driver.result_of("bad", "j1"), R"({"ok":true})");
    EXPECT_EQ(driver.status("bad").info->concurrency, 4);
    EXPECT_EQ(driver.ready.size(), 2u);
}

TEST_F(Faults, AFloodOfStderrIsDrainedAndCountedWhileTheNeighbourWorks) {
    start(fault_settings("bad", "stderr_flood"));
    expect_good_works();
    EXPECT_EQ(driver.result_of("bad", "j1"), R"({"ok":true})") << "it got through its 40 MB of stderr";
    ASSERT_TRUE(driver.run_until([&] { return driver.status("bad").counters.lines == 400'000; }));
    EXPECT_GT(driver.status("bad").counters.lines_dropped, 300'000u);
}

TEST_F(Faults, AFloodOfProgressIsCoalescedAndTheResultComesLast) {
    start(fault_settings("bad", "progress_flood", {"100"}));
    ASSERT_TRUE(driver.give(bad_id, "j1"));
    expect_good_works();
    ASSERT_TRUE(driver.run_until([&] { return driver.result("j1").has_value(); }, 60s));
    EXPECT_TRUE(std::holds_alternative<ipc::JobResult>(driver.messages.back().second));
    EXPECT_GE(driver.status("bad").counters.lines_received, 100'002u);
    EXPECT_LT(driver.messages.size(), 1000u);
    const auto& last = std::get<ipc::Progress>(driver.messages[driver.messages.size() - 2].second);
    EXPECT_EQ(last.progress, 99) << "the newest wins";
}

TEST_F(Faults, A200MegabyteLineFailsItsJobAndTheConnectorLivesOn) {
    start(fault_settings("bad", "overlong"));
    ASSERT_TRUE(driver.give(bad_id, "j1"));
    ASSERT_TRUE(driver.run_until([&] { return !driver.errors.empty(); }, 60s));
    EXPECT_EQ(driver.errors[0].job_id, "j1");
    EXPECT_EQ(driver.errors[0].code, ipc::code::result_too_large);
    EXPECT_EQ(driver.status("bad").counters.overlong_lines, 1u);
    EXPECT_EQ(driver.status("bad").counters.deaths, 0u);
    expect_good_works();
}

TEST_F(Faults, AHundredThousandBracketsFailTheJobOnly) {
    start(fault_settings("bad", "nested"));
    ASSERT_TRUE(driver.give(bad_id, "j1"));
    ASSERT_TRUE(driver.run_until([&] { return !driver.errors.empty(); }));
    EXPECT_EQ(driver.errors[0].job_id, "j1");
    EXPECT_EQ(driver.errors[0].code, ipc::code::protocol_error);
    EXPECT_EQ(driver.status("bad").counters.deaths, 0u);
    expect_good_works();
}

TEST_F(Faults, AResultForSomebodyElsesJobIsIgnored) {
    start(fault_settings("bad", "foreign"));
    EXPECT_EQ(driver.result_of("bad", "j1"), R"({"ok":true})");
    EXPECT_FALSE(driver.result("somebody-elses"));
    EXPECT_EQ(driver.status("bad").counters.foreign_messages, 1u);
}

TEST_F(Faults, TheSecondOfTwoResultsIsIgnored) {
    start(fault_settings("bad", "two_results"));
    EXPECT_EQ(driver.result_of("bad", "j1"), R"({"n":1})");
    ASSERT_TRUE(driver.run_until([&] { return driver.status("bad").counters.foreign_messages == 1; }));
    EXPECT_EQ(driver.messages.size(), 1u);
}

TEST_F(Faults, StrayOutputIsHarmless) {
    start(fault_settings("bad", "stray"));
    EXPECT_EQ(driver.result_of("bad", "j1"), R"({"ok":true})");
    EXPECT_EQ(driver.status("bad").counters.stray_lines, 1u);
    EXPECT_TRUE(driver.errors.empty());
}

TEST(FaultyStart, OneThatNeverSaysReadyIsStoppedAtItsDeadlineAndTriedAgain) {
    FleetDriver driver;
    auto bad = fault_settings("bad", "never_ready");
    bad.supervision.start_timeout = 200ms;
    driver.fleet->configure({bad});
    ASSERT_TRUE(driver.run_until([&] { return driver.status("bad").counters.deaths >= 2; }));
    EXPECT_EQ(driver.status("bad").last_death->stopped_for, StopReason::start_timeout);
    EXPECT_TRUE(driver.order.empty()) << "an instance that was never ready is not heard of";
}

TEST(FaultyStart, AForeignProtocolVersionFailsWithoutALoop) {
    FleetDriver driver;
    driver.fleet->configure({fault_settings("bad", "wrong_protocol")});
    ASSERT_TRUE(driver.run_until_state("bad", State::failed));
    driver.run_for(300ms);
    EXPECT_EQ(driver.status("bad").counters.starts, 1u);
    EXPECT_EQ(driver.status("bad").last_death->stopped_for, StopReason::bad_protocol);
}

TEST(FaultyStart, ExitCode78IsNotRetriedUntilTheSettingsChange) {
    FleetDriver driver;
    driver.fleet->configure({fault_settings("bad", "exit_at_start", {"78"})});
    ASSERT_TRUE(driver.run_until_state("bad", State::failed));
    driver.run_for(300ms);
    EXPECT_EQ(driver.status("bad").counters.starts, 1u);
    EXPECT_THAT(driver.why("bad"), HasSubstr("78"));
    driver.fleet->configure({fault_settings("bad", "echo")});
    EXPECT_TRUE(driver.run_until_state("bad", State::ready));
}

TEST(FaultyStart, InitFailedIsTriedAgainOnlyIfItSaysSo) {
    FleetDriver driver;
    driver.fleet->configure({fault_settings("never", "init_failed", {"false"}),
                             fault_settings("again", "init_failed", {"true"})});
    ASSERT_TRUE(driver.run_until_state("never", State::failed));
    EXPECT_THAT(driver.status("never").last_death->start_error, HasSubstr("no GPU here"));
    EXPECT_TRUE(driver.run_until([&] { return driver.status("again").counters.deaths >= 3; }));
    EXPECT_EQ(driver.status("never").counters.starts, 1u);
}

TEST(FaultyStart, AMissingProgramIsNamedWithThePlacesSearched) {
    FleetDriver driver;
    auto missing = fault_settings("missing", "echo");
    missing.command.clear();
    auto garbage = fault_settings("garbage", "echo");
    garbage.command = {driver.state.write_script("garbage", "not a program\n").string()};
    missing.supervision.backoff_initial = garbage.supervision.backoff_initial = 60s;
    missing.supervision.backoff_max = garbage.supervision.backoff_max = 60s;
    driver.fleet->configure({missing, garbage, fault_settings("good", "echo")});
    ASSERT_TRUE(driver.run_until_state("good", State::ready));
    EXPECT_EQ(driver.status("missing").state, State::backoff);
    EXPECT_EQ(driver.status("garbage").state, State::backoff);
    EXPECT_THAT(driver.status("missing").last_death->start_error,
                HasSubstr("/nonexistent/bin/emprops-connector-missing"));
    EXPECT_THAT(driver.status("garbage").last_death->start_error, HasSubstr("Exec format error"));
}

TEST(ManyFaults, FiftyConnectorsThatCrashInALoopDoNotDisturbOneThatWorks) {
    FleetDriver driver;
    std::vector<config::ConnectorSettings> connectors{fault_settings("good", "echo")};
    for (int number = 0; number < 50; ++number) {
        auto bad = fault_settings("bad" + std::to_string(number), "exit_at_start", {"1"});
        bad.supervision.breaker_deaths = 3;
        connectors.push_back(bad);
    }
    driver.fleet->configure(connectors);
    ASSERT_TRUE(driver.run_until([&] { return driver.newest("good").has_value(); }));
    int jobs = 0;
    const auto all_open = [&] {
        const auto all = driver.fleet->snapshot();
        return std::all_of(all.begin(), all.end(), [](const InstanceStatus& each) {
            return each.connector == "good" || each.state == State::breaker_open;
        });
    };
    do {
        ASSERT_EQ(driver.result_of("good", "j" + std::to_string(jobs)), R"({"ok":true})");
        ++jobs;
    } while (!all_open() && jobs < 1000);
    ASSERT_TRUE(driver.run_until(all_open, 60s));
    for (const InstanceStatus& each : driver.fleet->snapshot()) {
        EXPECT_EQ(each.counters.deaths, each.connector == "good" ? 0u : 3u) << each.why;
    }
}

TEST_F(Faults, AStoppedOneIsSeenGetsNoJobsAndGoesOn) {
    start(fault_settings("bad", "echo"));
    const int pid = driver.status("bad").pid;
    const auto available = [&] {
        return driver.changes.empty() ? true : driver.changes.back().second.available;
    };
    ASSERT_EQ(::kill(pid, SIGSTOP), 0);
    ASSERT_TRUE(driver.run_until([&] { return !available(); }));
    EXPECT_THAT(driver.changes.back().second.unavailable_reason, HasSubstr("it is stopped by SIGSTOP"));
    EXPECT_THAT(driver.why("bad"),
                HasSubstr("bad is unavailable: it is stopped by SIGSTOP: somebody stopped it; `kill -CONT " +
                          std::to_string(pid) + "` lets it go on"));
    ASSERT_EQ(::kill(pid, SIGCONT), 0);
    ASSERT_TRUE(driver.run_until(available));
    EXPECT_EQ(driver.result_of("bad", "j"), R"({"ok":true})");
    EXPECT_EQ(driver.status("bad").counters.deaths, 0u);
}

TEST_F(Faults, AStoppedOneIsEndedBySigterm) {
    auto settings = fault_settings("bad", "echo");
    settings.command = {"bash", "-c",
                        "echo '{\"type\":\"ready\",\"protocol\":1,\"job_types\":[\"t\"]}'; kill -STOP $$; "
                        "read -r; read -r"};
    settings.supervision.stop = {0ms, 10s, 10s};
    start(settings);
    ASSERT_TRUE(
        driver.run_until([&] { return driver.why("bad").find("stopped by SIGSTOP") != std::string::npos; }));
    ASSERT_TRUE(driver.fleet->stop("bad").ok());
    EXPECT_EQ(death().signal, SIGTERM);
}

TEST_F(Faults, WhoAsksATerminalIsToldThatThereIsNone) {
    auto settings = fault_settings("bad", "echo");
    settings.command = {"bash", "-c",
                        "read -r x < /dev/tty || { echo \"cannot ask: no terminal\" >&2; exit 3; }"};
    driver.fleet->configure({settings});
    ASSERT_TRUE(driver.run_until([&] { return driver.status("bad").last_death.has_value(); }));
    EXPECT_EQ(driver.status("bad").last_death->exit_code, 3);
    EXPECT_THAT(driver.status("bad").last_death->stderr_tail, Contains(HasSubstr("cannot ask: no terminal")));
}

}  // namespace
}  // namespace emprops::test
