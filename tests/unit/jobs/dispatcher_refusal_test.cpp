// Connectors that refuse jobs (`not_started`), what waits for a slot, and jobs that come back while their
// first run may still go on.

#include "dispatcher_desk.h"

namespace emprops::jobs::test {
namespace {

DispatcherSettings holding(Ms hold) {
    DispatcherSettings settings;
    settings.hold = hold;
    return settings;
}

Lines replacement_texts(const Desk& desk) {
    Lines texts;
    for (const Action& action : desk.all) {
        if (const auto* replace = std::get_if<ReplaceInstance>(&action)) texts.push_back(replace->text);
    }
    return texts;
}

bool said(const std::vector<std::string>& texts, const std::string& words) {
    return std::any_of(texts.begin(), texts.end(),
                       [&](const std::string& text) { return text.find(words) != std::string::npos; });
}

TEST(Refusal, GivesTheJobToAnotherInstanceAndCountsForNothing) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    const auto b = desk.ready("b", {"t"});
    desk.assign("j1");
    desk.forget();
    desk.refuses(a, "j1");
    EXPECT_EQ(desk.events(),
              Lines({"ended j1 at a", "record j1 on b", "types t free", "give j1 to b attempt 1"}));
    desk.result(b, "j1");
    EXPECT_EQ(desk.events().at(0), "finished j1 completed");
    EXPECT_TRUE(desk.dispatcher.stats().failed.empty());
}

TEST(Refusal, OfOneThatHoldsJobsMakesItAConnectorOfSoManySlots) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 4);
    for (const char* job : {"j1", "j2", "j3", "j4"})
        desk.assign(job);
    desk.progress(a, "j1");
    for (const char* job : {"j2", "j3", "j4"})
        desk.refuses(a, job);
    EXPECT_EQ(desk.dispatcher.slots(a), 1);
    EXPECT_EQ(desk.free(), 0);
    EXPECT_NE(desk.dispatcher.refusal(desk.now, a).find("1 slot instead of 4"), std::string::npos)
        << desk.dispatcher.refusal(desk.now, a);
    const auto about = [](const std::string& note) {
        return note.find("is taken for a connector of") != std::string::npos;
    };
    EXPECT_EQ(std::count_if(desk.notes.begin(), desk.notes.end(), about), 1) << "said once";
    desk.forget();
    for (const char* job : {"j1", "j2", "j3"})
        desk.result(a, job);
    EXPECT_EQ(desk.events(), Lines({"finished j1 completed", "ended j1 at a", "give j2 to a attempt 1",
                                    "finished j2 completed", "ended j2 at a", "give j3 to a attempt 1",
                                    "finished j3 completed", "ended j3 at a", "give j4 to a attempt 1"}));
    desk.result(a, "j4");
    EXPECT_EQ(desk.free(), 1) << "until it ends or offers something else";
    desk.offers(a, 3);
    EXPECT_EQ(desk.free(), 3);
    EXPECT_EQ(desk.dispatcher.refusal(desk.now, a), "");
}

TEST(Refusal, CountsTheJobsThatWereGivenBeforeWhateverEndsFirst) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 3);
    for (const char* job : {"j1", "j2", "j3"})
        desk.assign(job);
    desk.result(a, "j1");  // said first: when it refused j3 it held j2 alone
    desk.refuses(a, "j3");
    EXPECT_EQ(desk.dispatcher.slots(a), 1);
    EXPECT_EQ(desk.free(), 0);
}

TEST(Refusal, OfANewProcessCountsAnew) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.assign("j2");
    desk.refuses(a, "j2");
    EXPECT_EQ(desk.dispatcher.slots(a), 1);
    desk.dies(a, process::StopReason::recycle);
    const auto again = desk.ready("a", {"t"}, 2);
    EXPECT_EQ(desk.dispatcher.slots(again), 2);
}

TEST(Refusal, OfAnIdleOneIsAskedAgainAfterOneSecondDoublingToThirty) {
    Desk desk(holding(10min));
    const auto a = desk.ready("a", {"t"}, 4);
    desk.assign("j1");
    desk.forget();
    for (const int seconds : {1, 2, 4, 8, 16, 30, 30}) {
        desk.refuses(a, "j1");
        EXPECT_EQ(desk.free(), 0);
        EXPECT_FALSE(desk.dispatcher.refusal(desk.now, a).empty());
        desk.forget();
        desk.pass(std::chrono::seconds(seconds) - 1ms);
        EXPECT_EQ(desk.events(), Lines());
        desk.pass(1ms);
        EXPECT_EQ(desk.events(), Lines({"give j1 to a attempt 1"}));
        EXPECT_EQ(desk.free(), 0) << "one at a time until it begins one";
    }
    desk.dispatcher.accepted(desk.now, a, {"j1"});
    desk.collect();
    EXPECT_EQ(desk.free(), 3);
    EXPECT_EQ(desk.dispatcher.refusal(desk.now, a), "");
    desk.result(a, "j1");
    desk.assign("j2");
    desk.refuses(a, "j2");
    desk.forget();
    desk.pass(1s);
    EXPECT_EQ(desk.events(), Lines({"give j2 to a attempt 1"})) << "from the beginning";
}

