// The worker connection alone: ids, welcomes, refused tokens, pauses.

#include "supervisor/hub/connection.h"

#include "supervisor/hub/refused_link.h"
#include "words.h"

namespace emprops::hub {
namespace {

struct ConnectionTest : MachineTest {
    Connection connection{settings, wire};

    void welcomed() {
        connection.on_connected(now);
        EXPECT_TRUE(connection.on_welcome(now));
        said();
    }
    /// It ends after this long; the pause before the next one.
    Ms pause_after(Ms lived, bool owing = false) {
        now += lived;
        connection.on_disconnected(now, "cut", owing);
        said();
        return last_pause;
    }
};

TEST_F(ConnectionTest, EachConnectionHasAFreshId) {
    connection.start(now);
    EXPECT_THAT(said(), ElementsAre("connect w-1"));
    EXPECT_EQ(last_pause, Ms(0));
    welcomed();
    connection.on_disconnected(now, "cut", false);
    EXPECT_THAT(said(), ElementsAre("connect w-2"));
    EXPECT_EQ(wire.worker_id(), "w-2");
}

TEST_F(ConnectionTest, AFixedIdStays) {
    settings.exact_id = true;
    connection.start(now);
    connection.on_disconnected(now, "refused", false);
    EXPECT_THAT(said(), ElementsAre("connect w", "connect w"));
}

TEST_F(ConnectionTest, WhatIsSentIsHeardBetweenTheWelcomeAndTheEnd) {
    connection.start(now);
    EXPECT_FALSE(wire.usable());
    connection.on_connected(now);
    EXPECT_FALSE(wire.usable()) << "not welcomed yet";
    EXPECT_TRUE(connection.on_welcome(now));
    EXPECT_TRUE(wire.usable());
    EXPECT_FALSE(connection.on_welcome(now)) << "welcomed already";
    connection.on_disconnected(now, "cut", false);
    EXPECT_FALSE(wire.usable());
    connection.on_connected(now);
    EXPECT_FALSE(wire.usable()) << "the welcome of the last connection does not count";
    EXPECT_TRUE(connection.on_welcome(now));
    EXPECT_EQ(wire.counters().connections, 2u);
    EXPECT_EQ(wire.counters().reconnects, 1u);
}

TEST_F(ConnectionTest, ItKnowsHowLongItHasBeenWelcomed) {
    connection.start(now);
    EXPECT_EQ(connection.welcomed_for(now), std::nullopt);
    welcomed();
    EXPECT_EQ(connection.welcomed_for(now + Ms(7)), Ms(7));
    connection.on_disconnected(now, "cut", false);
    EXPECT_EQ(connection.welcomed_for(now), std::nullopt);
}

TEST_F(ConnectionTest, ThePauseGrowsUntilAConnectionHolds) {
    settings.hub.reconnect_min = Ms(100);
    settings.hub.reconnect_max = Ms(100'000);
    Connection grown(settings, wire);
    grown.start(now);
    const auto fail = [&] {
        grown.on_disconnected(now, "refused", false);
        said();
        return last_pause;
    };
    const Ms first = fail();
    Ms last = first;
    for (int i = 0; i < 6; ++i)
        last = fail();
    EXPECT_GT(last, 5 * first);
    grown.on_connected(now);
    grown.on_welcome(now);
    now += Ms(10'000);
    EXPECT_EQ(fail(), first);
}

TEST_F(ConnectionTest, WhileSomethingIsOwedNoPauseIsLong) {
    connection.start(now);
    for (int i = 0; i < 12; ++i)
        pause_after(Ms(0));
    EXPECT_GT(last_pause, Ms(5'000));
    EXPECT_EQ(pause_after(Ms(0), true), Ms(5'000));
}

TEST_F(ConnectionTest, ConnectionsThatAreCutAtOnceStopResettingThePause) {
    connection.start(now);
    Ms first{0};
    for (int i = 0; i < 5; ++i) {
        welcomed();
        const Ms pause = pause_after(Ms(100));
        if (i == 0) first = pause;
        EXPECT_EQ(pause, first);
    }
    for (int i = 0; i < 4; ++i) {
        welcomed();
        pause_after(Ms(100));
    }
    EXPECT_GT(last_pause, 2 * first) << "two workers with one id";
    welcomed();
    EXPECT_EQ(pause_after(Ms(10'000)), first);
}

struct RivalTest : ConnectionTest {
    RivalTest() {
        settings.exact_id = true;
        connection.start(now);
    }
    std::string suspicion() const {
        jobs::LinkView view;
        connection.show(view);
        return view.suspicion;
    }
    /// It lives so long, and ends so.
    void one(Ms lived, const std::string& reason) {
        welcomed();
        now += lived;
        connection.settle(now);
        connection.on_disconnected(now, reason, false);
        said();
    }
};

TEST_F(RivalTest, AnotherWorkerWithOurFixedIdIsNamedWithTheCure) {
    const std::string replaced = closed_by_hub(1000, "Replaced by a newer connection with this id");
    one(Ms(500), replaced);
    one(Ms(500), replaced);
    EXPECT_EQ(suspicion(), "");
    one(Ms(500), replaced);
    EXPECT_THAT(suspicion(),
                testing::HasSubstr("under the id w one after the other: another worker probably"));
    EXPECT_THAT(suspicion(), testing::HasSubstr("worker.exact_id"));
    EXPECT_THAT(notes, Contains("error: " + suspicion())) << "once, in the log";
    welcomed();
    now += Ms(120'000);
    connection.settle(now);
    EXPECT_EQ(suspicion(), "") << "this one lives";
}

TEST_F(RivalTest, ItIsSeenAlsoWhenTheHubTakesAMinute) {
    for (int i = 0; i < 3; ++i)
        one(Ms(60'000), closed_by_hub(1000, "Worker w disconnected"));
    EXPECT_NE(suspicion(), "");
}

TEST_F(RivalTest, OtherEndsAreNoRivalsDoing) {
    for (int i = 0; i < 6; ++i) {
        one(Ms(500), "the connection broke off");
        one(Ms(500), closed_by_hub(1012, ""));
        one(Ms(400'000), closed_by_hub(1000, ""));
    }
    EXPECT_EQ(suspicion(), "");
}

TEST_F(ConnectionTest, AFreshIdHasNoRival) {
    connection.start(now);
    for (int i = 0; i < 6; ++i) {
        welcomed();
        connection.on_disconnected(now, closed_by_hub(1000, "Worker w disconnected"), false);
    }
    EXPECT_EQ(connection.suspicion(), "");
}

TEST_F(ConnectionTest, ATokenThatWasNeverAcceptedLeaves) {
    connection.start(now);
    connection.on_connected(now);
    connection.on_token_refused("Authentication failed");
    EXPECT_THAT(said(), ElementsAre("connect w-1", "disconnect"));
    connection.on_disconnected(now, "closed", true);
    EXPECT_THAT(said(), ElementsAre("auth refused leave"));
    EXPECT_THAT(notes, Contains(testing::HasSubstr("Authentication failed")));
    connection.token_changed(now);
    connection.leave_if_refused();
    EXPECT_THAT(said(), IsEmpty()) << "it was told to leave";
}

TEST_F(ConnectionTest, ATokenRefusedLaterIsTriedAgainWhileSomethingIsOwed) {
    connection.start(now);
    welcomed();
    connection.on_disconnected(now, "cut", true);
    connection.on_connected(now);
    connection.on_token_refused("expired");
    connection.on_disconnected(now, "closed", true);
    EXPECT_THAT(said(), Contains("auth refused"));
    EXPECT_EQ(last_pause, Ms(settings.hub.bad_token_retry));
    connection.token_changed(now);
    EXPECT_THAT(said(), ElementsAre("connect w-4"));
    EXPECT_EQ(last_pause, Ms(0)) << "another token is tried at once";
    connection.token_changed(now);
    EXPECT_THAT(said(), IsEmpty()) << "nothing is refused any more";
}

TEST_F(ConnectionTest, WithARefusedTokenAndNothingLeftTheWorkerLeavesOnce) {
    connection.start(now);
    welcomed();
    connection.on_disconnected(now, "cut", true);
    connection.leave_if_refused();
    connection.on_connected(now);
    connection.on_token_refused("expired");
    connection.on_disconnected(now, "closed", true);
    said();
    connection.leave_if_refused();
    connection.leave_if_refused();
    EXPECT_THAT(said(), ElementsAre("auth refused leave"));
}

TEST_F(ConnectionTest, ForAFreshIdItComesBackAtOnce) {
    connection.start(now);
    welcomed();
    connection.renew();
    EXPECT_THAT(said(), ElementsAre("disconnect"));
    EXPECT_FALSE(connection.connected());
    EXPECT_FALSE(wire.usable());
    EXPECT_EQ(pause_after(Ms(0)), Ms(0));
    EXPECT_EQ(wire.counters().fresh_ids, 1u);
}

TEST_F(ConnectionTest, WhoLeavesSaysSo) {
    connection.start(now);
    welcomed();
    connection.stop();
    EXPECT_THAT(said(), ElementsAre("status leaving", "disconnect"));
    EXPECT_TRUE(connection.stopped());
    EXPECT_FALSE(connection.connected());
}

TEST_F(ConnectionTest, WithoutAConnectionThereIsNobodyToTell) {
    connection.start(now);
    said();
    connection.stop();
    EXPECT_THAT(said(), IsEmpty());
}

TEST_F(ConnectionTest, AnOperatorSeesWhyAndWhen) {
    connection.start(now);
    welcomed();
    connection.on_disconnected(now, "cut by a shark", false);
    jobs::LinkView view;
    connection.show(view);
    EXPECT_EQ(view.link, jobs::LinkView::Link::connecting);
    EXPECT_EQ(view.last_error, "cut by a shark");
    EXPECT_EQ(view.worker_id, "w-2");
    said();
    EXPECT_EQ(view.attempt_at, now + last_pause);
}

}  // namespace
}  // namespace emprops::hub
