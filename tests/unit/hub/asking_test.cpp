// The question before an outcome, what is told about a slot that became free, and a Hub in trouble.

#include "session_fixture.h"

namespace emprops::hub {
namespace {

struct AskingTest : SessionTest {
    /// A job that has run long enough to be watched, with the watch open and its last question answered.
    void long_job(const std::string& job) {
        connect();
        get_job(job);
        pass(Ms(1'000));
        open_watch();
        watch(job_status(job, "claimed", session().view().worker_id));
        pass(Ms(500));
    }
};

TEST_F(AskingTest, TheOutcomeOfALongJobWaitsForTheAnswerAndTheNextClaimDoesNot) {
    long_job("j1");
    EXPECT_THAT(end_job(completed("j1")), ElementsAre("status idle", "ask j1"));
    EXPECT_THAT(frame(offer("j2")), ElementsAre("claim j2"));
    EXPECT_THAT(watch(job_status("j1", "claimed", "w-1")), ElementsAre("progress j1 100", "complete j1"));
    EXPECT_THAT(frame(assigned("j2")),
                ElementsAre("progress j2 0", "assigned j2#2", "status busy", "ask j2"));
}

TEST_F(AskingTest, ACancelledJobIsNotReported) {
    for (const bool success : {true, false}) {
        SCOPED_TRACE(success);
        long_job("j1");
        end_job(success ? completed("j1") : failed("j1"));
        EXPECT_THAT(watch(job_status("j1", "cancelled", "w-1")),
                    ElementsAre("not delivered j1#" + std::to_string(numbers["j1"]) + " cancelled"));
        EXPECT_TRUE(session().nothing_left());
        disconnect();
    }
}

TEST_F(AskingTest, AJobThatSomebodyElseHasIsNotReported) {
    long_job("j1");
    end_job(completed("j1"));
    EXPECT_THAT(watch(job_status("j1", "claimed", "x")), ElementsAre("not delivered j1#1 claimed_by_other"));
}

TEST_F(AskingTest, WithoutAnAnswerTheOutcomeLeavesAfterAQuarterOfASecond) {
    long_job("j1");
    end_job(completed("j1"));
    EXPECT_THAT(pass(Ms(249)), IsEmpty());
    EXPECT_THAT(pass(Ms(1)), ElementsAre("progress j1 100", "complete j1"))
        << "and no second idle: the Hub takes us for idle already";
    EXPECT_THAT(watch(job_status("j1", "claimed", "w-1")), IsEmpty()) << "too late to matter";
    EXPECT_THAT(frame(ack("job_completed_ack", "j1")), ElementsAre("delivered j1#1"));
}

TEST_F(AskingTest, AHubThatDoesNotKnowTheJobGetsItsOutcome) {
    long_job("j1");
    end_job(completed("j1"));
    EXPECT_THAT(watch(error("Job j1 not found")), ElementsAre("progress j1 100", "complete j1"));
}

TEST_F(AskingTest, ALostClientConnectionHoldsNothingUp) {
    long_job("j1");
    end_job(completed("j1"));
    session().on_watch_disconnected("cut");
    EXPECT_THAT(run(), testing::IsSupersetOf({"progress j1 100", "complete j1"}));
    frame(ack("job_completed_ack", "j1"));
    get_job("j2");
    pass(Ms(5'000));
    EXPECT_THAT(end_job(completed("j2")), Contains("complete j2")) << "it is being opened again and again";
}

TEST_F(AskingTest, AClientConnectionThatIsBeingOpenedIsWaitedFor) {
    connect();
    get_job("j1");
    EXPECT_THAT(pass(Ms(1'000)), ElementsAre("open watch"));
    EXPECT_THAT(end_job(completed("j1")), ElementsAre("status idle"));
    EXPECT_THAT(open_watch(), ElementsAre("ask j1"));
    EXPECT_THAT(watch(job_status("j1", "claimed", "w-1")), Contains("complete j1"));
}

TEST_F(AskingTest, AShortJobIsNotAskedAbout) {
    connect();
    get_job("j1");
    pass(Ms(900));
    EXPECT_THAT(end_job(completed("j1")), ElementsAre("progress j1 100", "complete j1", "status idle"));
}

TEST_F(AskingTest, AConnectionThatEndsMeanwhileFencesTheOutcome) {
    long_job("j1");
    end_job(completed("j1"));
    disconnect();
    EXPECT_THAT(pass(Ms(500)), IsEmpty());
    connect();
    EXPECT_THAT(open_watch(), ElementsAre("ask j1"));
    EXPECT_THAT(watch(job_status("j1", "claimed", "w-1")), Contains("complete j1"));
}

TEST_F(AskingTest, TheReasonOfACancelIsTheHubsAndNeverOurOwnProgress) {
    for (const auto& [message, reason] :
         {std::pair{R"("Job cancelled: stop it now")", "cancelled at the Hub: stop it now"},
          std::pair{R"("Step 4/30: Processing at 13 %")", "cancelled at the Hub"},
          std::pair{"null", "cancelled at the Hub"}}) {
        long_job("j1");
        session().on_watch_frame(now, std::string(R"({"type":"response_job_status","job_id":"j1",)") +
                                          R"("status":"cancelled","worker_id":"w-1","message":)" + message +
                                          "}");
        last_cancel.clear();
        run();
        EXPECT_EQ(last_cancel, reason);
        session().undelivered("j1", numbers["j1"]);
        desk.offer_types({{"sim", 1}});
        disconnect();
    }
}

// ---- one idle per job

TEST_F(AskingTest, ASlotThatWasFreedByAJobIsToldWithItsOutcome) {
    desk.offer_types({{"sim", 1}, {"comfyui", 1}});
    connect();
    frame(offer("j1"));
    EXPECT_THAT(frame(assigned("j1")), Contains("register [comfyui] idle"));
    frame(offer("j2", "comfyui"));
    EXPECT_THAT(frame(assigned("j2", "comfyui")), Contains("status busy"));
    desk.outcome_coming = true;  // both have ended; the ledger is being written
    desk.offer_types({{"sim", 1}, {"comfyui", 1}});
    EXPECT_THAT(run(), IsEmpty());
    desk.outcome_coming = false;
    session().deliver(now, completed("j1"));
    session().deliver(now, completed("j2"));
    EXPECT_THAT(run(), ElementsAre("progress j1 100", "complete j1", "progress j2 100", "complete j2",
                                   "register [comfyui,sim] idle"));
}

TEST_F(AskingTest, AWorkerThatWasIdleAllTheTimeDoesNotSayItAgainAfterAnOutcome) {
    desk.offer_types({{"sim", 2}});
    connect();
    frame(offer("j1"));
    EXPECT_THAT(frame(assigned("j1")), Contains("status idle"));
    EXPECT_THAT(end_job(completed("j1")), ElementsAre("progress j1 100", "complete j1"));
}

// ---- a Hub in trouble

TEST_F(AskingTest, AnOutcomeThatTheHubCouldNotTakeIsAskedAboutSoonAndSentAgain) {
    connect();
    pass(Ms(10'000));  // the first seconds of a connection hold new claims for its fences
    get_job("j1");
    end_job(completed("j1"));
    const std::string trouble = error("Server error processing message: Error 111 connecting to redis");
    EXPECT_THAT(frame(trouble), IsEmpty());
    EXPECT_THAT(notes, Contains(testing::HasSubstr("not answered: the outcome of job j1")));
    EXPECT_THAT(pass(Ms(999)), IsEmpty());
    EXPECT_THAT(pass(Ms(1)), ElementsAre("status idle", "open watch")) << "the Hub may have missed the idle";
    EXPECT_THAT(open_watch(), ElementsAre("ask j1"));
    // Its redis is still away: asked again with growing pauses, and sent when it is back.
    EXPECT_THAT(watch(trouble), IsEmpty());
    EXPECT_THAT(pass(Ms(2'000)), Contains("ask j1"));
    watch(trouble);
    EXPECT_THAT(pass(Ms(3'999)), Not(Contains("ask j1")));
    EXPECT_THAT(pass(Ms(1)), Contains("ask j1"));
    EXPECT_THAT(watch(job_status("j1", "claimed", "w-1")), Contains("complete j1"));
    EXPECT_THAT(frame(ack("job_completed_ack", "j1")), ElementsAre("delivered j1#1"));
}

TEST_F(AskingTest, AClaimThatTheHubCouldNotAnswerIsGivenUpSoon) {
    connect();
    pass(Ms(10'000));
    frame(offer("j1"));
    EXPECT_THAT(frame(error("Server error processing message: Error 111")), IsEmpty());
    EXPECT_THAT(desk.reserved, IsEmpty());
    EXPECT_THAT(pass(Ms(1'000)), ElementsAre("status idle"));
    EXPECT_THAT(frame(assigned("j1")), Contains("assigned j1#1")) << "a late answer is one all the same";
}

TEST_F(AskingTest, AFloodOfTroubleIsNeitherAFloodOfStatusNorOfNotes) {
    desk.offer_types({{"sim", 2}});
    connect();
    get_job("j1");
    notes.clear();
    int idles = 0;
    for (int i = 0; i < 200; ++i) {  // twenty seconds of progress that nobody can store
        frame(error("Server error processing message: Error 111"));
        for (const auto& word : pass(Ms(100)))
            idles += word == "status idle";
    }
    EXPECT_LE(idles, 7);
    EXPECT_LE(notes.size(), 25u);
}

TEST_F(AskingTest, AResultThatArrivedAndWhoseJobHasNoWorkerAfterASweepWasDelivered) {
    connect();
    get_job("j1");
    end_job(completed("j1"));
    disconnect();
    connect();
    open_watch();
    EXPECT_THAT(watch(job_status("j1", "completed", "")), Contains("delivered j1#1"));
    EXPECT_EQ(session().metrics(now).delivered, 1u);
}

TEST_F(AskingTest, AResultThatWasNeverSentDidNotArrive) {
    connect();
    get_job("j1");
    disconnect();
    end_job(completed("j1"));
    connect();
    open_watch();
    EXPECT_THAT(watch(job_status("j1", "completed", "")), Contains("not delivered j1#1 completed"));
}

// ---- the back-off

TEST_F(AskingTest, AConnectionThatWasWelcomedBeginsTheBackOffAnewHoweverShortItWas) {
    settings.hub.reconnect_max = Ms(60'000);
    session().start(now);
    run();
    for (int i = 0; i < 6; ++i) {
        session().on_disconnected(now, "refused");
        run();
    }
    EXPECT_GT(last_connect.after, Ms(20'000));
    for (int i = 0; i < 3; ++i) {
        connect();
        pass(Ms(2'000));
        disconnect();
        EXPECT_EQ(last_connect.after, Ms(1'500));
    }
}

TEST_F(AskingTest, ConnectionsThatKeepEndingAtOnceBackOffAllTheSame) {
    settings.hub.reconnect_max = Ms(60'000);
    for (int i = 0; i < 12; ++i) {
        connect();
        disconnect("Worker w disconnected");
    }
    EXPECT_GT(last_connect.after, Ms(20'000)) << "two workers with one id end each other's connection";
    connect();
    pass(Ms(10'000));
    disconnect();
    EXPECT_EQ(last_connect.after, Ms(1'500));
}

TEST_F(AskingTest, TheViewTellsWhenTheNextAttemptBegins) {
    connect();
    disconnect("cut");
    EXPECT_EQ(session().view().attempt_at, now + Ms(1'500));
    EXPECT_EQ(session().view().last_error, "cut");
}

TEST_F(AskingTest, TheViewNamesOutcomesThatWait) {
    connect();
    get_job("j1");
    end_job(completed("j1"));
    ASSERT_EQ(session().view().outcomes.size(), 1u);
    EXPECT_EQ(session().view().outcomes[0].job_id, "j1");
    EXPECT_EQ(session().view().outcomes[0].job_type, "sim");
    frame(ack("job_completed_ack", "j1"));
    EXPECT_THAT(session().view().outcomes, IsEmpty());
}

}  // namespace
}  // namespace emprops::hub