TEST(Refusal, AWordOfAnotherJobEndsItAndTheHubHearsOfTheSlotAtOnce) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 3);
    desk.assign("j1");
    desk.progress(a, "j1");
    desk.breaks(a, "j1");  // it may run on, but counts as none
    desk.assign("j2");
    desk.progress(a, "j2");
    desk.assign("j3");
    desk.result(a, "j2");
    desk.refuses(a, "j3");
    desk.pass(1s);
    desk.progress(a, "j3");
    EXPECT_EQ(desk.free(), 2);
    EXPECT_EQ(desk.events().back(), "types t free t:2");
}

TEST(Refusal, OfManyJobsAtOnceIsOneRefusalOfAnIdleOne) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 3);
    for (const char* job : {"j1", "j2", "j3"})
        desk.assign(job);
    for (const char* job : {"j1", "j2", "j3"})
        desk.refuses(a, job);
    desk.forget();
    desk.pass(1s);
    EXPECT_EQ(desk.events(), Lines({"give j1 to a attempt 1"}));
    desk.dispatcher.accepted(desk.now, a, {"j1"});
    EXPECT_EQ(desk.events(), Lines({"give j2 to a attempt 1", "give j3 to a attempt 1"}));
}

TEST(Refusal, WhoeverRunsAJobWithoutAWordForFiveSecondsHasTakenIt) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.refuses(a, "j1");
    desk.pass(1s);
    EXPECT_EQ(desk.free(), 0);
    desk.pass(5s);
    EXPECT_EQ(desk.free(), 1);
}

TEST(Refusal, AServiceThatComesBackIsAskedAtOnce) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.refuses(a, "j1");
    desk.available(a, false);
    desk.forget();
    desk.available(a, true);
    EXPECT_EQ(desk.events(), Lines({"give j1 to a attempt 1", "types t free"}));
}

TEST(Refusal, AJobThatNobodyBeginsGoesBackAfterThirtySecondsWhateverTheNumberOfRefusals) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.forget();
    int refusals = 0;
    for (const TimePoint end = desk.now + 29s; desk.now < end; desk.pass(100ms)) {
        for (const std::string& event : desk.events()) {
            if (!event.starts_with("give j1")) continue;
            desk.refuses(a, "j1");
            ++refusals;
        }
        if (refusals == 0) {
            desk.refuses(a, "j1");
            ++refusals;
        }
    }
    EXPECT_EQ(refusals, 5) << "at 0, 1, 3, 7 and 15 s";
    EXPECT_FALSE(desk.dispatcher.quiet()) << "being refused fails no job";
    desk.forget();
    desk.pass(2s);
    EXPECT_EQ(desk.events().at(0), "finished j1 not_started not begun");
    EXPECT_NE(desk.last_error().message.find("it said no"), std::string::npos);
    EXPECT_TRUE(desk.last_error().retryable);
    EXPECT_EQ(desk.dispatcher.stats().returned, 1u);
}

TEST(Refusal, ASlotThatIsAskedAgainWhenTheTimeIsUpGetsTheJobOnceMore) {
    Desk desk(holding(1s));
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.refuses(a, "j1");
    desk.forget();
    desk.pass(1s);
    EXPECT_EQ(desk.events(), Lines({"give j1 to a attempt 1"}));
    desk.result(a, "j1");
    EXPECT_EQ(desk.events().at(0), "finished j1 completed");
}

TEST(Refusal, AfterTheStartIsAPlainFailure) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.dispatcher.accepted(desk.now, a, {"j1"});
    desk.forget();
    desk.refuses(a, "j1");
    EXPECT_EQ(desk.events().at(0), "finished j1 not_started");
    EXPECT_EQ(desk.free(), 1);
}

