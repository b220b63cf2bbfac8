// How assignments end, one rule at a time; and what the Hub is told of capacity.

#include "rules_bench.h"

namespace emprops::jobs::test {
namespace {

using Cause = Ending::Cause;
using process::StopReason;

struct Ender : Bench {
    CapacityTeller capacity{records};
    Placing placing{records, 30s};
    Ending ending{records, placing, capacity};
};

TEST(Ending, AnOutcomeIsMadeCountedAndKeptUntilItIsOnDisk) {
    Ender it;
    Instance& a = it.ready("a", 2);
    const ActiveJob& done = it.run("j1", a);
    const ActiveJob& failed = it.run("j2", a);
    it.ending.finish(it.now, done, Completed{{"{}"}});
    it.ending.let_go(done);
    it.ending.fail(it.now, failed, {"service_error", "it said no", true, {}}, false);
    EXPECT_EQ(it.events(), Lines({"finished j1 completed", "ended j1 at a",
                                  "finished j2 service_error not begun", "ended j2 at a"}));
    EXPECT_EQ(it.notes, Lines({"completed after 0 ms, result of 2 B",
                               "goes back to the Hub, not begun, after 0 ms: [service_error] it said no"}));
    EXPECT_EQ(it.records.stats.completed, 1u);
    EXPECT_EQ(it.records.stats.failed.at("service_error"), 1u);
    EXPECT_EQ(it.records.stats.returned, 1u);
    EXPECT_EQ(a.held, 0);
    EXPECT_TRUE(it.records.book.outcome_at_ledger());
}

TEST(Ending, ACancelIsSentAndItsTimeRuns) {
    Ender it;
    const ActiveJob& job = it.run("j1", it.ready("a"));
    it.ending.end_undelivered(it.now, job, UndeliveredCode::cancelled, "by client");
    EXPECT_EQ(it.events(), Lines({"undelivered j1 cancelled", "cancel j1 at a"}));
    EXPECT_EQ(job.stop.answer_until, it.now + it.policy.cancel_timeout);
    it.now += it.policy.cancel_timeout;
    it.ending.check_limits(it.now, job);
    it.ending.stop_processes_that_ignore_cancels(it.now);
    EXPECT_EQ(it.events(), Lines({"stop a cancel_ignored"}));
    it.ending.stop_processes_that_ignore_cancels(it.now);
    EXPECT_EQ(it.events(), Lines()) << "once";
}

TEST(Ending, WhoDoesNotKnowCancelIsStoppedUnlessItRunsOthersOrSitsInADebugger) {
    Ender alone;
    alone.ending.end_undelivered(alone.now, alone.run("j1", alone.ready("a", 2, {})),
                                 UndeliveredCode::withdrawn, "x");
    EXPECT_EQ(alone.events(), Lines({"undelivered j1 withdrawn", "stop a cancel_ignored"}));
    Ender busy;
    Instance& a = busy.ready("a", 2, {});
    busy.run("j2", a);
    busy.ending.end_undelivered(busy.now, busy.run("j1", a), UndeliveredCode::withdrawn, "x");
    EXPECT_EQ(busy.events(), Lines({"undelivered j1 withdrawn"}));
    Ender watched;
    Instance& debugged = watched.ready("a", 1, {});
    debugged.info.attached = true;
    watched.ending.end_undelivered(watched.now, watched.run("j1", debugged), UndeliveredCode::withdrawn, "x");
    EXPECT_EQ(watched.events(), Lines({"undelivered j1 withdrawn"}));
}

TEST(Ending, TheHubHearsOfALostProcessBeforeTheFailure) {
    Ender it;
    it.capacity.tell();
    Instance& a = it.ready("a");
    it.capacity.tell();
    const ActiveJob& job = it.run("j1", a);
    it.events();
    it.ending.fail_and_abandon(it.now, job, Cause::hung, {"hung", "x", true, {}});
    EXPECT_EQ(it.events(), Lines({"stop a hung", "types free", "finished j1 hung"}));
}

TEST(Ending, LimitsEndWhatTheyAreAbout) {
    Ender it;
    it.policy.job_timeout = 60s;
    Instance& a = it.ready("a", 3);
    const ActiveJob& long_one = it.run("j1", a);
    it.ending.check_limits(it.now + 59s, long_one);
    EXPECT_EQ(it.events(), Lines());
    it.ending.check_limits(it.now + 60s, long_one);
    EXPECT_EQ(it.events().back(), "finished j1 timeout");
    const ActiveJob& away = it.run("j2", a);
    a.gives_back_at = it.now;
    it.ending.check_limits(it.now, away);
    EXPECT_EQ(it.events().back(), "finished j2 service_unavailable");
    a.gives_back_at.reset();
    a.refused(it.now, 0, "job j0");
    const ActiveJob& silent = it.run("j3", a);
    it.ending.check_limits(it.now + 5s, silent);
    EXPECT_FALSE(a.refusals.one_at_a_time()) << "it has taken it";
    EXPECT_EQ(silent.state, JobState::running);
}

TEST(Ending, WhatNobodyBeganGoesBackWithTheReason) {
    Ender it;
    it.records.book.wait_again(it.assign("j1"), it.now);
    it.records.book.refused(*it.records.book.live("j1"), "no room");
    it.ending.check_limits(it.now, *it.records.book.live("j1"));
    EXPECT_EQ(it.events(), Lines({"finished j1 not_started not begun"}));
    it.records.book.wait_again(it.assign("j2"), it.now);
    it.records.book.trouble(*it.records.book.live("j2"), "disk full");
    it.ending.check_limits(it.now, *it.records.book.live("j2"));
    EXPECT_EQ(it.events(), Lines({"finished j2 service_unavailable not begun"}));
    EXPECT_NE(it.notes.back().find("disk full"), std::string::npos);
}

TEST(Ending, AJobOfADeadProcessIsResumedOrFailedAndTwoDeathsArePoison) {
    Ender it;
    const auto die = [&](Instance& instance) {
        const Instance copy = instance;
        it.records.pool.remove(copy.id);
        it.ending.lost_process(it.now, it.records.book.on(copy.id), copy, crash());
    };
    Instance& resumes = it.ready("a", 1, {.resume = true});
    const ActiveJob& job = it.run("j1", resumes);
    die(resumes);
    EXPECT_EQ(it.events(), Lines({"ended j1 at a"}));
    EXPECT_EQ(job.state, JobState::resuming);
    Instance& plain = it.ready("b");
    it.run("j2", plain);
    die(plain);
    EXPECT_EQ(it.events(), Lines({"finished j2 crashed", "ended j2 at b"}));
    Instance& again = it.ready("b");
    it.run("j2", again);
    die(again);
    EXPECT_EQ(it.events(), Lines({"finished j2 poison", "ended j2 at b"}));
    EXPECT_EQ(it.records.stats.deaths, 3u);
}

TEST(Ending, OfSeveralJobsOfADeadProcessNoneIsBlamedAndTheyRunAloneNext) {
    Ender it;
    Instance& a = it.ready("a", 2);
    it.run("j1", a);
    it.run("j2", a);
    const Instance copy = a;
    it.records.pool.remove(copy.id);
    it.ending.lost_process(it.now, it.records.book.on(copy.id), copy, crash());
    EXPECT_TRUE(it.records.history.runs_alone("j1"));
    EXPECT_TRUE(it.records.history.runs_alone("j2"));
}

TEST(Ending, ADrainThatIsOverGivesBackTheJobsOfItsConnectorOrAll) {
    Ender it;
    it.run("j1", it.ready("a"));
    it.run("j2", it.ready("b"));
    it.records.drains.begin("a", DrainMode::now, {});
    it.ending.give_back_drained(it.now);
    EXPECT_EQ(it.events(), Lines({"cancel j1 at a", "types t free", "finished j1 drained"}));
    it.records.drains.begin(Drains::whole_worker, DrainMode::deadline, it.now + 5s);
    it.ending.give_back_drained(it.now + 4s);
    EXPECT_EQ(it.events(), Lines());
    it.ending.give_back_drained(it.now + 5s);
    EXPECT_EQ(it.events(), Lines({"cancel j2 at b", "draining free", "finished j2 drained"}));
}

// ---- CapacityTeller

TEST(CapacityTeller, TellsEachCapacityOnce) {
    Ender it;
    it.capacity.tell();
    EXPECT_EQ(it.events(), Lines()) << "nothing is what the Hub assumes";
    it.ready("a", 2);
    it.capacity.tell();
    it.capacity.tell();
    EXPECT_EQ(it.events(), Lines({"types t free t:2"}));
    EXPECT_EQ(it.capacity.capacity(), it.capacity.capacity()) << "the same object";
}

TEST(CapacityTeller, ARefusingDiskMakesBusyAndADrainTakesTheTypesToo) {
    Ender it;
    it.ready("a");
    EXPECT_TRUE(it.capacity.open());
    it.capacity.set_healthy(false, "no space left on device");
    it.capacity.set_healthy(false, "no space left on device");
    it.capacity.tell();
    EXPECT_FALSE(it.capacity.open());
    EXPECT_EQ(it.events(), Lines({"types t free"}));
    EXPECT_EQ(it.notes, Lines({"claims no new jobs: no space left on device"}));
    it.records.drains.begin(Drains::whole_worker, DrainMode::graceful, {});
    it.capacity.set_healthy(true, "space again");
    it.capacity.tell();
    EXPECT_FALSE(it.capacity.open());
    EXPECT_EQ(it.events(), Lines({"draining free"}));
}

}  // namespace
}  // namespace emprops::jobs::test
