// What only a companion service's life has: a port, a page, jobs that others count, verdicts. In simulated time.

#include "tests/unit/process/life_fixture.h"

namespace emprops::process {
namespace {

using LifeOfAService = ServiceLife;

TEST_F(LifeOfAService, ASlowStartIsAskedAgainAndAgainUntilItAnswers) {
    start(1);
    for (int second = 5; second <= 300; second += 5) {
        EXPECT_THAT(tick_after(5s), ElementsAre(AskPage{1})) << second;
        EXPECT_FALSE(life().usable());
        EXPECT_THAT(miss(1, "connection refused"), IsEmpty());
    }
    EXPECT_EQ(why(), "is starting for 5 min (connection refused)");
    EXPECT_THAT(tick_after(5s), ElementsAre(AskPage{1}));
    EXPECT_THAT(answer(1), IsEmpty());
    EXPECT_TRUE(life().usable());
    EXPECT_THAT(said, HasSubstr("the service of c is healthy after 5 min 5 s"));
    EXPECT_THAT(why(), HasSubstr("is healthy, up for 5 min 5 s"));
}

TEST_F(LifeOfAService, NoSecondQuestionWhileOneIsOpen) {
    start(1);
    EXPECT_THAT(tick_after(5s), ElementsAre(AskPage{1}));
    EXPECT_THAT(tick_after(15s), IsEmpty());
    EXPECT_THAT(miss(1), IsEmpty());
    EXPECT_EQ(life().next_wakeup(), now + 500ms);
}

TEST_F(LifeOfAService, WhileItStartsItIsAskedEveryHalfSecondAndThenAsSet) {
    start(1);
    for (int i = 0; i < 4; ++i) {
        EXPECT_THAT(tick_after(499ms), IsEmpty());
        EXPECT_THAT(tick_after(1ms), ElementsAre(AskPage{1}));
        EXPECT_THAT(miss(1, "connection refused"), IsEmpty());
    }
    EXPECT_THAT(tick_after(500ms), ElementsAre(AskPage{1}));
    EXPECT_THAT(answer(1), IsEmpty());
    EXPECT_TRUE(life().usable());
    EXPECT_EQ(life().next_wakeup(), now + 5s);
    EXPECT_THAT(tick_after(5s), ElementsAre(AskPage{1}));
    EXPECT_THAT(miss(1), IsEmpty());
    EXPECT_EQ(life().next_wakeup(), now + 5s) << "it is up, and slow";
}

TEST_F(LifeOfAService, NeverHealthyIsStoppedAndTriedAgain) {
    start(1);
    now += 10min - 1ms;
    EXPECT_THAT(tick(), ElementsAre(AskPage{1}));
    miss(1, "connection refused");
    EXPECT_THAT(tick_after(1ms), ElementsAre(SignalGroup{1, SIGTERM}));
    EXPECT_EQ(life().state(), State::draining);
    EXPECT_THAT(die(1, 0), IsEmpty());
    EXPECT_EQ(last_report.stopped_for, StopReason::start_timeout);
    EXPECT_FALSE(last_report.was_ready);
    EXPECT_EQ(life().state(), State::backoff);
    EXPECT_THAT(why(), HasSubstr("waits 500 ms to restart: exited with code 0 after 0 ms, because no healthy "
                                 "answer within 10 min (start_timeout): connection refused"));
    EXPECT_THAT(tick_after(500ms), ElementsAre(CheckPort{}));
    spawn(2);
}

TEST_F(LifeOfAService, ACrashLoopOpensTheBreakerAndEachTrialIsOneStart) {
    start(1);
    std::vector<Ms> delays;
    for (std::uint64_t generation = 1; generation < 5; ++generation) {
        die(generation);
        EXPECT_EQ(life().state(), State::backoff);
        delays.push_back(std::chrono::duration_cast<Ms>(*life().next_attempt() - now));
        EXPECT_THAT(tick_after(delays.back()), ElementsAre(CheckPort{}));
        spawn(generation + 1);
    }
    EXPECT_EQ(delays, (std::vector<Ms>{500ms, 1s, 2s, 4s}));
    die(5);
    EXPECT_EQ(life().state(), State::breaker_open);
    EXPECT_THAT(why(), HasSubstr("is tried again in 5 min only (breaker open): 5 deaths in the last 7.5 s"));
    // A day of it: one start each five minutes.
    int starts = 0;
    for (std::uint64_t generation = 6; now < TimePoint{} + 24h; ++generation) {
        EXPECT_THAT(tick_after(5min), ElementsAre(CheckPort{}));
        spawn(generation);
        ++starts;
        die(generation);
        EXPECT_EQ(life().state(), State::breaker_open);
    }
    EXPECT_EQ(starts, 288);
    // An operator ends it.
    EXPECT_THAT(done(life().start(now)), ElementsAre(CheckPort{}));
}

TEST_F(LifeOfAService, ATrialThatStaysHealthyClosesTheBreaker) {
    start(1);
    for (std::uint64_t generation = 1; generation < 5; ++generation) {
        die(generation);
        tick_after(60s);
        spawn(generation + 1);
    }
    die(5);
    ASSERT_EQ(life().state(), State::breaker_open);
    EXPECT_THAT(tick_after(5min), ElementsAre(CheckPort{}));
    spawn(6);
    answer(6);
    EXPECT_TRUE(life().usable());
    now += 2min;
    die(6);
    EXPECT_EQ(life().state(), State::backoff);
}

TEST_F(LifeOfAService, OneMissTakesItOutOfServiceAndTwelveMeanHung) {
    start_healthy(1);
    give_job();
    for (int missed = 1; missed < 12; ++missed) {
        EXPECT_THAT(tick_after(25s), ElementsAre(AskPage{1}));
        EXPECT_THAT(miss(1), IsEmpty());
        EXPECT_EQ(life().state(), State::unhealthy);
        EXPECT_FALSE(life().usable());
    }
    EXPECT_EQ(why(), "gives no healthy answer (11 of 12 misses): no answer");
    tick_after(25s);
    EXPECT_THAT(miss(1), ElementsAre(SignalGroup{1, SIGTERM})) << "also with a job";
    EXPECT_THAT(tick_after(5s), ElementsAre(SignalGroup{1, SIGKILL}));
    EXPECT_THAT(tick_after(2s), ElementsAre(SignalGroup{1, SIGKILL}, ReportStuck{1}));
    EXPECT_THAT(die(1), IsEmpty());
    EXPECT_EQ(last_report.stopped_for, StopReason::hung);
    EXPECT_EQ(life().state(), State::backoff);
}

TEST_F(LifeOfAService, AnAnswerInBetweenForgivesTheMisses) {
    start_healthy(1);
    for (int round = 0; round < 5; ++round) {
        for (int missed = 0; missed < 11; ++missed) {
            tick_after(5s);
            EXPECT_THAT(miss(1), IsEmpty());
        }
        tick_after(5s);
        EXPECT_THAT(answer(1), IsEmpty());
        EXPECT_TRUE(life().usable());
    }
}

TEST_F(LifeOfAService, AnAnswerForAnOlderProcessMeansNothing) {
    start_healthy(1);
    die(1);
    tick_after(1s);
    spawn(2);
    answer(1);
    EXPECT_EQ(life().state(), State::starting);
}

TEST_F(LifeOfAService, ARestartThatTheConnectorAsksForIsDoneAtOnceAndCountsAsADeath) {
    start_healthy(1);
    give_job();
    EXPECT_THAT(done(life().restart_asked("sticky CUDA error", now)), ElementsAre(SignalGroup{1, SIGTERM}));
    EXPECT_THAT(done(life().restart_asked("sticky CUDA error", now)), IsEmpty()) << "once";
    EXPECT_THAT(die(1, 0), IsEmpty());
    EXPECT_EQ(last_report.stopped_for, StopReason::asked);
    EXPECT_THAT(last_report.summary(), HasSubstr("its connector asked for a restart: sticky CUDA error"));
    EXPECT_EQ(life().state(), State::backoff);
    EXPECT_THAT(done(life().restart_asked("again", now)), IsEmpty());
    for (std::uint64_t generation = 2; generation <= 5; ++generation) {
        tick_after(*life().next_attempt() - now > 0ms ? Ms{5000} : 0ms);
        spawn(generation);
        EXPECT_THAT(done(life().restart_asked("again", now)), IsEmpty()) << "not while it starts";
        answer(generation);
        EXPECT_THAT(done(life().restart_asked("again", now)), ElementsAre(SignalGroup{generation, SIGTERM}));
        die(generation, 0);
    }
    EXPECT_EQ(life().state(), State::breaker_open) << "no endless loop";
}

TEST_F(LifeOfAService, RecyclesBetweenJobsOnly) {
    options.policy.max_jobs = 2;
    start_healthy(1);
    give_job();
    jobs(0);
    EXPECT_TRUE(life().usable());
    EXPECT_THAT(give_job(), IsEmpty());
    EXPECT_FALSE(life().usable()) << "no further job meanwhile";
    EXPECT_EQ(life().state(), State::draining);
    EXPECT_EQ(why(), "is restarted when 1 job(s) have ended: it has had 2 jobs (max_jobs)");
    EXPECT_THAT(tick_after(1h), ElementsAre(AskPage{1})) << "the job takes what it takes";
    answer(1);
    EXPECT_THAT(jobs(0), ElementsAre(SignalGroup{1, SIGTERM}));
    EXPECT_THAT(die(1, 0), ElementsAre(CheckPort{})) << "no back-off";
    EXPECT_EQ(last_report.stopped_for, StopReason::recycle);
    spawn(2);
    answer(2);
    EXPECT_TRUE(life().usable());
}

TEST_F(LifeOfAService, MemoryGraphicsMemoryAndAgeRecycleToo) {
    options.policy.max_rss = 1000;
    options.policy.max_age = 24h;
    options.max_vram = 500;
    start_healthy(1);
    EXPECT_THAT(tick_after(1s, {1001, {}}), IsEmpty()) << "before its first job: a new one would need it too";
    give_job();
    EXPECT_THAT(jobs(0), IsEmpty());
    EXPECT_THAT(tick_after(1s, {1000, {}}), IsEmpty());
    EXPECT_THAT(tick_after(1s, {1001, {}}), ElementsAre(SignalGroup{1, SIGTERM}));
    die(1, 0);
    spawn(2);
    answer(2);
    EXPECT_THAT(answer(2, 501), IsEmpty()) << "others fill the device";
    EXPECT_TRUE(life().usable());
    answer(2, 500);
    give_job();
    EXPECT_THAT(jobs(0), IsEmpty());
    EXPECT_THAT(answer(2, 500), IsEmpty());
    EXPECT_THAT(answer(2, 501), ElementsAre(SignalGroup{2, SIGTERM}));
    EXPECT_THAT(said, HasSubstr("graphics memory are in use (max_vram)"));
    die(2, 0);
    spawn(3);
    answer(3);
    EXPECT_THAT(tick_after(24h - 1ms), ElementsAre(AskPage{3}));
    EXPECT_THAT(tick_after(1ms), ElementsAre(SignalGroup{3, SIGTERM}));
}

TEST_F(LifeOfAService, APortOfSomebodyElseIsWaitedForAndSaidOnce) {
    EXPECT_THAT(done(life().start(now)), ElementsAre(CheckPort{}));
    for (int round = 0; round < 10; ++round) {
        EXPECT_THAT(done(life().port_taken("port 8188 belongs to pid 7 (python main.py)", now)), IsEmpty());
        EXPECT_EQ(life().state(), State::waiting);
        EXPECT_THAT(tick_after(5s), ElementsAre(CheckPort{}));
    }
    EXPECT_EQ(why(), "waits: port 8188 belongs to pid 7 (python main.py)");
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 1) << said;
    EXPECT_THAT(said, HasSubstr("is not started: port 8188 belongs to pid 7 (python main.py); stop that"));
    spawn(1);
}

TEST_F(LifeOfAService, StopAndStart) {
    start_healthy(1);
    EXPECT_THAT(done(life().stop("its connector is stopped", now)), ElementsAre(SignalGroup{1, SIGTERM}));
    EXPECT_THAT(done(life().start(now)), IsEmpty()) << "started again when it has gone";
    EXPECT_THAT(die(1, 0), ElementsAre(CheckPort{}));
    spawn(2);
    answer(2);
    EXPECT_THAT(done(life().stop("its connector is stopped", now)), ElementsAre(SignalGroup{2, SIGTERM}));
    EXPECT_THAT(die(2, 0), IsEmpty());
    EXPECT_EQ(life().state(), State::stopped);
    EXPECT_TRUE(life().gone());
    EXPECT_EQ(why(), "is stopped: its connector is stopped");
    EXPECT_EQ(life().next_wakeup(), std::nullopt);
}

TEST_F(LifeOfAService, StopWhileItWaitsForItsPortOrForTheNextStart) {
    life().start(now);
    life().port_taken("port 8188 belongs to pid 7", now);
    EXPECT_THAT(done(life().stop("x", now)), IsEmpty());
    EXPECT_EQ(life().state(), State::stopped);
    EXPECT_THAT(tick_after(1h), IsEmpty());
    start(1);
    die(1);
    life().stop("x", now);
    EXPECT_THAT(tick_after(1h), IsEmpty());
    EXPECT_TRUE(life().gone());
}

TEST_F(LifeOfAService, AnOperatorsRestartWaitsForTheJobsButNotEndlessly) {
    start_healthy(1);
    EXPECT_THAT(done(life().restart("an operator restarts it", now)), ElementsAre(SignalGroup{1, SIGTERM}));
    EXPECT_THAT(die(1, 0), ElementsAre(CheckPort{}));
    spawn(2);
    answer(2);
    give_job();
    EXPECT_THAT(done(life().restart("an operator restarts it", now)), IsEmpty());
    EXPECT_EQ(life().state(), State::draining);
    tick_after(59s);
    answer(2);
    EXPECT_THAT(tick_after(1s), ElementsAre(SignalGroup{2, SIGTERM}));
    EXPECT_THAT(said, HasSubstr("the running jobs did not end in time"));
    EXPECT_THAT(die(2, 0), ElementsAre(CheckPort{}));
}

TEST_F(LifeOfAService, WithoutPortAndHealthPageAliveIsHealthy) {
    options.readiness = IsAlive{};
    options.port_retry.reset();
    EXPECT_THAT(done(life().start(now)), ElementsAre(Spawn{}));
    EXPECT_THAT(done(life().spawned(1, now)), IsEmpty());
    EXPECT_TRUE(life().usable());
    EXPECT_EQ(life().next_wakeup(), std::nullopt);
    die(1);
    EXPECT_EQ(life().state(), State::backoff);
}

TEST_F(LifeOfAService, OneThatAnOpenBreakerWasWrittenUpForClosesItAgain) {
    start_healthy(1);
    for (std::uint64_t generation = 1; generation <= 5; ++generation) {
        die(generation);
        if (generation == 5) break;
        now = *life().next_attempt();
        tick();
        spawn(generation + 1);
        answer(generation + 1);
    }
    ASSERT_EQ(life().state(), State::breaker_open);
    EXPECT_EQ(life().back_at(), now + 300s);
    said.clear();
    done(life().judged(7, ServiceVerdict::job, "", now));
    EXPECT_EQ(life().state(), State::breaker_open) << "another process";
    done(life().judged(42, ServiceVerdict::job, "", now));
    EXPECT_EQ(life().state(), State::backoff);
    EXPECT_LT(*life().back_at() - now, 10s);
    EXPECT_THAT(said, HasSubstr("to restart"));
}

TEST_F(LifeOfAService, AnAccusedMachineOpensItAtOnceAndACompletedJobEndsTheTrial) {
    start_healthy(1);
    give_job();
    die(1);
    done(life().judged(42, ServiceVerdict::machine, "the jobs a and b ended it", now));
    jobs(0);
    EXPECT_EQ(life().state(), State::breaker_open);
    EXPECT_THAT(why(),
                HasSubstr("is tried again in 5 min only (breaker open): the jobs a and b ended it; exited"));
    EXPECT_THAT(said, HasSubstr("the jobs a and b ended it"));
    EXPECT_THAT(tick_after(300s), ElementsAre(CheckPort{}));
    spawn(2);
    answer(2);
    EXPECT_EQ(life().back_at(), std::nullopt);
    give_job();
    life().job_done(2);
    jobs(0);
    die(2);
    EXPECT_EQ(life().state(), State::backoff) << "one death after a good trial";
    EXPECT_THAT(why(), testing::Not(HasSubstr("a and b")));
}

TEST_F(LifeOfAService, AVerdictThatComesLateStopsNothing) {
    start_healthy(1);
    die(1);
    done(life().stop("operator", now));
    EXPECT_THAT(done(life().judged(42, ServiceVerdict::machine, "x", now)), IsEmpty());
    EXPECT_EQ(life().state(), State::stopped);
    start_healthy(2);
    die(2);
    tick_after(500ms);
    spawn(3);
    EXPECT_THAT(done(life().judged(42, ServiceVerdict::machine, "x", now)), IsEmpty());
    EXPECT_EQ(life().state(), State::starting) << "this start is the trial";
    die(3);
    EXPECT_EQ(life().state(), State::breaker_open);
    EXPECT_EQ(done(life().start(now)).size(), 1u);
    spawn(4);
    die(4, 78);
    EXPECT_EQ(life().back_at(), TimePoint::max());
}

TEST_F(LifeOfAService, LimitsBelowWhatItNeedsBeforeItsFirstJobAreToldOnce) {
    options.policy.max_rss = 500 << 20;
    options.max_vram = 1000 << 20;
    start_healthy(1);
    for (int i = 0; i < 30; ++i)
        tick_after(1s, {812 << 20, {}});
    EXPECT_EQ(life().state(), State::ready);
    EXPECT_THAT(said, HasSubstr("uses 812 MiB of memory before its first job and max_rss is 500 MiB"));
    EXPECT_EQ(said.find("before its first job"), said.rfind("before its first job"));
    EXPECT_THAT(why(), HasSubstr("set max_rss well above"));
    options.policy.max_rss = 0;
    life().configure(options);
    said.clear();
    for (int i = 0; i < 3; ++i)
        answer(1, std::uint64_t{2000} << 20);
    EXPECT_THAT(said, HasSubstr("of graphics memory in use before its first job and max_vram is 1000 MiB"));
    EXPECT_EQ(life().state(), State::ready);
}

}  // namespace
}  // namespace emprops::process