TEST(Waiting, AJobTakesOneSlotOfItsTypeUntilItRuns) {
    Desk desk;
    const auto a = desk.ready("a", {"t", "u"}, 3);
    desk.assign("j1");
    desk.breaks(a, "j1");
    EXPECT_EQ(desk.free(), 3);
    desk.assign("j1");  // only `a` takes its type, and may still hold it
    EXPECT_EQ(desk.free(), 2);
    EXPECT_EQ(desk.free("u"), 2) << "a slot of its type is a slot of its instance";
    EXPECT_TRUE(desk.dispatcher.reserve(desk.now, "j2", "t"));
    EXPECT_TRUE(desk.dispatcher.reserve(desk.now, "j3", "t"));
    EXPECT_FALSE(desk.dispatcher.reserve(desk.now, "j4", "t")) << "more than can start";
}

TEST(Waiting, TheViewTellsWhatWaitsFromWhatRuns) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 4);
    for (const char* job : {"j1", "j2"})
        desk.assign(job);
    desk.refuses(a, "j2");
    const auto jobs = desk.dispatcher.running();
    ASSERT_EQ(jobs.size(), 2u);
    EXPECT_EQ(jobs.at(0).state, JobState::running);
    EXPECT_EQ(jobs.at(1).state, JobState::held);
}

TEST(Waiting, WhyTheFleetCannotGiveJobsIsSaidWhileItIsSo) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.dispatcher.not_given(desk.now, a, "j1", "cannot make the scratch folder");
    desk.collect();
    EXPECT_EQ(desk.dispatcher.refusal(desk.now, a), "a cannot be given jobs: cannot make the scratch folder");
    desk.pass(2s);
    desk.progress(a, "j1");
    EXPECT_EQ(desk.dispatcher.refusal(desk.now, a), "");
}

// ---- one run of a job per process

TEST(Unanswered, TheSameJobGoesToAnotherInstance) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.forget();
    desk.breaks(a, "j1");
    EXPECT_EQ(desk.events(), Lines({"finished j1 protocol_error", "cancel j1 at a", "unanswered j1 at a",
                                    "types t free t:2"}));
    const auto b = desk.ready("b", {"t"});
    desk.assign("j1");
    desk.forget();
    desk.result(a, "j1");  // of the first run
    EXPECT_EQ(desk.events(), Lines({"ended j1 at a"}));
    desk.result(b, "j1");
    EXPECT_EQ(desk.events().at(0), "finished j1 completed");
}

TEST(Unanswered, ItsSlotIsFreeForOthersAndNobodyWaitsForIt) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.breaks(a, "j1");
    EXPECT_TRUE(desk.dispatcher.quiet());
    desk.forget();
    desk.assign("j2");
    EXPECT_EQ(desk.events().back(), "give j2 to a attempt 1");
    desk.progress(a, "j1");  // of the run that is over
    EXPECT_EQ(desk.events(), Lines());
    desk.fails(a, "j1", ipc::code::cancelled);
    EXPECT_EQ(desk.events(), Lines({"ended j1 at a"}));
    desk.result(a, "j2");
    EXPECT_EQ(desk.events().at(0), "finished j2 completed");
}

/// Two slots; j1 breaks and comes back at once. `a` is the only one.
struct BackAtOnce {
    Desk desk;
    process::InstanceId a;
    BackAtOnce() {
        a = desk.ready("a", {"t"}, 2);
        desk.assign("j1");
        desk.assign("j2");
        desk.breaks(a, "j1");
        desk.forget();
        EXPECT_TRUE(desk.dispatcher.reserve(desk.now, "j1", "t")) << "or it would never be run again";
        desk.assign("j1");
    }
};

TEST(Unanswered, TheAnswerToTheFirstRunLetsTheSecondBegin) {
    BackAtOnce it;
    EXPECT_EQ(it.desk.events(), Lines({"types t free", "record j1 on -"}));
    it.desk.fails(it.a, "j1", ipc::code::cancelled);
    EXPECT_EQ(it.desk.events(), Lines({"ended j1 at a", "record j1 on a", "give j1 to a attempt 2"}));
    it.desk.result(it.a, "j1");
    EXPECT_EQ(it.desk.events().at(0), "finished j1 completed");
}

