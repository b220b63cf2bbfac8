// What is told of this worker, alone: the registration, heartbeats, connectors. What is told when is the
// announcer's and tested with the session (capacity_test.cpp).

#include "supervisor/hub/presence.h"

#include "words.h"

namespace emprops::hub {
namespace {

struct PresenceTest : MachineTest {
    Presence presence{settings, wire};
    jobs::Capacity capacity{{"sim"}, {{"sim", 2}}, {}, false};

    PresenceTest() { usable(); }
    Presence::Situation situation(bool claim = false) const {
        Presence::Situation now_is;
        now_is.capacity = &capacity;
        now_is.claim = claim;
        return now_is;
    }
    Words greet() {
        presence.on_connected(now);
        presence.greet(now, situation(), 0);
        return said();
    }
    Words beat(bool claim = false, std::size_t running = 0) {
        now += settings.heartbeat_interval;
        presence.heartbeat(now, situation(claim), running);
        return said();
    }
};

TEST_F(PresenceTest, ItRegistersOncePerConnection) {
    EXPECT_THAT(greet(), ElementsAre("register [sim] busy", "heartbeat idle"));
    EXPECT_TRUE(presence.greeted());
    presence.on_connected(now);
    EXPECT_FALSE(presence.greeted()) << "the Hub knows nothing of us there";
    presence.greet(now, situation(), 0);
    EXPECT_THAT(said(), ElementsAre("register [sim] busy", "heartbeat idle"));
}

TEST_F(PresenceTest, TheVeryFirstRegistrationWaitsAMomentForAConnector) {
    capacity = {};
    presence.on_connected(now);
    now += Ms(299);
    presence.greet(now, situation(), 0);
    EXPECT_FALSE(presence.greeted());
    EXPECT_EQ(presence.next_wakeup(now, true, false), now + Ms(1));
    now += Ms(1);
    presence.greet(now, situation(), 0);
    EXPECT_THAT(said(), ElementsAre("register [] busy", "heartbeat busy"));
    EXPECT_THAT(greet(), ElementsAre("register [] busy", "heartbeat busy")) << "the next one does not wait";
}

TEST_F(PresenceTest, AHeartbeatComesAtItsTimeAndTheFifthSaysEverything) {
    greet();
    now += settings.heartbeat_interval - Ms(1);
    presence.heartbeat(now, situation(), 0);
    EXPECT_THAT(said(), IsEmpty());
    now -= settings.heartbeat_interval - Ms(1);
    for (int i = 0; i < 3; ++i)
        EXPECT_THAT(beat(), ElementsAre("heartbeat idle"));
    EXPECT_THAT(beat(), ElementsAre("full status idle", "heartbeat null"));
}

TEST_F(PresenceTest, AfterAPauseAHeartbeatIsDueAtOnce) {
    greet();
    presence.owe_heartbeat();
    EXPECT_LE(presence.next_wakeup(now, true, false), now);
    presence.heartbeat(now, situation(), 0);
    presence.heartbeat(now, situation(), 0);
    EXPECT_THAT(said(), ElementsAre("heartbeat idle")) << "one, and then again at their time";
}

TEST_F(PresenceTest, WhileAClaimIsOutstandingNoHeartbeatSaysIdle) {
    greet();
    for (int i = 0; i < 5; ++i)
        EXPECT_THAT(beat(true), ElementsAre("heartbeat null"));
}

TEST_F(PresenceTest, AHeartbeatThatOvertakesSaysNothingOfTheStatus) {
    greet();
    queued = 64 * 1024 + 1;
    EXPECT_THAT(beat(), ElementsAre("heartbeat null"));
    queued = 64 * 1024;
    EXPECT_THAT(beat(), ElementsAre("heartbeat idle"));
}

TEST_F(PresenceTest, TheLoadIsWhatRunsOfWhatCouldRun) {
    greet();
    beat(false, 2);
    EXPECT_THAT(last_frame, testing::HasSubstr("0.5"));
}

TEST_F(PresenceTest, AConnectorsStateIsToldOnceASecondAndTheNewestWins) {
    greet();
    presence.set_connector_status("c", {});
    presence.tell_connector_statuses(now);
    EXPECT_THAT(said(), testing::SizeIs(1));
    ipc::Status newest;
    newest.reason = "newest";
    presence.set_connector_status("c", {});
    presence.set_connector_status("c", newest);
    presence.tell_connector_statuses(now + Ms(999));
    EXPECT_THAT(said(), IsEmpty());
    presence.tell_connector_statuses(now + Ms(1'000));
    EXPECT_THAT(said(), testing::SizeIs(1));
    EXPECT_THAT(last_frame, testing::HasSubstr("newest"));
    presence.forget_connector_status("c");
    presence.set_connector_status("d", {});
    queued = (std::size_t{1} << 20) + 1;
    presence.tell_connector_statuses(now + Ms(9'000));
    EXPECT_THAT(said(), IsEmpty()) << "too much waits";
}

TEST_F(PresenceTest, WhatAConnectorSaysOfItselfIsLimited) {
    settings.self_description_limit = 1000;
    greet();
    ipc::Status large;
    large.reason = std::string(5000, 'x');
    large.details = {{"text", std::string(2000, 'x')}};
    presence.set_connector_status("c", large);
    presence.set_connector_status("c", large);
    presence.tell_connector_statuses(now);
    said();
    EXPECT_LT(last_frame.size(), 2000u);
    EXPECT_THAT(notes, testing::SizeIs(1)) << "told once";
    presence.set_capabilities(now, {{"small", 1}, {"large", std::string(2000, 'x')}});
    const Announcement told = presence.withdraw(now + Ms(1'000), situation());
    presence.announce(told);
    EXPECT_THAT(said(), ElementsAre("register [sim] idle"));
    EXPECT_THAT(last_frame, testing::HasSubstr("small"));
    EXPECT_THAT(last_frame, Not(testing::HasSubstr("large")));
    EXPECT_THAT(notes, Contains(testing::HasSubstr("not told of: large")));
}

TEST_F(PresenceTest, TheSameCapabilitiesAreNotToldAgain) {
    presence.set_capabilities(now, {{"a", 1}});
    greet();
    presence.set_capabilities(now, {{"a", 1}});
    presence.announce(presence.withdraw(now + Ms(5'000), situation()));
    EXPECT_THAT(said(), IsEmpty());
}

TEST_F(PresenceTest, OnlyABusyWorkerSeemsIdleByRegistering) {
    greet();
    presence.seem_idle();
    EXPECT_THAT(said(), IsEmpty());
    capacity.free_slots.clear();
    presence.announce(presence.withdraw(now, situation()));
    said();
    presence.seem_idle();
    EXPECT_THAT(said(), ElementsAre("register [sim] busy"));
}

TEST_F(PresenceTest, AStatusThatIsOwedIsSaidAgainOnceASecondAfterACrossing) {
    greet();
    presence.owe_status_after_crossing(now + Ms(10));
    presence.announce(presence.withdraw(now + Ms(999), situation()));
    EXPECT_THAT(said(), IsEmpty());
    presence.announce(presence.withdraw(now + Ms(1'000), situation()));
    EXPECT_THAT(said(), ElementsAre("status idle"));
}

TEST_F(PresenceTest, AServiceRequestIsForMonitorsOnly) {
    ipc::ServiceRequest request;
    request.job_id = "j1";
    usable(false);
    presence.service_request(request);
    usable();
    queued = (std::size_t{1} << 20) + 1;
    presence.service_request(request);
    queued = 0;
    EXPECT_THAT(said(), IsEmpty());
    presence.service_request(request);
    EXPECT_THAT(said(), testing::SizeIs(1));
    settings.hub.send_limit = 10;
    presence.service_request(request);
    EXPECT_THAT(said(), IsEmpty());
}

}  // namespace
}  // namespace emprops::hub
