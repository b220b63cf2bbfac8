// The outbox alone: fencing, asking, ready, sent, acknowledged; and the second connection for large results.

#include "supervisor/hub/outbox.h"

#include "words.h"

namespace emprops::hub {
namespace {

struct OutboxTest : MachineTest {
    using State = OutboxItem::State;
    std::unique_ptr<Outbox> made;

    OutboxTest() { usable(); }
    Outbox& outbox() {
        if (!made) made = std::make_unique<Outbox>(settings, wire);
        return *made;
    }
    void add(State state, const std::string& job = "j1", std::size_t bytes = 10, bool sent_before = false) {
        OutboxItem item;
        item.outcome = {job, 1, jobs::Completed{ipc::RawJson{"{\"r\":\"" + std::string(bytes, 'x') + "\"}"}}};
        put(std::move(item), state, sent_before);
    }
    void add_failure(State state, bool sent_before, const std::string& job = "j1") {
        ipc::JobError error;
        error.code = "crashed";
        OutboxItem item;
        item.outcome = {job, 1, jobs::Failed{error}};
        put(std::move(item), state, sent_before);
    }
    void put(OutboxItem item, State state, bool sent_before) {
        item.claimed_as = {"w-1"};
        item.state = state;
        item.sent_before = sent_before;
        item.last_sign = now;
        outbox().add(now, std::move(item));
    }
    Words flush() {
        outbox().flush(now);
        return said();
    }
    Words verdict(const std::string& state, const std::string& worker, const std::string& job = "j1") {
        put_back = outbox().on_verdict(now, job, state, worker);
        return said();
    }
    State state(const std::string& job = "j1") { return outbox().find(job)->state; }

