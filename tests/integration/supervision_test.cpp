// Connectors that misbehave in every way the simulation knows, in the whole worker: each job ends as
// documented, the connector serves again, a neighbour's job that runs meanwhile completes, and the supervisor
// stays small.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <iostream>

#include "tests/support/job_client.h"
#include "tests/support/supervision_bench.h"
#include "tests/support/worker_harness.h"

namespace emprops::test {
namespace {

using testing::HasSubstr;

constexpr std::uint64_t mib = 1u << 20;
constexpr std::uint64_t supervisor_limit = 64 * mib;

std::string connector(const std::string& name, const std::string& env = "", const std::string& more = "") {
    return "[connectors." + name + "]\ncommand = [\"emprops-connector-simulation\"]\n" + more +
           "\nenv = {SIMULATION_JOB_TYPE = \"" + name +
           "\", SIMULATION_PROCESSING_TIME = \"0.2\", SIMULATION_STEPS = \"2\"" + env + "}\n\n";
}

void expect_small(const TestWorker& worker) {
    const auto peak = peak_rss_bytes(worker.supervisor_pid());
    EXPECT_GT(peak, 0u);
    std::cout << "peak memory of the supervisor: " << peak / mib << " MiB\n";
    if (!address_sanitizer) {
        EXPECT_LT(peak, supervisor_limit) << peak / mib << " MiB";
    }
}

/// A sanitizer makes the reading ten times slower.
constexpr std::uint64_t flood_bytes = address_sanitizer ? 50 * mib : 1000 * mib;
constexpr std::uint64_t line_bytes = address_sanitizer ? 64 * mib : 200 * mib;

struct Row {
    const char* name;
    Json payload;
    std::string settings;            ///< of the bad connector
    std::string env;                 ///< of the bad connector
    std::vector<std::string> error;  ///< parts of the fail_job text; empty: the job completes
    int deaths = 0;                  ///< of the bad connector when it serves again
    std::string counter;             ///< one that must have moved
};

void PrintTo(const Row& row, std::ostream* out) {
    *out << row.name;
}

const std::string short_ladder = "stop_shutdown = \"300ms\"\nstop_term = \"300ms\"\nstop_kill = \"2s\"\n";
const std::string no_progress = "no_progress_timeout = \"1s\"\n" + short_ladder;
const std::string quick_pings = "ping_interval = \"300ms\"\nping_missed = 3\n" + short_ladder;

const std::vector<Row>& rows() {
    static const std::vector<Row> all{
        {"Segv", {{"fault", "segv"}}, "", "", {"[crashed]", "SIGSEGV"}, 1, ""},
        {"Exit", {{"fault", "exit"}, {"exit_code", 3}}, "", "", {"[crashed]", "code 3"}, 1, ""},
        {"Kill", {{"fault", "signal"}, {"signal", 9}}, "", "", {"[crashed]", "SIGKILL"}, 1, ""},
        {"Throw", {{"fault", "throw"}}, "", "", {"[internal]", "the job asked for an exception"}, 0, ""},
        {"Hang", {{"fault", "hang"}}, no_progress, "", {"[hung]", "no_progress_timeout"}, 1, ""},
        {"JobTimeout",
         {{"processing_time", 60}, {"steps", 600}},
         "job_timeout = \"1s\"\n" + short_ladder,
         "",
         {"[timeout]", "job_timeout"},
         -1,
         ""},
        {"Stop", {{"fault", "stop"}}, quick_pings, "", {"[hung]", "was stopped (hung)"}, 1, ""},
        {"IgnoreTerm", {{"fault", "ignore_term"}}, no_progress, "", {"[hung]"}, 1, ""},
        {"CloseStdout",
         {{"fault", "close_stdout"}, {"processing_time", 30}},
         short_ladder,
         "",
         {"[hung]"},
         1,
         ""},
        {"ForkChild", {{"fault", "fork_child"}}, "", "", {}, 0, ""},
        {"SetsidChild", {{"fault", "setsid_child"}}, "", "", {}, 0, ""},
        {"ResultThenDie", {{"fault", "result_then_die"}}, "", "", {}, 1, ""},
        {"HalfResult", {{"fault", "half_result"}}, "", "", {"[crashed]", "SIGKILL"}, 1, ""},
        {"StderrFlood", {{"fault", "stderr_flood"}, {"bytes", 20 * mib}}, "", "", {}, 0, "stderr_dropped"},
        {"ProgressFlood",
         {{"fault", "flood_progress"}, {"bytes", flood_bytes}},
         "",
         "",
         {},
         0,
         "progress_coalesced"},
        {"OverlongLine",
         {{"fault", "overlong_line"}, {"bytes", line_bytes}},
         "",
         "",
         {"[result_too_large]"},
         0,
         "overlong_lines"},
        {"DeepResult",
         {{"fault", "deep_result"}, {"depth", 100'000}},
         "",
         "",
         {"[protocol_error]"},
         0,
         "protocol_errors"},
        {"NanResult", {{"fault", "nan_result"}}, "", "", {"[protocol_error]"}, 0, "protocol_errors"},
        {"ForeignResult", {{"fault", "foreign_result"}}, "", "", {}, 0, "foreign_messages"},
        {"TwoResults", {{"fault", "two_results"}}, "", "", {}, 0, "foreign_messages"},
        {"StrayStdout", {{"fault", "stray_stdout"}}, "", "", {}, 0, "stray_lines"},
        {"ReadyTwice", Json::object(), "", ", SIMULATION_START_FAULT = \"ready_twice\"", {}, 0, ""},
        {"RubbishBeforeReady",
         Json::object(),
         "",
         ", SIMULATION_START_FAULT = \"rubbish\"",
         {},
         0,
         "stray_lines"},
    };
    return all;
}

class Faults : public testing::TestWithParam<Row> {};

TEST_P(Faults, EndsAsDocumentedAndTheNeighbourWorksOn) {
    const Row& row = GetParam();
    TestHub hub({"local_hub.max_attempts=1"});
    TestWorker worker({hub.url(), connector("good") + connector("bad", row.env, row.settings), {}, {}, {}});
    worker.wait_state("good", "ready");
    worker.wait_state("bad", "ready");
    JobClient client(hub);
    const auto neighbour = client.submit("good", {{"processing_time", 3}, {"steps", 30}});
    client.progressed(neighbour);

    const auto job = client.submit("bad", row.payload);
    int child = 0;
    if (row.error.empty()) {
        const auto result = client.completed(job, Ms(120'000));
        EXPECT_EQ(result.at("output").at("job_id"), job);
        child = result.at("output").value("child_pid", 0);
    } else {
        const auto error = client.failed(job, Ms(120'000));
        for (const auto& part : row.error)
            EXPECT_THAT(error, HasSubstr(part));
        EXPECT_EQ(wait_job_status(hub, job, "failed", Ms(5'000)), "failed");
    }
    EXPECT_EQ(client.completed(neighbour).at("status"), "success") << worker.log();
    EXPECT_EQ(client.completed(client.submit("bad", {{"processing_time", 0.1}})).at("status"), "success")
        << "it does not serve any more\n"
        << worker.log();

    const auto counters = worker.connector("bad").at("counters");
    if (row.deaths >= 0) {
        EXPECT_EQ(counters.at("deaths"), row.deaths) << worker.log();
    }
    if (!row.counter.empty()) {
        EXPECT_GT(counters.at(row.counter), 0) << counters;
    }
    EXPECT_EQ(worker.connector("good").at("counters").at("deaths"), 0);
    expect_small(worker);
    worker.stop_and_wait();
    if (child != 0) {
        EXPECT_TRUE(wait_until([&] { return !process_alive(child); })) << "pid " << child;
    }
}

INSTANTIATE_TEST_SUITE_P(Each, Faults, testing::ValuesIn(rows()),
                         [](const auto& info) { return std::string(info.param.name); });

TEST(Supervision, OneThatNeverSaysReadyIsStoppedAndHoldsNobodyUp) {
    TestHub hub;
    TestWorker worker(
        {hub.url(),
         connector("good") +
             connector("bad", ", SIMULATION_START_FAULT = \"hang\"",
                       "start_timeout = \"500ms\"\nbackoff_initial = \"100ms\"\n" + short_ladder),
         {},
         {},
         {}});
    worker.wait_state("good", "ready");
    JobClient client(hub);
    EXPECT_EQ(client.completed(client.submit("good", Json::object())).at("status"), "success");
    EXPECT_TRUE(
        wait_until([&] { return worker.connector("bad").at("counters").at("deaths") >= 2; }, Ms(20'000)))
        << worker.log();
    const auto bad = worker.connector("bad");
    EXPECT_EQ(bad.at("last_death").at("stopped_for"), "start_timeout") << bad;
    EXPECT_EQ(worker.status().at("hub").at("told_job_types"), Json{"good"});
    EXPECT_EQ(client.completed(client.submit("good", Json::object())).at("status"), "success");
    expect_small(worker);
}

TEST(Supervision, FiftyCrashLoopingConnectorsDoNotDisturbAHealthyOne) {
    constexpr int crashing = 50;
    std::string toml = connector("good");
    for (int i = 0; i < crashing; ++i)
        toml += connector("bad" + std::to_string(i), ", SIMULATION_START_FAULT = \"segv\"",
                          "backoff_initial = \"500ms\"\nbackoff_max = \"2s\"\nbreaker_deaths = 0\n");
    TestHub hub;
    TestWorker worker({hub.url(), toml, {}, {}, {}});
    worker.wait_state("good", "ready", Ms(60'000));
    JobClient client(hub);
    const auto everybody_died = [&](int times) {
        int number = 0;
        const auto status = worker.status();
        for (const auto& one : status.at("connectors"))
            number += one.at("name") != "good" && one.at("counters").at("deaths") >= times ? 1 : 0;
        return number == crashing;
    };
    int served = 0;
    do {
        const auto job = client.submit("good", {{"processing_time", 0.1}});
        EXPECT_EQ(client.completed(job).at("status"), "success") << worker.log();
        ++served;
    } while (served < 5 || (served < 500 && !everybody_died(2)));
    EXPECT_TRUE(everybody_died(2)) << worker.status().dump(1);
    EXPECT_EQ(worker.connector("good").at("counters").at("deaths"), 0);
    expect_small(worker);
}

TEST(Supervision, AJobThatKilledTwoProcessesIsNotRunAThirdTime) {
    TempDir dir;
    const auto journal = dir / "journal";
    TestHub hub({"local_hub.max_attempts=100"});
    TestWorker worker(
        {hub.url(), connector("bad", ", SIMULATION_JOURNAL = \"" + journal.string() + "\""), {}, {}, {}});
    JobClient client(hub);
    const auto job = client.submit("bad", {{"fault", "segv"}});
    EXPECT_THAT(client.failed(job), HasSubstr("[crashed]"));
    const auto poisoned = client.failed(job);
    EXPECT_THAT(poisoned, HasSubstr("[poison]"));
    EXPECT_THAT(poisoned, HasSubstr("SIGSEGV"));
    ASSERT_EQ(wait_job_status(hub, job, "failed", Ms(5'000)), "failed");

    // Whoever gives it to this worker again gets the answer, and no process dies of it.
    client.hub.send({{"type", "force_retry_job"}, {"job_id", job}});
    EXPECT_THAT(client.failed(job), HasSubstr("[poison]"));
    EXPECT_EQ(read_journal(journal)[job].size(), 2u);
    EXPECT_EQ(client.completed(client.submit("bad", Json::object())).at("status"), "success");
    EXPECT_EQ(worker.connector("bad").at("counters").at("deaths"), 2);
}

TEST(Supervision, FiveDeathsOpenTheBreakerAndATrialBringsTheConnectorBack) {
    TestHub hub({"local_hub.max_attempts=1"});
    TestWorker worker({hub.url(),
                       connector("good") + connector("bad", "",
                                                     "backoff_initial = \"50ms\"\nbackoff_max = \"100ms\"\n"
                                                     "breaker_deaths = 5\nbreaker_trial = \"6s\"\n"),
                       {},
                       {},
                       {}});
    worker.wait_state("good", "ready");
    JobClient client(hub);
    for (int i = 0; i < 5; ++i)
        EXPECT_THAT(client.failed(client.submit("bad", {{"fault", "segv"}})), HasSubstr("[crashed]"));
    worker.wait_state("bad", "breaker_open", Ms(5'000));
    const auto told = [&] { return worker.status().at("hub").at("told_job_types"); };
    EXPECT_TRUE(wait_until([&] { return told() == Json{"good"}; }, Ms(3'000))) << told();
    EXPECT_THAT(worker.cli({"why", "bad"}).out, HasSubstr("bad"));
    const auto waiting = client.submit("bad", Json::object());
    EXPECT_EQ(client.completed(client.submit("good", Json::object())).at("status"), "success");
    EXPECT_EQ(client.completed(waiting, Ms(30'000)).at("status"), "success") << worker.log();
}

}  // namespace
}  // namespace emprops::test