TEST(Unanswered, AProcessThatIsBusyIsReplacedAfterCancelTimeout) {
    BackAtOnce it;
    it.desk.forget();
    it.desk.pass(it.desk.policy.cancel_timeout - 1ms);
    EXPECT_EQ(it.desk.events(), Lines());
    it.desk.pass(1ms);
    EXPECT_EQ(it.desk.events(), Lines({"replace a"})) << "and j2 runs on";
    it.desk.pass(5s);
    EXPECT_EQ(it.desk.events(), Lines()) << "asked once";
    const auto old = it.a;
    const auto fresh = it.desk.ready("a", {"t"}, 2);
    it.desk.dispatcher.instance_leaving(it.desk.now, old);
    EXPECT_EQ(it.desk.events(),
              Lines({"record j1 on a", "types t free t:2", "give j1 to a attempt 2", "types t free t:1"}));
    it.desk.result(old, "j1");  // late: of the first run
    EXPECT_EQ(it.desk.events(), Lines({"ended j1 at a"}));
    it.desk.result(old, "j2");
    it.desk.result(fresh, "j1");
    const auto events = it.desk.events();
    EXPECT_EQ(events.at(0), "finished j2 completed");
    EXPECT_EQ(events.at(2), "finished j1 completed");
}

TEST(Unanswered, AProcessIsReplacedAsSoonAsItIsIdle) {
    BackAtOnce it;
    it.desk.forget();
    it.desk.pass(2s);
    it.desk.result(it.a, "j2");
    EXPECT_EQ(it.desk.events(),
              Lines({"finished j2 completed", "ended j2 at a", "replace a", "types t free t:1"}));
    EXPECT_TRUE(said(replacement_texts(it.desk), "may still hold an earlier run of job j1"));
}

TEST(Unanswered, TheEndOfTheProcessIsTheEndOfItsRunsAndNobodysDeath) {
    BackAtOnce it;
    it.desk.result(it.a, "j2");
    it.desk.forget();
    it.desk.dies(it.a, process::StopReason::recycle);
    EXPECT_EQ(it.desk.events(), Lines({"types free", "ended j1 at a"}));
    it.desk.ready("a", {"t"}, 2);
    EXPECT_EQ(it.desk.events().back(), "give j1 to a attempt 2");
    EXPECT_EQ(it.desk.dispatcher.stats().deaths, 0u);
}

TEST(Unanswered, WithoutAReplacementTheJobGoesBackAfterThirtySeconds) {
    BackAtOnce it;
    it.desk.result(it.a, "j2");
    it.desk.forget();
    it.desk.pass(30s);
    const auto events = it.desk.events();
    EXPECT_EQ(events.at(0), "finished j1 service_unavailable not begun");
    EXPECT_NE(it.desk.last_error().message.find("may still hold an earlier run of it"), std::string::npos)
        << it.desk.last_error().message;
    // And it is asked for once more when the job comes again.
    it.desk.assign("j1");
    const auto again = it.desk.events();
    EXPECT_NE(std::find(again.begin(), again.end(), "replace a"), again.end());
}

TEST(Unanswered, ACancelledJobThatComesBackWaitsForTheAnswerOfItsFirstRun) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.dispatcher.cancel(desk.now, "j1", "by the client");
    desk.collect();
    EXPECT_EQ(desk.free(), 1) << "a cancelled job keeps its slot";
    desk.assign("j1");
    EXPECT_EQ(desk.free(), 0);
    desk.forget();
    desk.fails(a, "j1", ipc::code::cancelled);
    EXPECT_EQ(desk.events().at(0), "ended j1 at a");
    desk.result(a, "j1");
    const auto events = desk.events();
    EXPECT_EQ(std::count(events.begin(), events.end(), "finished j1 completed"), 1);
}

TEST(Unanswered, AJobThatRanOutOfTimeComesBackToAnotherProcess) {
    Desk desk;
    desk.policy.job_timeout = 1min;
    desk.policy.cancel_timeout = 5min;  // it takes its time
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.pass(1min);
    desk.forget();
    desk.assign("j1");
    EXPECT_EQ(desk.events(), Lines({"record j1 on -", "types t free"}));
    const auto b = desk.ready("b", {"t"});
    EXPECT_EQ(desk.events().back(), "give j1 to b attempt 2");
    desk.result(a, "j1");
    desk.result(b, "j1");
    const auto events = desk.events();
    EXPECT_EQ(std::count(events.begin(), events.end(), "finished j1 completed"), 1);
}

TEST(Unanswered, AHundredOfThemAreEnoughOfOneProcess) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    for (int i = 0; i < 105; ++i) {
        const std::string job = "j" + std::to_string(i);
        desk.assign(job);
        desk.breaks(a, job);
    }
    const auto events = desk.events();
    EXPECT_EQ(std::count(events.begin(), events.end(), "replace a"), 1);
}

TEST(Unanswered, WhoSitsInADebuggerIsNotReplaced) {
    Desk desk;
    desk.attached = true;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.breaks(a, "j1");
    desk.assign("j1");
    desk.forget();
    desk.pass(29s);
    EXPECT_EQ(desk.events(), Lines());
}

}  // namespace
}  // namespace emprops::jobs::test