    std::optional<OutboxItem> put_back;
};

TEST_F(OutboxTest, WhatIsReadyLeavesAndEndsWithItsAck) {
    add(State::ready);
    EXPECT_TRUE(outbox().leaving(now));
    EXPECT_THAT(flush(), ElementsAre("progress j1 100", "complete j1"));
    EXPECT_FALSE(outbox().leaving(now));
    EXPECT_THAT(flush(), IsEmpty()) << "once";
    outbox().on_ack("j1");
    EXPECT_THAT(said(), ElementsAre("delivered j1#1"));
    EXPECT_TRUE(outbox().empty());
}

TEST_F(OutboxTest, AfterAPauseTheJobOfAnOutcomeOnItsWayShowsASignOfLifeAtOnce) {
    add(State::ready);
    outbox().owe_signs();
    outbox().keep_alive(now);
    outbox().keep_alive(now);
    EXPECT_THAT(said(), ElementsAre("keepalive j1"));
}

TEST_F(OutboxTest, WhatIsNotFencedDoesNotLeave) {
    add(State::fencing);
    EXPECT_TRUE(outbox().unfenced());
    EXPECT_THAT(flush(), IsEmpty());
    outbox().on_ack("j1");
    EXPECT_THAT(said(), IsEmpty()) << "it was never sent: the ack is of somebody else's";
}

TEST_F(OutboxTest, AnAckOfAnEarlierConnectionCounts) {
    add(State::fencing, "j1", 10, true);
    outbox().on_ack("j1");
    EXPECT_THAT(said(), ElementsAre("delivered j1#1"));
}

TEST_F(OutboxTest, TheHubSaysThatTheJobIsOurs) {
    add(State::fencing);
    EXPECT_THAT(verdict("claimed", "w-1"), IsEmpty());
    EXPECT_EQ(state(), State::ready);
}

TEST_F(OutboxTest, TheHubSaysThatItIsSomebodyElses) {
    add(State::fencing);
    EXPECT_THAT(verdict("claimed", "x"), ElementsAre("not delivered j1#1 claimed_by_other"));
    EXPECT_EQ(wire.counters().not_delivered.at("claimed_by_other"), 1u);
}

TEST_F(OutboxTest, AResultOfAJobThatWaitsThereIsWantedAndAFailureIsNot) {
    add(State::fencing);
    EXPECT_THAT(verdict("pending", ""), IsEmpty());
    EXPECT_EQ(state(), State::ready);
    add_failure(State::fencing, false, "j2");
    EXPECT_THAT(verdict("pending", "", "j2"), ElementsAre("not delivered j2#1 pending"));
    EXPECT_FALSE(put_back) << "it was not ours that put it there";
}

TEST_F(OutboxTest, WhatTheHubHasAlreadyIsDelivered) {
    for (const char* worker : {"w-1", ""}) {
        add(State::fencing, "j1", 10, true);
        EXPECT_THAT(verdict("completed", worker), ElementsAre("delivered j1#1"));
        add_failure(State::fencing, true);
        EXPECT_THAT(verdict("failed", worker), ElementsAre("delivered j1#1"));
    }
    add(State::fencing, "j1", 10, false);
    EXPECT_THAT(verdict("completed", "w-1"), ElementsAre("not delivered j1#1 completed"));
    add(State::fencing, "j1", 10, true);
    EXPECT_THAT(verdict("completed", "x"), ElementsAre("not delivered j1#1 completed"));
}

TEST_F(OutboxTest, AFailureThatPutTheJobBackIsDeliveredAndTold) {
    add_failure(State::fencing, true);
    EXPECT_THAT(verdict("pending", "w-1"), ElementsAre("delivered j1#1"));
    ASSERT_TRUE(put_back);
    EXPECT_EQ(put_back->job_id(), "j1");
}

TEST_F(OutboxTest, AVerdictComesTooLateForWhatHasLeft) {
    add(State::ready);
    flush();
    EXPECT_THAT(verdict("cancelled", ""), IsEmpty());
    EXPECT_THAT(verdict("completed", "x"), IsEmpty());
    EXPECT_EQ(state(), State::sent);
}

TEST_F(OutboxTest, AQuestionIsWaitedForAQuarterOfASecond) {
    add(State::asking);
    EXPECT_EQ(outbox().next_wakeup(now, true), now + Ms(250));
    now += Ms(249);
    outbox().release_asked(now);
    EXPECT_EQ(state(), State::asking);
    now += Ms(1);
    outbox().release_asked(now);
    EXPECT_EQ(state(), State::ready);
}

TEST_F(OutboxTest, AnAnswerBeforeTheQuestionLeftSaysNothing) {
    add(State::asking);
    EXPECT_THAT(verdict("cancelled", "w-1"), IsEmpty());
    outbox().asked("j1");
    EXPECT_THAT(verdict("cancelled", "w-1"), ElementsAre("not delivered j1#1 cancelled"));
}

TEST_F(OutboxTest, AHubThatDoesNotKnowTheJobGetsItsOutcomeIfItWasJustAsked) {
    add(State::asking);
    outbox().asked("j1");
    EXPECT_THAT(verdict("unknown", ""), IsEmpty());
    EXPECT_EQ(state(), State::ready);
    add(State::fencing, "j2");
    EXPECT_THAT(verdict("unknown", "", "j2"), ElementsAre("not delivered j2#1 unknown"));
}

TEST_F(OutboxTest, WithoutAnybodyToAskNoAnswerIsWaitedFor) {
    add(State::asking);
    add(State::fencing, "j2");
    outbox().forget_questions();
    EXPECT_EQ(state("j1"), State::ready);
    EXPECT_EQ(state("j2"), State::fencing);
}

TEST_F(OutboxTest, PatienceEndsForResultsAndForFailuresThatWereNeverSent) {
    add(State::fencing, "result", 10, true);
    add_failure(State::fencing, false, "fresh");
    add_failure(State::fencing, true, "sent");
    std::vector<std::string> unconfirmed;
    EXPECT_FALSE(outbox().release_unfenced(now + Ms(999), Ms(1'000), unconfirmed));
    EXPECT_TRUE(outbox().release_unfenced(now + Ms(1'000), Ms(1'000), unconfirmed));
    EXPECT_EQ(state("result"), State::ready);
    EXPECT_EQ(state("fresh"), State::ready);
    EXPECT_EQ(state("sent"), State::fencing);
    EXPECT_THAT(unconfirmed, ElementsAre("sent")) << "fail_job is not idempotent";
}

TEST_F(OutboxTest, PatienceBeginsWithTheWelcome) {
    add(State::fencing);
    outbox().on_welcomed(now + Ms(500));
    std::vector<std::string> unconfirmed;
    EXPECT_FALSE(outbox().release_unfenced(now + Ms(1'000), Ms(1'000), unconfirmed));
}

TEST_F(OutboxTest, TheEndOfTheConnectionFencesEverything) {
    add(State::ready, "waits");
    outbox().fail_directly("{\"type\":\"fail_job\"}");
    outbox().on_disconnected(now, "cut");
    EXPECT_EQ(state("waits"), State::fencing);
    EXPECT_FALSE(outbox().find("waits")->sent_before);
    EXPECT_FALSE(outbox().leaving(now)) << "those assignments were never accepted";
    add(State::ready, "left");
    flush();
    outbox().on_disconnected(now, "cut");
    EXPECT_TRUE(outbox().find("left")->sent_before);
}

TEST_F(OutboxTest, WithoutAnAckItIsFencedAgainFromWhenItWasWritten) {
    add(State::ready);
    queued = 1'000'000;
    flush();
    now += Ms(120'000);
    outbox().watch_writing(now);
    EXPECT_THAT(flush(), IsEmpty()) << "it has not left yet";
    queued = 0;
    now += Ms(1'000);
    outbox().watch_writing(now);
    now += Ms(settings.ack_timeout) - Ms(1'001);
    flush();
    EXPECT_EQ(state(), State::sent);
    now += Ms(1'001);
    flush();
    EXPECT_EQ(state(), State::fencing);
    EXPECT_TRUE(outbox().find("j1")->sent_before);
}

TEST_F(OutboxTest, AHubInTroubleIsAskedSoon) {
    add(State::ready);
    flush();
    EXPECT_THAT(outbox().on_trouble(now, now + Ms(1'000)), ElementsAre("j1"));
    now += Ms(999);
    flush();
    EXPECT_EQ(state(), State::sent);
    now += Ms(1);
    flush();
    EXPECT_EQ(state(), State::fencing);
}

TEST_F(OutboxTest, AJobThatIsOfferedAgainIsFencedAndNotRunTwice) {
    add(State::ready);
    flush();
    outbox().on_offered(now, "j1");
    EXPECT_EQ(state(), State::fencing);
    EXPECT_TRUE(outbox().find("j1")->sent_before);
}

TEST_F(OutboxTest, AnotherIdOfOursIsOursToo) {
    add(State::fencing);
    wire.set_worker_id("w-9");
    outbox().add_claim("j1");
    EXPECT_THAT(verdict("claimed", "w-9"), IsEmpty());
    EXPECT_EQ(state(), State::ready);
}

TEST_F(OutboxTest, AResultThatIsLargerThanTheHubTakesFails) {
    settings.hub.send_limit = 1000;
    add(State::ready, "j1", 2000);
    EXPECT_THAT(flush(), ElementsAre("fail j1 result_too_large"));
}

TEST_F(OutboxTest, OnACrowdedLineOutcomesWaitAndTheirJobsAreKeptAlive) {
    settings.hub.send_limit = 1000;
    queued = 2001;
    add(State::ready);
    EXPECT_FALSE(outbox().leaving(now));
    EXPECT_THAT(flush(), IsEmpty());
    now += settings.hub.keepalive_interval;
    outbox().keep_alive(now);
    outbox().keep_alive(now);
    EXPECT_THAT(said(), ElementsAre("keepalive j1"));
    queued = 2000;
    EXPECT_THAT(flush(), Contains("complete j1"));
}

TEST_F(OutboxTest, ALargeResultLeavesOverAConnectionOfItsOwn) {
    add(State::ready, "j1", 300'000);
    EXPECT_FALSE(outbox().leaving(now)) << "nothing large leaves over the first one";
    EXPECT_THAT(flush(), IsEmpty());
    outbox().steer_bulk(now);
    EXPECT_THAT(said(), ElementsAre(testing::StartsWith("open bulk w-1-bulk")));
    outbox().on_bulk_welcomed(now);
    EXPECT_THAT(flush(), ElementsAre("progress j1 100", "bulk complete j1"));
    outbox().on_bulk_ack(now, "j1");
    EXPECT_THAT(said(), ElementsAre("delivered j1#1"));
}

struct UploadTest : OutboxTest {
    UploadTest() {
        add(State::ready, "j1", 300'000);
        flush();
        outbox().steer_bulk(now);
        outbox().on_bulk_welcomed(now);
        flush();
        bulk_queued = 200'000;
    }
};

TEST_F(UploadTest, AnUploadIsCutOffWhenTheJobIsNotOursAnyMore) {
    EXPECT_TRUE(outbox().stoppable(*outbox().find("j1")));
    EXPECT_THAT(verdict("claimed", "x"), ElementsAre("close bulk", "not delivered j1#1 claimed_by_other"));
}

TEST_F(UploadTest, WhatHasLeftCannotBeStopped) {
    bulk_queued = 0;
    EXPECT_FALSE(outbox().stoppable(*outbox().find("j1")));
    EXPECT_THAT(verdict("claimed", "x"), IsEmpty());
}

TEST_F(UploadTest, TheEndOfTheFirstConnectionDoesNotEndIt) {
    outbox().on_disconnected(now, "cut");
    EXPECT_EQ(state(), State::sent);
}

TEST_F(UploadTest, ACutUploadIsFencedAndNotTakenForSent) {
    outbox().on_bulk_disconnected(now, "cut");
    EXPECT_EQ(state(), State::fencing);
    EXPECT_FALSE(outbox().find("j1")->sent_before);
}

TEST_F(UploadTest, OneThatHadLeftMayHaveArrived) {
    bulk_queued = 0;
    outbox().on_bulk_disconnected(now, "cut");
    EXPECT_EQ(state(), State::fencing);
    EXPECT_TRUE(outbox().find("j1")->sent_before);
}

TEST_F(UploadTest, OneAtATime) {
    add(State::ready, "j2", 300'000);
    EXPECT_THAT(flush(), IsEmpty());
    bulk_queued = 0;
    outbox().on_bulk_ack(now, "j1");
    EXPECT_THAT(said(), ElementsAre("delivered j1#1"));
    EXPECT_THAT(flush(), ElementsAre("progress j2 100", "bulk complete j2"));
}

}  // namespace
}  // namespace emprops::hub
