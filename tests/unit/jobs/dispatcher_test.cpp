// The straight life of a job, cancels, adoption, foreign messages, broken lines.

#include "dispatcher_desk.h"

namespace emprops::jobs::test {
namespace {

TEST(Dispatcher, AJobIsRecordedGivenAndFinishedWithItsResultUntouched) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    EXPECT_EQ(desk.events(), Lines({"types t free t:1"}));
    EXPECT_TRUE(desk.dispatcher.reserve(desk.now, "j1", "t"));
    EXPECT_EQ(desk.events(), Lines({"types t free"}));
    desk.assign("j1");
    EXPECT_EQ(desk.events(), Lines({"record j1 on a", "give j1 to a attempt 1"}));
    desk.progress(a, "j1", 40);
    desk.result(a, "j1", R"({"seed":18446744073709551616,"b":1.10})");
    EXPECT_EQ(desk.events(),
              Lines({"progress j1 40", "finished j1 completed", "ended j1 at a", "types t free t:1"}));
    const auto& finished = std::get<Finished>(desk.all[desk.all.size() - 3]);
    EXPECT_EQ(finished.outcome.number, 1u);
    EXPECT_EQ(std::get<Completed>(finished.outcome.value).result.text(),
              R"({"seed":18446744073709551616,"b":1.10})");
    EXPECT_TRUE(desk.dispatcher.quiet());
}

TEST(Dispatcher, TheLogTellsWhereAJobWentAndHowItEnded) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.pass(2s);
    desk.result(a, "j1");
    desk.assign("j2");
    desk.pass(3s);
    desk.fails(a, "j2");
    EXPECT_EQ(desk.log, Lines({"given to a", "completed after 2 s, result of 11 B", "given to a",
                               "failed after 3 s: [service_error] it said no"}));
    desk.assign("j3");
    desk.dispatcher.cancel(desk.now, "j3", "a client cancelled it");
    desk.forget();
    EXPECT_EQ(desk.notes, Lines({"cancelled and not reported: a client cancelled it"}));
}

TEST(Dispatcher, TheJobMessageCarriesPayloadPriorityAndTimeLimit) {
    Desk desk;
    desk.policy.job_timeout = 90s;
    desk.ready("a", {"t"});
    desk.assign("j1");
    desk.forget();
    const auto give = std::find_if(desk.all.begin(), desk.all.end(), [](const Action& action) {
        return std::holds_alternative<GiveJob>(action);
    });
    const ipc::Job& job = std::get<GiveJob>(*give).job;
    EXPECT_EQ(job.payload.text(), R"({"n":1})");
    EXPECT_EQ(job.priority, 5);
    EXPECT_EQ(job.timeout, Ms(90s));
    const RecordJob& record = std::get<RecordJob>(desk.all[1]);
    EXPECT_EQ(record.note.claimed_as, Lines({"w-1"}));
    EXPECT_EQ(record.assignment.payload.text(), "{}") << "only a connector that resumes needs it on disk";
}

TEST(Dispatcher, NothingIsGivenBeforeTheLedgerHasAnswered) {
    Desk desk;
    desk.ledger_answers = false;
    desk.ready("a", {"t"});
    desk.assign("j1");
    EXPECT_EQ(desk.events(), Lines({"types t free t:1", "record j1 on a", "types t free"}));
    EXPECT_EQ(desk.dispatcher.running().at(0).state, JobState::recording);
    desk.dispatcher.recorded(desk.now, 1);
    EXPECT_EQ(desk.events(), Lines({"give j1 to a attempt 1"}));
    desk.dispatcher.recorded(desk.now, 1);
    desk.dispatcher.recorded(desk.now, 77);
    EXPECT_EQ(desk.events(), Lines());
}

TEST(Dispatcher, ACancelWhileTheLedgerWritesEndsTheJobWithoutTheConnectorHearingOfIt) {
    Desk desk;
    desk.ready("a", {"t"});
    desk.ledger_answers = false;
    desk.assign("j1");
    desk.forget();
    EXPECT_TRUE(desk.dispatcher.cancel(desk.now, "j1", "by client"));
    EXPECT_EQ(desk.events(), Lines({"undelivered j1 cancelled", "types t free t:1"}));
    desk.dispatcher.recorded(desk.now, 1);
    EXPECT_EQ(desk.events(), Lines());
}

