// What only a connector's life has: messages, pings, overlapping restarts, a debugger. In simulated time.

#include "ipc/text/people.h"
#include "tests/unit/process/life_fixture.h"

namespace emprops::process {
namespace {

using LifeOfAConnector = ConnectorLife;

TEST_F(LifeOfAConnector, StartingThenReadyThenBusyThenReady) {
    EXPECT_EQ(life().state(), State::stopped);
    start_and_spawn(1);
    EXPECT_EQ(life().state(), State::starting);
    EXPECT_THAT(ready(1), ElementsAre(Announce{1}));
    EXPECT_EQ(life().state(), State::ready);
    life().job_given(1);
    EXPECT_EQ(life().state(), State::busy);
    EXPECT_THAT(done(life().job_ended(1, now)), IsEmpty());
    EXPECT_EQ(life().state(), State::ready);
}

TEST_F(LifeOfAConnector, ThreeMissedPingsMeanHung) {
    start_ready(1);
    EXPECT_THAT(tick_after(10s), ElementsAre(SendPing{1, 1}));
    EXPECT_THAT(tick_after(10s), ElementsAre(SendPing{1, 2}));
    EXPECT_THAT(tick_after(10s), ElementsAre(SendPing{1, 3}));
    EXPECT_THAT(tick_after(10s), ElementsAre(Withdraw{1}, SendDrain{1}, SendShutdown{1, 10s}));
    EXPECT_EQ(life().find(1)->stop_reason(), StopReason::hung);
    EXPECT_EQ(life().state(), State::draining);
}

TEST_F(LifeOfAConnector, AnAnswerForgivesMissedPings) {
    start_ready(1);
    for (std::uint64_t ping = 1; ping <= 100; ++ping) {
        EXPECT_THAT(tick_after(10s), ElementsAre(SendPing{1, ping}));
        if (ping % 3 == 0) life().pong(1, ping);
    }
}

TEST_F(LifeOfAConnector, APingBehindABacklogIsPutOffAndNotCounted) {
    start_ready(1);
    Observations seen;
    seen.stdin_backlog = {1};
    for (int round = 0; round < 10; ++round)
        EXPECT_THAT(tick_after(10s, seen), IsEmpty());
    EXPECT_THAT(tick_after(10s), ElementsAre(SendPing{1, 1}));
}

TEST_F(LifeOfAConnector, WithoutTheFeatureNobodyIsPinged) {
    start_and_spawn(1);
    ready(1, false);
    EXPECT_THAT(tick_after(1h), IsEmpty());
    EXPECT_EQ(life().next_wakeup(), std::nullopt);
}

TEST_F(LifeOfAConnector, ASecondReadyIsIgnoredAndSaid) {
    start_ready(1);
    EXPECT_THAT(ready(1), IsEmpty());
    EXPECT_THAT(said, HasSubstr("second time"));
}

TEST_F(LifeOfAConnector, AForeignProtocolVersionFailsForGood) {
    start_and_spawn(1);
    EXPECT_THAT(done(life().ready(1, 2, {}, now)), ElementsAre(SendDrain{1}, SendShutdown{1, 10s}));
    EXPECT_THAT(die(1, 0), IsEmpty());
    EXPECT_EQ(life().state(), State::failed);
    EXPECT_THAT(tick_after(24h), IsEmpty());
}

TEST_F(LifeOfAConnector, AnInitFailureThatCannotBeRetriedFails) {
    start_and_spawn(1);
    EXPECT_THAT(done(life().init_failed(1, false, "no GPU", now)), IsEmpty());
    EXPECT_THAT(die(1, 1), IsEmpty());
    EXPECT_EQ(life().state(), State::failed);
    EXPECT_THAT(("c " + why()), HasSubstr("no GPU"));
}

TEST_F(LifeOfAConnector, AnInitFailureThatDoesNotExitIsStopped) {
    start_and_spawn(1);
    done(life().init_failed(1, true, "busy", now));
    EXPECT_THAT(tick_after(2s), ElementsAre(SendDrain{1}, SendShutdown{1, 10s}));
    die(1, 1);
    EXPECT_EQ(life().state(), State::backoff);
}

TEST_F(LifeOfAConnector, ARestartOverlapsTheOldAndTheNewProcess) {
    start_ready(1);
    life().job_given(1);
    EXPECT_THAT(done(life().restart("operator", now)), ElementsAre(Spawn{}));
    done(life().spawned(2, now));
    EXPECT_EQ(life().state(), State::busy) << "the old one serves";
    EXPECT_TRUE(life().replacing());
    EXPECT_THAT(ready(2), ElementsAre(Announce{2}, Withdraw{1}, SendDrain{1}));
    EXPECT_EQ(life().state(), State::ready);
    EXPECT_EQ(life().leaving(), 1);
    EXPECT_THAT(done(life().job_ended(1, now)), ElementsAre(SendShutdown{1, 10s}));
    EXPECT_THAT(die(1, 0), IsEmpty());
    EXPECT_EQ(life().leaving(), 0);
}

TEST_F(LifeOfAConnector, ANewProcessThatNeverBecomesReadyLeavesTheOldOneServing) {
    start_ready(1);
    done(life().restart("operator", now));
    done(life().spawned(2, now));
    EXPECT_THAT(die(2, 1), IsEmpty());
    EXPECT_EQ(life().state(), State::ready);
    EXPECT_THAT(said, HasSubstr("never became ready"));
    EXPECT_THAT(("c " + why()), HasSubstr("old one goes on"));
    EXPECT_EQ(life().next_attempt(), std::nullopt);
}

TEST_F(LifeOfAConnector, WhatAFailedCandidateSaidOfItselfDoesNotFailTheOldProcess) {
    start_ready(1);
    done(life().restart("operator", now));
    done(life().spawned(2, now));
    done(life().init_failed(2, false, "x.no_gpu: no GPU here", now));
    die(2, 1);
    EXPECT_EQ(life().state(), State::ready);
    die(1, 139);
    EXPECT_EQ(life().state(), State::backoff) << ("c " + why());
    EXPECT_THAT(("c " + why()), testing::Not(HasSubstr("no GPU here")));
}

TEST_F(LifeOfAConnector, WhenTheOldProcessDiesDuringARestartTheNewOneTakesOver) {
    start_ready(1);
    done(life().restart("operator", now));
    done(life().spawned(2, now));
    EXPECT_THAT(die(1, 1), ElementsAre(Withdraw{1}));
    EXPECT_EQ(life().state(), State::starting);
    EXPECT_THAT(ready(2), ElementsAre(Announce{2}));
}

TEST_F(LifeOfAConnector, AnExclusiveConnectorIsRestartedOneAfterTheOther) {
    options.exclusive = true;
    start_ready(1);
    EXPECT_THAT(done(life().restart("operator", now)),
                ElementsAre(Withdraw{1}, SendDrain{1}, SendShutdown{1, 10s}));
    EXPECT_THAT(die(1, 0), ElementsAre(Spawn{}));
}

TEST_F(LifeOfAConnector, ARestartWhileStartingStopsTheFirstAttempt) {
    start_and_spawn(1);
    EXPECT_THAT(done(life().restart("operator", now)),
                ElementsAre(SendDrain{1}, SendShutdown{1, 10s}, Spawn{}));
    done(life().spawned(2, now));
    EXPECT_THAT(ready(1), IsEmpty()) << "it is on its way out";
    EXPECT_THAT(ready(2), ElementsAre(Announce{2}));
    EXPECT_THAT(die(1, 0), IsEmpty());
}

TEST_F(LifeOfAConnector, AConnectorIsRecycledAfterItsNumberOfJobs) {
    options.policy.max_jobs = 2;
    start_ready(1);
    life().job_given(1);
    EXPECT_THAT(done(life().job_ended(1, now)), IsEmpty());
    life().job_given(1);
    EXPECT_THAT(done(life().job_ended(1, now)), ElementsAre(Spawn{}));
    done(life().spawned(2, now));
    EXPECT_THAT(ready(2), ElementsAre(Announce{2}, Withdraw{1}, SendDrain{1}, SendShutdown{1, 10s}));
    EXPECT_EQ(life().find(1)->stop_reason(), StopReason::recycle);
}

TEST_F(LifeOfAConnector, AReplacementThatIsAskedForIsNoDeathAndWaitsForWhatRuns) {
    start_ready(1);
    life().job_given(1);
    EXPECT_THAT(done(life().recycle(7, "another process", now)), IsEmpty());
    EXPECT_THAT(done(life().recycle(1, "it may still hold job j1", now)), ElementsAre(Spawn{}));
    EXPECT_THAT(done(life().recycle(1, "once more", now)), IsEmpty()) << "one is on its way";
    done(life().spawned(2, now));
    EXPECT_THAT(done(life().recycle(1, "once more", now)), IsEmpty()) << "one starts beside it";
    EXPECT_THAT(ready(2), ElementsAre(Announce{2}, Withdraw{1}, SendDrain{1}));
    EXPECT_EQ(life().find(1)->stop_reason(), StopReason::recycle);
    EXPECT_THAT(done(life().job_ended(1, now)), ElementsAre(SendShutdown{1, 10s}));
    EXPECT_THAT(die(1, 0), IsEmpty());
    EXPECT_EQ(life().state(), State::ready);
    EXPECT_FALSE(life().last_death());
}

TEST_F(LifeOfAConnector, AReadyThatCannotBeTakenIsFatalWithItsSentence) {
    start_and_spawn(1);
    EXPECT_THAT(done(life().refused(1, "it names 42000 job types", now)), testing::Not(IsEmpty()));
    EXPECT_THAT(die(1, 0), IsEmpty());
    EXPECT_EQ(life().state(), State::failed);
    EXPECT_THAT(("c " + why()), HasSubstr("c has failed: it names 42000 job types"));
}

TEST_F(LifeOfAConnector, ARecycleThatDoesNotWorkIsNotRepeatedAtOnce) {
    options.policy.max_jobs = 1;
    start_and_spawn(1);
    ready(1, false);
    life().job_given(1);
    EXPECT_THAT(done(life().job_ended(1, now)), ElementsAre(Spawn{}));
    EXPECT_THAT(done(life().spawn_failed("no such file", now)), IsEmpty());
    EXPECT_THAT(tick_after(299s), IsEmpty());
    EXPECT_THAT(tick_after(1s), ElementsAre(Spawn{}));
}

TEST_F(LifeOfAConnector, ShutdownStopsEverythingAndStartsNothing) {
    start_ready(1);
    life().job_given(1);
    done(life().restart("operator", now));
    done(life().spawned(2, now));
    EXPECT_EQ(done(life().shutdown(now)).size(), 5u);  // Withdraw 1, and drain + shutdown for both
    EXPECT_THAT(die(1, 0), IsEmpty());
    EXPECT_THAT(die(2, 0), IsEmpty());
    EXPECT_TRUE(life().gone());
    EXPECT_THAT(done(life().start(now)), IsEmpty());
    EXPECT_THAT(done(life().restart("operator", now)), IsEmpty());
}

TEST_F(LifeOfAConnector, AnAttachedConnectorHasNoTimeoutsAndIsWaitedForAgain) {
    options.attach = true;
    start_and_spawn(1);
    EXPECT_THAT(tick_after(24h), IsEmpty());
    EXPECT_THAT(ready(1), ElementsAre(Announce{1}));
    EXPECT_THAT(tick_after(24h), IsEmpty());
    EXPECT_THAT(die(1, 0), ElementsAre(Withdraw{1}, Spawn{}));
}

TEST_F(LifeOfAConnector, AnAttachedConnectorOfAnotherProtocolIsNotWaitedForAgain) {
    options.attach = true;
    start_and_spawn(1);
    done(life().ready(1, 2, {}, now));
    EXPECT_THAT(die(1, 0), IsEmpty());
    EXPECT_EQ(life().state(), State::failed) << why();
}

TEST_F(LifeOfAConnector, WhyNamesTheCauseAndTheTimeLeft) {
    start_ready(1);
    DeathReport report;
    report.signal = SIGSEGV;
    report.jobs_held = {"X"};
    report.uptime = 125s;
    done(life().exited(1, report, now));
    EXPECT_EQ(("c " + why()), "c waits " + human_duration(500ms) + " to restart: killed by SIGSEGV after " +
                                  human_duration(125s) + " while running job X");
}

TEST_F(LifeOfAConnector, ADayOfHangingStartsUsesTheLadderEachTime) {
    options.policy.breaker_deaths = 0;
    start_and_spawn(1);
    std::uint64_t generation = 1;
    int kills = 0;
    const TimePoint end = now + 24h;
    while (now < end) {
        const auto next = life().next_wakeup();
        ASSERT_TRUE(next);
        ASSERT_GE(*next, now);
        now = *next;
        for (const Action& each : tick()) {
            if (each == Action{Spawn{}}) done(life().spawned(++generation, now));
            if (each != Action{SignalGroup{generation, SIGKILL}}) continue;
            ++kills;
            DeathReport report;
            report.signal = SIGKILL;
            done(life().exited(generation, report, now));
        }
    }
    EXPECT_GT(kills, 600);  // 75 s of starting and stopping, 60 s of waiting
    EXPECT_LT(kills, 700);
}

}  // namespace
}  // namespace emprops::process
