// The eleven capacity steps of the hub link (ipc/hub/PROTOCOL.md 9; Step1 is 9.1), and the heartbeats,
// against a hub with hostile ordering.

#include "session_fixture.h"

namespace emprops::hub {
namespace {

using CapacityTest = SessionTest;

TEST_F(CapacityTest, AFreshConnectionRegistersBusyAndSaysIdleOnce) {
    EXPECT_THAT(connect(), ElementsAre("register [sim] busy", "heartbeat idle"));
}

TEST_F(CapacityTest, TheFirstRegistrationWaitsAMomentForConnectorsThatAreStarting) {
    desk.offer_types({});
    EXPECT_THAT(connect(), IsEmpty());
    EXPECT_THAT(pass(Ms(100)), IsEmpty());
    desk.offer_types({{"sim", 1}});
    EXPECT_THAT(run(), ElementsAre("register [sim] busy", "heartbeat idle"));
    desk.offer_types({});
    disconnect();
    EXPECT_THAT(connect(), ElementsAre("register [] busy", "heartbeat busy")) << "no longer the first";
}

TEST_F(CapacityTest, TheFirstRegistrationDoesNotWaitForLong) {
    desk.offer_types({});
    connect();
    EXPECT_THAT(pass(Ms(299)), IsEmpty());
    EXPECT_THAT(pass(Ms(1)), ElementsAre("register [] busy", "heartbeat busy"));
}

TEST_F(CapacityTest, Step1OutcomesOfAnEarlierConnectionGoBeforeTheRealStatus) {
    connect();
    get_job("j1");
    end_job(completed("j1"));
    disconnect();
    EXPECT_THAT(connect(), ElementsAre("register [sim] busy", "heartbeat busy", "open watch"));
    EXPECT_THAT(frame(offer("j2")), IsEmpty());
    EXPECT_THAT(open_watch(), ElementsAre("ask j1"));
    EXPECT_THAT(watch(job_status("j1", "claimed", "w-1")),
                ElementsAre("progress j1 100", "complete j1", "status idle"));
}

TEST_F(CapacityTest, Step1AFenceThatNobodyAnswersHoldsNewJobsTenSecondsOnly) {
    connect();
    get_job("j1");
    end_job(completed("j1"));
    disconnect();
    connect();
    EXPECT_THAT(pass(Ms(9'900)), Not(Contains("status idle")));
    EXPECT_THAT(pass(Ms(200)), Contains("status idle"));
    EXPECT_THAT(frame(offer("j2")), ElementsAre("claim j2"));
}

TEST_F(CapacityTest, Step2ASlotIsReservedWithTheClaimAndOnlyOneClaimIsOutstanding) {
    desk.offer_types({{"sim", 2}});
    connect();
    EXPECT_THAT(frame(offer("j1")), ElementsAre("claim j1"));
    EXPECT_EQ(desk.reserved.count("j1"), 1u);
    EXPECT_THAT(frame(offer("j1")), IsEmpty());
    EXPECT_THAT(frame(offer("j2")), IsEmpty());
    EXPECT_EQ(desk.reserved.size(), 1u);
}

TEST_F(CapacityTest, Step2AnOfferForWhichNoSlotIsFreeIsNotAnswered) {
    connect();
    EXPECT_THAT(frame(offer("j1", "comfyui")), IsEmpty());
    get_job("j2");
    EXPECT_THAT(frame(offer("j3")), IsEmpty());
}

TEST_F(CapacityTest, Step2AnOfferOfAJobThatRunsHereIsClaimedAgainAndNotStartedAgain) {
    connect();
    get_job("j1");
    EXPECT_THAT(frame(offer("j1")), ElementsAre("claim j1"));
    EXPECT_THAT(frame(assigned("j1")), ElementsAre("status busy"));
    EXPECT_TRUE(desk.reserved.empty());
    EXPECT_EQ(session().metrics(now).readoptions, 1u);
}

TEST_F(CapacityTest, Step3NoHeartbeatSaysIdleWhileAClaimIsOutstanding) {
    settings.heartbeat_interval = Ms(1000);
    settings.hub.claim_timeout = Ms(60'000);
    desk.offer_types({{"sim", 2}});
    connect();
    frame(offer("j1"));
    for (const auto& word : pass(Ms(9'500)))
        EXPECT_EQ(word, "heartbeat null");
}

TEST_F(CapacityTest, Step4AClaimWithoutAnAnswerIsGivenUpAndALateAssignmentStillTaken) {
    connect();
    frame(offer("j1"));
    EXPECT_THAT(pass(Ms(9'999)), IsEmpty());
    EXPECT_THAT(pass(Ms(1)), ElementsAre("status idle"));
    EXPECT_TRUE(desk.reserved.empty());
    EXPECT_THAT(frame(assigned("j1")), ElementsAre("progress j1 0", "assigned j1#1", "status busy"));
}

TEST_F(CapacityTest, Step4ALateAssignmentWithoutASlotIsGivenBackAtOnce) {
    connect();
    frame(offer("j1"));
    pass(Ms(10'000));
    get_job("j2");
    EXPECT_THAT(frame(assigned("j1")), ElementsAre("fail j1 not_started", "status busy"));
}

TEST_F(CapacityTest, Step4ChunksOfTheAssignmentCountAsAnAnswerInProgress) {
    connect();
    frame(offer("j1"));
    pass(Ms(9'000));
    frame(R"({"type":"chunked_message","chunk_id":0,"total_chunks":2,"message_id":"m","message_hash":"",)"
          R"("original_type":"job_assigned","job_id":"j1","content":"{\"type\":\"job_assigned\","})");
    EXPECT_THAT(pass(Ms(9'000)), IsEmpty());
    EXPECT_THAT(
        frame(R"({"type":"chunked_message","chunk_id":1,"total_chunks":2,"message_id":"m","message_hash":"",)"
              R"("original_type":"job_assigned","job_id":"j1",)"
              R"("content":"\"job_id\":\"j1\",\"job_type\":\"sim\",\"params\":{}}"})"),
        ElementsAre("progress j1 0", "assigned j1#1", "status busy"));
}

TEST_F(CapacityTest, Step5ARefusedJobIsNotClaimedAgainAndCausesNoStatus) {
    connect();
    frame(offer("j1"));
    EXPECT_THAT(frame(error("Failed to claim job j1")), IsEmpty());
    EXPECT_TRUE(desk.reserved.empty());
    EXPECT_THAT(frame(offer("j1")), IsEmpty());
    EXPECT_THAT(frame(offer("j2")), ElementsAre("claim j2"));
}

TEST_F(CapacityTest, Step5ARefusedJobIsTriedAgainAfterTheRefusalIsForgotten) {
    connect();
    frame(offer("j1"));
    frame(error("Failed to claim job j1"));
    pass(Ms(60'000));
    EXPECT_THAT(frame(offer("j1")), ElementsAre("claim j1"));
}

TEST_F(CapacityTest, Step5NotIdleIsAnsweredWithOneStatusPerSecondAndNotRemembered) {
    connect();
    frame(offer("j1"));
    EXPECT_THAT(frame(error("Cannot claim job j1: Worker w-1 is not idle")), IsEmpty());
    EXPECT_THAT(pass(Ms(1000)), ElementsAre("status idle"));
    EXPECT_THAT(frame(offer("j1")), ElementsAre("claim j1"));
    EXPECT_THAT(frame(error("Cannot claim job j1: Worker w-1 is not idle")), IsEmpty());
    EXPECT_THAT(pass(Ms(999)), IsEmpty());
    EXPECT_THAT(pass(Ms(1)), ElementsAre("status idle"));
}

TEST_F(CapacityTest, Step5AnOfferThatCameDuringARefusedClaimIsTakenUp) {
    connect();
    frame(offer("j1"));
    frame(offer("j2"));
    EXPECT_THAT(frame(error("Failed to claim job j1")), ElementsAre("claim j2"));
}

TEST_F(CapacityTest, Step6AnAssignmentIsFollowedByExactlyOneMessage) {
    desk.offer_types({{"sim", 2}, {"comfyui", 1}});
    connect();
    frame(offer("j1"));
    EXPECT_THAT(frame(assigned("j1")), ElementsAre("progress j1 0", "assigned j1#1", "status idle"));
    frame(offer("j2"));
    // sim is full now: only comfyui may be named, or the Hub would offer sim jobs to us and to nobody else.
    EXPECT_THAT(frame(assigned("j2")),
                ElementsAre("progress j2 0", "assigned j2#2", "register [comfyui] idle"));
    frame(offer("j3", "comfyui"));
    // Nothing free: busy is enough.
    EXPECT_THAT(frame(assigned("j3", "comfyui")),
                ElementsAre("progress j3 0", "assigned j3#3", "status busy"));
}

TEST_F(CapacityTest, Step6AFreedSlotBringsItsTypeBackAtOnce) {
    desk.offer_types({{"comfyui", 1}, {"sim", 1}});
    connect();
    get_job("j1");
    EXPECT_THAT(end_job(completed("j1")),
                ElementsAre("progress j1 100", "complete j1", "register [comfyui,sim] idle"));
}

TEST_F(CapacityTest, Step7ADeadConnectorsTypesAreWithdrawnBeforeItsJobIsFailed) {
    desk.offer_types({{"comfyui", 1}, {"sim", 1}});
    connect();
    get_job("j1");
    desk.offer_types({{"comfyui", 1}});
    session().deliver(now, failed("j1", "crashed"));
    // While sim was full it was not named any more: nothing to withdraw, and the Hub takes us for idle
    // already.
    EXPECT_THAT(run(), ElementsAre("fail j1 crashed"));

    desk.offer_types({{"comfyui", 1}});
    get_job("j2", "comfyui");
    desk.offer_types({});
    session().deliver(now, failed("j2", "crashed"));
    EXPECT_THAT(run(), ElementsAre("register [] busy", "fail j2 crashed", "status busy"));
}

TEST_F(CapacityTest, Step7AnIdleWorkerThatLosesATypeSaysSoInOneMessage) {
    desk.offer_types({{"comfyui", 1}, {"sim", 1}});
    connect();
    desk.offer_types({{"comfyui", 1}});
    EXPECT_THAT(run(), ElementsAre("register [comfyui] idle"));
    desk.offer_types({});
    EXPECT_THAT(run(), ElementsAre("register [] busy", "status busy"));
}

TEST_F(CapacityTest, Step8OutcomesAndOneStatusLeaveInOneBatch) {
    desk.offer_types({{"sim", 2}});
    connect();
    get_job("j1");
    get_job("j2");
    desk.now_free.free_slots["sim"] = 2;
    session().deliver(now, completed("j1"));
    session().deliver(now, failed("j2"));
    EXPECT_THAT(run(), ElementsAre("progress j1 100", "complete j1", "fail j2 service_error", "status idle"));
}

TEST_F(CapacityTest, Step8TheStatusAfterAnOutcomeWaitsForTheAnswerToAClaim) {
    desk.offer_types({{"sim", 2}});
    connect();
    get_job("j1");
    frame(offer("j2"));
    EXPECT_THAT(end_job(completed("j1")), ElementsAre("progress j1 100", "complete j1"));
    EXPECT_THAT(frame(error("Failed to claim job j2")), ElementsAre("status idle"));
}

TEST_F(CapacityTest, Step9AJobWhoseConnectorIsGoneIsKeptAlive) {
    connect();
    get_job("j1");
    desk.offer_types({});
    run();
    EXPECT_THAT(pass(Ms(30'000)), testing::IsSupersetOf({"keepalive j1", "keepalive j1", "keepalive j1"}));
}

TEST_F(CapacityTest, Step10ADrainingWorkerNamesNothingAndStaysBusyAfterEachCompletion) {
    desk.offer_types({{"sim", 3}});
    connect();
    get_job("j1");
    get_job("j2");
    desk.now_free.draining = true;
    desk.now_free.job_types.clear();
    EXPECT_THAT(run(), ElementsAre("register [] busy", "status busy"));
    EXPECT_THAT(frame(offer("j3")), IsEmpty());
    EXPECT_THAT(end_job(completed("j1")), ElementsAre("progress j1 100", "complete j1", "status busy"));
    EXPECT_THAT(end_job(completed("j2")), ElementsAre("progress j2 100", "complete j2", "status busy"));
    desk.now_free.draining = false;
    desk.offer_types({{"sim", 3}});
    EXPECT_THAT(run(), ElementsAre("register [sim] idle"));
}

TEST_F(CapacityTest, Step11AFlappingTypeIsWithdrawnAtOnceAndReturnsOncePerSecond) {
    desk.offer_types({{"comfyui", 1}, {"sim", 1}});
    connect();
    int returns = 0;
    int withdrawals = 0;
    const auto count = [&](const Words& words) {
        for (const auto& word : words) {
            withdrawals += word == "register [comfyui] idle";
            returns += word == "register [comfyui,sim] idle";
        }
    };
    for (int i = 0; i < 50; ++i) {  // five seconds
        desk.offer_types({{"comfyui", 1}});
        count(run());
        desk.offer_types({{"comfyui", 1}, {"sim", 1}});
        count(run());
        count(pass(Ms(100)));
    }
    EXPECT_GE(returns, 5);
    EXPECT_LE(returns, 6);
    EXPECT_EQ(withdrawals, returns);
}

TEST_F(CapacityTest, Step11ATypeHeldBackReturnsByItself) {
    desk.offer_types({{"sim", 1}});
    connect();
    for (int i = 0; i < 2; ++i) {
        desk.offer_types({});
        run();
        desk.offer_types({{"sim", 1}});
        run();
    }
    EXPECT_THAT(session().view().told_types, IsEmpty());
    EXPECT_THAT(pass(Ms(1000)), ElementsAre("register [sim] idle"));
}

TEST_F(CapacityTest, EveryFifthHeartbeatComesWithTheFullStatusAndSaysIdleOnlyOnce) {
    settings.heartbeat_interval = Ms(1000);
    ipc::Status status;
    status.connected = true;
    status.service = "comfyui";
    session().set_capabilities(now,
                               merge_capabilities({{"version", "0.1.0"}, {"cpu", true}, {"memory", "64GB"}},
                                                  {{"sim", {{"steps", 5}}}}));
    session().set_connector_status("comfyui", status);
    EXPECT_THAT(connect(), ElementsAre("register [sim] busy", "heartbeat idle", "connector_ws_status"));
    EXPECT_THAT(pass(Ms(4000)), ElementsAre("heartbeat idle", "heartbeat idle", "heartbeat idle",
                                            "full status idle", "heartbeat null", "connector_ws_status"))
        << "and each connector's state for monitors that came later";
    const auto full = ipc::Json::parse(frames.at(frames.size() - 3));
    EXPECT_EQ(full["connector_statuses"]["comfyui"]["connected"], true);
    EXPECT_EQ(full["capabilities"]["sim_steps"], 5);
    EXPECT_EQ(full["capabilities"]["cpu"], true);
    EXPECT_EQ(full["capabilities"]["supported_job_types"][0], "sim");
}

TEST_F(CapacityTest, ABusyWorkersHeartbeatsSayBusy) {
    connect();
    get_job("j1");
    EXPECT_THAT(pass(Ms(20'000)), Contains("heartbeat busy"));
}

TEST_F(CapacityTest, ChangedCapabilitiesAreRegisteredAgain) {
    connect();
    pass(Ms(1000));
    session().set_capabilities(now, {{"gpu", "x"}});
    EXPECT_THAT(run(), ElementsAre("register [sim] idle"));
    session().set_capabilities(now, {{"gpu", "x"}});
    EXPECT_THAT(run(), IsEmpty());
}

}  // namespace
}  // namespace emprops::hub
