// Jobs whose results name files, and jobs that are released before their end.

#include "dispatcher_desk.h"

namespace emprops::jobs::test {
namespace {

TEST(DispatcherFiles, TheSlotIsFreeWhenTheFilesAreTakenAndTheJobEndsWhenTheyHaveArrived) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.forget();
    desk.result_with_file(a, "j1");
    EXPECT_EQ(desk.events(), Lines({"collect j1 at a"})) << "its folder is still the connector's";
    EXPECT_EQ(desk.free(), 0);
    desk.dispatcher.collected(desk.now, 1);
    EXPECT_EQ(desk.events(), Lines({"ended j1 at a", "types t free t:1"}));
    EXPECT_EQ(desk.dispatcher.running().at(0).state, JobState::delivering) << "it is kept alive at the Hub";
    EXPECT_FALSE(desk.dispatcher.quiet());
    ipc::Progress progress;
    progress.progress = 70;
    desk.dispatcher.delivery_progress(desk.now, 1, progress);
    EXPECT_EQ(desk.events(), Lines({"progress j1 70"}));
    desk.dispatcher.delivered(desk.now, 1, Completed{{R"({"image":{"url":"u"}})"}});
    EXPECT_EQ(desk.events(), Lines({"finished j1 completed"}));
    EXPECT_TRUE(desk.dispatcher.quiet());
}

TEST(DispatcherFiles, FilesThatCannotBeTakenFailTheJob) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.result_with_file(a, "j1");
    desk.forget();
    desk.dispatcher.not_collected(desk.now, 1, {ipc::code::protocol_error, "it is a link", true, {}});
    EXPECT_EQ(desk.events(), Lines({"finished j1 protocol_error", "ended j1 at a", "types t free t:1"}));
    desk.dispatcher.collected(desk.now, 1);
    desk.dispatcher.delivered(desk.now, 1, Completed{});
    EXPECT_EQ(desk.events(), Lines()) << "it has ended already";
}

TEST(DispatcherFiles, AFailureDeliversNothingAndAResultThatDoesNotFitItsFilesFails) {
    struct Case {
        const char* result;
        const char* ends_as;
    };
    const Case cases[] = {
        {R"({"status":"failed","error":"no","image":{"$file":0}})", "finished j service_error"},
        {R"({"image":{"$file":1}})", "finished j protocol_error"},
        {R"({"image":"a.png"})", "finished j protocol_error"},
        {"{}", "finished j protocol_error"}};
    for (const Case& one : cases) {
        Desk desk;
        const auto a = desk.ready("a", {"t"});
        desk.assign("j");
        desk.forget();
        desk.result_with_file(a, "j", one.result);
        EXPECT_EQ(desk.events(), Lines({one.ends_as, "ended j at a", "types t free t:1"})) << one.result;
    }
}

TEST(DispatcherFiles, NoClockOfTheConnectorRunsAfterItsResult) {
    Desk desk;
    desk.policy.job_timeout = 60s;
    desk.policy.no_progress_timeout = 30s;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.result_with_file(a, "j1");
    desk.forget();
    desk.pass(5min);
    desk.dispatcher.collected(desk.now, 1);
    desk.pass(5min);
    EXPECT_EQ(desk.events(), Lines({"ended j1 at a", "types t free t:1"}));
}

TEST(DispatcherFiles, TheDeathOfAProcessWhoseResultHasComeCostsTheJobNothing) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.result_with_file(a, "j1");
    desk.forget();
    desk.dies(a);
    EXPECT_EQ(desk.events(), Lines({"types free", "ended j1 at a"}));
    desk.dispatcher.collected(desk.now, 1);
    EXPECT_EQ(desk.events(), Lines());
    desk.dispatcher.delivered(desk.now, 1, Completed{{R"({"a":1})"}});
    EXPECT_EQ(desk.events(), Lines({"finished j1 completed"}));
}

TEST(DispatcherFiles, ACancelledDeliveryIsNotReported) {
    for (const bool taken : {false, true}) {
        Desk desk;
        const auto a = desk.ready("a", {"t"});
        desk.assign("j1");
        desk.result_with_file(a, "j1");
        if (taken) desk.dispatcher.collected(desk.now, 1);
        desk.forget();
        EXPECT_TRUE(desk.dispatcher.cancel(desk.now, "j1", "by client"));
        EXPECT_EQ(desk.events(),
                  taken ? Lines({"undelivered j1 cancelled"})
                        : Lines({"undelivered j1 cancelled", "ended j1 at a", "types t free t:1"}));
        desk.dispatcher.delivered(desk.now, 1, Completed{});
        desk.dispatcher.collected(desk.now, 1);
        EXPECT_EQ(desk.events(), Lines());
        EXPECT_TRUE(desk.dispatcher.quiet());
    }
}

TEST(DispatcherFiles, AnAssignmentThatComesAgainTakesTheDeliveryOver) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.result_with_file(a, "j1");
    desk.dispatcher.collected(desk.now, 1);
    desk.forget();
    desk.assign("j1");
    EXPECT_EQ(desk.events(), Lines({"record j1 on a", "renumber 1 to 2", "undelivered j1 superseded"}));
    desk.dispatcher.delivered(desk.now, 2, Completed{{R"({"a":1})"}});
    EXPECT_EQ(desk.events(), Lines({"finished j1 completed"}));
}

