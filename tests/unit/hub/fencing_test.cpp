// Running jobs, outcomes, fencing, the cancel watch, reconnects and refused tokens.

#include "session_fixture.h"

namespace emprops::hub {
namespace {

using FencingTest = SessionTest;

TEST_F(FencingTest, ARunningJobIsKeptAliveEveryTenSecondsUnlessItReportsProgress) {
    connect();
    get_job("j1");
    ipc::Progress half;
    half.progress = 50;
    EXPECT_THAT(pass(Ms(9'000)), Not(Contains("keepalive j1")));
    session().report_progress("j1", numbers["j1"], half);
    EXPECT_THAT(run(), ElementsAre("progress j1 50"));
    EXPECT_THAT(pass(Ms(9'999)), Not(Contains("keepalive j1")));
    EXPECT_THAT(pass(Ms(1)), Contains("keepalive j1"));
}

TEST_F(FencingTest, AFloodOfProgressIsThinnedAndTheNewestWins) {
    connect();
    get_job("j1");
    ipc::Progress progress;
    std::size_t said = 0;
    for (int i = 0; i <= 1000; ++i) {
        progress.progress = i % 100;
        session().report_progress("j1", numbers["j1"], progress);
        said += run().size();
    }
    EXPECT_EQ(said, 20u);
    EXPECT_THAT(pass(Ms(200)), ElementsAre("progress j1 0"));
}

TEST_F(FencingTest, OfTheProgressOfATurnTheNewestIsSaid) {
    connect();
    get_job("j1");
    ipc::Progress progress;
    for (const int percent : {10, 20, 30}) {
        progress.progress = percent;
        session().report_progress("j1", numbers["j1"], progress);
    }
    EXPECT_THAT(run(), ElementsAre("progress j1 30"));
}

TEST_F(FencingTest, ProgressInTheTurnOfItsResultIsNotSaidAndOfAFailureItIs) {
    desk.offer_types({{"sim", 2}});
    connect();
    get_job("j1");
    get_job("j2");
    ipc::Progress progress;
    progress.progress = 99;
    session().report_progress("j1", numbers["j1"], progress);
    const Words of_result = end_job(completed("j1"));
    EXPECT_THAT(of_result, testing::IsSupersetOf({"progress j1 100", "complete j1"}));
    EXPECT_THAT(of_result, Not(Contains("progress j1 99")));
    session().report_progress("j2", numbers["j2"], progress);
    EXPECT_THAT(end_job(failed("j2")), testing::IsSupersetOf({"progress j2 99", "fail j2 service_error"}));
}

TEST_F(FencingTest, ProgressOfAnEarlierAssignmentIsNotSent) {
    connect();
    get_job("j1");
    session().report_progress("j1", numbers["j1"] + 7, ipc::Progress{});
    EXPECT_THAT(run(), IsEmpty());
}

TEST_F(FencingTest, EachOfTheThreeAnswersEndsAnOutcome) {
    desk.offer_types({{"sim", 3}});
    connect();
    for (const char* job : {"j1", "j2", "j3"})
        get_job(job);
    end_job(completed("j1"));
    end_job(failed("j2"));
    end_job(failed("j3"));
    EXPECT_THAT(frame(ack("job_completed_ack", "j1")), ElementsAre("delivered j1#1"));
    EXPECT_THAT(frame(ack("job_failed_ack", "j2")), ElementsAre("delivered j2#2"));
    EXPECT_THAT(frame(error("Failed to mark job j3 as failed")), ElementsAre("delivered j3#3"));
    EXPECT_TRUE(session().nothing_left());
}

TEST_F(FencingTest, AnOutcomeWithoutAnAckIsAskedAboutAndSentAgainOnlyIfTheHubStillWaits) {
    connect();
    get_job("j1");
    end_job(completed("j1"));
    EXPECT_THAT(pass(Ms(30'000)), Contains("open watch"));
    EXPECT_THAT(open_watch(), ElementsAre("ask j1"));
    EXPECT_THAT(watch(job_status("j1", "claimed", "w-1")), Contains("complete j1"));
    EXPECT_THAT(pass(Ms(30'000)), Contains("open watch"));
    open_watch();
    EXPECT_THAT(watch(job_status("j1", "completed", "w-1")), Contains("delivered j1#1"));
}

struct FenceRow {
    const char* name;
    bool completed;  // the outcome; else a failure
    bool sent_before;
    const char* status;
    const char* worker;
    Words expected;
};

class FenceTable : public SessionTest, public testing::WithParamInterface<FenceRow> {};

TEST_P(FenceTable, DecidesWhatMayBeSentAfterAReconnect) {
    const FenceRow& row = GetParam();
    connect();
    get_job("j1");
    if (!row.sent_before) disconnect();
    end_job(row.completed ? completed("j1") : failed("j1"));
    if (row.sent_before) disconnect();
    connect();
    EXPECT_THAT(open_watch(), ElementsAre("ask j1"));
    EXPECT_EQ(watch(job_status("j1", row.status, row.worker)), row.expected);
    EXPECT_EQ(session().nothing_left(), row.expected.front().find("delivered") != std::string::npos);
}

INSTANTIATE_TEST_SUITE_P(
    Outcomes, FenceTable,
    testing::Values(
        FenceRow{"complete_ours",
                 true,
                 false,
                 "claimed",
                 "w-1",
                 {"progress j1 100", "complete j1", "status idle"}},
        FenceRow{"failure_ours", false, false, "claimed", "w-1", {"fail j1 service_error", "status idle"}},
        FenceRow{"complete_pending",
                 true,
                 false,
                 "pending",
                 "",
                 {"progress j1 100", "complete j1", "status idle"}},
        FenceRow{
            "failure_pending", false, false, "pending", "", {"not delivered j1#1 pending", "status idle"}},
        FenceRow{"complete_other",
                 true,
                 false,
                 "claimed",
                 "x",
                 {"not delivered j1#1 claimed_by_other", "status idle"}},
        FenceRow{"failure_other",
                 false,
                 false,
                 "claimed",
                 "x",
                 {"not delivered j1#1 claimed_by_other", "status idle"}},
        FenceRow{"complete_completed",
                 true,
                 false,
                 "completed",
                 "x",
                 {"not delivered j1#1 completed", "status idle"}},
        FenceRow{"complete_failed", true, false, "failed", "x", {"not delivered j1#1 failed", "status idle"}},
        FenceRow{"complete_cancelled",
                 true,
                 false,
                 "cancelled",
                 "w-1",
                 {"not delivered j1#1 cancelled", "status idle"}},
        FenceRow{"failure_cancelled",
                 false,
                 true,
                 "cancelled",
                 "w-1",
                 {"not delivered j1#1 cancelled", "status idle"}},
        FenceRow{"ack_lost_complete", true, true, "completed", "w-1", {"delivered j1#1", "status idle"}},
        FenceRow{"ack_lost_failure", false, true, "pending", "w-1", {"delivered j1#1", "status idle"}},
        FenceRow{"ack_lost_last_failure", false, true, "failed", "w-1", {"delivered j1#1", "status idle"}},
        FenceRow{"resend_ours", false, true, "claimed", "w-1", {"fail j1 service_error", "status idle"}}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(FencingTest, AJobThatTheHubDoesNotKnowIsNotReported) {
    connect();
    get_job("j1");
    disconnect();
    end_job(completed("j1"));
    connect();
    open_watch();
    EXPECT_THAT(watch(error("Job j1 not found")), ElementsAre("not delivered j1#1 unknown", "status idle"));
}

TEST_F(FencingTest, OutcomesLeaveInTheOrderInWhichTheyCame) {
    desk.offer_types({{"sim", 3}});
    connect();
    for (const char* job : {"c", "a", "b"})
        get_job(job);
    disconnect();
    for (const char* job : {"b", "c", "a"})
        end_job(completed(job));
    connect();
    EXPECT_THAT(open_watch(), ElementsAre("ask b", "ask c", "ask a"));
    for (const char* job : {"a", "b", "c"})
        session().on_watch_frame(now, job_status(job, "claimed", "w-1"));
    EXPECT_THAT(run(), ElementsAre("progress b 100", "complete b", "progress c 100", "complete c",
                                   "progress a 100", "complete a", "status idle"));
}

TEST_F(FencingTest, RunningJobsGoOnAfterAReconnectAndAreConfirmedBeforeTheirKeepAlives) {
    connect();
    get_job("j1");
    disconnect();
    EXPECT_THAT(connect(), ElementsAre("register [sim] busy", "heartbeat busy", "open watch"));
    EXPECT_THAT(open_watch(), ElementsAre("ask j1"));
    EXPECT_THAT(watch(job_status("j1", "claimed", "w-1")), ElementsAre("keepalive j1"));
    EXPECT_THAT(end_job(completed("j1")), Contains("complete j1"));
}

TEST_F(FencingTest, AJobTakenBackByTheHubIsClaimedAgainUnderTheNewId) {
    connect();
    get_job("j1");
    disconnect();
    connect();
    open_watch();
    // The Hub gives jobs to idle workers only: a busy registration makes us idle there without an offer.
    // The ledger knows the new id before the claim leaves.
    EXPECT_THAT(watch(job_status("j1", "pending", "w-1")),
                ElementsAre("register [sim] busy", "readopted j1#1", "claim j1"));
    EXPECT_THAT(frame(assigned("j1")), ElementsAre("keepalive j1", "status busy"));
    EXPECT_TRUE(desk.reserved.empty());
    pass(Ms(2000));
    EXPECT_THAT(watch(job_status("j1", "claimed", "w-2")), IsEmpty());
}

TEST_F(FencingTest, TheClientConnectionMayTellOfASecondClaimBeforeTheWorkerConnectionDoes) {
    connect();
    get_job("j1");
    disconnect();
    connect();
    open_watch();
    watch(job_status("j1", "pending", "w-1"));
    pass(Ms(2000));
    EXPECT_THAT(watch(job_status("j1", "claimed", "w-2")), ElementsAre("keepalive j1"))
        << "that is our own new id, not somebody else";
    frame(assigned("j1"));
    EXPECT_THAT(end_job(completed("j1")), Contains("ask j1"));
    EXPECT_THAT(watch(job_status("j1", "claimed", "w-2")), Contains("complete j1"));
}

TEST_F(FencingTest, AResultThatIsReadyBeforeTheSecondClaimIsAnsweredIsDelivered) {
    connect();
    get_job("j1");
    disconnect();
    connect();
    open_watch();
    watch(job_status("j1", "pending", "w-1"));
    end_job(completed("j1"));
    pass(Ms(2000));
    EXPECT_THAT(watch(job_status("j1", "claimed", "w-2")), Contains("complete j1"));
}

TEST_F(FencingTest, ASecondClaimNamesTheEarlierIdsForHubsThatKnowThem) {
    connect();
    get_job("j1");
    EXPECT_FALSE(ipc::Json::parse(frames.front()).contains("earlier_worker_ids"));
    disconnect();
    connect();
    open_watch();
    watch(job_status("j1", "pending", "w-1"));
    const auto claim = ipc::Json::parse(frames.back());
    EXPECT_EQ(claim["type"], "claim_job");
    EXPECT_EQ(claim["earlier_worker_ids"], ipc::Json::array({"w-1"}));
}

TEST_F(FencingTest, RunningJobsThatCannotBeFencedAreKeptAliveBeforeTheHubGivesThemAway) {
    connect();
    get_job("j1");
    disconnect();
    connect();
    Words words;
    for (int second = 0; second < 15; ++second) {
        session().on_watch_disconnected("HTTP 403");
        for (auto& word : pass(Ms(1000)))
            words.push_back(word);
    }
    EXPECT_THAT(words, Contains("keepalive j1"));
    EXPECT_THAT(end_job(completed("j1")), Not(Contains("complete j1"))) << "the outcome waits for the fence";
    EXPECT_THAT(open_watch(), Contains("ask j1"));
    EXPECT_THAT(watch(job_status("j1", "claimed", "x")), Contains("not delivered j1#1 claimed_by_other"));
}

struct TakenRow {
    const char* status;
    const char* worker;
    const char* expected;
};
class TakenTable : public SessionTest, public testing::WithParamInterface<TakenRow> {};

TEST_P(TakenTable, StopsARunningJobThatIsNoLongerOurs) {
    connect();
    get_job("j1");
    EXPECT_THAT(pass(Ms(1000)), ElementsAre("open watch"));
    open_watch();
    EXPECT_THAT(watch(job_status("j1", GetParam().status, GetParam().worker)), Contains(GetParam().expected));
    EXPECT_THAT(pass(Ms(20'000)), Not(Contains("keepalive j1")));
    EXPECT_THAT(end_job(completed("j1")), Not(Contains("complete j1")));
    EXPECT_TRUE(session().nothing_left());
}

INSTANTIATE_TEST_SUITE_P(Running, TakenTable,
                         testing::Values(TakenRow{"cancelled", "w-1", "cancelled j1#1"},
                                         TakenRow{"claimed", "x", "withdrawn j1#1 claimed_by_other"},
                                         TakenRow{"processing", "x", "withdrawn j1#1 claimed_by_other"},
                                         TakenRow{"completed", "w-1", "withdrawn j1#1 completed"},
                                         TakenRow{"failed", "w-1", "withdrawn j1#1 failed"}));

TEST_F(FencingTest, RunningJobsAreAskedAboutEveryTwoSecondsOverAConnectionThatExistsOnlyWhileNeeded) {
    connect();
    get_job("j1");
    EXPECT_THAT(pass(Ms(1000)), ElementsAre("open watch"));
    EXPECT_THAT(open_watch(), ElementsAre("ask j1"));
    watch(job_status("j1", "claimed", "w-1"));
    EXPECT_THAT(pass(Ms(2000)), ElementsAre("ask j1"));
    EXPECT_THAT(pass(Ms(5000)), IsEmpty()) << "one question at a time";
    end_job(completed("j1"));
    frame(ack("job_completed_ack", "j1"));
    EXPECT_THAT(pass(Ms(15'000)), Contains("close watch"));
}

TEST_F(FencingTest, ShortJobsOpenNoSecondConnection) {
    connect();
    for (int i = 0; i < 20; ++i) {
        const std::string job = "j" + std::to_string(i);
        get_job(job);
        EXPECT_THAT(pass(Ms(500)), Not(Contains("open watch")));
        end_job(completed(job));
        frame(ack("job_completed_ack", job));
    }
}

TEST_F(FencingTest, ACancelFromAHubThatTellsWorkersIsTaken) {
    connect();
    get_job("j1");
    EXPECT_THAT(frame(R"({"type":"cancel_job","job_id":"j1","reason":"enough"})"),
                ElementsAre("cancelled j1#1", "status busy"));
    EXPECT_THAT(end_job(failed("j1", "cancelled")), Not(Contains("fail j1 cancelled")));
}

TEST_F(FencingTest, TheOperatorsCancelGoesToTheHubFirst) {
    connect();
    get_job("j1");
    session().cancel(now, "j1", "by hand");
    EXPECT_THAT(run(), ElementsAre("open watch"));
    EXPECT_THAT(open_watch(), ElementsAre("ask j1", "cancel_job j1"));
    EXPECT_THAT(watch(job_status("j1", "cancelled", "")), Contains("cancelled j1#1"));
}

TEST_F(FencingTest, TheOperatorsCancelIsDoneWithoutTheHubAfterThreeSeconds) {
    connect();
    get_job("j1");
    disconnect();
    session().cancel(now, "j1", "by hand");
    EXPECT_THAT(pass(Ms(2999)), IsEmpty());
    EXPECT_THAT(pass(Ms(1)), ElementsAre("cancelled j1#1"));
    EXPECT_THAT(connect(), Contains("open watch"));
    EXPECT_THAT(open_watch(), ElementsAre("cancel_job j1")) << "the Hub must not run it again";
}

TEST_F(FencingTest, WithoutAWatchResultsAreSentAndFailuresOnlyOnce) {
    settings.hub.cancel_watch = false;
    desk.offer_types({{"sim", 3}});
    connect();
    for (const char* job : {"j1", "j2", "j3"})
        get_job(job);
    end_job(failed("j1"));
    disconnect();
    end_job(failed("j2"));
    end_job(completed("j3"));
    const Words words = connect();
    EXPECT_THAT(words, Contains("not delivered j1#1 unconfirmed"));
    EXPECT_THAT(words, Contains("fail j2 service_error"));
    EXPECT_THAT(words, Contains("complete j3"));
    EXPECT_THAT(words, Not(Contains("open watch")));
}

TEST_F(FencingTest, AWatchThatNeverOpensIsGivenUpAfterAMinute) {
    connect();
    get_job("j1");
    disconnect();
    end_job(completed("j1"));
    connect();
    Words words;
    for (int second = 0; second < 61; ++second) {
        session().on_watch_disconnected("HTTP 403");
        for (auto& word : pass(Ms(1000)))
            words.push_back(word);
    }
    EXPECT_THAT(words, Contains("complete j1"));
}

TEST_F(FencingTest, JobsOfAnEarlierProcessAreFencedAndConfirmed) {
    jobs::LedgerEntry running;
    running.assignment = {"r", "sim", 0, {}, 4};
    running.claimed_as = {"w-old"};
    running.resumable = true;
    jobs::LedgerEntry ended;
    ended.assignment = {"e", "sim", 0, {}, 5};
    ended.claimed_as = {"w-old"};
    ended.outcome = jobs::Outcome{"e", 5, jobs::Completed{ipc::RawJson{R"({"x":1.10})"}}};
    jobs::LedgerEntry lost;
    lost.assignment = {"l", "sim", 0, {}, 6};
    lost.claimed_as = {"w-old"};
    for (const auto& entry : {running, ended, lost})
        session().adopt(now, entry);
    connect();
    open_watch();
    EXPECT_THAT(watch(job_status("r", "claimed", "w-old")), ElementsAre("confirmed r#4", "keepalive r"));
    EXPECT_THAT(watch(job_status("e", "claimed", "w-old")), Contains("complete e"));
    EXPECT_THAT(watch(job_status("l", "pending", "w-old")), Contains("withdrawn l#6 pending"));
    get_job("j1");
    EXPECT_EQ(numbers["j1"], 7u);
}

TEST_F(FencingTest, EachConnectionHasANewIdAndBacksOffWithJitter) {
    settings.hub.reconnect_max = Ms(60'000);
    session().start(now);
    EXPECT_THAT(run(), ElementsAre("connect w-1"));
    for (const int expected_ms : {1500, 2500, 4500, 8500, 16500, 30500, 30500}) {
        session().on_disconnected(now, "refused");
        run();
        EXPECT_EQ(last_connect.after, Ms(expected_ms));
    }
    EXPECT_EQ(last_connect.worker_id, "w-8");
}

TEST_F(FencingTest, AConnectionThatHeldStartsTheBackOffAnew) {
    session().start(now);
    run();
    for (int i = 0; i < 5; ++i) {
        session().on_disconnected(now, "refused");
        run();
    }
    connect();
    pass(Ms(10'000));
    disconnect();
    EXPECT_EQ(last_connect.after, Ms(1500));
}

TEST_F(FencingTest, ARefusedTokenOnTheFirstConnectionEndsTheProcess) {
    session().start(now);
    run();
    session().on_connected(now);
    run();
    EXPECT_THAT(frame(R"({"type":"error","error":"Authentication failed: Invalid token"})"),
                ElementsAre("disconnect"));
    EXPECT_THAT(disconnect("closed 1000"), ElementsAre("auth refused leave"));
    EXPECT_TRUE(session().view().auth_refused);
}

TEST_F(FencingTest, ATokenRefusedLaterLetsJobsRunAndIsTriedAgainEveryFiveMinutes) {
    connect();
    get_job("j1");
    disconnect();
    session().on_connected(now);
    run();
    frame(R"({"type":"error","error":"Authentication failed: Invalid token"})");
    EXPECT_THAT(disconnect("closed 1000"), ElementsAre("auth refused", "connect w-3"));
    EXPECT_EQ(last_connect.after, Ms(300'000));
    session().undelivered("j1", numbers["j1"]);
    EXPECT_THAT(run(), ElementsAre("auth refused leave"));
}

TEST_F(FencingTest, ANewTokenIsTriedAtOnceAfterTheOldOneWasRefused) {
    connect();
    get_job("j1");
    session().token_changed(now);
    EXPECT_THAT(run(), IsEmpty()) << "a connection that works is not touched";
    disconnect();
    session().on_connected(now);
    run();
    frame(R"({"type":"error","error":"Authentication failed: Invalid token"})");
    EXPECT_THAT(disconnect("closed 1000"), ElementsAre("auth refused", "connect w-3"));
    EXPECT_EQ(last_connect.after, Ms(300'000));
    session().token_changed(now);
    EXPECT_THAT(run(), ElementsAre("connect w-4"));
    EXPECT_EQ(last_connect.after, Ms(0));
    EXPECT_FALSE(session().view().auth_refused);
    session().undelivered("j1", numbers["j1"]);
    EXPECT_THAT(run(), IsEmpty()) << "nobody knows yet that the new one is refused";
    session().on_connected(now);
    run();
    frame(R"({"type":"error","error":"Authentication failed: Invalid token"})");
    EXPECT_THAT(disconnect("closed 1000"), ElementsAre("auth refused leave"));
    session().token_changed(now);
    EXPECT_THAT(run(), IsEmpty()) << "told to leave is told to leave";
}

TEST_F(FencingTest, AnotherErrorBeforeTheWelcomeIsNotARefusedToken) {
    session().start(now);
    run();
    session().on_connected(now);
    run();
    EXPECT_THAT(frame(error("Invalid message format")), Not(Contains("disconnect")));
    EXPECT_THAT(notes, Contains(testing::HasSubstr("Invalid message format")));
    EXPECT_THAT(disconnect("closed 1011"), ElementsAre("connect w-2"));
    EXPECT_EQ(last_connect.after, Ms(1500)) << "the usual back-off";
    EXPECT_FALSE(session().view().auth_refused);
}

TEST_F(FencingTest, WithAnExactIdAJobRefusedThreeTimesIsFailedIfNobodyHasIt) {
    settings.exact_id = true;
    connect();
    for (int i = 0; i < 3; ++i) {
        EXPECT_THAT(frame(offer("j1")), ElementsAre("claim j1"));
        frame(error("Failed to claim job j1"));
        pass(Ms(60'000));
        if (i < 2) {
            EXPECT_EQ(session().view().worker_id, "w");
        }
    }
    open_watch();
    EXPECT_THAT(watch(job_status("j1", "pending", "w")), ElementsAre("claim j1"))
        << "the third refusal is long ago";
    frame(error("Failed to claim job j1"));
    EXPECT_THAT(watch(job_status("j1", "pending", "w")), ElementsAre("fail j1 not_started", "status idle"));
}

TEST_F(FencingTest, WithAnExactIdTheRefusalsThatStarveEverybodyFollowSoon) {
    settings.exact_id = true;
    connect();
    for (int i = 0; i < 3; ++i) {
        EXPECT_THAT(frame(offer("j1")), ElementsAre("claim j1"));
        frame(error("Failed to claim job j1"));
        EXPECT_THAT(frame(offer("j1")), IsEmpty());
        pass(Ms(2'000));
    }
    open_watch();
    EXPECT_THAT(watch(job_status("j1", "pending", "w")), ElementsAre("fail j1 not_started", "status idle"));
}

TEST_F(FencingTest, WhileAJobRunsOrAnOutcomeWaitsNoPauseIsLongerThanFiveSeconds) {
    settings.hub.reconnect_max = Ms(60'000);
    const auto try_in_vain = [&] {
        for (int i = 0; i < 8; ++i) {
            disconnect();
            session().on_connected(now);
            run();
        }
        disconnect();
    };
    connect();
    try_in_vain();  // idle: the pauses grow
    EXPECT_GT(last_connect.after, Ms(20'000));
    connect();
    get_job("j1");
    try_in_vain();
    EXPECT_EQ(last_connect.after, Ms(5'000));
    session().on_connected(now);
    run();
    end_job(completed("j1"));
    disconnect();
    EXPECT_EQ(last_connect.after, Ms(5'000));
}

TEST_F(FencingTest, AResultAboveTheFrameLimitBecomesAFailureThatSaysWhatToDo) {
    settings.hub.send_limit = 1000;
    connect();
    get_job("j1");
    const std::string large = R"({"image":")" + std::string(2000, 'x') + "\"}";
    EXPECT_THAT(end_job(completed("j1", large)), ElementsAre("fail j1 result_too_large", "status idle"));
    const std::string error = ipc::Json::parse(frames.at(frames.size() - 2))["error"];
    EXPECT_THAT(error, testing::StartsWith("[result_too_large] "));
    EXPECT_THAT(error, testing::HasSubstr("2012 bytes"));
    EXPECT_THAT(error, testing::HasSubstr("1000 bytes"));
    EXPECT_THAT(error, testing::HasSubstr("hub.send_limit"));
}

TEST_F(FencingTest, AWorkerThatStopsSaysThatItLeavesAndConnectsNoMore) {
    connect();
    get_job("j1");
    session().stop();
    EXPECT_THAT(run(), ElementsAre("status leaving", "disconnect"));
    EXPECT_THAT(disconnect(), IsEmpty());
    EXPECT_FALSE(session().nothing_left()) << "the ledger keeps what was not delivered";
}

TEST_F(FencingTest, AnOutcomeNobodyKnowsIsNotSent) {
    connect();
    EXPECT_THAT(end_job(completed("ghost")), Contains("not delivered ghost#0 unknown"));
}

TEST_F(FencingTest, MetricsTellHowLongOutcomesWait) {
    connect();
    get_job("j1");
    disconnect();
    end_job(completed("j1"));
    pass(Ms(5000));
    const jobs::LinkMetrics metrics = session().metrics(now);
    EXPECT_EQ(metrics.outbox_depth, 1u);
    EXPECT_EQ(metrics.outbox_oldest, Ms(5000));
    EXPECT_EQ(metrics.assignments, 1u);
    EXPECT_EQ(metrics.claims, 1u);
}

}  // namespace
}  // namespace emprops::hub
