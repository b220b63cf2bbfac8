// A job more than there are slots: who gets it, when it begins, moves, and goes back. The rule of the estimate.
#include <gmock/gmock.h>

#include "tests/unit/jobs/dispatcher_desk.h"

namespace emprops::jobs::test {
namespace {

using process::StopReason;
using Rule = Ahead::Rule;

const ipc::Features prepares{.cancel = true, .prepare = true};
const ipc::Features prepares_and_resumes{.cancel = true, .resume = true, .prepare = true};

struct At {
    explicit At(Rule rule = Rule::always) { desk.dispatcher.claim_ahead(desk.now, rule, 10s); }
    Desk desk;

    bool claim(const std::string& job_id, const std::string& type = "t") {
        const bool granted = desk.dispatcher.reserve(desk.now, job_id, type);
        desk.collect();
        return granted;
    }
    void take(const std::string& job_id) {
        ASSERT_TRUE(claim(job_id));
        desk.assign(job_id);
    }
    /// An instance of one slot that runs j1 and prepares j2; nothing of that is among the events.
    process::InstanceId runs_and_prepares() {
        const auto id = desk.ready("a", {"t"}, 1, prepares);
        take("j1");
        take("j2");
        desk.forget();
        return id;
    }
    bool ahead() const { return desk.dispatcher.capacity().ahead.contains("t"); }
};

TEST(DispatcherAhead, TheNextJobIsPreparedWhileOneRunsAndBeginsWithTheSlot) {
    At at;
    Desk& desk = at.desk;
    desk.policy.no_progress_timeout = config::off;
    const auto a = desk.ready("a", {"t"}, 1, prepares);
    EXPECT_FALSE(at.ahead()) << "a free slot is no place ahead";
    at.take("j1");
    desk.forget();
    EXPECT_TRUE(at.ahead());
    ASSERT_TRUE(at.claim("j2"));
    EXPECT_TRUE(desk.dispatcher.reserved_ahead("j2"));
    EXPECT_FALSE(at.ahead()) << "one at a time";
    EXPECT_FALSE(at.claim("j3"));
    desk.forget();
    desk.assign("j2");
    EXPECT_EQ(desk.events(), (Lines{"record j2 on a not begun", "give j2 to a attempt 1 prepare"}));
    desk.dispatcher.accepted(desk.now, a, {"j2"});
    desk.progress(a, "j2");
    EXPECT_EQ(desk.events(), Lines{}) << "nothing that is said of it before its turn counts";
    desk.pass(3h);
    EXPECT_EQ(desk.events(), Lines{}) << "no clock of j2 runs";
    desk.dispatcher.cancel(desk.now, "j1", "enough");
    desk.collect();
    desk.forget();
    desk.fails(a, "j1", ipc::code::cancelled);
    EXPECT_EQ(desk.events(), (Lines{"ended j1 at a", "record j2 on a", "types t free ahead t", "begun j2",
                                    "begin j2 at a"}));
    desk.progress(a, "j2");
    desk.result(a, "j2");
    EXPECT_EQ(desk.events(),
              (Lines{"progress j2 10", "finished j2 completed", "ended j2 at a", "types t free t:1"}));
    EXPECT_TRUE(desk.dispatcher.quiet());
}

TEST(DispatcherAhead, WhoCannotPrepareGetsNothingAhead) {
    At at;
    at.desk.ready("a", {"t"}, 1, {.cancel = true});
    at.take("j1");
    EXPECT_FALSE(at.ahead());
    EXPECT_FALSE(at.claim("j2"));
    At unknown(Rule::never);
    unknown.desk.ready("a", {"t"}, 1, prepares);
    unknown.take("j1");
    EXPECT_FALSE(unknown.ahead()) << "nobody has said what the Hub does with a job that comes back";
}

TEST(DispatcherAhead, ASlotThatIsFreeBeforeTheAssignmentIsUsedAtOnce) {
    At at;
    Desk& desk = at.desk;
    const auto a = desk.ready("a", {"t"}, 1, prepares);
    at.take("j1");
    ASSERT_TRUE(at.claim("j2"));
    desk.result(a, "j1");
    EXPECT_EQ(desk.free(), 0) << "the slot belongs to the claim now";
    desk.forget();
    desk.assign("j2");
    EXPECT_EQ(desk.events(),
              (Lines{"record j2 on a", "types t free ahead t", "begun j2", "give j2 to a attempt 1"}));
}

TEST(DispatcherAhead, ItMovesToTheInstanceThatBecomesFree) {
    At at;
    Desk& desk = at.desk;
    const auto a = desk.ready("a", {"t"}, 1, prepares);
    const auto b = desk.ready("b", {"t"}, 1, prepares);
    at.take("slow");
    at.take("fast");
    at.take("j");
    ASSERT_EQ(desk.dispatcher.jobs().back().state, JobState::prepared);
    const auto here = *desk.dispatcher.jobs().back().instance;
    const auto other = here == a ? b : a;
    const std::string at_other = desk.dispatcher.jobs()[here == a ? 1 : 0].job_id;
    desk.forget();
    desk.result(other, at_other);
    const std::string from = process::to_string(here), to = process::to_string(other);
    const Lines lines = desk.events();
    EXPECT_THAT(lines, testing::IsSupersetOf({"cancel j at " + from, "unanswered j at " + from,
                                              "give j to " + to + " attempt 1", std::string("begun j")}));
    EXPECT_TRUE(at.ahead()) << "the one that became free is full again, and has nothing ahead";
    ASSERT_TRUE(at.claim("k"));
    desk.assign("k");
    EXPECT_EQ(*desk.dispatcher.jobs().back().instance, other) << "the first one has not answered yet";
    desk.forget();
    desk.fails(here, "j", ipc::code::cancelled);
    EXPECT_EQ(desk.events(), (Lines{"ended j at " + from, "types t free ahead t"}));
    desk.result(other, "j");
    EXPECT_TRUE(desk.dispatcher.stats().completed >= 2);
}

TEST(DispatcherAhead, CancelsInBothOrders) {
    for (const bool running_first : {true, false}) {
        At at;
        Desk& desk = at.desk;
        const auto a = at.runs_and_prepares();
        for (const std::string& job_id : running_first ? Lines{"j1", "j2"} : Lines{"j2", "j1"}) {
            EXPECT_TRUE(desk.dispatcher.cancel(desk.now, job_id, "enough"));
            desk.collect();
            const Lines lines = desk.events();
            EXPECT_THAT(lines, testing::IsSupersetOf(
                                   {"undelivered " + job_id + " cancelled", "cancel " + job_id + " at a"}));
        }
        desk.fails(a, "j1", ipc::code::cancelled);
        EXPECT_EQ(desk.free(), 1) << "the slot does not wait for the answer of the one that had none";
        desk.fails(a, "j2", ipc::code::cancelled);
        EXPECT_TRUE(desk.dispatcher.quiet());
        at.take("j3");
        EXPECT_TRUE(at.ahead());
    }
}

TEST(DispatcherAhead, ADeathIsNotPutDownToItAndItComesAgain) {
    At at;
    Desk& desk = at.desk;
    at.desk.policy.poison_deaths = 2;
    for (int i = 1; i <= 3; ++i) {
        const auto a = desk.ready("a", {"t"}, 1, prepares);
        if (i > 1) {
            EXPECT_THAT(desk.events(), testing::IsSupersetOf(
                                           {std::string("give j to a attempt 1"), std::string("begun j")}));
            desk.result(a, "j");
        }
        at.take("dies-" + std::to_string(i));
        at.take("j");
        desk.forget();
        desk.dies(a);
        EXPECT_THAT(desk.events(),
                    testing::AllOf(testing::Contains("finished dies-" + std::to_string(i) + " crashed"),
                                   testing::Not(testing::Contains("finished j crashed"))));
    }
    EXPECT_EQ(desk.dispatcher.stats().poisoned_jobs, 0u);
}

TEST(DispatcherAhead, AfterADeathItIsNotPreparedASecondTime) {
    At at;
    Desk& desk = at.desk;
    const auto a = desk.ready("a", {"t"}, 1, prepares_and_resumes);
    at.take("j1");
    at.take("j2");
    desk.dies(a);
    desk.forget();
    const auto next = desk.ready("a", {"t"}, 1, prepares_and_resumes);
    EXPECT_THAT(desk.events(), testing::Contains("give j1 to a attempt 2 resume"));
    EXPECT_EQ(desk.dispatcher.jobs().back().state, JobState::held);
    EXPECT_FALSE(at.claim("j3")) << "one waits already";
    desk.result(next, "j1");
    EXPECT_THAT(desk.events(), testing::Contains("give j2 to a attempt 1"));
}

TEST(DispatcherAhead, WhatItsConnectorSaysOfIt) {
    At at;
    Desk& desk = at.desk;
    const auto a = desk.ready("a", {"t"}, 1, prepares);
    at.take("j1");
    at.take("bad");
    desk.forget();
    desk.fails(a, "bad", ipc::code::invalid_payload);
    EXPECT_EQ(desk.events(),
              (Lines{"finished bad invalid_payload", "ended bad at a", "types t free ahead t"}));
    at.take("done");
    desk.forget();
    desk.result(a, "done");
    EXPECT_EQ(desk.events(), (Lines{"finished done completed", "ended done at a", "types t free ahead t"}));
    at.take("not now");
    desk.forget();
    desk.refuses(a, "not now");
    EXPECT_EQ(desk.events(), (Lines{"ended not now at a"}));
    EXPECT_EQ(desk.dispatcher.slots(a), 1) << "it says nothing of its slots";
    EXPECT_FALSE(at.ahead()) << "it is not asked again";
    desk.result(a, "j1");
    EXPECT_THAT(desk.events(), testing::Contains("give not now to a attempt 1"));
}

TEST(DispatcherAhead, WhatIsPendingKeepsItAwayAndSendsItBack) {
    {  // a drain, of all and of its connector
        for (const bool all : {true, false}) {
            At at;
            Desk& desk = at.desk;
            at.runs_and_prepares();
            if (all)
                desk.dispatcher.drain(desk.now, DrainMode::graceful);
            else
                desk.dispatcher.drain_connector(desk.now, "a", DrainMode::graceful);
            desk.collect();
            EXPECT_THAT(desk.events(), testing::IsSupersetOf({std::string("cancel j2 at a"),
                                                              std::string("finished j2 drained not begun")}));
            EXPECT_FALSE(at.ahead());
            EXPECT_FALSE(at.claim("j3"));
        }
    }
    {  // where going back costs an attempt it runs
        At at(Rule::soon);
        Desk& desk = at.desk;
        const auto a = desk.ready("a", {"t"}, 1, prepares);
        at.take("j1");
        desk.progress(a, "j1", 0);
        desk.now += 1s;
        desk.progress(a, "j1", 50);
        at.take("j2");
        desk.forget();
        desk.dispatcher.drain(desk.now, DrainMode::graceful);
        desk.collect();
        EXPECT_EQ(desk.events(), Lines{"draining free"});
        desk.result(a, "j1");
        EXPECT_THAT(desk.events(), testing::Contains("begin j2 at a"));
    }
    {  // recycling, a restart, new settings: its process leaves
        At at;
        Desk& desk = at.desk;
        const auto a = at.runs_and_prepares();
        desk.dispatcher.instance_leaving(desk.now, a);
        desk.collect();
        EXPECT_THAT(desk.events(), testing::Contains("cancel j2 at a"));
        EXPECT_FALSE(at.ahead());
        desk.ready("a", {"t"}, 1, prepares);
        EXPECT_THAT(desk.events(), testing::Contains("give j2 to a attempt 1")) << "beside the old process";
    }
    {  // its service restarts
        At at;
        Desk& desk = at.desk;
        const auto a = at.runs_and_prepares();
        desk.available(a, false);
        EXPECT_THAT(desk.events(), testing::Contains("cancel j2 at a"));
        EXPECT_FALSE(at.ahead());
        desk.fails(a, "j2", ipc::code::cancelled);
        desk.forget();
        desk.available(a, true);
        EXPECT_THAT(desk.events(), testing::Contains("give j2 to a attempt 1 prepare"));
    }
}

TEST(DispatcherAhead, TheHubMayAskForItUntilItBegins) {
    At at;
    Desk& desk = at.desk;
    const auto a = at.runs_and_prepares();
    desk.dispatcher.return_wanted(desk.now, "j1");
    desk.collect();
    EXPECT_EQ(desk.events(), Lines{}) << "it runs";
    desk.dispatcher.return_wanted(desk.now, "j2");
    desk.collect();
    EXPECT_EQ(desk.events(),
              (Lines{"cancel j2 at a", "unanswered j2 at a", "finished j2 not_started not begun"}));
    EXPECT_FALSE(at.ahead()) << "a is asked again when it has let go";
    desk.fails(a, "j2", ipc::code::cancelled);
    EXPECT_TRUE(at.ahead());
}

TEST(DispatcherAhead, WhatAnEarlierWorkerHadNotBegunIsNoResumedJob) {
    const auto left = [](Desk& desk, bool with_payload) {
        desk.dispatcher.left(
            {Assignment{"j", "t", 0, {R"({"n":2})"}, 7}, {{"w-0"}, "a", 1, with_payload, false}}, 60s);
        desk.dispatcher.confirmed(desk.now, 7);
        desk.collect();
    };
    At at;
    at.desk.ready("a", {"t"}, 1, prepares_and_resumes);
    at.desk.forget();
    left(at.desk, true);
    EXPECT_THAT(at.desk.events(), testing::Contains("give j to a attempt 1")) << "without `resume`";
    At without;
    left(without.desk, false);
    EXPECT_EQ(without.desk.events(), Lines{"finished j not_started not begun"});
}

TEST(DispatcherAhead, WhenTheLedgerIsSlowItBeginsAfterIt) {
    At at;
    Desk& desk = at.desk;
    const auto a = at.runs_and_prepares();
    desk.ledger_answers = false;
    desk.result(a, "j1");
    EXPECT_THAT(desk.events(), testing::Not(testing::Contains("begin j2 at a")));
    EXPECT_TRUE(desk.dispatcher.cancel(desk.now, "j2", "enough"));
    desk.collect();
    EXPECT_THAT(desk.events(), testing::Contains("cancel j2 at a"));
    EXPECT_EQ(desk.free(), 1);
    desk.dispatcher.recorded(desk.now, 2);
    desk.collect();
    EXPECT_EQ(desk.events(), Lines{});
}

// ---- the estimate

TEST(DispatcherAhead, AtAHubThatKeepsWhatItGaveOnlyWhileTheRunningJobEndsSoon) {
    At at(Rule::soon);
    Desk& desk = at.desk;
    const auto a = desk.ready("a", {"t"}, 1, prepares);
    at.take("j1");
    EXPECT_FALSE(at.ahead()) << "nothing is known of its end";
    desk.progress(a, "j1", 0);
    desk.now += 10s;
    desk.progress(a, "j1", 10);  // 90 s more
    EXPECT_FALSE(at.ahead());
    desk.pass(79s);
    EXPECT_FALSE(at.ahead());
    desk.pass(2s);
    EXPECT_TRUE(at.ahead()) << "9 s before its probable end";
    desk.pass(20s);
    EXPECT_FALSE(at.ahead()) << "11 s after it the estimate is known to be wrong";
    desk.progress(a, "j1", 50);  // at 111 s: 111 s more
    EXPECT_FALSE(at.ahead());
    desk.now += 1s;
    desk.progress(a, "j1", 99);
    EXPECT_TRUE(at.ahead());
    ASSERT_TRUE(at.claim("j2"));
    EXPECT_FALSE(at.claim("j3")) << "never a second one";
    desk.pass(60s);
    desk.assign("j2");
    EXPECT_EQ(desk.dispatcher.jobs().back().state, JobState::prepared)
        << "what is claimed is prepared, late or not";
}

TEST(DispatcherAhead, WhatIsSaidAllAtOnceTellsNothingOfThePace) {
    At at(Rule::soon);
    Desk& desk = at.desk;
    const auto a = desk.ready("a", {"t"}, 1, prepares);
    at.take("j1");
    desk.progress(a, "j1", 3);  // the first step begins
    EXPECT_FALSE(at.ahead());
    desk.now += 1ms;
    desk.progress(a, "j1", 60);  // its inputs are there
    EXPECT_FALSE(at.ahead());
    desk.now += 100s;
    desk.progress(a, "j1", 60);
    EXPECT_FALSE(at.ahead()) << "at this pace 70 s more";
    desk.progress(a, "j1", 1);  // another run of it
    desk.now += 2s;
    desk.progress(a, "j1", 50);
    EXPECT_TRUE(at.ahead()) << "2 s more, at the pace since then";
}

}  // namespace
}  // namespace emprops::jobs::test
