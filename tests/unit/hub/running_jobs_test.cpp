// The jobs that run here, alone: signs of life, what is known to be ours, what was taken away.

#include "supervisor/hub/running_jobs.h"

#include "words.h"

namespace emprops::hub {
namespace {

struct RunningJobsTest : MachineTest {
    RunningJobs jobs{settings, wire};

    RunningJobsTest() { usable(); }
    void begin(const std::string& job = "j1", std::uint64_t number = 1) {
        jobs.begin(now, job, "sim", number);
        said();
    }
    void report(double progress, const std::string& job = "j1", std::uint64_t number = 1) {
        ipc::Progress said_so;
        said_so.progress = progress;
        said_so.status = "processing";
        jobs.report(job, number, said_so);
        jobs.keep_alive(now);
    }
    void adopt(bool resumable = true) {
        RunningJob job;
        job.number = 7;
        job.job_type = "sim";
        job.claimed_as = {"old"};
        job.resumable = resumable;
        jobs.adopt(now, "j1", std::move(job));
    }
};

TEST_F(RunningJobsTest, TheHubIsToldThatAJobHasBegun) {
    jobs.begin(now, "j1", "sim", 1);
    EXPECT_THAT(said(), ElementsAre("progress j1 0"));
    ASSERT_NE(jobs.find("j1"), nullptr);
    EXPECT_EQ(jobs.find("j1")->claimed_as, std::set<std::string>{"w-1"});
    EXPECT_FALSE(jobs.unfenced());
}

TEST_F(RunningJobsTest, AJobOfWhichNothingIsHeardIsKeptAlive) {
    begin();
    now += settings.hub.keepalive_interval - Ms(1);
    jobs.keep_alive(now);
    EXPECT_THAT(said(), IsEmpty());
    EXPECT_EQ(jobs.next_wakeup(), now + Ms(1));
    now += Ms(1);
    jobs.keep_alive(now);
    jobs.keep_alive(now);
    EXPECT_THAT(said(), ElementsAre("keepalive j1"));
}

TEST_F(RunningJobsTest, AfterAPauseEveryJobShowsASignOfLifeAtOnce) {
    begin();
    begin("j2", 2);
    jobs.owe_signs();
    EXPECT_LE(jobs.next_wakeup(), now);
    jobs.keep_alive(now);
    jobs.keep_alive(now);
    EXPECT_THAT(said(), ElementsAre("keepalive j1", "keepalive j2"));
}

TEST_F(RunningJobsTest, ProgressIsASignOfLife) {
    begin();
    now += settings.hub.keepalive_interval - Ms(1);
    report(50);
    EXPECT_THAT(said(), ElementsAre("progress j1 50"));
    now += Ms(1);
    jobs.keep_alive(now);
    EXPECT_THAT(said(), IsEmpty());
}

TEST_F(RunningJobsTest, OfAFloodOfProgressTheNewestIsTold) {
    begin();
    for (int i = 1; i <= 60; ++i)
        report(i);
    EXPECT_EQ(said().size(), 20u);
    EXPECT_EQ(jobs.next_wakeup(), now + Ms(100));
    now += Ms(100);
    jobs.keep_alive(now);
    EXPECT_THAT(said(), ElementsAre("progress j1 60"));
}

TEST_F(RunningJobsTest, ProgressIsHeldUntilItIsKnownWhetherTheJobEnds) {
    begin();
    ipc::Progress progress;
    progress.progress = 50;
    jobs.report("j1", 1, progress);
    EXPECT_THAT(said(), IsEmpty());
    EXPECT_LE(jobs.next_wakeup(), now + Ms(100));
    jobs.say_held(now, "j1");
    jobs.say_held(now, "j1");
    jobs.say_held(now, "another");
    EXPECT_THAT(said(), ElementsAre("progress j1 50"));
}

TEST_F(RunningJobsTest, ProgressWaitsForAnOutcomeThatIsComingButNotForLong) {
    begin();
    ipc::Progress progress;
    progress.progress = 50;
    now += Ms(5'000);
    jobs.report("j1", 1, progress);
    jobs.keep_alive(now, true);
    EXPECT_THAT(said(), IsEmpty());
    EXPECT_EQ(jobs.next_wakeup(), now + Ms(100));
    now += Ms(99);
    jobs.keep_alive(now, true);
    EXPECT_THAT(said(), IsEmpty());
    now += Ms(1);
    jobs.keep_alive(now, true);
    EXPECT_THAT(said(), ElementsAre("progress j1 50")) << "the ledger's disk is in trouble";
    jobs.report("j1", 1, progress);
    jobs.keep_alive(now, false);
    EXPECT_THAT(said(), ElementsAre("progress j1 50")) << "it was another job's outcome";
}

TEST_F(RunningJobsTest, ProgressOfAnotherAssignmentIsNotTold) {
    begin("j1", 2);
    report(50, "j1", 1);
    report(50, "j2", 2);
    EXPECT_THAT(said(), IsEmpty());
}

TEST_F(RunningJobsTest, ProgressThatIsTooLargeIsToldWithoutItsDetails) {
    settings.hub.send_limit = 1000;
    begin();
    ipc::Progress large;
    large.progress = 10;
    large.message = std::string(2000, 'x');
    jobs.report("j1", 1, large);
    jobs.keep_alive(now);
    EXPECT_THAT(said(), ElementsAre("progress j1 10"));
    EXPECT_LT(last_frame.size(), 1000u);
}

TEST_F(RunningJobsTest, AfterTheConnectionEndedNothingIsKnownToBeOurs) {
    begin();
    jobs.on_disconnected(now);
    EXPECT_TRUE(jobs.unfenced());
    report(50);
    now += Ms(settings.running_patience) - Ms(1);
    jobs.keep_alive(now);
    EXPECT_THAT(said(), IsEmpty());
    now += Ms(1);
    jobs.keep_alive(now);
    EXPECT_THAT(said(), ElementsAre("keepalive j1")) << "a sign of life harms nobody; its progress waits";
    jobs.confirm(now, "j1");
    EXPECT_THAT(said(), ElementsAre("progress j1 50"));
    EXPECT_FALSE(jobs.unfenced());
}

TEST_F(RunningJobsTest, AConfirmedJobShowsItselfAtOnce) {
    begin();
    jobs.on_disconnected(now);
    jobs.confirm(now, "j1");
    jobs.confirm(now, "j1");
    EXPECT_THAT(said(), ElementsAre("keepalive j1"));
}

TEST_F(RunningJobsTest, AJobOfAnEarlierProcessIsConfirmedOnce) {
    adopt();
    EXPECT_TRUE(jobs.unfenced());
    now += Ms(60'000);
    jobs.keep_alive(now);
    EXPECT_THAT(said(), IsEmpty()) << "it does not run, and is only asked about";
    jobs.confirm(now, "j1");
    jobs.confirm(now, "j1");
    EXPECT_THAT(said(), ElementsAre("confirmed j1#7", "keepalive j1"));
}

TEST_F(RunningJobsTest, AnotherIdIsToldOnceAndTheEarlierOnesAreNamed) {
    adopt();
    EXPECT_THAT(jobs.add_claim("j1"), ElementsAre("old"));
    EXPECT_THAT(said(), ElementsAre("readopted j1#7"));
    EXPECT_THAT(jobs.add_claim("j1"), ElementsAre("old", "w-1"));
    EXPECT_THAT(said(), IsEmpty());
}

TEST_F(RunningJobsTest, WhatNobodyCanSayCountsAsOursAfterAWhile) {
    begin();
    jobs.on_disconnected(now);
    now += Ms(1'000);
    jobs.on_welcomed(now);
    EXPECT_FALSE(jobs.release_unfenced(now + Ms(999), Ms(1'000))) << "counted from the welcome";
    EXPECT_TRUE(jobs.release_unfenced(now + Ms(1'000), Ms(1'000)));
    EXPECT_FALSE(jobs.unfenced());
    EXPECT_FALSE(jobs.release_unfenced(now + Ms(1'000), Ms(0))) << "there is none any more";
}

TEST_F(RunningJobsTest, AnEndNeedsTheRightNumber) {
    begin("j1", 2);
    EXPECT_FALSE(jobs.end("j1", 1));
    EXPECT_TRUE(jobs.end("j1", 2));
    EXPECT_TRUE(jobs.empty());
}

TEST_F(RunningJobsTest, WhyAJobWasTakenAwayIsToldOnce) {
    begin("j1", 2);
    ASSERT_TRUE(jobs.take_away("j1", "cancelled"));
    EXPECT_FALSE(jobs.take_away("j1", "cancelled"));
    EXPECT_EQ(jobs.taken(2), "cancelled");
    EXPECT_EQ(jobs.taken(2), std::nullopt);
}

TEST_F(RunningJobsTest, WhatIsRememberedOfJobsTakenAwayIsBounded) {
    for (std::uint64_t number = 1; number <= 5000; ++number) {
        jobs.begin(now, "j", "sim", number);
        jobs.take_away("j", "cancelled");
    }
    EXPECT_EQ(jobs.taken(1), std::nullopt);
    EXPECT_EQ(jobs.taken(5000), "cancelled");
}

}  // namespace
}  // namespace emprops::hub
