// Jobs that the Hub keeps from our id: asked about when idle, and a fresh id only if they still wait.

#include "session_fixture.h"
#include "supervisor/hub/withheld_jobs.h"

namespace emprops::hub {
namespace {

struct WithheldTest : SessionTest {
    /// A job fails here with `code`; the Hub puts it back into its queue.
    void lose(const std::string& job, const std::string& code = "crashed") {
        get_job(job);
        end_job(failed(job, code));
        EXPECT_THAT(frame(ack("job_failed_ack", job)),
                    ElementsAre("delivered " + job + "#" + std::to_string(numbers[job])));
    }
    Words passed_with_watch(Ms duration) {
        Words words = pass(duration);
        if (std::find(words.begin(), words.end(), "open watch") != words.end())
            for (auto& word : open_watch())
                words.push_back(word);
        return words;
    }
};

TEST_F(WithheldTest, AJobLostHereThatStillWaitsAfterFiveSecondsBringsAFreshId) {
    connect();
    lose("j1");
    EXPECT_THAT(pass(Ms(4'999)), IsEmpty());
    EXPECT_THAT(pass(Ms(1)), ElementsAre("open watch"));
    EXPECT_THAT(open_watch(), ElementsAre("ask j1"));
    EXPECT_THAT(watch(job_status("j1", "pending", "w-1")), ElementsAre("disconnect"));
    EXPECT_THAT(frame(offer("j2")), IsEmpty()) << "this connection ends";
    EXPECT_THAT(disconnect("closed"), ElementsAre("close watch", "connect w-2"));
    EXPECT_EQ(last_connect.after, Ms(0));
    EXPECT_THAT(notes, Contains(testing::HasSubstr("under a fresh id")));
    EXPECT_THAT(connect(), ElementsAre("register [sim] busy", "heartbeat idle"));
    get_job("j1");
    EXPECT_THAT(end_job(completed("j1")), Contains("complete j1"));
    EXPECT_EQ(session().metrics(now).fresh_ids, 1u);
}

TEST_F(WithheldTest, AJobThatSomebodyElseTookNeedsNoFreshId) {
    for (const char* state : {"claimed", "completed", "failed", "cancelled"}) {
        SCOPED_TRACE(state);
        connect();
        lose("j1");
        EXPECT_THAT(passed_with_watch(Ms(5'000)), Contains("ask j1"));
        EXPECT_THAT(watch(job_status("j1", state, "x")), IsEmpty());
        EXPECT_THAT(pass(Ms(60'000)), Not(Contains("ask j1")));
        disconnect();
    }
}

TEST_F(WithheldTest, AFailureThatIsTheJobsOwnBringsNone) {
    connect();
    lose("j1", "service_error");
    lose("j2", "timeout");
    EXPECT_THAT(pass(Ms(60'000)), Not(Contains("open watch")));
    ipc::JobError poison;
    poison.code = "crashed";
    poison.retryable = false;
    EXPECT_FALSE(lost_here(poison));
}

TEST_F(WithheldTest, RetriesThatAreUsedUpBringNone) {
    connect();
    get_job("j1");
    end_job(failed("j1", "crashed"));
    EXPECT_THAT(frame(error("Failed to mark job j1 as failed")), ElementsAre("delivered j1#1"));
    EXPECT_THAT(pass(Ms(60'000)), Not(Contains("open watch")));
}

TEST_F(WithheldTest, OnlyAnIdleWorkerReconnects) {
    connect();
    lose("j1");
    get_job("j2");
    EXPECT_THAT(passed_with_watch(Ms(30'000)), Not(Contains("ask j1")));
    end_job(completed("j2"));
    watch(job_status("j2", "claimed", "w-1"));
    EXPECT_THAT(frame(ack("job_completed_ack", "j2")), ElementsAre("delivered j2#2", "ask j1"));
    frame(offer("j3"));
    EXPECT_THAT(watch(job_status("j1", "pending", "")), Not(Contains("disconnect"))) << "a claim is out";
    frame(error("Failed to claim job j3"));
    EXPECT_THAT(watch(job_status("j3", "claimed", "x")), Not(Contains("disconnect")));
}

TEST_F(WithheldTest, ATypeThatCannotRunHereNowBringsNone) {
    connect();
    lose("j1");
    desk.offer_types({});
    run();
    EXPECT_THAT(pass(Ms(60'000)), Not(Contains("open watch")));
    desk.offer_types({{"sim", 1}});
    EXPECT_THAT(run(), Contains("open watch")) << "looked at again when its connector is back";
}

TEST_F(WithheldTest, AFreshIdComesAtMostOnceAMinute) {
    connect();
    lose("j1");
    passed_with_watch(Ms(5'000));
    EXPECT_THAT(watch(job_status("j1", "pending", "w-1")), ElementsAre("disconnect"));
    disconnect();
    connect();
    lose("j1");
    EXPECT_THAT(passed_with_watch(Ms(5'000)), Contains("ask j1"));
    EXPECT_THAT(watch(job_status("j1", "pending", "w-2")), IsEmpty());
    EXPECT_THAT(pass(Ms(54'000)), Not(Contains("ask j1")));
    EXPECT_THAT(passed_with_watch(Ms(2'000)), Contains("ask j1"));
    EXPECT_THAT(watch(job_status("j1", "pending", "w-2")), ElementsAre("disconnect"));
}

TEST_F(WithheldTest, AForcedRetryThatIsRefusedDoesNotStarveTheWorker) {
    connect();
    frame(offer("j1"));
    EXPECT_THAT(frame(error("Failed to claim job j1")), IsEmpty());
    EXPECT_THAT(frame(offer("j1")), IsEmpty());
    EXPECT_THAT(passed_with_watch(Ms(5'000)), Contains("ask j1"));
    EXPECT_THAT(watch(job_status("j1", "pending", "")), ElementsAre("disconnect"));
    disconnect();
    connect();
    EXPECT_THAT(frame(offer("j1")), ElementsAre("claim j1")) << "the refusal was the old id's";
}

TEST_F(WithheldTest, AWorkerWithAFixedIdSaysThatItCannot) {
    settings.exact_id = true;
    connect();
    lose("j1");
    EXPECT_THAT(session().view().withheld, IsEmpty()) << "others may take it";
    passed_with_watch(Ms(5'000));
    EXPECT_THAT(watch(job_status("j1", "pending", "w")), IsEmpty());
    ASSERT_EQ(session().view().withheld.size(), 1u);
    EXPECT_THAT(session().view().withheld[0].text, testing::HasSubstr("id is fixed"));
    EXPECT_THAT(session().view().withheld[0].text, testing::HasSubstr("job j1, which failed here (crashed)"));
    EXPECT_EQ(session().view().withheld[0].job_type, "sim");
    EXPECT_THAT(passed_with_watch(Ms(60'000)), Contains("ask j1")) << "not told for ever";
    watch(job_status("j1", "completed", "x"));
    EXPECT_THAT(session().view().withheld, IsEmpty());
}

TEST_F(WithheldTest, WithAFixedIdARefusedJobIsClaimedAgainAndThenFailedWithinSeconds) {
    settings.exact_id = true;
    connect();
    frame(offer("j1"));
    frame(error("Failed to claim job j1"));
    for (int i = 0; i < 2; ++i) {
        passed_with_watch(Ms(5'000));
        EXPECT_THAT(watch(job_status("j1", "pending", "w")), ElementsAre("claim j1"));
        frame(error("Failed to claim job j1"));
    }
    EXPECT_THAT(watch(job_status("j1", "pending", "w")), ElementsAre("fail j1 not_started", "status idle"));
    EXPECT_THAT(desk.reserved, IsEmpty());
}

TEST_F(WithheldTest, WithoutAClientConnectionNothingIsAskedAndNoIdChanges) {
    settings.hub.cancel_watch = false;
    connect();
    lose("j1");
    EXPECT_THAT(pass(Ms(60'000)), testing::Each(testing::StartsWith("heartbeat")));
}

TEST_F(WithheldTest, AJobLostByAnEarlierProcessComesBackToo) {
    jobs::LedgerEntry lost;
    lost.assignment = {"l", "sim", 0, {}, 6};
    lost.claimed_as = {"w-old"};
    session().adopt(now, lost);
    connect();
    open_watch();
    EXPECT_THAT(watch(job_status("l", "claimed", "w-old")), Contains("confirmed l#6"));
    numbers["l"] = 6;
    session().deliver(now, failed("l", "lost"));
    EXPECT_THAT(run(), Contains("fail l lost"));
    frame(ack("job_failed_ack", "l"));
    EXPECT_THAT(pass(Ms(5'000)), Contains("ask l"));
    EXPECT_THAT(watch(job_status("l", "pending", "w-old")), ElementsAre("disconnect"));
}

using Step = WithheldJobs::Step;

struct WithheldJobsTest : testing::Test {
    WithheldJobs jobs;
    TimePoint now = TimePoint{} + std::chrono::hours(1);

    Step waits(bool exact_id, bool idle = true, bool place = true) {
        return jobs.still_waits(now, "j1", exact_id, idle, place);
    }
    TimePoint look_at() { return jobs.find("j1")->look_at; }
};

TEST_F(WithheldJobsTest, AnIdleWorkerTakesAFreshIdOnceAMinute) {
    jobs.failed_here(now, "j1", "sim", "lost");
    EXPECT_EQ(waits(false, false), Step::none) << "others of its jobs come first";
    EXPECT_EQ(waits(false), Step::fresh_id);
    const TimePoint renewed = now;
    now += Ms(59'999);
    EXPECT_EQ(waits(false), Step::none);
    EXPECT_EQ(look_at(), renewed + Ms(60'000));
    now += Ms(1);
    EXPECT_EQ(waits(false), Step::fresh_id);
}

TEST_F(WithheldJobsTest, WithAFixedIdAJobThatFailedIsToldOnce) {
    jobs.failed_here(now, "j1", "sim", "lost");
    EXPECT_EQ(waits(true), Step::tell);
    EXPECT_EQ(waits(true), Step::none);
    EXPECT_EQ(look_at(), now + Ms(60'000));
}

TEST_F(WithheldJobsTest, WithAFixedIdARefusedClaimIsTriedAgainWhenThereIsAPlace) {
    jobs.claim_refused(now, "j1", "sim");
    EXPECT_EQ(waits(true, true, false), Step::tell);
    EXPECT_EQ(waits(true, false, true), Step::none);
    EXPECT_EQ(waits(true), Step::claim);
}

TEST_F(WithheldJobsTest, OnlyThoseThatWaitAreShown) {
    jobs.failed_here(now, "j1", "sim", "lost");
    EXPECT_TRUE(jobs.waiting().empty());
    waits(false, false);
    EXPECT_EQ(jobs.waiting().size(), 1u);
    jobs.forget("j1");
    EXPECT_EQ(waits(false), Step::none);
}

TEST(WithheldJobs, AreBounded) {
    WithheldJobs jobs;
    const TimePoint start = TimePoint{} + std::chrono::hours(1);
    for (int i = 0; i < 10'000; ++i)
        jobs.failed_here(start + Ms(i), "j" + std::to_string(i), "sim", "lost");
    EXPECT_EQ(jobs.size(), WithheldJobs::most);
    EXPECT_NE(jobs.find("j9999"), nullptr);
}

}  // namespace
}  // namespace emprops::hub
