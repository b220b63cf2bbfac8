// Jobs of the dead, poison, limits, cancels that are ignored, jobs of an earlier worker process.

#include "dispatcher_desk.h"

namespace emprops::jobs::test {
namespace {

using process::StopReason;
constexpr ipc::Features can_resume{.cancel = true, .resume = true};

TEST(Death, TheHubHearsOfTheLostTypesBeforeTheFailure) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.forget();
    desk.dies(a);
    EXPECT_EQ(desk.events(), Lines({"types free", "finished j1 crashed", "ended j1 at a"}));
    EXPECT_EQ(
        desk.last_error().message, "connector a (pid 42) died while it ran this job: " + [] {
            process::DeathReport report;
            report.signal = 11;
            report.pid = 42;
            report.stderr_tail = {"x"};
            return report.summary();
        }() + "; its last line on stderr: \"CUDA error: illegal memory access\"");
    EXPECT_EQ(desk.last_error().details.at("signal"), 11);
}

TEST(Death, AlsoWhenNobodySaidBeforeThatItWasLeaving) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.forget();
    desk.dispatcher.instance_gone(desk.now, a, {});
    EXPECT_EQ(desk.events(), Lines({"types free", "finished j1 crashed", "ended j1 at a"}));
}

TEST(Death, AResultThatWasReadBeforeTheDeathCounts) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.dispatcher.instance_leaving(desk.now, a);
    desk.result(a, "j1");
    desk.forget();
    desk.dies(a);
    EXPECT_EQ(desk.events(), Lines());
    EXPECT_EQ(desk.dispatcher.stats().completed, 1u);
    EXPECT_EQ(desk.dispatcher.stats().deaths, 0u);
}

struct DeathCase {
    std::optional<StopReason> stopped_for;
    const char* code;
    bool counts;  // towards poison
};
TEST(Death, TheCodeSaysWhyAndOnlyTheJobsOwnFaultCounts) {
    const DeathCase cases[] = {{std::nullopt, "crashed", true},
                               {StopReason::hung, "hung", true},
                               {StopReason::write_stalled, "hung", true},
                               {StopReason::timeout, "timeout", true},
                               {StopReason::requested, "drained", false},
                               {StopReason::restart, "drained", false},
                               {StopReason::worker_leaving, "drained", false},
                               {StopReason::recycle, "drained", false},
                               {StopReason::cancel_ignored, "drained", false}};
    for (const DeathCase& one : cases) {
        Desk desk;
        desk.policy.poison_deaths = 1;
        for (int run = 0; run < 2; ++run) {
            const auto a = desk.ready("a", {"t"});
            desk.assign("j1");
            if (run == 0 || !one.counts) desk.dies(a, one.stopped_for);
            desk.forget();
            EXPECT_EQ(desk.last_error().code, one.counts ? "poison" : std::string(one.code))
                << one.code << run;
        }
        EXPECT_EQ(desk.dispatcher.stats().poisoned_jobs, one.counts ? 1u : 0u) << one.code;

        Desk without_poison;
        without_poison.policy.poison_deaths = 0;
        const auto a = without_poison.ready("a", {"t"});
        without_poison.assign("j1");
        without_poison.dies(a, one.stopped_for);
        without_poison.forget();
        EXPECT_EQ(without_poison.last_error().code, one.code);
    }
}

TEST(Death, AResumableJobIsGivenOnceMoreToTheNextProcessOfItsConnector) {
    Desk desk;
    const auto first = desk.ready("a", {"t"}, 1, can_resume);
    desk.ready("b", {"t"}, 1, can_resume);
    desk.assign("j1");
    EXPECT_EQ(desk.events().at(2), "record j1 on a with payload");
    desk.progress(first, "j1");
    desk.forget();
    desk.dies(first);
    EXPECT_EQ(desk.events(), Lines({"ended j1 at a"}));
    EXPECT_EQ(desk.dispatcher.running().at(0).state, JobState::resuming);
    desk.pass(59s);
    const auto second = desk.ready("a", {"t"}, 1, can_resume);
    EXPECT_EQ(desk.events(), Lines({"give j1 to a attempt 2 resume"}));
    EXPECT_EQ(std::get<GiveJob>(desk.all.back()).job.payload.text(), R"({"n":1})");
    desk.result(second, "j1");
    EXPECT_EQ(desk.events().at(0), "finished j1 completed");
    EXPECT_EQ(desk.dispatcher.stats().resumed, 1u);
}