TEST(DispatcherFiles, ADeliveryOfAnEarlierWorkerGoesOnAndIsNotRenderedAgain) {
    Desk desk;
    desk.ready("a", {"t"});
    desk.forget();
    UnfinishedRecord record{{"j1", "t", 0, {}, 7}, {{"w-0"}, "a", 1, false}, DeliveryRecord{}};
    desk.dispatcher.left(record, 60s);
    EXPECT_TRUE(desk.dispatcher.quiet()) << "whose it is, nobody knows yet";
    desk.dispatcher.confirmed(desk.now, 7);
    EXPECT_EQ(desk.events(), Lines({"resume delivery 7"}));
    desk.dispatcher.delivered(desk.now, 7, Completed{{R"({"a":1})"}});
    EXPECT_EQ(desk.events(), Lines({"finished j1 completed"}));
}

TEST(DispatcherFiles, AJobThatComesBackWhileItsFilesAreHereIsDeliveredAndNotRenderedAgain) {
    Desk desk;
    desk.ready("a", {"t"});
    desk.forget();
    desk.assign("j1", "t", true);
    EXPECT_EQ(desk.events(), Lines({"record j1 on -", "resume delivery 1"}))
        << "before it is delivered, the ledger knows of it";
    EXPECT_EQ(desk.free(), 1) << "it takes no slot, and nobody gets it";
    desk.dispatcher.delivered(desk.now, 1, Completed{{R"({"a":1})"}});
    EXPECT_EQ(desk.events(), Lines({"finished j1 completed"}));
    EXPECT_TRUE(desk.dispatcher.quiet());
}

TEST(DispatcherFiles, WhoeverIsLeavingDeliversNothingThatComesBack) {
    Desk desk;
    desk.ready("a", {"t"});
    desk.dispatcher.drain(desk.now, DrainMode::now);
    desk.forget();
    desk.assign("j1", "t", true);
    EXPECT_EQ(desk.events(), Lines({"finished j1 drained"}));
}

TEST(DispatcherFiles, TheSpoolHearsByWhichPayloadTheJobWasRendered) {
    for (const bool resumes : {false, true}) {
        Desk desk;
        const auto a = desk.ready("a", {"t"}, 1, {.resume = resumes});
        desk.assign("j1");
        desk.progress(a, "j1");  // from here on the payload is only kept for whoever resumes the job
        desk.result_with_file(a, "j1");
        const auto collect = std::find_if(desk.all.begin(), desk.all.end(), [](const Action& action) {
            return std::holds_alternative<CollectFiles>(action);
        });
        ASSERT_NE(collect, desk.all.end());
        EXPECT_EQ(std::get<CollectFiles>(*collect).payload, mark_of({R"({"n":1})"})) << resumes;
    }
}

TEST(DispatcherFiles, WhoeverLeavesWaitsForDeliveriesUntilTheDeadlineAndThenLeavesThem) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.result_with_file(a, "j1");
    desk.dispatcher.collected(desk.now, 1);
    desk.dispatcher.drain(desk.now, DrainMode::deadline, desk.now + 10s);
    desk.forget();
    desk.pass(9s);
    EXPECT_FALSE(desk.dispatcher.quiet());
    desk.pass(2s);
    EXPECT_TRUE(desk.dispatcher.quiet()) << "the next start goes on with it";
    EXPECT_EQ(desk.events(), Lines()) << "nothing is reported for it";
    desk.dispatcher.delivered(desk.now, 1, Completed{{R"({"a":1})"}});
    EXPECT_EQ(desk.events(), Lines({"finished j1 completed"})) << "unless it arrives before the end";
}

TEST(DispatcherFiles, AJobThatIsDoneBeforeItsTurnKeepsToItsInstance) {
    Desk desk;
    desk.dispatcher.claim_ahead(desk.now, Ahead::Rule::always, 10s);
    const auto a = desk.ready("a", {"t"}, 1, {.cancel = true, .prepare = true});
    desk.assign("j1");
    ASSERT_TRUE(desk.dispatcher.reserve(desk.now, "j2", "t"));
    desk.assign("j2");
    desk.forget();
    desk.result_with_file(a, "j2");
    EXPECT_EQ(desk.events().at(0), "collect j2 at a");
    desk.ready("b", {"t"});
    const Lines after = desk.events();
    EXPECT_EQ(
        std::count_if(after.begin(), after.end(), [](const auto& line) { return line.starts_with("give"); }),
        0)
        << "it is done, and begun nowhere";
    desk.dispatcher.collected(desk.now, 2);
    desk.dispatcher.delivered(desk.now, 2, Completed{{R"({"a":1})"}});
    const Lines ends = desk.events();
    EXPECT_EQ(ends.back(), "finished j2 completed");
    EXPECT_EQ(desk.free(), 1) << "of b; j1 has the one of a";
}

