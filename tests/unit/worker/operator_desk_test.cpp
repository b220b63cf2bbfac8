// What an operator is answered, and what that begins.

#include "supervisor/worker/operator_desk.h"

#include <gmock/gmock.h>

#include "tests/unit/worker/flow_bench.h"

namespace emprops::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

struct OperatorDeskTest : FlowBench {
    void SetUp() override {
        begin();
        for (const char* name : {"a", "b"}) {
            config::ConnectorSettings connector;
            connector.name = name;
            settings.connectors.push_back(connector);
        }
        roster.configure(settings);
        request.working_dir = dir.path();
        request.system_config_file = dir / "none.toml";
        request.system_state_dir = dir.path();
        desk.emplace(OperatedParts{settings, request, leaving, roster, tails, *ledger, *flow, *fleet, link});
    }
    static process::TraceLine line(const std::string& connector, const std::string& text) {
        return {{connector, 0, 1}, 7, {}, process::TraceLine::Kind::stderr_line, text};
    }

    config::Settings settings;
    config::LoadRequest request;
    Leaving leaving{jobs::DrainMode::deadline};
    LogTails tails;
    std::optional<OperatorDesk> desk;
};

TEST_F(OperatorDeskTest, AConnectorThatIsNotConfiguredIsNamedWithThoseThatAre) {
    for (const auto& answer : {desk->why("x"), desk->restart("x"), desk->stop("x"), desk->start("x"),
                               desk->restart_service("x"), desk->drain("x", "now"), desk->resume("x")}) {
        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error().code, "not_found");
        EXPECT_THAT(answer.error().message, HasSubstr("a, b"));
    }
    EXPECT_FALSE(desk->log_tail("x"));
    EXPECT_FALSE(desk->follow_trace("x", {}));
}

TEST_F(OperatorDeskTest, ADrainSaysWhatBecomesOfTheJobsAndEndsWithResume) {
    EXPECT_EQ(desk->status()["worker"]["state"], "running");
    EXPECT_THAT(*desk->drain("", "graceful"), HasSubstr("what runs goes on"));
    EXPECT_THAT(*desk->drain("", "deadline"), HasSubstr("worker.drain_timeout"));
    EXPECT_THAT(*desk->drain("", "now"), HasSubstr("given back to the Hub"));
    EXPECT_EQ(desk->status()["worker"]["state"], "draining");
    EXPECT_EQ(*desk->resume(""), "the worker takes jobs again");
    EXPECT_EQ(desk->status()["worker"]["state"], "running");
}

TEST_F(OperatorDeskTest, OneConnectorIsDrainedWithoutTheOthers) {
    EXPECT_EQ(*desk->drain("a", "graceful"), "draining a: it takes no more jobs until resume");
    EXPECT_TRUE(flow->jobs().drained("a"));
    EXPECT_FALSE(flow->jobs().drained("b"));
    EXPECT_EQ(desk->status()["worker"]["state"], "running");
    EXPECT_EQ(*desk->resume("a"), "a takes jobs again");
    EXPECT_FALSE(flow->jobs().drained("a"));
}

TEST_F(OperatorDeskTest, AWorkerThatLeavesIsNeitherDrainedNorResumed) {
    leaving.signal();
    EXPECT_EQ(desk->drain("", "now").error().code, "leaving");
    EXPECT_EQ(desk->resume("").error().code, "leaving");
    EXPECT_EQ(desk->status()["worker"]["state"], "leaving");
}

TEST_F(OperatorDeskTest, ACancelGoesToTheHubFirst) {
    EXPECT_EQ(desk->cancel("j1", "why").error().code, "not_found");
    process::InstanceInfo info;
    info.job_types = {"t"};
    flow->on_ready(a, info);
    flow->on_link_event(jobs::Assigned{{"j1", "t", 0, {"{}"}, ledger->first_number()}, "w-1"});
    link.heard.clear();
    EXPECT_THAT(*desk->cancel("j1", "why"), HasSubstr("cancelling j1: the Hub is away"));
    EXPECT_THAT(link.heard, ElementsAre("cancel j1 (why)"));
}

TEST_F(OperatorDeskTest, AReloadOfABrokenFileChangesNothing) {
    settings.worker.drain_timeout = 7s;
    dir.write_file("emprops-worker.toml", "[hub]\nidle_timeout = \"soon\"\n");
    const auto answer = desk->reload();
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().code, "config");
    EXPECT_THAT(answer.error().message, HasSubstr("`hub.idle_timeout`"));
    EXPECT_EQ(settings.worker.drain_timeout, 7s);
    EXPECT_EQ(settings.connectors.size(), 2u);
}

TEST_F(OperatorDeskTest, TheLastLinesComeFirstOfOneConnectorOrOfAll) {
    tails.keep(line("b", "second"));
    tails.keep(line("a", "first"));
    EXPECT_THAT(*desk->log_tail(""), ElementsAre("a 7 | first", "b 7 | second")) << "as they are configured";
    EXPECT_THAT(*desk->log_tail("b"), ElementsAre("b 7 | second"));
    std::vector<std::string> heard;
    const auto subscription = desk->follow_log("b", [&](const std::string& text) { heard.push_back(text); });
    ASSERT_TRUE(subscription);
    EXPECT_THAT(heard, ElementsAre("b 7 | second"));
}

}  // namespace
}  // namespace emprops::test