TEST(Death, ASecondDeathOfAResumedJobIsPoison) {
    Desk desk;
    const auto first = desk.ready("a", {"t"}, 1, can_resume);
    desk.assign("j1");
    desk.dies(first);
    const auto second = desk.ready("a", {"t"}, 1, can_resume);
    desk.forget();
    desk.dies(second);
    EXPECT_EQ(desk.events(), Lines({"types free", "finished j1 poison", "ended j1 at a"}));
    EXPECT_EQ(desk.last_error().details.at("pid"), 42) << "the evidence of the last death";
}

TEST(Death, WithPoisonSwitchedOffAJobIsStillResumedOnlyOnce) {
    Desk desk;
    desk.policy.poison_deaths = 0;
    const auto first = desk.ready("a", {"t"}, 1, can_resume);
    desk.assign("j1");
    desk.dies(first);
    const auto second = desk.ready("a", {"t"}, 1, can_resume);
    desk.dies(second);
    desk.forget();
    EXPECT_EQ(desk.last_error().code, "crashed");
}

TEST(Death, WithoutANewProcessWithinTheWindowTheJobFailsAsWhatItDiedOf) {
    Desk desk;
    desk.policy.resume_window = 20s;
    const auto a = desk.ready("a", {"t"}, 1, can_resume);
    desk.assign("j1");
    desk.forget();
    desk.dies(a);
    desk.pass(10s);
    desk.ready("a", {"t"}, 1, {});  // a new version that cannot resume
    EXPECT_EQ(desk.events(), Lines({"types free", "ended j1 at a", "types t free t:1"}));
    desk.pass(10s);
    EXPECT_EQ(desk.events(), Lines({"finished j1 crashed"}));
    EXPECT_NE(desk.last_error().message.find("no new process of a"), std::string::npos);
}

struct ResumeCase {
    StopReason why;
    bool other_instance;
    bool resumed;
};
TEST(Death, AStoppedConnectorsJobIsResumedWhereThatMakesSense) {
    const ResumeCase cases[] = {{StopReason::restart, false, true},
                                {StopReason::recycle, false, true},
                                {StopReason::requested, false, false},
                                {StopReason::requested, true, true},
                                {StopReason::worker_leaving, true, false}};
    for (const ResumeCase& one : cases) {
        Desk desk;
        desk.ready("a", {"t"}, 1, can_resume, 0);
        desk.assign("j1");
        if (one.other_instance) desk.ready("a", {"t"}, 1, can_resume, 1);
        desk.forget();
        desk.dies(desk.id("a", 0), one.why);
        const Lines events = desk.events();
        EXPECT_EQ(std::count(events.begin(), events.end(), "finished j1 drained"), one.resumed ? 0 : 1);
        EXPECT_EQ(desk.dispatcher.running().size(), one.resumed ? 1u : 0u);
    }
}

TEST(Death, APoisonedJobIsFailedAtOnceWhenTheHubGivesItAgain) {
    Desk desk;
    for (int death = 1; death <= 2; ++death) {
        const auto a = desk.ready("a", {"t"});
        desk.assign("bad");
        desk.forget();
        desk.dies(a);
        desk.forget();
        EXPECT_EQ(desk.last_error().code, death == 1 ? "crashed" : "poison");
    }
    desk.ready("a", {"t"});
    EXPECT_TRUE(desk.dispatcher.reserve(desk.now, "bad", "t")) << "claimed, to be failed with the reason";
    desk.forget();
    desk.assign("bad");
    EXPECT_EQ(desk.events(), Lines({"finished bad poison", "types t free t:1"}));
    EXPECT_FALSE(desk.last_error().retryable);
    EXPECT_NE(desk.last_error().message.find("has cost 2 connector processes"), std::string::npos);
}

TEST(Death, ASuccessClearsWhatWasHeldAgainstAJob) {
    Desk desk;
    for (int round = 0; round < 3; ++round) {
        const auto a = desk.ready("a", {"t"});
        desk.assign("j1");
        desk.dies(a);
        desk.forget();
        EXPECT_EQ(desk.last_error().code, "crashed");
        const auto b = desk.ready("a", {"t"});
        desk.assign("j1");
        desk.result(b, "j1");
        desk.dies(b);
        desk.forget();
    }
}

TEST(Death, OfACancelledJobIsNobodysFault) {
    Desk desk;
    desk.policy.poison_deaths = 1;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.dispatcher.cancel(desk.now, "j1", "x");
    desk.forget();
    desk.dies(a);
    EXPECT_EQ(desk.events(), Lines({"types free", "ended j1 at a"}));
    EXPECT_EQ(desk.dispatcher.stats().poisoned_jobs, 0u);
}

