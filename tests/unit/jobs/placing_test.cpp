// Who runs a job, one rule at a time.

#include "rules_bench.h"

namespace emprops::jobs::test {
namespace {

struct Placer : Bench {
    Placing placing{records, 30s};
    void settle() { placing.settle(now); }
    const ActiveJob& place(const std::string& job_id, Instance* reserved = nullptr) {
        const ActiveJob& job = assign(job_id);
        placing.place(now, job, reserved);
        return job;
    }
    void recorded(const ActiveJob& job) {
        if (const ActiveJob* ready = records.book.recorded(job.assignment.number)) placing.give(now, *ready);
    }
};

TEST(Placing, TheLedgerComesBeforeTheConnector) {
    Placer it;
    Instance& a = it.ready("a", 2, {.resume = true});
    const ActiveJob& job = it.place("j1");
    EXPECT_EQ(it.events(), Lines({"record j1 on a with payload"}));
    EXPECT_EQ(a.held, 1);
    it.recorded(job);
    EXPECT_EQ(it.events(), Lines({"give j1 to a attempt 1"}));
    EXPECT_EQ(it.records.stats.given, 1u);
}

TEST(Placing, WhoFindsNoPlaceWaitsAndGetsTheFirstOne) {
    Placer it;
    const ActiveJob& job = it.place("j1");
    EXPECT_EQ(it.events(), Lines({"record j1 on -"}));
    EXPECT_EQ(it.notes, Lines({"waits for a connector: no connector for this type is ready"}));
    EXPECT_EQ(job.waiting.until, it.now + 30s);
    it.recorded(job);
    it.ready("a");
    it.settle();
    EXPECT_EQ(it.events(), Lines({"record j1 on a"}));
    it.recorded(job);
    EXPECT_EQ(it.events(), Lines({"give j1 to a attempt 1"}));
}

TEST(Placing, WhatWaitsTakesASlotOfItsTypeFromClaims) {
    Placer it;
    Instance& a = it.ready("a", 2);
    a.unanswered.insert("j1");
    it.place("j1");
    it.settle();
    EXPECT_EQ(a.awaited, 1);
    EXPECT_TRUE(it.placing.reserve("j2", "t"));
    EXPECT_FALSE(it.placing.reserve("j3", "t"));
}

TEST(Placing, AReservedSlotIsTakenUnlessItsInstanceMayHoldTheJobOrGivesItsJobsBack) {
    Placer it;
    Instance& a = it.ready("a");
    it.ready("b");
    EXPECT_EQ(it.place("j1", &a).instance, a.id);
    Placer holds;
    Instance& first = holds.ready("a");
    Instance& second = holds.ready("b");
    first.unanswered.insert("j1");
    EXPECT_EQ(holds.place("j1", &first).instance, second.id);
    Placer drained;
    Instance& leaving = drained.ready("a");
    drained.records.drains.begin("a", DrainMode::now, {});
    drained.records.drains.take_due(drained.now);
    drained.records.pool.set_drained("a", true);
    Instance& stays = drained.ready("b");
    EXPECT_EQ(drained.place("j1", &leaving).instance, stays.id);
}

TEST(Placing, AJobThatRunsAloneGetsAnInstanceForItself) {
    Placer it;
    Instance& a = it.ready("a", 2);
    it.run("other", a);
    it.records.history.run_alone("j1");
    EXPECT_FALSE(it.placing.reserve("j1", "t"));
    const ActiveJob& job = it.place("j1");
    EXPECT_EQ(job.state, JobState::held);
    it.placing.unbind(*it.records.book.live("other"));
    it.settle();
    EXPECT_EQ(job.instance, a.id);
    EXPECT_EQ(a.free_slots(), 0) << "whatever it declares";
    it.placing.unbind(job);
    EXPECT_EQ(a.free_slots(), 2);
}

TEST(Placing, OnlyItsConnectorResumesAJob) {
    Placer it;
    const ActiveJob& job = it.run("j1", it.ready("a"));
    it.placing.unbind(job);
    it.records.book.lost(job, "a", it.now + 60s, {});
    it.ready("b", 1, {.resume = true});
    it.records.pool.remove({"a", 0, 1});
    it.ready("a");
    it.settle();
    EXPECT_EQ(job.state, JobState::resuming) << "b is another, and a cannot";
    it.ready("a", 1, {.resume = true});
    it.settle();
    it.recorded(job);
    EXPECT_EQ(it.events().back(), "give j1 to a attempt 2 resume");
    EXPECT_EQ(it.records.stats.resumed, 1u);
}

TEST(Placing, WhatWasPromisedToALeavingInstanceWaitsAgain) {
    Placer it;
    Instance& a = it.ready("a", 2);
    const ActiveJob& promised = it.place("j1");
    const ActiveJob& given = it.run("j2", a);
    it.placing.take_back_promised(it.now, a.id, true);
    EXPECT_EQ(promised.state, JobState::held);
    EXPECT_EQ(given.state, JobState::running);
    EXPECT_EQ(a.held, 1);
}

TEST(Placing, AnInstanceThatIgnoresACancelGetsNothingUntilItHasLetGo) {
    Placer it;
    Instance& a = it.ready("a", 3);
    const ActiveJob& ignored = it.run("j1", a);
    const ActiveJob& other = it.run("j2", a);
    it.records.book.stop(ignored, ActiveJob::Stop::Cause::cancelled, std::nullopt, true);
    it.placing.unbind(other);
    EXPECT_TRUE(a.overdue);
    EXPECT_EQ(a.free_slots(), 0);
    it.placing.unbind(ignored);
    EXPECT_FALSE(a.overdue);
    EXPECT_EQ(a.free_slots(), 3);
}

TEST(Placing, WhoMayHoldAnEarlierRunIsReplacedAtOnceIfIdleElseAfterCancelTimeout) {
    for (const bool busy : {false, true}) {
        Placer it;
        Instance& a = it.ready("a", 2);
        if (busy) it.run("other", a);
        a.unanswered.insert("j1");
        EXPECT_TRUE(it.placing.reserve("j1", "t")) << "the claim is what gets it replaced";
        it.records.pool.end_reservation("j1");
        it.place("j1");
        it.events();
        EXPECT_EQ(it.placing.next_wakeup(), it.now + (busy ? Ms(it.policy.cancel_timeout) : Ms(0)));
        it.settle();
        EXPECT_EQ(it.events(), busy ? Lines() : Lines({"replace a"}));
        it.now += it.policy.cancel_timeout;
        it.settle();
        EXPECT_EQ(it.events(), busy ? Lines({"replace a"}) : Lines()) << "once";
    }
}

TEST(Placing, SaysOfEachInstanceWhyItTakesNothing) {
    Placer it;
    it.ready("full");
    it.ready("gone").leaving = true;
    Instance& away = it.ready("away");
    away.info.available = false;
    away.info.unavailable_reason = "port 8188 refuses";
    it.ready("drained");
    it.records.drains.begin("drained", DrainMode::graceful, {});
    it.ready("broke").unanswered.insert("j1");
    it.ready("picky").refused(it.now, 0, "job j0");
    EXPECT_EQ(
        it.placing.why_not(it.assign("j1")),
        "away is not available (port 8188 refuses), broke may still hold an earlier run of it, drained is "
        "being drained, full has no free slot, gone is being stopped, picky refuses jobs");
}

}  // namespace
}  // namespace emprops::jobs::test
