// Assignments alone: from running to delivered, and what an earlier process left.

#include "supervisor/hub/assignments.h"

#include "words.h"

namespace emprops::hub {
namespace {

struct AssignmentsTest : MachineTest {
    Assignments assignments{settings, wire};

    AssignmentsTest() { usable(); }
    void begin(const std::string& job = "j1") {
        Assignment given;
        given.job_id = job;
        given.job_type = "sim";
        given.params = ipc::RawJson{"{}"};
        assignments.begin(now, std::move(given), now - Ms(70), jobs::Place::slot);
    }
    jobs::Outcome completed(std::uint64_t number, const std::string& job = "j1") const {
        return {job, number, jobs::Completed{ipc::RawJson{R"({"ok":1})"}}};
    }
    jobs::Outcome failed(const std::string& code) const {
        ipc::JobError error;
        error.code = code;
        return {"j1", 1, jobs::Failed{error}};
    }
    OutboxItem::State state() { return assignments.outbox().find("j1")->state; }
    jobs::LedgerEntry entry(bool ended) {
        jobs::LedgerEntry left;
        left.assignment = {"j1", "sim", 0, {}, 41};
        left.claimed_as = {"old"};
        if (ended) left.outcome = completed(41);
        return left;
    }
};

TEST_F(AssignmentsTest, AnAssignmentHasTheNextNumberAndOurIdAsItsToken) {
    assignments.adopt(now, entry(false));
    begin("j2");
    EXPECT_THAT(said(), ElementsAre("progress j2 0", "assigned j2#42")) << "above every one in the ledger";
    EXPECT_EQ(wire.counters().last_offer_to_assignment, Ms(70));
}

TEST_F(AssignmentsTest, AnOutcomeOfAJobThatIsOursLeavesAtOnce) {
    begin();
    EXPECT_TRUE(assignments.deliver(now, completed(1), true));
    EXPECT_EQ(state(), OutboxItem::State::ready) << "a short job is not asked about";
    EXPECT_TRUE(assignments.running().empty());
}

TEST_F(AssignmentsTest, OfALongJobTheHubIsAskedFirstIfItAnswers) {
    begin();
    now += Ms(settings.watch_age());
    assignments.deliver(now, completed(1), true);
    EXPECT_EQ(state(), OutboxItem::State::asking);
}

TEST_F(AssignmentsTest, OfALongJobNothingIsAskedWhenNobodyAnswers) {
    begin();
    now += Ms(settings.watch_age());
    assignments.deliver(now, completed(1), false);
    EXPECT_EQ(state(), OutboxItem::State::ready);
}

TEST_F(AssignmentsTest, WithoutAConnectionAnOutcomeIsFenced) {
    begin();
    usable(false);
    assignments.deliver(now, completed(1), true);
    EXPECT_EQ(state(), OutboxItem::State::fencing);
    EXPECT_TRUE(assignments.unfenced());
}

TEST_F(AssignmentsTest, SoIsOneOfAJobThatIsNotKnownToBeOurs) {
    begin();
    assignments.on_disconnected(now, "cut", true);
    assignments.deliver(now, completed(1), true);
    EXPECT_EQ(state(), OutboxItem::State::fencing);
}

TEST_F(AssignmentsTest, WhereNobodyCanBeAskedNothingIsFenced) {
    settings.hub.cancel_watch = false;
    begin();
    assignments.on_disconnected(now, "cut", true);
    assignments.on_welcomed(now);
    EXPECT_FALSE(assignments.unfenced());
}

TEST_F(AssignmentsTest, AnOutcomeOfAJobThatWasTakenAwayIsNotSent) {
    begin();
    said();
    EXPECT_TRUE(assignments.take_away("j1", "cancelled", "because"));
    EXPECT_FALSE(assignments.take_away("j1", "cancelled", "because"));
    EXPECT_FALSE(assignments.deliver(now, completed(1), true));
    EXPECT_THAT(said(), ElementsAre("cancelled j1#1", "not delivered j1#1 cancelled"));
    EXPECT_TRUE(assignments.none());
}

TEST_F(AssignmentsTest, AnUnknownOutcomeIsNotSent) {
    begin();
    said();
    EXPECT_FALSE(assignments.deliver(now, completed(2), true)) << "another number";
    EXPECT_THAT(said(), ElementsAre("not delivered j1#2 unknown"));
    EXPECT_NE(assignments.running().find("j1"), nullptr);
}

TEST_F(AssignmentsTest, AnOutcomeThatWaitsIsTakenAwayToo) {
    begin();
    assignments.deliver(now, completed(1), true);
    said();
    EXPECT_FALSE(assignments.take_away("j1", "claimed_by_other", std::nullopt));
    EXPECT_THAT(said(), ElementsAre("not delivered j1#1 claimed_by_other"));
}

TEST_F(AssignmentsTest, WhatAnEarlierProcessLeftIsNotKnownToBeOurs) {
    assignments.adopt(now, entry(true));
    EXPECT_EQ(state(), OutboxItem::State::fencing);
    EXPECT_TRUE(assignments.outbox().find("j1")->sent_before) << "perhaps";
    EXPECT_EQ(assignments.outbox().find("j1")->claimed_as, std::set<std::string>{"old"});
}

TEST_F(AssignmentsTest, AFailureOfAnEarlierProcessesJobIsNotReportedWhereNobodyCouldBeAsked) {
    for (const bool watch : {false, true}) {
        for (const bool known_first : {false, true}) {
            settings.hub.cancel_watch = watch;
            assignments.adopt(now, entry(false));
            said();
            jobs::Outcome lost = failed("lost");
            lost.number = 41;
            if (known_first) assignments.release_unfenced(now, Ms(0));
            assignments.deliver(now, std::move(lost), true);
            if (!known_first) {
                EXPECT_EQ(assignments.outbox().find("j1") != nullptr, watch) << "where it is asked it waits";
                assignments.release_unfenced(now, Ms(0));
            }
            EXPECT_EQ(said().back(), "not delivered j1#41 unconfirmed") << watch << known_first;
            EXPECT_TRUE(assignments.none());
        }
    }
}

TEST_F(AssignmentsTest, OnlyAJobThatWasLostHereIsWithheld) {
    for (const auto& [code, withheld] : {std::pair("crashed", true), std::pair("service_error", false)}) {
        begin();
        jobs::Outcome outcome = failed(code);
        outcome.number = assignments.running().find("j1")->number;
        assignments.deliver(now, std::move(outcome), true);
        assignments.outbox().flush(now);
        assignments.on_failed_ack(now, "j1");
        EXPECT_EQ(assignments.withheld().find("j1") != nullptr, withheld) << code;
        assignments.withheld().clear();
    }
}

TEST_F(AssignmentsTest, WhatIsNotBegunHereGoesBackWithTheNextBatch) {
    assignments.refuse(now, "j1", "sim", ipc::code::not_started, "no slot");
    EXPECT_THAT(said(), IsEmpty());
    assignments.outbox().flush(now);
    EXPECT_THAT(said(), ElementsAre("fail j1 not_started"));
    EXPECT_THAT(last_frame, testing::HasSubstr("\"begun\":false"));
    EXPECT_NE(assignments.withheld().find("j1"), nullptr);
}

TEST_F(AssignmentsTest, NothingIsKeptAliveAfterAnEndWithoutAReport) {
    begin();
    EXPECT_FALSE(assignments.undelivered("j1", 2));
    EXPECT_TRUE(assignments.undelivered("j1", 1));
    EXPECT_TRUE(assignments.none());
}

}  // namespace
}  // namespace emprops::hub
