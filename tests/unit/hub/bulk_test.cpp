// Large results on a slow line: the connection of their own, what happens to the job meanwhile, and the small
// parts below it (rate, what the kernel may hold, signs of life).

#include "session_fixture.h"
#include "supervisor/hub/bulk_lane.h"
#include "supervisor/hub/liveness.h"
#include "supervisor/hub/pacing.h"

namespace emprops::hub {
namespace {

using testing::HasSubstr;

const TimePoint start = TimePoint{} + std::chrono::hours(1);

// ---- rate and kernel

TEST(RateMeter, FollowsTheLineAndForgetsWhatIsOld) {
    RateMeter meter;
    EXPECT_EQ(meter.bytes_per_second(), 0);
    std::uint64_t total = 0;
    TimePoint now = start;
    for (int i = 0; i < 100; ++i, now += Ms(20))
        meter.add(now, total += 20'000);
    EXPECT_NEAR(meter.bytes_per_second(), 1e6, 3e4);
    for (int i = 0; i < 500; ++i, now += Ms(20))
        meter.add(now, total += 1'000);
    EXPECT_NEAR(meter.bytes_per_second(), 5e4, 3e3);
    meter.idle();
    EXPECT_EQ(meter.bytes_per_second(), 0) << "a pause says nothing about the line";
}

TEST(RateMeter, WhatFillsTheBuffersOnTheWayInTheFirstMomentIsNoRate) {
    RateMeter meter;
    meter.add(start, 0);
    meter.add(start, 128 << 10);
    EXPECT_LE(meter.bytes_per_second(), 128 << 10);
    meter.add(start + Ms(1), 128 << 10);
    EXPECT_LE(meter.bytes_per_second(), 128 << 10);
}

TEST(RateMeter, MemoryIsBoundedHoweverOftenItIsAsked) {
    RateMeter meter;
    std::uint64_t total = 0;
    for (int i = 0; i < 100'000; ++i)
        meter.add(start + Ms(i), total += 10);
    EXPECT_NEAR(meter.bytes_per_second(), 1e4, 1e3);
}

TEST(KernelAllowance, IsAtMostFiveSecondsOfASlowLineAndNeverNothing) {
    for (const double rate : {13'200.0, 50e3, 100e3, 250e3, 1e6})
        EXPECT_LE(static_cast<double>(kernel_allowance(rate)) / rate, 5.0) << rate;
    EXPECT_EQ(kernel_allowance(0), std::size_t{64} * 1024);
    EXPECT_EQ(kernel_allowance(1e9), std::size_t{1} << 20) << "the rate may fall the next moment";
}

TEST(HumanRate, IsShort) {
    EXPECT_EQ(human_rate(17), "17 B/s");
    EXPECT_EQ(human_rate(51'234), "51 kB/s");
    EXPECT_EQ(human_rate(1'440'000), "1.4 MB/s");
}

// ---- signs of life

TEST(Liveness, PingsAtHalfTheLimitOnceAndGivesUpAtTheLimit) {
    Liveness life(Ms(1000), start);
    using V = Liveness::Verdict;
    EXPECT_EQ(life.look(start + Ms(499)), V::fine);
    EXPECT_EQ(life.look(start + Ms(500)), V::ping);
    EXPECT_EQ(life.look(start + Ms(999)), V::fine);
    EXPECT_EQ(life.look(start + Ms(1000)), V::dead);
    life.heard(start + Ms(1000));
    EXPECT_EQ(life.look(start + Ms(1499)), V::fine);
    EXPECT_EQ(life.look(start + Ms(1500)), V::ping);
}

TEST(Liveness, ALineThatCarriesOurBytesIsAliveAndOneThatStandsStillIsNot) {
    Liveness life(Ms(1000), start);
    TimePoint now = start;
    for (std::uint64_t total = 1; total < 100; ++total, now += Ms(900)) {
        life.confirmed(now, total);
        EXPECT_NE(life.look(now + Ms(899)), Liveness::Verdict::dead);
    }
    const TimePoint last = now - Ms(900);
    life.confirmed(last + Ms(999), 99);  // nothing new
    life.confirmed(last + Ms(999), 50);
    EXPECT_EQ(life.look(last + Ms(1000)), Liveness::Verdict::dead);
}

// ---- which connection

TEST(BulkLane, OpensOnDemandCarriesOneResultAndClosesWhenItIdles) {
    BulkLane lane({}, true);
    using Way = BulkLane::Way;
    using Step = BulkLane::Step;
    const std::size_t large = lane.policy().at_least;
    EXPECT_EQ(lane.way(start, large - 1, false), Way::first);
    EXPECT_EQ(lane.way(start, large, false), Way::wait);
    EXPECT_EQ(lane.steer(start, false, false), Step::none);
    EXPECT_EQ(lane.steer(start, true, false), Step::open);
    EXPECT_EQ(lane.next_id("w"), "w-bulk");
    EXPECT_EQ(lane.steer(start, true, false), Step::none);
    lane.on_welcomed(start);
    EXPECT_EQ(lane.way(start, large, false), Way::bulk);
    EXPECT_EQ(lane.way(start, large, true), Way::wait) << "one at a time";
    const TimePoint later = start + Ms(300'000);
    EXPECT_EQ(lane.steer(later, false, true), Step::none) << "it is at work";
    lane.on_delivered(later);
    EXPECT_EQ(lane.next_wakeup(false, false), later + lane.policy().linger);
    EXPECT_EQ(lane.steer(later + lane.policy().linger, false, false), Step::close);
    EXPECT_EQ(lane.steer(later + Ms(60'000), true, false), Step::open);
    EXPECT_EQ(lane.next_id("w"), "w-bulk2") << "the end of the older one would end the newer at the Hub";
}

TEST(BulkLane, ARefusalIsRememberedUntilTheFirstConnectionIsMadeAnew) {
    BulkLane lane({}, true);
    const std::size_t large = lane.policy().at_least;
    lane.steer(start, true, false);
    EXPECT_TRUE(lane.on_ended(start, false));
    EXPECT_EQ(lane.way(start, large, false), BulkLane::Way::first);
    EXPECT_EQ(lane.way(start + lane.policy().refused_for, large, false), BulkLane::Way::wait);
    lane.on_reconnected();
    EXPECT_EQ(lane.way(start, large, false), BulkLane::Way::wait);
    EXPECT_EQ(BulkLane({}, false).way(start, large, false), BulkLane::Way::first) << "no address for it";
}

TEST(BulkLane, NoWelcomeIsARefusal) {
    BulkLane lane({}, true);
    lane.steer(start, true, false);
    EXPECT_EQ(lane.next_wakeup(true, false), start + lane.policy().open_patience);
    EXPECT_EQ(lane.steer(start + lane.policy().open_patience, true, false), BulkLane::Step::refused);
    EXPECT_EQ(lane.way(start + lane.policy().open_patience, 1 << 20, false), BulkLane::Way::first);
}

TEST(BulkLane, CutsMakeThePausesLongerAndADeliveryEndsThem) {
    BulkLane lane({}, true);
    TimePoint now = start;
    const auto cut_and_wait = [&] {
        EXPECT_EQ(lane.steer(now, true, false), BulkLane::Step::open);
        lane.on_welcomed(now);
        EXPECT_FALSE(lane.on_ended(now, true));
        const Ms pause = std::chrono::duration_cast<Ms>(*lane.next_wakeup(true, false) - now);
        EXPECT_EQ(lane.steer(now + pause - Ms(1), true, false), BulkLane::Step::none);
        now += pause;
        return pause;
    };
    EXPECT_EQ(cut_and_wait(), Ms(1000));
    EXPECT_EQ(cut_and_wait(), Ms(2000));
    EXPECT_EQ(cut_and_wait(), Ms(4000));
    for (int i = 0; i < 40; ++i)
        EXPECT_LE(cut_and_wait(), lane.policy().pause_max);
    lane.steer(now, true, false);
    lane.on_welcomed(now);
    lane.on_delivered(now);
    lane.on_ended(now, true);
    EXPECT_EQ(lane.next_wakeup(true, false), now + Ms(1000));
}

TEST(Upload, TheSecondCutNamesTheSlowLinkAndShortOnesAccuseNobody) {
    const BulkPolicy policy;
    Upload upload;
    TimePoint now = start;
    const auto attempt = [&](Ms lasted, std::size_t left) {
        upload.begin(now, 8'000'000);
        now += lasted;
        return upload.cut(now, left, policy);
    };
    EXPECT_FALSE(attempt(Ms(40'000), 4'000'000));
    EXPECT_FALSE(attempt(Ms(100), 7'990'000)) << "the Hub was restarted";
    const auto second = attempt(Ms(40'000), 4'000'000);
    ASSERT_TRUE(second);
    EXPECT_THAT(*second, HasSubstr("the link is too slow for this result: 8000000 bytes at 100 kB/s"));
    EXPECT_FALSE(attempt(Ms(40'000), 4'000'000)) << "not each time";
    EXPECT_TRUE(attempt(Ms(40'000), 4'000'000));
}

// ---- the session

class BulkTest : public SessionTest {
  protected:
    BulkTest() {
        settings.bulk.at_least = 1000;
        queued_bytes = [this] { return waiting; };
        bulk_queued_bytes = [this] { return bulk_waiting; };
        desk.offer_types({{"sim", 3}});
    }
    jobs::Outcome large(const std::string& job) {
        return completed(job, R"({"d":")" + std::string(2000, 'x') + "\"}");
    }
    Words bulk(const std::string& text) {
        session().on_bulk_frame(now, text);
        return run();
    }
    Words bulk_ends(const std::string& reason = "cut") {
        session().on_bulk_disconnected(now, reason);
        return run();
    }
    /// j1 is on its way, `left` bytes have not been taken.
    void upload_j1(std::size_t left = 1500) {
        connect();
        get_job("j1");
        EXPECT_THAT(end_job(large("j1")), Contains("open bulk w-1-bulk"));
        EXPECT_THAT(bulk(welcome()), Contains("bulk complete j1"));
        bulk_waiting = left;
    }
    int count(const Words& words, const std::string& word) {
        return static_cast<int>(std::count(words.begin(), words.end(), word));
    }

    std::size_t waiting = 0;
    std::size_t bulk_waiting = 0;
};

TEST_F(BulkTest, ALargeResultLeavesOverAConnectionOfItsOwnWhichIdlesAndCloses) {
    connect();
    get_job("j1");
    const Words ended = end_job(large("j1"));
    EXPECT_THAT(ended, Contains("open bulk w-1-bulk"));
    EXPECT_THAT(ended, Not(Contains("complete j1")));
    const Words welcomed = bulk(welcome());
    EXPECT_THAT(welcomed, Contains("progress j1 100"));
    EXPECT_THAT(welcomed, Contains("bulk complete j1"));
    EXPECT_THAT(bulk(ack("job_completed_ack", "j1")), ElementsAre("delivered j1#1"));
    const Words after = pass(Ms(11'000));
    EXPECT_EQ(count(after, "close bulk"), 1);
    EXPECT_EQ(count(after, "open watch"), 0);
    EXPECT_TRUE(session().nothing_left());
}

TEST_F(BulkTest, SmallResultsAndFailuresLeaveOverTheFirstConnectionMeanwhile) {
    desk.offer_types({{"sim", 3}});
    connect();
    for (const char* job : {"j1", "j2", "j3"})
        get_job(job);
    end_job(large("j1"));
    bulk(welcome());
    bulk_waiting = 1500;
    EXPECT_THAT(end_job(completed("j2")), Contains("complete j2"));
    jobs::Outcome failure = failed("j3");
    std::get<jobs::Failed>(failure.value).error.message = std::string(5000, 'x');
    EXPECT_THAT(end_job(failure), Contains("fail j3 service_error"));
}

TEST_F(BulkTest, TheJobIsKeptAliveAndAskedAboutWhileItsResultIsOnItsWay) {
    upload_j1();
    Words words = pass(Ms(2000));
    EXPECT_THAT(words, Contains("open watch"));
    open_watch();
    words = pass(Ms(60'000));
    EXPECT_GE(count(words, "keepalive j1"), 5);
    EXPECT_THAT(words, Contains("ask j1"));
    for (int i = 0; i < 3; ++i) {
        watch(job_status("j1", "processing", "w-1"));
        EXPECT_EQ(count(pass(settings.hub.cancel_poll), "ask j1"), 1);
    }
    EXPECT_EQ(count(words, "bulk complete j1"), 0) << "it is sent once";
}

TEST_F(BulkTest, WaitingForTheConnectionSaysNothingOfOurStateAgain) {
    connect();
    get_job("j1");
    end_job(large("j1"));
    int statuses = 0;
    for (const auto& word : pass(Ms(10'000)))
        statuses += word.starts_with("status") || word.starts_with("register") ? 1 : 0;
    EXPECT_EQ(statuses, 0);
}

TEST_F(BulkTest, AJobThatIsCancelledMeanwhileIsCutOffBeforeTheHubHasItsResult) {
    upload_j1();
    pass(Ms(1500));
    open_watch();
    const Words words = watch(job_status("j1", "cancelled", "w-1"));
    EXPECT_THAT(words, Contains("close bulk"));
    EXPECT_THAT(words, Contains("not delivered j1#1 cancelled"));
}

TEST_F(BulkTest, SoIsOneThatTheHubGaveToAnotherOrThatTheHubSaysIsCancelled) {
    upload_j1();
    pass(Ms(1500));
    open_watch();
    EXPECT_THAT(watch(job_status("j1", "processing", "other")),
                testing::IsSupersetOf({"close bulk", "not delivered j1#1 claimed_by_other"}));
    get_job("j2");
    end_job(large("j2"));
    EXPECT_THAT(bulk(welcome()), Contains("bulk complete j2"));
    EXPECT_THAT(frame(R"({"type":"cancel_job","job_id":"j2","reason":"no"})"),
                testing::IsSupersetOf({"close bulk", "not delivered j2#2 cancelled"}));
}

TEST_F(BulkTest, AJobThatIsPendingAgainIsStillDeliveredAndNotRunTwice) {
    upload_j1();
    pass(Ms(1500));
    open_watch();
    EXPECT_THAT(watch(job_status("j1", "pending", "")), Not(Contains("close bulk")));
    EXPECT_THAT(frame(offer("j1")), Not(Contains("claim j1")));
    bulk_waiting = 0;
    EXPECT_THAT(bulk(ack("job_completed_ack", "j1")), Contains("delivered j1#1"));
}

TEST_F(BulkTest, ARefusedConnectionMeansTheFirstOne) {
    connect();
    get_job("j1");
    end_job(large("j1"));
    EXPECT_THAT(bulk_ends("the Hub closed the connection"), Contains("complete j1"));
    EXPECT_THAT(notes, Contains(HasSubstr("no second connection to the Hub")));
    get_job("j2");
    const Words second = end_job(large("j2"));
    EXPECT_THAT(second, Contains("complete j2"));
    EXPECT_THAT(second, Not(Contains("open bulk w-1-bulk2")));
}

TEST_F(BulkTest, AnErrorInsteadOfAWelcomeIsARefusalToo) {
    connect();
    get_job("j1");
    end_job(large("j1"));
    bulk(error("Authentication failed: Invalid token"));
    EXPECT_THAT(bulk_ends(), Contains("complete j1"));
}

TEST_F(BulkTest, AHubWithoutAWelcomeIsNotWaitedForForEver) {
    connect();
    get_job("j1");
    end_job(large("j1"));
    EXPECT_THAT(pass(settings.bulk.open_patience + Ms(500)),
                testing::IsSupersetOf({"close bulk", "complete j1"}));
}

TEST_F(BulkTest, WithoutAnAddressForItTheFirstConnectionIsUsed) {
    settings.bulk_possible = false;
    connect();
    get_job("j1");
    EXPECT_THAT(end_job(large("j1")), Contains("complete j1"));
}

TEST_F(BulkTest, TwoCutsNameTheSlowLinkAndEachTimeTheHubIsAskedBeforeItIsSentAgain) {
    upload_j1();
    pass(Ms(1500));
    open_watch();
    for (int cuts = 1; cuts <= 2; ++cuts) {
        pass(Ms(40'000));
        EXPECT_THAT(bulk_ends(), Not(Contains("bulk complete j1")));
        EXPECT_THAT(notes, cuts < 2 ? Not(Contains(HasSubstr("too slow")))
                                    : testing::Matcher<Words>(
                                          Contains(HasSubstr("the link is too slow for this result: 2"))));
        bulk_waiting = 0;
        pass(Ms(10'100));  // the last question was not answered
        Words words = watch(job_status("j1", "processing", "w-1"));
        for (const auto& word : pass(Ms(3000)))
            words.push_back(word);
        EXPECT_THAT(words, Contains("open bulk w-1-bulk" + std::to_string(cuts + 1)));
        EXPECT_THAT(bulk(welcome()), Contains("bulk complete j1")) << cuts;
        bulk_waiting = 1500;
    }
    bulk_waiting = 0;
    EXPECT_THAT(bulk(ack("job_completed_ack", "j1")), Contains("delivered j1#1"));
}

TEST_F(BulkTest, SoDoTwoCutsOfTheFirstConnection) {
    settings.bulk_possible = false;
    settings.hub.cancel_watch = false;
    connect();
    get_job("j1");
    end_job(large("j1"));
    for (int cuts = 1; cuts <= 2; ++cuts) {
        waiting = 1500;
        pass(Ms(40'000));
        EXPECT_THAT(notes, Not(Contains(HasSubstr("too slow"))));
        disconnect("no pong");
        waiting = 0;
        EXPECT_THAT(connect(), Contains("complete j1"));
    }
    EXPECT_THAT(notes, Contains(HasSubstr("the link is too slow for this result")));
}

TEST_F(BulkTest, TheEndOfTheFirstConnectionDoesNotEndTheUpload) {
    upload_j1();
    EXPECT_THAT(disconnect(), Not(Contains("close bulk")));
    pass(Ms(1000));
    Words words = connect();
    EXPECT_THAT(words, Not(Contains("bulk complete j1")));
    EXPECT_GE(count(pass(Ms(15'000)), "keepalive j1"), 1);
    bulk_waiting = 0;
    EXPECT_THAT(bulk(ack("job_completed_ack", "j1")), Contains("delivered j1#1"));
}

TEST_F(BulkTest, AnAckThatWasLostIsAskedFor) {
    upload_j1(0);
    pass(Ms(1000));
    EXPECT_THAT(bulk_ends(), Not(Contains("bulk complete j1")));
    open_watch();
    pass(Ms(2500));
    EXPECT_THAT(watch(job_status("j1", "completed", "w-1")), Contains("delivered j1#1"));
    EXPECT_THAT(notes, Not(Contains(HasSubstr("too slow"))));
}

TEST_F(BulkTest, WhatAProxyHasTakenAtOnceIsGivenTheTimeOfASlowLine) {
    settings.bulk.at_least = 100'000;
    connect();
    get_job("j1");
    end_job(completed("j1", R"({"d":")" + std::string(8'000'000, 'x') + "\"}"));
    bulk(welcome());
    pass(Ms(1500));
    open_watch();
    int kept = 0;
    for (int i = 0; i < 60; ++i) {
        watch(job_status("j1", "processing", "w-1"));
        const Words words = pass(Ms(2500));
        kept += count(words, "keepalive j1");
        EXPECT_THAT(words, Not(Contains("bulk complete j1")))
            << "not twice over a line that has enough to do";
    }
    EXPECT_GE(kept, 14);
    EXPECT_THAT(watch(job_status("j1", "cancelled", "w-1")), Not(Contains("close bulk"))) << "too late";
    EXPECT_THAT(bulk(ack("job_completed_ack", "j1")), Contains("delivered j1#1"));
}

TEST_F(BulkTest, TheClientConnectionMayBeTheFirstToKnowThatItArrived) {
    upload_j1(0);
    pass(Ms(1500));
    open_watch();
    EXPECT_THAT(watch(job_status("j1", "completed", "w-1")), Contains("delivered j1#1"));
    EXPECT_THAT(bulk(ack("job_completed_ack", "j1")), IsEmpty());
}

TEST_F(BulkTest, AnOutcomeWithoutAnAckIsAskedForAndTheNextOneTakesItsPlace) {
    connect();
    get_job("j1");
    get_job("j2");
    end_job(large("j1"));
    bulk(welcome());
    EXPECT_THAT(end_job(large("j2")), Not(Contains("bulk complete j2")));
    const Words words = pass(settings.ack_timeout + Ms(1000));
    EXPECT_THAT(words, Contains("bulk complete j2"));
    EXPECT_THAT(notes, Contains(HasSubstr("has not acknowledged the outcome of job j1")));
}

TEST_F(BulkTest, LargeResultsGoOneAfterTheOther) {
    connect();
    get_job("j1");
    get_job("j2");
    end_job(large("j1"));
    bulk(welcome());
    bulk_waiting = 1500;
    EXPECT_THAT(end_job(large("j2")), Not(Contains("bulk complete j2")));
    EXPECT_GE(count(pass(Ms(25'000)), "keepalive j2"), 2) << "the one that waits is kept alive too";
    bulk_waiting = 0;
    const Words words = bulk(ack("job_completed_ack", "j1"));
    EXPECT_THAT(words, testing::IsSupersetOf({"delivered j1#1", "bulk complete j2"}));
}

TEST_F(BulkTest, LeavingEndsItAndTheResultStaysInTheLedger) {
    upload_j1();
    session().stop();
    EXPECT_THAT(run(), Contains("close bulk"));
    EXPECT_FALSE(session().nothing_left());
}

}  // namespace
}  // namespace emprops::hub
