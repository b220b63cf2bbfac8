// The life that connectors and companion services share, once for each kind of readiness. In simulated time.

#include <algorithm>

#include "ipc/text/people.h"
#include "tests/unit/process/life_fixture.h"

namespace emprops::process {
namespace {

enum class Kind { says_ready, answers_page, is_alive };

struct AnyLife : LifeFixture, testing::WithParamInterface<Kind> {
    AnyLife() {
        options.name = "it";
        options.policy.backoff_jitter = 0;
        options.drain_timeout = 60s;
        if (kind() == Kind::says_ready) options.readiness = SaysReady{};
        if (kind() == Kind::answers_page) options.readiness = AnswersPage{5s, 12};
        if (kind() == Kind::is_alive) options.readiness = IsAlive{};
        if (kind() == Kind::answers_page) options.port_retry = 5s;
    }
    static Kind kind() { return GetParam(); }
    static bool told() { return kind() == Kind::says_ready; }

    /// With what a start begins.
    static Action begins() { return kind() == Kind::answers_page ? Action{CheckPort{}} : Action{Spawn{}}; }
    /// What follows a start that has begun.
    void spawn(std::uint64_t generation) {
        if (kind() == Kind::answers_page) {
            EXPECT_THAT(done(life().port_free(now)), ElementsAre(Spawn{}));
        }
        EXPECT_THAT(done(life().spawned(generation, now)), IsEmpty());
    }
    void come_up(std::uint64_t generation) {
        if (kind() == Kind::says_ready) done(life().ready(generation, 1, {}, now));
        if (kind() == Kind::answers_page) done(life().answered(generation, {true, "", {}}, now));
        EXPECT_TRUE(life().usable()) << why();
    }
    void start(std::uint64_t generation) {
        EXPECT_THAT(done(life().start(now)), ElementsAre(begins()));
        spawn(generation);
    }
    void start_up(std::uint64_t generation) {
        start(generation);
        come_up(generation);
    }
    void give_job() {
        life().job_given(life().current()->generation());
        if (!told()) done(life().jobs_running(1, now));
    }
    Actions end_job() {
        return done(told() ? life().job_ended(life().find(1) != nullptr ? 1 : 2, now)
                           : life().jobs_running(0, now));
    }
    /// Lets time pass, without missing an answer, and returns what it wants but for its questions.
    Actions pass(Ms time, std::uint64_t rss_bytes = 0) {
        Actions rest;
        for (Action& each : tick_after(time, {rss_bytes, {}})) {
            if (const auto* ask = std::get_if<AskPage>(&each)) {
                for (Action& more : done(life().answered(ask->generation, {true, "", {}}, now)))
                    rest.push_back(std::move(more));
            } else {
                rest.push_back(std::move(each));
            }
        }
        return rest;
    }
    /// What is told to a process that can be told something, and to the dispatcher about it; nothing of others.
    static Actions if_told(Actions actions) { return told() ? actions : Actions(); }
    /// The stop ladder of a process has begun with these actions.
    static bool has_begun_to_stop(const Actions& actions, std::uint64_t generation) {
        const Action first =
            told() ? Action{SendShutdown{generation, 10s}} : Action{SignalGroup{generation, SIGTERM}};
        return std::find(actions.begin(), actions.end(), first) != actions.end();
    }
    /// A recycled process makes room: at once what cannot overlap, beside the old one what can.
    void expect_recycled(const Actions& actions) {
        if (told())
            EXPECT_THAT(actions, ElementsAre(Spawn{}));
        else
            EXPECT_THAT(actions, ElementsAre(SignalGroup{1, SIGTERM}));
    }
};

TEST_P(AnyLife, ItStartsComesUpAndIsStopped) {
    EXPECT_EQ(life().state(), State::stopped);
    EXPECT_EQ(why(), "is stopped: it was never started");
    start_up(1);
    EXPECT_EQ(life().state(), State::ready);
    EXPECT_TRUE(life().wanted());
    EXPECT_TRUE(has_begun_to_stop(done(life().stop("an operator stopped it", now)), 1));
    EXPECT_EQ(life().state(), State::draining);
    EXPECT_THAT(die(1, 0), IsEmpty());
    EXPECT_EQ(last_report.stopped_for, StopReason::requested);
    EXPECT_EQ(life().state(), State::stopped);
    EXPECT_TRUE(life().gone());
    EXPECT_EQ(why(), "is stopped: an operator stopped it");
    EXPECT_EQ(life().next_wakeup(), std::nullopt);
}

TEST_P(AnyLife, ACrashIsFollowedByAStartAfterTheDelay) {
    start_up(1);
    EXPECT_EQ(die(1), if_told({Withdraw{1}})) << "at once";
    EXPECT_EQ(life().state(), State::backoff);
    EXPECT_EQ(life().next_wakeup(), now + 500ms);
    EXPECT_EQ(life().back_at(), now + 500ms);
    EXPECT_EQ(why(), "waits 500 ms to restart: exited with code 1 after 0 ms");
    EXPECT_THAT(tick_after(499ms), IsEmpty());
    EXPECT_THAT(tick_after(1ms), ElementsAre(begins()));
    EXPECT_EQ(life().state(), State::starting);
}

TEST_P(AnyLife, AProgramThatIsNotThereIsTriedAgain) {
    done(life().start(now));
    if (kind() == Kind::answers_page) done(life().port_free(now));
    EXPECT_THAT(done(life().spawn_failed("no such program", now)), IsEmpty());
    EXPECT_EQ(why(), "waits 500 ms to restart: did not start: no such program");
    EXPECT_THAT(tick_after(500ms), ElementsAre(begins()));
}

TEST_P(AnyLife, AStartThatTakesTooLongIsADeath) {
    if (kind() == Kind::is_alive) return;  // it is up as soon as it runs
    start(1);
    EXPECT_FALSE(has_begun_to_stop(tick_after(options.policy.start_timeout - 1ms), 1));
    EXPECT_TRUE(has_begun_to_stop(tick_after(1ms), 1));
    if (told()) {
        EXPECT_THAT(tick_after(10s), ElementsAre(SignalGroup{1, SIGTERM}));
    }
    EXPECT_THAT(tick_after(5s), ElementsAre(SignalGroup{1, SIGKILL}));
    EXPECT_THAT(tick_after(2s), ElementsAre(SignalGroup{1, SIGKILL}, ReportStuck{1}));
    die(1, 0);
    EXPECT_EQ(last_report.stopped_for, StopReason::start_timeout);
    EXPECT_FALSE(last_report.was_ready);
    EXPECT_EQ(life().state(), State::backoff);
}

TEST_P(AnyLife, ExitCode78IsLeftOnlyByAnOperatorOrNewSettings) {
    start(1);
    EXPECT_THAT(die(1, 78), IsEmpty());
    EXPECT_EQ(life().state(), State::failed);
    EXPECT_EQ(life().back_at(), TimePoint::max());
    EXPECT_THAT(why(), HasSubstr("has failed: its configuration is wrong (exit code 78)"));
    EXPECT_THAT(tick_after(24h), IsEmpty());
    EXPECT_TRUE(life().wanted());
    EXPECT_THAT(done(life().start(now)), ElementsAre(begins()));
}

TEST_P(AnyLife, AStopLetsJobsFinishFirstButNotEndlessly) {
    start_up(1);
    give_job();
    EXPECT_EQ(done(life().stop("operator", now)), if_told({Withdraw{1}, SendDrain{1}}));
    EXPECT_EQ(life().state(), State::draining);
    EXPECT_FALSE(has_begun_to_stop(pass(59s), 1));
    EXPECT_TRUE(has_begun_to_stop(pass(1s), 1));
    EXPECT_THAT(said, HasSubstr("the running jobs did not end in time"));
    EXPECT_THAT(die(1, 0), IsEmpty());
    EXPECT_EQ(life().state(), State::stopped);
    EXPECT_THAT(tick_after(24h), IsEmpty());
}

TEST_P(AnyLife, AStopGoesOnWhenTheLastJobHasEnded) {
    start_up(1);
    give_job();
    done(life().stop("operator", now));
    EXPECT_TRUE(has_begun_to_stop(end_job(), 1));
}

TEST_P(AnyLife, WhatDiesWhileItWaitsForItsJobsHasDiedUnlessItWasToldToLeave) {
    start_up(1);
    give_job();
    done(life().restart("operator", now, Life::Overlapping::no));
    EXPECT_EQ(life().state(), State::draining);
    const Actions next = die(1, 139);
    EXPECT_EQ(last_report.stopped_for.has_value(), told());
    EXPECT_EQ(life().last_death().has_value(), !told());
    if (told())
        EXPECT_THAT(next, testing::Contains(begins()));
    else
        EXPECT_EQ(life().state(), State::backoff);
}

TEST_P(AnyLife, AStopWhileItWaitsToRestartEndsTheWaiting) {
    start(1);
    die(1);
    EXPECT_THAT(done(life().stop("operator", now)), IsEmpty());
    EXPECT_EQ(life().state(), State::stopped);
    EXPECT_EQ(life().next_wakeup(), std::nullopt);
}

TEST_P(AnyLife, WhatIsBeingStoppedIsStartedAgainWhenItHasGone) {
    options.exclusive = true;
    start_up(1);
    done(life().stop("operator", now));
    EXPECT_THAT(done(life().start(now)), IsEmpty());
    EXPECT_THAT(die(1, 0), testing::Contains(begins()));
}

TEST_P(AnyLife, AFailureOfTheOutsideStopsItAndItIsTriedAgain) {
    start_up(1);
    EXPECT_TRUE(has_begun_to_stop(done(life().stop_process(1, StopReason::hung, "it hangs", now)), 1));
    EXPECT_THAT(said, HasSubstr("it is stopped: it hangs"));
    EXPECT_THAT(done(life().stop_process(1, StopReason::hung, "again", now)), IsEmpty());
    die(1, 0);
    EXPECT_EQ(last_report.stopped_for, StopReason::hung);
    EXPECT_EQ(life().state(), State::backoff);
}

TEST_P(AnyLife, ARestartEndsAnOpenBreaker) {
    start(1);
    for (std::uint64_t generation = 1; generation < 5; ++generation) {
        die(generation);
        now = *life().next_attempt();
        EXPECT_THAT(tick(), ElementsAre(begins()));
        spawn(generation + 1);
    }
    die(5);
    EXPECT_EQ(life().state(), State::breaker_open);
    EXPECT_THAT(why(), HasSubstr("is tried again in 5 min only (breaker open): 5 deaths in the last"));
    EXPECT_THAT(done(life().restart("operator", now)), ElementsAre(begins()));
}

TEST_P(AnyLife, AfterATrialWithACompletedJobOneDeathIsOneDeath) {
    start_up(1);
    for (std::uint64_t generation = 1; generation <= 5; ++generation) {
        die(generation);
        now = *life().next_attempt();
        tick();
        spawn(generation + 1);
        come_up(generation + 1);
    }
    life().job_done(6);
    die(6, 9);
    EXPECT_EQ(life().state(), State::backoff);
    EXPECT_EQ(*life().next_attempt() - now, 500ms);
}

TEST_P(AnyLife, ItIsRecycledAfterItsNumberOfJobs) {
    options.policy.max_jobs = 1;
    start_up(1);
    life().job_given(1);
    expect_recycled(end_job());
    EXPECT_THAT(said, HasSubstr("it is recycled: it has had 1 jobs (max_jobs)"));
}

TEST_P(AnyLife, ItIsRecycledByMemoryOnlyAfterAJob) {
    options.policy.max_rss = 500 << 20;
    start_up(1);
    for (int second = 0; second < 600; second += 2)
        EXPECT_THAT(pass(2s, 812 << 20), IsEmpty()) << "a new one would need it too";
    const std::string text =
        "uses 812 MiB of memory before its first job and max_rss is 500 MiB: it would be recycled after "
        "every "
        "job; set max_rss well above what it needs when idle";
    EXPECT_EQ(said.find(text), said.rfind(text)) << "said once";
    EXPECT_THAT(said, HasSubstr("it " + text));
    EXPECT_THAT(why(), HasSubstr("it " + text));
    give_job();
    EXPECT_THAT(end_job(), IsEmpty());
    EXPECT_THAT(pass(1s, 500 << 20), IsEmpty());
    expect_recycled(pass(1s, 812 << 20));
    if (!told()) die(1, 0);
    spawn(2);
    come_up(2);
    pass(1s, 812 << 20);
    EXPECT_EQ(said.find(text), said.rfind(text)) << "the next process needs it too: said once";
}

TEST_P(AnyLife, ItIsRecycledByAgeCountedFromWhenItWasUp) {
    options.policy.max_age = 10s;
    start(1);
    if (kind() != Kind::is_alive) now += 30s;
    come_up(1);
    EXPECT_THAT(pass(9s), IsEmpty());
    expect_recycled(pass(1s));
}

TEST_P(AnyLife, ARecycledOneIsNoDeathAndHasNoBackOff) {
    start_up(1);
    EXPECT_THAT(done(life().recycle(7, "another process", now)), IsEmpty());
    done(life().recycle(1, "operator", now));
    if (told()) {
        spawn(2);
        come_up(2);
        EXPECT_THAT(die(1, 0), IsEmpty());
    } else {
        EXPECT_THAT(die(1, 0), ElementsAre(begins()));
    }
    EXPECT_EQ(last_report.stopped_for, StopReason::recycle);
    EXPECT_FALSE(life().last_death());
}

TEST_P(AnyLife, ShutdownStopsEverythingAndStartsNothing) {
    start_up(1);
    give_job();
    EXPECT_TRUE(has_begun_to_stop(done(life().shutdown(now)), 1));
    EXPECT_THAT(done(life().start(now)), IsEmpty());
    EXPECT_THAT(die(1, 0), IsEmpty());
    EXPECT_EQ(last_report.stopped_for, StopReason::worker_leaving);
    EXPECT_TRUE(life().gone());
    EXPECT_THAT(done(life().restart("x", now)), IsEmpty());
    EXPECT_THAT(tick_after(1h), IsEmpty());
}

TEST_P(AnyLife, WhatSigkillDoesNotEndIsKilledAgainAndAgainAndSaidOnceAMinute) {
    start_up(1);
    done(life().stop("operator", now));
    int said_stuck = 0;
    int killed = 0;
    for (int second = 0; second < 180 + (told() ? 15 : 5); ++second) {
        for (const Action& each : tick_after(1s)) {
            said_stuck += std::holds_alternative<ReportStuck>(each) ? 1 : 0;
            killed += each == Action{SignalGroup{1, SIGKILL}} ? 1 : 0;
        }
    }
    EXPECT_EQ(said_stuck, 3);
    EXPECT_GT(killed, 60);
    EXPECT_TRUE(life().current()->hopeless(now));
}

TEST_P(AnyLife, AJobsDoingIsExcusedAndTheMachinesOpensTheBreaker) {
    start_up(1);
    for (std::uint64_t generation = 1; generation <= 20; ++generation) {
        die(generation);
        done(life().judged(42, ServiceVerdict::job, "", now));
        ASSERT_EQ(life().state(), State::backoff) << generation;
        EXPECT_EQ(*life().next_attempt() - now, 500ms);
        tick_after(500ms);
        spawn(generation + 1);
        come_up(generation + 1);
    }
    die(21);
    done(life().judged(7, ServiceVerdict::machine, "another process", now));
    EXPECT_EQ(life().state(), State::backoff);
    done(life().judged(42, ServiceVerdict::machine, "the jobs a and b ended it", now));
    EXPECT_EQ(life().state(), State::breaker_open);
    EXPECT_THAT(why(), HasSubstr("(breaker open): the jobs a and b ended it; exited with code 1"));
}

TEST_P(AnyLife, ADayOfCrashLoopsGoesOnTryingAtABoundedRate) {
    start(1);
    std::uint64_t generation = 1;
    const TimePoint last = now + 24h;
    while (now < last) {
        now += 1s;  // it lives for a second
        die(generation);
        const auto next = life().next_wakeup();
        ASSERT_TRUE(next) << "a dead end";
        now = *next;
        ASSERT_THAT(tick(), ElementsAre(begins()));
        spawn(++generation);
    }
    // Five quick deaths, then one trial in five minutes: 24 h / 301 s.
    EXPECT_GT(generation, 280u);
    EXPECT_LT(generation, 295u);
}

INSTANTIATE_TEST_SUITE_P(, AnyLife, testing::Values(Kind::says_ready, Kind::answers_page, Kind::is_alive),
                         [](const testing::TestParamInfo<Kind>& info) {
                             return info.param == Kind::says_ready     ? "SaysReady"
                                    : info.param == Kind::answers_page ? "AnswersPage"
                                                                       : "IsAlive";
                         });

}  // namespace
}  // namespace emprops::process