struct ResultCase {
    const char* result;
    const char* ends_as;
};
TEST(Dispatcher, ResultsAreJudged) {
    const ResultCase cases[] = {{"{}", "finished j completed"},
                                {R"({"status":"failed","error":"no"})", "finished j service_error"},
                                {R"({"status":"error"})", "finished j completed"}};
    for (const ResultCase& one : cases) {
        Desk desk;
        const auto a = desk.ready("a", {"t"});
        desk.assign("j");
        desk.forget();
        desk.result(a, "j", one.result);
        EXPECT_EQ(desk.events().at(0), one.ends_as) << one.result;
    }
}

TEST(Dispatcher, ACancelledJobIsNeverReportedAndKeepsItsSlotUntilTheConnectorAnswers) {
    for (const bool answers_with_result : {true, false}) {
        Desk desk;
        const auto a = desk.ready("a", {"t"});
        desk.assign("j1");
        desk.forget();
        EXPECT_TRUE(desk.dispatcher.cancel(desk.now, "j1", "by client"));
        EXPECT_EQ(desk.events(), Lines({"undelivered j1 cancelled", "cancel j1 at a"}));
        EXPECT_TRUE(desk.dispatcher.running().empty()) << "no keep-alives for it";
        EXPECT_EQ(desk.dispatcher.jobs().at(0).state, JobState::stopping);
        desk.progress(a, "j1");
        EXPECT_EQ(desk.events(), Lines());
        if (answers_with_result)
            desk.result(a, "j1");
        else
            desk.fails(a, "j1", ipc::code::cancelled);
        EXPECT_EQ(desk.events(), Lines({"ended j1 at a", "types t free t:1"}));
        EXPECT_FALSE(desk.dispatcher.cancel(desk.now, "j1", "again"));
    }
}

TEST(Dispatcher, AWithdrawnJobIsCountedApartFromACancelledOne) {
    Desk desk;
    desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.assign("j2");
    desk.dispatcher.withdraw(desk.now, "j1", "claimed by another worker");
    desk.dispatcher.cancel(desk.now, "j2", "by client");
    const Stats stats = desk.dispatcher.stats();
    EXPECT_EQ(stats.undelivered.at("withdrawn"), 1u);
    EXPECT_EQ(stats.undelivered.at("cancelled"), 1u);
    EXPECT_EQ(stats.assigned, 2u);
}

TEST(Dispatcher, AnAssignmentOfARunningJobIsAdoptedUnderItsNewNumber) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.forget();
    EXPECT_TRUE(desk.dispatcher.reserve(desk.now, "j1", "t")) << "no slot is needed for a job that runs here";
    desk.assign("j1");
    EXPECT_EQ(desk.events(), Lines({"record j1 on a", "undelivered j1 superseded"}));
    desk.result(a, "j1");
    EXPECT_EQ(desk.events(), Lines({"finished j1 completed", "ended j1 at a", "types t free t:1"}));
    EXPECT_EQ(std::get<Finished>(desk.all[desk.all.size() - 3]).outcome.number, 2u);
    EXPECT_EQ(desk.dispatcher.reserved(), 0u);
}

TEST(Dispatcher, TheSameNumberTwiceIsIgnored) {
    Desk desk;
    desk.ready("a", {"t"});
    desk.assign("j1");
    desk.forget();
    desk.number = 0;
    desk.assign("j1");
    EXPECT_EQ(desk.events(), Lines());
    EXPECT_EQ(desk.dispatcher.stats().assigned, 1u);
}

TEST(Dispatcher, AJobCancelledHereAndGivenAgainRunsOnAnotherInstanceOrWaits) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.dispatcher.withdraw(desk.now, "j1", "claimed by another");
    desk.forget();
    EXPECT_TRUE(desk.dispatcher.reserve(desk.now, "j1", "t")) << "nobody else takes it, and `a` soon will";
    desk.assign("j1");
    EXPECT_EQ(desk.events(), Lines({"types t free", "record j1 on -"})) << "it waits, and takes a slot";
    desk.fails(a, "j1", ipc::code::cancelled);
    EXPECT_EQ(desk.events(),
              Lines({"ended j1 at a", "record j1 on a", "types t free t:1", "give j1 to a attempt 2"}));
    const auto b = desk.ready("b", {"t"});
    desk.dispatcher.withdraw(desk.now, "j1", "claimed by another");
    desk.assign("j2");
    desk.forget();
    EXPECT_FALSE(desk.dispatcher.reserve(desk.now, "j1", "t")) << "b may take it, and is full";
}