TEST(Limits, AJobOverItsTimeIsFailedAndCancelledAndTheProcessLivesIfItObeys) {
    Desk desk;
    desk.policy.job_timeout = 60s;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.forget();
    desk.pass(30s);
    desk.progress(a, "j1");
    desk.forget();
    desk.pass(30s);
    EXPECT_EQ(desk.events(), Lines({"cancel j1 at a", "finished j1 timeout"}));
    desk.fails(a, "j1", ipc::code::cancelled);
    EXPECT_EQ(desk.events(), Lines({"ended j1 at a", "types t free t:1"}));
    desk.pass(1h);
    EXPECT_EQ(desk.events(), Lines());
}

TEST(Limits, AJobWithoutProgressIsHungAndItsProcessIsStopped) {
    Desk desk;
    desk.policy.no_progress_timeout = 60s;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.pass(59s);
    desk.progress(a, "j1");
    desk.pass(59s);
    desk.dispatcher.accepted(desk.now, a, {"j1"});
    desk.forget();
    desk.pass(60s);
    EXPECT_EQ(desk.events(), Lines({"stop a hung", "types free", "finished j1 hung"}));
    desk.dies(a, StopReason::hung);
    EXPECT_EQ(desk.events(), Lines({"ended j1 at a"}));
}

TEST(Limits, OfAJobOfWhichNothingWasHeardTheUsualCauseIsNamed) {
    for (const bool silent : {true, false}) {
        Desk desk;
        desk.policy.no_progress_timeout = 60s;
        const auto a = desk.ready("a", {"t"});
        desk.assign("j1");
        if (!silent) desk.progress(a, "j1");
        desk.forget();
        desk.pass(60s);
        const std::string text = desk.last_error().message;
        EXPECT_EQ(text.find("mawk -W interactive") != std::string::npos, silent) << text;
        EXPECT_EQ(text.find("emprops-worker trace a") != std::string::npos, silent) << text;
    }
}

TEST(Limits, AHungJobBesideOthersIsOnlyCancelled) {
    Desk desk;
    desk.policy.no_progress_timeout = 60s;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.pass(30s);
    desk.assign("j2");
    desk.pass(30s);
    const Lines events = desk.events();
    EXPECT_EQ(Lines(events.end() - 2, events.end()), Lines({"cancel j1 at a", "finished j1 hung"}));
    desk.progress(a, "j2");
    desk.pass(10s);  // the cancel is ignored: nothing new for this process
    EXPECT_EQ(desk.events(), Lines({"progress j2 10"}));
    EXPECT_FALSE(desk.dispatcher.capacity().idle());
    desk.result(a, "j2");
    EXPECT_EQ(desk.events(), Lines({"finished j2 completed", "ended j2 at a", "stop a hung", "types free"}));
}

TEST(Limits, DoNotHoldForAnAttachedConnector) {
    for (const bool knows_cancel : {true, false}) {
        Desk desk;
        desk.policy.job_timeout = 60s;
        desk.policy.no_progress_timeout = 60s;
        desk.attached = true;
        const auto a = desk.ready("a", {"t"}, 1, {.cancel = knows_cancel});
        desk.assign("j1");
        desk.forget();
        desk.pass(24h);
        EXPECT_EQ(desk.events(), Lines()) << "somebody looks at it in a debugger";
        desk.dispatcher.cancel(desk.now, "j1", "x");
        desk.forget();
        desk.pass(24h);
        EXPECT_EQ(desk.events(), Lines()) << "and is not thrown out by a cancel";
        desk.fails(a, "j1", ipc::code::cancelled);
        EXPECT_EQ(desk.events(), Lines({"ended j1 at a", "types t free t:1"}));
    }
}

TEST(Limits, TwoHangsThatCostAProcessArePoison) {
    Desk desk;
    desk.policy.no_progress_timeout = 60s;
    for (int run = 0; run < 2; ++run) {
        const auto a = desk.ready("a", {"t"});
        desk.assign("j1");
        desk.pass(60s);
        desk.dies(a, StopReason::hung);
    }
    desk.ready("a", {"t"});
    desk.assign("j1");
    desk.forget();
    EXPECT_EQ(desk.last_error().code, "poison");
}

TEST(Limits, ACancelThatIsIgnoredEndsInTheStopLadderIfTheProcessHoldsOnlyThatJob) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.dispatcher.cancel(desk.now, "j1", "x");
    desk.forget();
    desk.pass(9'999ms);
    EXPECT_EQ(desk.events(), Lines());
    desk.pass(1ms);
    EXPECT_EQ(desk.events(), Lines({"stop a cancel_ignored", "types free"}));
    desk.dies(a, StopReason::cancel_ignored);
    EXPECT_EQ(desk.events(), Lines({"ended j1 at a"}));
    EXPECT_TRUE(desk.dispatcher.quiet());
}

TEST(Limits, ALateAnswerToACancelFreesTheProcessForNewJobs) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.assign("j2");
    desk.dispatcher.cancel(desk.now, "j1", "x");
    desk.pass(1min);
    desk.result(a, "j1");
    EXPECT_EQ(desk.events().back(), "types t free t:1");
}