TEST(DispatcherFiles, AnAdoptionThatTheOtherSideHasNotHeardOfYetLosesNothing) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.result_with_file(a, "j1");
    desk.assign("j1");
    desk.assign("j1");
    desk.dispatcher.collected(desk.now, 1);
    desk.forget();
    EXPECT_FALSE(desk.dispatcher.delivered(desk.now, 99, Completed{}));
    EXPECT_TRUE(desk.dispatcher.delivered(desk.now, 2, Completed{{R"({"a":1})"}}));
    EXPECT_EQ(desk.events(), Lines({"finished j1 completed"}));
    EXPECT_TRUE(desk.dispatcher.quiet());
}

TEST(DispatcherFiles, SuccessesWithFilesSpeakForTheMachine) {
    Desk desk;
    auto a = desk.ready("a", {"t"});
    for (const char* killer : {"j1", "j3"}) {
        desk.assign(killer);
        desk.dies(a);
        a = desk.ready("a", {"t"});
        desk.assign(std::string("good-") + killer);
        desk.result_with_file(a, std::string("good-") + killer);
        desk.dispatcher.collected(desk.now, desk.number);
        desk.dispatcher.delivered(desk.now, desk.number, Completed{{R"({"a":1})"}});
    }
    desk.policy.poison_deaths = 2;
    desk.assign("j3");
    desk.forget();
    desk.dies(a);
    EXPECT_EQ(desk.last_error().code, ipc::code::poison) << "its second death, and the machine is well";
}

TEST(DispatcherFiles, AReleasedJobTakesNoSlot) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.forget();
    desk.releases(a, "j1");
    EXPECT_EQ(desk.events(), Lines({"types t free t:1"}));
    desk.releases(a, "j1");
    desk.assign("j2");
    EXPECT_EQ(desk.events(), Lines({"record j2 on a", "types t free", "give j2 to a attempt 1"}));
    desk.result(a, "j1");
    EXPECT_EQ(desk.events(), Lines({"finished j1 completed", "ended j1 at a"}));
    EXPECT_EQ(desk.free(), 0) << "the slot of the other one is taken";
    desk.result(a, "j2");
    EXPECT_EQ(desk.free(), 1);
}

TEST(DispatcherFiles, NoMoreAreReleasedThanTheSettingSays) {
    Desk desk;
    desk.policy.released_jobs = 2;
    const auto a = desk.ready("a", {"t"});
    for (const char* id : {"j1", "j2", "j3"}) {
        desk.assign(id);
        desk.releases(a, id);
    }
    EXPECT_EQ(desk.free(), 0) << "the third keeps its slot";
    desk.result(a, "j1");
    EXPECT_EQ(desk.free(), 0);
    desk.result(a, "j3");
    EXPECT_EQ(desk.free(), 1);
}

TEST(DispatcherFiles, ADeathIsPutDownToTheJobThatWasNotReleased) {
    Desk desk;
    desk.policy.poison_deaths = 1;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.releases(a, "j1");
    desk.assign("j2");
    desk.dies(a);
    desk.forget();
    desk.ready("a", {"t"});
    desk.forget();
    desk.assign("j1");
    EXPECT_EQ(desk.events().at(0), "record j1 on a") << "it may run again";
    desk.assign("j2");
    const Lines later = desk.events();
    EXPECT_NE(std::find(later.begin(), later.end(), "finished j2 poison"), later.end());
}

TEST(DispatcherFiles, TheDeathOfAProcessThatHoldsOnlyAReleasedJobIsPutDownToIt) {
    Desk desk;
    desk.policy.poison_deaths = 1;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.releases(a, "j1");
    desk.forget();
    desk.dies(a);
    EXPECT_EQ(desk.last_error().code, ipc::code::poison);
}

TEST(DispatcherFiles, ABrokenLineWithoutAJobIsOfTheOneThatIsNotReleased) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.releases(a, "j1");
    desk.assign("j2");
    desk.forget();
    desk.dispatcher.protocol_error(desk.now, a, {}, ipc::code::protocol_error, "NaN");
    EXPECT_EQ(desk.events().at(0), "finished j2 protocol_error");
}

TEST(DispatcherFiles, ARefusalCountsNoReleasedJob) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 1);
    desk.assign("j1");
    desk.releases(a, "j1");
    desk.assign("j2");
    desk.refuses(a, "j2");
    EXPECT_EQ(desk.dispatcher.slots(a), 1)
        << "it held none that counts: it is asked again, with one at a time";
}

TEST(DispatcherFiles, AReleasedJobThatIsResumedTakesASlotAgain) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 1, {.cancel = true, .resume = true});
    desk.assign("j1");
    desk.releases(a, "j1");
    desk.dies(a);
    desk.forget();
    const auto next = desk.ready("a", {"t"}, 1, {.cancel = true, .resume = true});
    EXPECT_EQ(desk.free(), 0);
    desk.releases(next, "j1");
    EXPECT_EQ(desk.free(), 1);
    desk.result(next, "j1");
    EXPECT_EQ(desk.free(), 1);
}

}  // namespace
}  // namespace emprops::jobs::test
