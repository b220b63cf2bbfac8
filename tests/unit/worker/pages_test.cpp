// The small parts of the worker: what a reload changes, log tails, the documents of the control API.

#include <gtest/gtest.h>

#include "supervisor/worker/log_tails.h"
#include "supervisor/worker/reload_plan.h"
#include "supervisor/worker/status_page.h"

namespace emprops::test {
namespace {

using namespace std::chrono_literals;
using Lines = std::vector<std::string>;

config::ConnectorSettings connector(const std::string& name, const std::string& service = {}) {
    config::ConnectorSettings settings;
    settings.name = name;
    settings.command = {name};
    if (!service.empty()) {
        settings.service.command = {service};
        settings.service.port = 8188;
    }
    return settings;
}

TEST(ReloadPlan, SaysWhatStartsRestartsAndLeaves) {
    config::Settings running;
    running.connectors = {connector("same"), connector("gone"), connector("served", "one"),
                          connector("other")};
    config::Settings fresh = running;
    fresh.connectors = {connector("same"), connector("served", "two"), connector("other"), connector("new")};
    fresh.connectors[2].command = {"another"};
    const ReloadPlan plan = plan_reload(running, fresh);
    EXPECT_EQ(plan.added, Lines({"new"}));
    EXPECT_EQ(plan.removed, Lines({"gone"}));
    EXPECT_EQ(plan.restarting, Lines({"served's service", "other"}));
    EXPECT_FALSE(plan.new_token);
    EXPECT_EQ(
        to_string(plan),
        "reloaded: starting new; restarting served's service, other; removing gone when its jobs are done");
}

TEST(ReloadPlan, AServiceOnAnotherPortNeedsANewConnectorProcess) {
    config::Settings running;
    running.connectors = {connector("served", "one")};
    config::Settings fresh = running;
    fresh.connectors[0].service.port = 9000;
    EXPECT_EQ(plan_reload(running, fresh).restarting, Lines({"served"}));
    fresh.connectors = {connector("served")};
    EXPECT_EQ(plan_reload(running, fresh).restarting, Lines({"served"})) << "it has no service any more";
}

TEST(ReloadPlan, WhatTheWorkerWasStartedWithWaitsForItsNextStart) {
    config::Settings running;
    config::Settings fresh = running;
    fresh.worker.id = "another";
    fresh.hub.token = "t2";
    fresh.log.level = "debug";
    const ReloadPlan plan = plan_reload(running, fresh);
    EXPECT_TRUE(plan.new_token);
    EXPECT_EQ(plan.waiting, Lines({"worker.id"}));
    take_over(running, fresh);
    EXPECT_EQ(running.hub.token, "t2");
    EXPECT_EQ(running.log.level, "debug");
    EXPECT_EQ(running.worker.id, "") << "of the running worker";
    running.hub.embedded = fresh.hub.embedded = true;
    fresh.hub.token = "t3";
    EXPECT_FALSE(plan_reload(running, fresh).new_token) << "the local hub has its own";
    EXPECT_EQ(to_string(ReloadPlan{}), "reloaded: no running connector has other settings");
}

TEST(LogTails, KeepTheNewestLinesOfEachConnector) {
    LogTails tails;
    process::TraceLine line;
    line.id = {"a", 1, 1};
    line.pid = 7;
    for (std::size_t i = 0; i <= LogTails::most_lines; ++i) {
        line.text = "line " + std::to_string(i);
        tails.keep(line);
    }
    const Lines lines = tails.lines("a");
    ASSERT_EQ(lines.size(), LogTails::most_lines);
    EXPECT_EQ(lines.front(), "a/1 7 | line 1");
    EXPECT_EQ(lines.back(), "a/1 7 | line 200");
    EXPECT_TRUE(tails.lines("b").empty());
    tails.forget("a");
    EXPECT_TRUE(tails.lines("a").empty());
}

TEST(LogTails, AMarkSaysWhoSpoke) {
    process::TraceLine line;
    line.id = {"a", 0, 1};
    line.text = "x";
    using Kind = process::TraceLine::Kind;
    Lines shown;
    for (const Kind kind : {Kind::to_connector, Kind::from_connector, Kind::log_line, Kind::stderr_line,
                            Kind::stray_line, Kind::complaint, Kind::last_message}) {
        line.kind = kind;
        shown.push_back(show(line));
    }
    EXPECT_EQ(shown, Lines({"a 0 > x", "a 0 < x", "a 0 < x", "a 0 | x", "a 0 # x", "a 0 ! x", "a 0 = x"}));
}

TEST(LogTails, OfALineThatIsWrittenOverHaveTheNewestState) {
    LogTails tails;
    process::TraceLine line;
    line.id = {"a", 0, 1};
    const auto keep = [&](const char* text, bool state, int pid) {
        line.text = text;
        line.state = state;
        line.pid = pid;
        tails.keep(line);
    };
    keep("loading", false, 1);
    keep("1%", true, 1);
    keep("2%", true, 1);
    keep("of another process", false, 2);
    keep("3%", true, 1);
    keep("done", false, 1);
    EXPECT_EQ(tails.lines("a"),
              Lines({"a 1 | loading", "a 1 | 2%", "a 2 | of another process", "a 1 | done"}));
}

TEST(StatusPage, HasWhatTheDispatcherMakesOfAnInstanceBesideItsState) {
    jobs::LinkView view;
    view.link = jobs::LinkView::Link::connecting;
    view.attempt_at = TimePoint(1h) + 5s;
    view.withheld.push_back({"j7", "t", TimePoint(1h) - 2s, "waits at the Hub"});
    const jobs::LinkMetrics metrics;
    StatusSources sources{TimePoint(1h), view, metrics};
    sources.state = "draining";
    sources.ledger_problem = "no space left on device";
    sources.held = 2;
    ConnectorLine line;
    line.instance.connector = "a";
    line.instance.state = process::State::ready;
    line.slots = 1;
    line.refusal = "a refused job j1";
    line.quiet = false;
    line.takes_no_jobs_because = "the worker is drained";
    ConnectorLine away;
    away.instance.state = process::State::ready;
    away.instance.info.emplace().available = false;
    sources.connectors = {line, {}, away};
    const ipc::Json page = status_page(sources);
    EXPECT_EQ(page.at("worker").at("state"), "draining");
    EXPECT_EQ(page.at("hub").at("link"), "waiting");
    EXPECT_EQ(page.at("hub").at("next_attempt_in_ms"), 5000);
    EXPECT_EQ(page.at("hub").at("withheld_jobs").at(0).at("since_ms"), 2000);
    EXPECT_EQ(page.at("ledger").at("healthy"), false);
    EXPECT_EQ(page.at("jobs").at("held"), 2);
    const ipc::Json& a = page.at("connectors").at(0);
    EXPECT_EQ(a.at("state"), "ready");
    EXPECT_EQ(a.at("slots"), 1);
    EXPECT_EQ(a.at("refuses"), "a refused job j1");
    EXPECT_EQ(a.at("quiet"), false);
    EXPECT_EQ(a.at("takes_no_jobs_because"), "the worker is drained");
    EXPECT_EQ(page.at("connectors").at(2).at("state"), "unavailable");
    const ipc::Json& other = page.at("connectors").at(1);
    for (const char* key :
         {"slots", "refuses", "takes_no_jobs_because", "generation", "job_types", "service"})
        EXPECT_FALSE(other.contains(key)) << key;
}

TEST(JobsPage, ShowsWhatRunsAndWhatWaitsForTheHub) {
    jobs::JobView job;
    job.job_id = "j1";
    job.state = jobs::JobState::running;
    job.instance = process::InstanceId{"a", 0, 3};
    job.attempt = 2;
    job.assigned_at = TimePoint(1h) - 9s;
    job.given_at = TimePoint(1h) - 8s;
    job.last_progress_at = TimePoint(1h) - 1s;
    job.progress.progress = 40;
    job.progress.message = "sampling";
    jobs::LinkView::Outcome outcome;
    outcome.job_id = "j0";
    outcome.completed = true;
    outcome.since = TimePoint(1h) - 3s;
    const ipc::Json list = jobs_page(TimePoint(1h), {job}, {outcome}).at("jobs");
    EXPECT_EQ(list.at(0).at("state"), "running");
    EXPECT_EQ(list.at(0).at("connector"), "a");
    EXPECT_EQ(list.at(0).at("given_ms_ago"), 8000);
    EXPECT_EQ(list.at(0).at("progress"), 40);
    EXPECT_EQ(list.at(1).at("state"), "ended");
    EXPECT_EQ(list.at(1).at("message"), "its result waits for the Hub");
}

}  // namespace
}  // namespace emprops::test
