#include "tests/unit/local_hub/bench.h"

namespace emprops::local_hub {
namespace {

class CoreOffers : public CoreBench {};

TEST_F(CoreOffers, AnIdleWorkerIsOfferedAJobOfItsTypeOnly) {
    worker(w1, "w1", {"a", "b"});
    submit("x", "c");
    EXPECT_EQ(offered(w1), "");
    submit("y", "b");
    EXPECT_EQ(offered(w1), "y");
}

TEST_F(CoreOffers, SeveralOffersAreClaimedWithOneStatus) {
    const auto idle = [&](int offers) {
        say(w1, {{"type", "worker_status"}, {"status", "idle"}, {"offers_at_once", offers}});
    };
    worker(w1, "w1");
    idle(3);
    said(w1);
    for (const char* id : {"a", "b", "c", "d"})
        submit(id);
    EXPECT_EQ(types_said(w1), (std::vector<std::string>{"job_available", "job_available", "job_available"}));
    for (const char* id : {"a", "b", "c"}) {
        claim(w1, id);
        EXPECT_EQ(last(w1)["type"], "job_assigned")
            << "the first claim makes it busy, the other offers stand";
        EXPECT_EQ(last(w1)["job_id"], id);
    }
    EXPECT_EQ(types_said(w1).size(), 3U) << "no further offer before it says what it can take";
    claim(w1, "d");
    EXPECT_EQ(last(w1)["error"], "Cannot claim job d: Worker w1 is not idle")
        << "it was not offered this one";
    said(w1);
    idle(1);
    EXPECT_EQ(offered(w1), "d");
}

TEST_F(CoreOffers, OffersThatAWorkerHasNoPlaceForGoToOthers) {
    worker(w1, "w1");
    say(w1, {{"type", "worker_status"}, {"status", "idle"}, {"offers_at_once", 3}});
    for (const char* id : {"a", "b", "c"})
        submit(id);
    worker(w2, "w2");
    EXPECT_EQ(offered(w2), "") << "all are offered to the first";
    say(w1, {{"type", "worker_status"}, {"status", "idle"}, {"offers_at_once", 2}});
    EXPECT_EQ(offered(w2), "c") << "it takes less than it said";
    claim(w2, "c");
    status(w2, "idle");
    said(w2);
    say(w1, {{"type", "worker_status"},
             {"status", "idle"},
             {"offers_at_once", 1},
             {"declined_offers", {"a", "nobody's"}}});
    EXPECT_EQ(offered(w2), "a") << "it has a place for one of its two offers, not for this one";
    claim(w2, "a");
    status(w2, "idle");
    said(w2);
    status(w1, "busy");
    EXPECT_EQ(offered(w2), "b");
}

TEST_F(CoreOffers, ADeclineIsNotAnsweredWithTheSameOffer) {
    worker(w1, "w1");
    say(w1, {{"type", "worker_status"}, {"status", "idle"}, {"offers_at_once", 2}});
    submit("a");
    said(w1);
    for (int i = 0; i < 3; ++i) {
        say(w1, {{"type", "worker_status"}, {"status", "idle"}, {"declined_offers", {"a"}}});
        EXPECT_EQ(offered(w1), "")
            << "it is idle and takes the type, and has no place for this job all the same";
    }
}

TEST_F(CoreOffers, AnEndOfOneOfItsJobsBringsAWorkerOfSeveralNoOfferThatItDidNotAskFor) {
    worker(w1, "w1");
    say(w1, {{"type", "worker_status"}, {"status", "idle"}, {"offers_at_once", 2}});
    for (const char* id : {"a", "b", "c"})
        submit(id);
    claim(w1, "a");
    claim(w1, "b");
    said(w1);
    complete(w1, "a");
    EXPECT_EQ(offered(w1), "") << "its last status was said before it had two jobs";
    status(w1, "idle");
    EXPECT_EQ(offered(w1), "c");
}

TEST_F(CoreOffers, HowManyOffersAreAnsweredHoldsUntilItIsSaidAnew) {
    worker(w1, "w1");
    say(w1, {{"type", "worker_status"}, {"status", "idle"}, {"offers_at_once", 2}});
    say(w1, {{"type", "worker_heartbeat"}, {"status", "idle"}});
    say(w1, {{"type", "worker_status"}, {"status", "idle"}, {"offers_at_once", "many"}});
    said(w1);
    submit("a");
    submit("b");
    EXPECT_EQ(types_said(w1).size(), 2U);
}

TEST_F(CoreOffers, HigherPriorityComesFirstAndEqualOnesInOrder) {
    submit("low", "sim", -1);
    submit("first");
    submit("second");
    submit("high", "sim", 9);
    worker(w1, "w1");
    for (const auto* expected : {"high", "first", "second", "low"}) {
        EXPECT_EQ(offered(w1), expected);
        claim(w1, expected);
        complete(w1, expected);
    }
}

TEST_F(CoreOffers, PriorityCountsOverAllTypesOfAWorker) {
    submit("a1", "a", 1);
    submit("b5", "b", 5);
    worker(w1, "w1", {"a", "b"});
    EXPECT_EQ(offered(w1), "b5");
}

TEST_F(CoreOffers, EveryIdleWorkerGetsADifferentJobAndOnlyOne) {
    worker(w1, "w1");
    worker(w2, "w2");
    submit("a");
    submit("b");
    submit("c");
    const auto first = offered(w1), second = offered(w2);
    EXPECT_EQ((std::set<std::string>{first, second}), (std::set<std::string>{"a", "b"}));
}

TEST_F(CoreOffers, TheWorkerThatWaitedLongestIsNext) {
    worker(w1, "w1");
    worker(w2, "w2");
    worker(w3, "w3");
    std::vector<ConnectionId> order;
    for (int i = 0; i < 6; ++i) {
        const auto id = "j" + std::to_string(i);
        submit(id);
        for (const auto w : {w1, w2, w3}) {
            if (offered(w) != id) continue;
            order.push_back(w);
            claim(w, id);
            complete(w, id);
            status(w, "idle");
            said(w);
        }
    }
    EXPECT_EQ(order, (std::vector<ConnectionId>{w1, w2, w3, w1, w2, w3}));
}

TEST_F(CoreOffers, AnOfferThatIsNotTakenGoesToAnotherAndComesBackLater) {
    worker(w1, "w1");
    submit("j");
    EXPECT_EQ(offered(w1), "j");
    worker(w2, "w2");
    pass(policy_.offer_hold - Ms(200));
    EXPECT_EQ(offered(w2), "");
    pass(Ms(200));
    EXPECT_EQ(offered(w2), "j");
    pass(policy_.offer_hold);
    EXPECT_EQ(offered(w1), "");  // it has just let it pass
    pass(policy_.offer_again_after);
    const bool either = offered(w1) == "j" || offered(w2) == "j";
    EXPECT_TRUE(either);
}

TEST_F(CoreOffers, HeartbeatsDoNotRepeatAnOpenOffer) {
    worker(w1, "w1");
    submit("j");
    EXPECT_EQ(offered(w1), "j");
    for (int i = 0; i < 3; ++i)
        say(w1, {{"type", "worker_heartbeat"}, {"status", "idle"}});
    EXPECT_EQ(offered(w1), "");
}

TEST_F(CoreOffers, AWorkerThatLetsAnOfferPassIsOfferedTheNextJob) {
    worker(w1, "w1");
    submit("unwanted");
    submit("wanted");
    EXPECT_EQ(offered(w1), "unwanted");
    pass(policy_.offer_hold);
    EXPECT_EQ(offered(w1), "wanted");
}

TEST_F(CoreOffers, ABusyWorkerLosesItsOfferToOthersAtOnce) {
    worker(w1, "w1");
    submit("j");
    worker(w2, "w2");
    status(w1, "busy");
    EXPECT_EQ(offered(w2), "j");
}

TEST_F(CoreOffers, TheHubRestsWhenNothingWaitsForAMoment) {
    const auto rests = [&] { return core_->rests(now()); };
    pass(Ms(1000));
    worker(w1, "w1");
    submit("nobody's", "unknown");
    EXPECT_TRUE(rests()) << "a worker without work, a job that nobody takes";
    submit("j");
    EXPECT_FALSE(rests()) << "an offer may be taken or not";
    run(w1, "j");
    EXPECT_FALSE(rests()) << "its worker may fall silent";
    fail(w1, "j");
    EXPECT_FALSE(rests()) << "it is offered again soon";
    pass(Ms(1200));
    status(w1, "idle");
    run(w1, "j");
    complete(w1, "j");
    EXPECT_TRUE(rests());
    connect(w2, Role::monitor, "m");
    EXPECT_FALSE(rests()) << "somebody watches";
    disconnect(w2);
    EXPECT_TRUE(rests());
    time_ += policy_.trim_every;
    EXPECT_FALSE(rests()) << "old jobs are forgotten, in steps";
    pass(Ms(200));
    EXPECT_TRUE(rests());
}

TEST_F(CoreOffers, AWithdrawnTypeFreesItsOffer) {
    worker(w1, "w1");
    submit("j");
    worker(w2, "w2");
    say(w1, {{"type", "register_worker"}, {"capabilities", {{"supported_job_types", Json::array()}}}});
    EXPECT_EQ(offered(w2), "j");
}

TEST_F(CoreOffers, ABusyOrUnregisteredWorkerIsOfferedNothing) {
    worker(w1, "w1", {"sim"}, "busy");
    connect(w2, Role::worker, "w2");
    submit("j");
    EXPECT_EQ(offered(w1), "");
    EXPECT_EQ(offered(w2), "");
    say(w1, {{"type", "worker_heartbeat"}, {"status", nullptr}});
    EXPECT_EQ(offered(w1), "");  // null leaves the status alone
    say(w1, {{"type", "worker_heartbeat"}});
    EXPECT_EQ(offered(w1), "j");  // a missing status means idle, as at the Hub
}

TEST_F(CoreOffers, AWorkerWithFreeSlotsGetsTheNextJobWhileItRunsOne) {
    worker(w1, "w1");
    submit("a");
    submit("b");
    said(w1);
    claim(w1, "a");
    EXPECT_EQ(offered(w1), "");  // "working": it has not said yet whether it can take more
    status(w1, "idle");
    EXPECT_EQ(offered(w1), "b");
    claim(w1, "b");
    EXPECT_EQ(job("a").worker_id, "w1");
    EXPECT_EQ(job("b").worker_id, "w1");
}

TEST_F(CoreOffers, AMinimalWorkerThatNeverSendsAStatusIsIdleAfterItsAnswer) {
    worker(w1, "w1");
    submit("a");
    submit("b");
    claim(w1, "a");
    said(w1);
    complete(w1, "a");
    EXPECT_EQ(offered(w1), "b");
}

TEST_F(CoreOffers, TheLastFailerIsPassedOverOnlyWhileAnotherEligibleWorkerIsConnected) {
    worker(w1, "w1");
    submit("j");
    worker(w2, "w2", {"sim"}, "busy");
    run(w1, "j");
    fail(w1, "j");
    said(w1);
    status(w1, "idle");
    pass(policy_.retry_pause);
    EXPECT_EQ(offered(w1), "");  // w2 will be free one day
    worker(w3, "w3", {"other"});
    disconnect(w2);
    EXPECT_EQ(offered(w1), "j");  // nobody else can
}

TEST_F(CoreOffers, AHugePayloadHasMoreTimeToTravel) {
    worker(w1, "w1");
    connect(9, Role::client, "c");
    say(9, {{"type", "submit_job"}, {"job_type", "sim"}, {"payload", {{"x", std::string(1'500'000, 'x')}}}});
    worker(w2, "w2");
    pass(policy_.offer_hold + policy_.offer_hold_per_mib - Ms(200));
    EXPECT_EQ(types_said(w2), (std::vector<std::string>{"connection_established", "worker_registered",
                                                        "job_notifications_subscribed"}));
    pass(Ms(200));
    EXPECT_EQ(last(w2)["type"], "chunked_message");
}

TEST_F(CoreOffers, WhoClaimsAnotherJobLeavesTheOfferedOneToTheOthers) {
    worker(w1, "w1");
    submit("a");
    submit("b");
    EXPECT_EQ(offered(w1), "a");
    claim(w1, "b");
    worker(w2, "w2");
    EXPECT_EQ(offered(w2), "a");
}

}  // namespace
}  // namespace emprops::local_hub