TEST(Limits, AConnectorThatDoesNotKnowCancelIsRestartedOnlyIfNothingElseRuns) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 2, {});
    desk.assign("j1");
    desk.assign("j2");
    desk.forget();
    desk.dispatcher.cancel(desk.now, "j1", "x");
    EXPECT_EQ(desk.events(), Lines({"undelivered j1 cancelled"}));
    desk.pass(1min);
    desk.result(a, "j1");
    EXPECT_EQ(desk.events(), Lines({"ended j1 at a", "types t free t:1"}));
    desk.dispatcher.cancel(desk.now, "j2", "x");
    EXPECT_EQ(desk.events(), Lines({"undelivered j2 cancelled", "stop a cancel_ignored", "types free"}));
}

TEST(Restored, AJobOfAnEarlierWorkerProcessIsResumedByItsConnector) {
    Desk desk;
    desk.restored("j1", 7, "a");
    EXPECT_EQ(desk.dispatcher.running().size(), 1u);
    desk.ready("b", {"t"}, 1, can_resume);
    desk.pass(30s);
    EXPECT_EQ(desk.events(), Lines({"types t free t:1"}));
    const auto a = desk.ready("a", {"t"}, 1, can_resume);
    EXPECT_EQ(desk.events(), Lines({"give j1 to a attempt 2 resume"}));
    desk.result(a, "j1");
    EXPECT_EQ(desk.events().at(0), "finished j1 completed");
}

TEST(Restored, WithoutThatConnectorItIsLost) {
    Desk desk;
    desk.restored("j1", 7, "a");
    desk.restored("j2", 8, "");
    EXPECT_EQ(desk.events(), Lines({"finished j2 lost"}));
    desk.pass(60s);
    EXPECT_EQ(desk.events(), Lines({"finished j1 lost"}));
}

TEST(Restored, WithAConnectorThatCannotResumeItIsLostAtOnce) {
    Desk desk;
    desk.restored("j1", 7, "a", false);
    EXPECT_EQ(desk.events(), Lines({"finished j1 lost"}));
    EXPECT_NE(desk.last_error().message.find("connector a"), std::string::npos);
    EXPECT_NE(desk.last_error().message.find("cannot resume jobs"), std::string::npos);
    EXPECT_EQ(desk.dispatcher.stats().assigned, 1u);
}

TEST(Restored, NothingHappensToItUntilTheHubSaysWhoseItIs) {
    Desk desk;
    desk.ready("a", {"t"}, 1, can_resume);
    desk.dispatcher.left({{"j1", "t", 0, {}, 7}, {{"w-0"}, "a", 1, true}}, 60s);
    desk.dispatcher.left({{"j2", "t", 0, {}, 8}, {{"w-0"}, "a", 1, true}}, 60s);
    desk.forget();
    desk.pass(1h);
    EXPECT_EQ(desk.events(), Lines());
    EXPECT_TRUE(desk.dispatcher.quiet()) << "nobody waits for it when the worker leaves";
    EXPECT_TRUE(desk.dispatcher.jobs().empty());
    EXPECT_TRUE(desk.dispatcher.withdraw(desk.now, "j1", "claimed by another worker"));
    EXPECT_EQ(desk.events(), Lines({"undelivered j1 withdrawn"}));
    desk.dispatcher.confirmed(desk.now, 7);
    EXPECT_EQ(desk.events(), Lines()) << "it is not ours any more";
    desk.dispatcher.confirmed(desk.now, 8);
    desk.dispatcher.confirmed(desk.now, 8);
    EXPECT_EQ(desk.events(), Lines({"give j2 to a attempt 2 resume", "types t free"}));
}

TEST(Outcome, IsAwaitedUntilItIsOnDisk) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.ledger_answers = false;
    EXPECT_FALSE(desk.dispatcher.outcome_coming());
    desk.dispatcher.result(desk.now, a, {"j1", {"{}"}});
    EXPECT_TRUE(desk.dispatcher.outcome_coming());
    desk.collect();
    EXPECT_TRUE(desk.dispatcher.outcome_coming());
    EXPECT_FALSE(desk.dispatcher.quiet()) << "the worker must not leave yet";
    EXPECT_TRUE(desk.dispatcher.quiet("a"));
    EXPECT_TRUE(desk.dispatcher.jobs().empty());
    desk.dispatcher.outcome_recorded(1);
    EXPECT_FALSE(desk.dispatcher.outcome_coming());
    EXPECT_TRUE(desk.dispatcher.quiet());
}

}  // namespace
}  // namespace emprops::jobs::test