TEST(Dispatcher, MessagesForJobsThatTheSenderDoesNotHoldAreCountedAndIgnored) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    const auto b = desk.ready("b", {"u"});
    desk.assign("j1");
    desk.forget();
    desk.result(b, "j1");
    desk.fails(b, "j1");
    desk.progress(b, "j1");
    desk.dispatcher.accepted(desk.now, b, {"j1"});
    desk.dispatcher.service_request(desk.now, b, {"j1", "s", "t", {}});
    EXPECT_EQ(desk.events(), Lines());
    EXPECT_EQ(desk.notes.size(), 5u);
    desk.result(a, "j1");
    desk.result(a, "j1", R"({"second":true})");
    EXPECT_EQ(desk.dispatcher.stats().ignored, 6u);
    EXPECT_EQ(desk.dispatcher.stats().completed, 1u);
}

TEST(Dispatcher, AServiceRequestIsForwardedWhileTheJobIsOurs) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.forget();
    desk.dispatcher.service_request(desk.now, a, {"j1", "comfyui", "workflow", {}});
    EXPECT_EQ(desk.events(), Lines({"service request j1"}));
    desk.dispatcher.cancel(desk.now, "j1", "x");
    desk.forget();
    desk.dispatcher.service_request(desk.now, a, {"j1", "comfyui", "workflow", {}});
    EXPECT_EQ(desk.events(), Lines());
}

TEST(Dispatcher, AJobTheFleetDidNotTakeIsOfferedAgainAfterAShortPause) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.forget();
    desk.dispatcher.not_given(desk.now, a, "j1");
    EXPECT_EQ(desk.events(), Lines());
    EXPECT_EQ(desk.dispatcher.capacity().job_types, std::vector<std::string>{"t"});
    desk.pass(250ms);
    EXPECT_EQ(desk.events(), Lines({"give j1 to a attempt 1"}));
    for (int i = 0; i < 200 && !desk.dispatcher.quiet(); ++i) {
        desk.dispatcher.not_given(desk.now, a, "j1");
        desk.pass(250ms);
        desk.forget();
    }
    EXPECT_EQ(desk.last_error().code, ipc::code::service_unavailable) << "not for ever";
}

TEST(Dispatcher, WhatKeepsAJobFromBeingGivenIsSaidOnceAndIsTheReasonOfItsFailure) {
    Desk desk;
    const auto a = desk.ready("a", {"t"});
    desk.assign("j1");
    desk.forget();
    desk.notes.clear();
    for (int i = 0; i < 200 && !desk.dispatcher.quiet(); ++i) {
        desk.dispatcher.not_given(desk.now, a, "j1", "no space left on device");
        desk.pass(250ms);
        desk.forget();
    }
    EXPECT_TRUE(desk.dispatcher.quiet());
    EXPECT_NE(desk.last_error().message.find("no space left on device"), std::string::npos)
        << desk.last_error().message;
    const auto about_it = [](const std::string& note) {
        return note.find("no space left on device") != std::string::npos;
    };
    EXPECT_EQ(std::count_if(desk.notes.begin(), desk.notes.end(), about_it), 1);
}

TEST(Dispatcher, AProtocolErrorFailsTheNamedJobAndFreesItsSlot) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.assign("j2");
    desk.forget();
    desk.dispatcher.protocol_error(desk.now, a, "j2", ipc::code::result_too_large, "25 MiB, limit 24 MiB");
    EXPECT_EQ(desk.events(), Lines({"finished j2 result_too_large", "cancel j2 at a", "unanswered j2 at a",
                                    "types t free t:1"}));
    EXPECT_FALSE(desk.last_error().retryable);
    desk.dispatcher.protocol_error(desk.now, a, std::nullopt, ipc::code::protocol_error, "NaN at byte 7");
    EXPECT_EQ(desk.events(), Lines({"finished j1 protocol_error", "cancel j1 at a", "unanswered j1 at a",
                                    "types t free t:2"}));
    EXPECT_EQ(desk.last_error().message, "NaN at byte 7");
}

TEST(Dispatcher, AProtocolErrorThatCouldBeSeveralJobsHitsNone) {
    Desk desk;
    const auto a = desk.ready("a", {"t"}, 2);
    desk.assign("j1");
    desk.assign("j2");
    desk.forget();
    desk.dispatcher.protocol_error(desk.now, a, std::nullopt, ipc::code::protocol_error, "half a line");
    EXPECT_EQ(desk.events(), Lines());
    EXPECT_EQ(desk.notes, Lines({"half a line"}));
}

}  // namespace
}  // namespace emprops::jobs::test
