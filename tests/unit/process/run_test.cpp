// One process from its spawn to its end, without the Life that owns it.

#include "supervisor/process/life/run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>

namespace emprops::process {
namespace {

using namespace std::chrono_literals;
using namespace action;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

struct RunBench : testing::Test {
    process::Run make(Readiness readiness) {
        return process::Run(1, {"c", "c", readiness, {60s, 10min}, {10s, 5s, 2s}}, now);
    }
    /// What was asked for since the last call, but for the notes.
    Actions taken() {
        Actions rest;
        for (const Action& each : std::exchange(out, {})) {
            if (const auto* note = std::get_if<Note>(&each))
                said += std::string(to_string(note->level)) + ": " + note->text + "\n";
            else
                rest.push_back(each);
        }
        return rest;
    }
    TimePoint now{};
    Actions out;
    std::string said;
    process::Run talker = make(SaysReady{10s, 3});
    process::Run page = make(AnswersPage{5s, 2});
};

TEST_F(RunBench, AProcessThatCanBeToldIsAskedBeforeItIsSignalled) {
    talker.up(false, now, out);
    EXPECT_THAT(taken(), ElementsAre(Announce{1}));
    talker.stop(StopReason::requested, "an operator stopped it", now, out);
    EXPECT_THAT(taken(), ElementsAre(Withdraw{1}, SendDrain{1}, SendShutdown{1, 10s}));
    EXPECT_EQ(said, "info: c is stopped: an operator stopped it\n");
    talker.tick(now + 9s, false, out);
    EXPECT_THAT(taken(), IsEmpty());
    talker.tick(now + 10s, false, out);
    EXPECT_THAT(taken(), ElementsAre(SignalGroup{1, SIGTERM}));
}

TEST_F(RunBench, AProcessThatCannotBeToldIsSignalledAtOnce) {
    page.up(false, now += 2s, out);
    EXPECT_THAT(taken(), IsEmpty()) << "no dispatcher hears of it";
    EXPECT_EQ(said, "info: c is healthy after 2 s\n");
    page.stop(StopReason::hung, "it hangs", now, out);
    EXPECT_THAT(taken(), ElementsAre(SignalGroup{1, SIGTERM}));
    EXPECT_THAT(said, HasSubstr("warn: c is stopped: it hangs"));
    page.stop(StopReason::requested, "again", now, out);
    EXPECT_THAT(taken(), IsEmpty());
    EXPECT_EQ(page.stop_reason(), StopReason::hung) << "the first reason stays";
}

TEST_F(RunBench, AStartThatTakesTooLongIsStoppedWithTheLastAnswerOfItsPage) {
    page.answered({false, "connection refused", {}}, now, out);
    page.tick(now + 59'999ms, false, out);
    EXPECT_THAT(taken(), ElementsAre(AskPage{1}));
    page.tick(now + 60s, false, out);
    EXPECT_THAT(taken(), ElementsAre(SignalGroup{1, SIGTERM}));
    EXPECT_EQ(page.stop_text(), "no healthy answer within 1 min (start_timeout): connection refused");
}

TEST_F(RunBench, JobsEndBeforeItIsStoppedButNotLaterThanTheDeadline) {
    talker.up(false, now, out);
    talker.job_given();
    talker.leave(StopReason::restart, "new settings", now + 30s, now, out);
    EXPECT_THAT(taken(), ElementsAre(Announce{1}, Withdraw{1}, SendDrain{1}));
    EXPECT_EQ(talker.phase(), process::Run::Phase::leaving);
    EXPECT_EQ(talker.why(now), "finishes 1 job(s) and stops: new settings");
    process::Run in_time = talker;
    in_time.job_ended(now, out);
    EXPECT_THAT(taken(), ElementsAre(SendShutdown{1, 10s})) << "it was asked to drain before";
    talker.tick(now + 30s, false, out);
    EXPECT_THAT(taken(), ElementsAre(SendShutdown{1, 10s}));
    EXPECT_EQ(talker.stop_text(), "new settings; the running jobs did not end in time");
}

TEST_F(RunBench, ADeadlineReplacesAWishWithoutOne) {
    page.up(false, now, out);
    page.set_jobs(1, now, out);
    page.leave(StopReason::recycle, "it is old", std::nullopt, now, out);
    EXPECT_EQ(page.stop_reason(), std::nullopt) << "a death now would be its own";
    page.leave(StopReason::restart, "an operator restarts it", now + 30s, now, out);
    page.leave(StopReason::recycle, "it is old", std::nullopt, now, out);
    page.tick(now + 30s, false, out);
    EXPECT_EQ(page.stop_reason(), StopReason::restart);
}

TEST_F(RunBench, WhatSaysThatItPreparesHasTheTimeForThatButMayNotFallSilent) {
    talker.preparing({12, "downloading x4.pth"}, now + 59s, out);
    EXPECT_THAT(taken(), IsEmpty());
    EXPECT_THAT(said, HasSubstr("is preparing, 12 %: downloading x4.pth"));
    EXPECT_EQ(talker.why(now + 60s), "is starting for 1 min, is preparing, 12 %: downloading x4.pth");
    EXPECT_EQ(talker.next_wakeup(), now + 119s);
    talker.tick(now + 118s, false, out);
    EXPECT_THAT(taken(), IsEmpty()) << "start_timeout counts from what it said";
    process::Run silent = talker;
    silent.tick(now + 119s, false, out);
    EXPECT_EQ(silent.stop_text(),
              "nothing was heard for 1 min (start_timeout); it was preparing, 12 %: downloading x4.pth");
    taken();
    for (Ms at = 60s; at < 10min; at += 30s)
        talker.preparing({}, now + at, out);
    talker.tick(now + 10min - 1ms, false, out);
    EXPECT_THAT(taken(), IsEmpty());
    talker.tick(now + 10min, false, out);
    EXPECT_EQ(talker.stop_text(), "no ready within 10 min (prepare_timeout); it was preparing");
    DeathReport report;
    talker.fill(report, now + 10min);
    EXPECT_EQ(report.stop_text, talker.stop_text());
}

TEST_F(RunBench, AFloodOfPreparingIsToldEvery10Seconds) {
    for (Ms at = 0s; at <= 20s; at += 1ms)
        talker.preparing({{}, "step"}, now + at, out);
    taken();
    EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 3);
}

TEST_F(RunBench, PreparingMeansNothingOnceItIsUpAndNeverShortensTheStart) {
    process::Run hasty(1, {"c", "c", SaysReady{10s, 3}, {60s, 1s}, {}}, now);
    hasty.preparing({}, now + 1s, out);
    hasty.tick(now + 59s, false, out);
    EXPECT_EQ(hasty.phase(), process::Run::Phase::starting)
        << "prepare_timeout is never less than start_timeout";
    talker.up(false, now, out);
    taken();
    said.clear();
    talker.preparing({}, now, out);
    EXPECT_EQ(said, "");
}

TEST_F(RunBench, WhatSaidInitFailedHasAMomentToExitAndItsReportSaysWhy) {
    talker.init_failed(false, "x.no_gpu: no GPU", now, out);
    talker.tick(now + 1'999ms, false, out);
    EXPECT_THAT(taken(), IsEmpty());
    talker.tick(now + 2s, false, out);
    EXPECT_THAT(taken(), ElementsAre(SendDrain{1}, SendShutdown{1, 10s}));
    EXPECT_EQ(talker.stop_text(), "it reported init_failed and did not exit");
    DeathReport report;
    talker.fill(report, now);
    EXPECT_EQ(report.start_error, "x.no_gpu: no GPU");
    EXPECT_TRUE(report.useless_to_retry);
    EXPECT_FALSE(report.was_ready);
    talker.init_failed(false, "again", now, out);
    EXPECT_THAT(taken(), IsEmpty());
    EXPECT_THAT(said, HasSubstr("although it is not starting; ignored"));
}

TEST_F(RunBench, WhatItSaidWhileItStartedIsForgottenOnceItIsUp) {
    talker.init_failed(false, "no GPU", now, out);
    talker.up(false, now, out);
    DeathReport report;
    talker.exit_seen(out);
    talker.fill(report, now + 5s);
    EXPECT_EQ(report.start_error, "");
    EXPECT_FALSE(report.useless_to_retry);
    EXPECT_EQ(report.ready_for, 5s);
}

TEST_F(RunBench, MissesAreToldOnceAndTheLastOneStopsIt) {
    page.up(false, now, out);
    page.answered({false, "no answer", {}}, now, out);
    EXPECT_EQ(page.state(), State::unhealthy);
    EXPECT_EQ(page.why(now), "gives no healthy answer (1 of 2 misses): no answer");
    page.answered({true, "", {}}, now, out);
    EXPECT_EQ(page.state(), State::ready);
    page.answered({false, "no answer", {}}, now, out);
    page.answered({false, "no answer", {}}, now, out);
    EXPECT_THAT(taken(), ElementsAre(SignalGroup{1, SIGTERM}));
    EXPECT_EQ(said,
              "info: c is healthy\nwarn: c gave no healthy answer: no answer\n"
              "info: c answers again after 1 misses\nwarn: c gave no healthy answer: no answer\n"
              "warn: c is stopped: no healthy answer to 2 questions in a row: no answer\n");
}

TEST_F(RunBench, ItsStateFollowsItsJobsAndItsEnd) {
    EXPECT_EQ(talker.state(), State::starting);
    EXPECT_EQ(talker.why(now + 3s), "is starting for 3 s");
    talker.up(false, now, out);
    EXPECT_EQ(talker.why(now + 3s), "is ready, up for 3 s");
    talker.job_given();
    EXPECT_EQ(talker.state(), State::busy);
    EXPECT_EQ(talker.why(now + 3s), "is running 1 job(s), up for 3 s");
    talker.exit_seen(out);
    EXPECT_EQ(talker.state(), State::draining);
    EXPECT_EQ(talker.why(now), "has just ended");
    EXPECT_EQ(talker.next_wakeup(), std::nullopt);
}

TEST_F(RunBench, OneThatASignalHasStoppedSaysSoAndIsNotHealthy) {
    page.set_stopped(stopped_text(SIGTTIN, 42), out);
    EXPECT_THAT(page.why(now),
                HasSubstr("is starting for 0 ms; it is stopped by SIGTTIN: it wants to read from"));
    page.set_stopped("", out);
    page.up(false, now, out);
    EXPECT_EQ(page.state(), State::ready);
    taken();
    said.clear();
    for (int tick = 0; tick < 3; ++tick)
        page.set_stopped(stopped_text(SIGSTOP, 42), out);
    EXPECT_EQ(page.state(), State::unhealthy);
    EXPECT_EQ(page.why(now), "is stopped by SIGSTOP: somebody stopped it; `kill -CONT 42` lets it go on");
    page.set_stopped("", out);
    EXPECT_EQ(page.state(), State::ready);
    EXPECT_THAT(taken(), IsEmpty());
    EXPECT_EQ(
        said,
        "warn: c is stopped by SIGSTOP: somebody stopped it; `kill -CONT 42` lets it go on\ninfo: c goes on\n");
}

TEST_F(RunBench, AStoppedConnectorNamesTheJobsThatItHolds) {
    talker.up(false, now, out);
    talker.job_given();
    talker.set_stopped(stopped_text(SIGTSTP, 42), out);
    EXPECT_THAT(talker.why(now), HasSubstr("is stopped by SIGTSTP"));
    EXPECT_THAT(talker.why(now), HasSubstr("; it holds 1 job(s)"));
}

}  // namespace
}  // namespace emprops::process
