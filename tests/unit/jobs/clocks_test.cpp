// The clocks of one job, what an instance learns from refusals, and drains.

#include <gtest/gtest.h>

#include "supervisor/jobs/drains.h"
#include "supervisor/jobs/limits.h"
#include "supervisor/jobs/refusals.h"

namespace emprops::jobs::test {
namespace {

using namespace std::chrono_literals;
using Names = std::vector<std::string>;

const TimePoint start{1h};

// ---- Limits

struct Running {
    ActiveJob job;
    Instance runner;
    Running() {
        job.state = JobState::running;
        job.run.given_at = job.run.last_sign = start;
        runner.policy.job_timeout = 0s;
        runner.policy.no_progress_timeout = 0s;
    }
    std::optional<TimePoint> next() const { return next_limit(job, &runner); }
    std::optional<Limit> over(Ms after) const { return limit_over(start + after, job, &runner); }
};

TEST(Limits, OfAJobThatWaits) {
    ActiveJob job;
    EXPECT_EQ(next_limit(job, nullptr), std::nullopt);
    job.waiting.until = start + 30s;
    for (const JobState state : {JobState::held, JobState::resuming}) {
        job.state = state;
        EXPECT_EQ(next_limit(job, nullptr), start + 30s);
        EXPECT_EQ(limit_over(start + 29s, job, nullptr), std::nullopt);
        EXPECT_EQ(limit_over(start + 30s, job, nullptr), Limit::waited);
    }
    job.state = JobState::recording;
    EXPECT_EQ(next_limit(job, nullptr), std::nullopt) << "it may still begin";
}

TEST(Limits, OfACancelThatIsNotAnswered) {
    Running it;
    it.job.state = JobState::stopping;
    it.runner.policy.job_timeout = 1s;
    EXPECT_EQ(it.next(), std::nullopt);
    it.job.stop.answer_until = start + 10s;
    EXPECT_EQ(it.next(), start + 10s);
    EXPECT_EQ(it.over(10s), Limit::ignores_cancel);
}

TEST(Limits, OfAJobThatRuns) {
    Running it;
    EXPECT_EQ(it.next(), std::nullopt) << "both are off";
    it.runner.policy.job_timeout = 60s;
    it.runner.policy.no_progress_timeout = 50s;
    EXPECT_EQ(it.next(), start + 50s);
    EXPECT_EQ(it.over(49s), std::nullopt);
    EXPECT_EQ(it.over(50s), Limit::hung);
    EXPECT_EQ(it.over(60s), Limit::ran_too_long) << "the first in order of what is over";
    it.job.run.last_sign = start + 40s;
    EXPECT_EQ(it.next(), start + 60s);
}

TEST(Limits, AServiceThatStaysAwayComesFirst) {
    Running it;
    it.runner.policy.job_timeout = 1s;
    it.runner.gives_back_at = start + 2s;
    EXPECT_EQ(it.next(), start + 1s);
    EXPECT_EQ(it.over(2s), Limit::service_away);
}

TEST(Limits, WhoRefusedItsLastJobHasTakenThisOneAfterFiveSecondsWithoutAWord) {
    Running it;
    EXPECT_EQ(it.over(5s), std::nullopt);
    it.runner.refused(start, 0, "j0");
    EXPECT_EQ(it.next(), start + 5s);
    EXPECT_EQ(it.over(5s), Limit::begun_silently);
    it.job.run.started = true;
    EXPECT_EQ(it.over(5s), std::nullopt);
}

// ---- Refusals

TEST(Refusals, OfABusyOneTeachItsSlots) {
    Refusals refusals;
    EXPECT_EQ(refusals.slots(4), 4);
    EXPECT_EQ(refusals.text(start, "a", "a", 4), "");
    refusals.refused(start, 3, 4, "job j4");
    EXPECT_EQ(refusals.slots(4), 3);
    refusals.refused(start, 2, 4, "job j3");
    refusals.refused(start, 3, 4, "job j5");
    EXPECT_EQ(refusals.slots(4), 2) << "it never grows by a refusal";
    EXPECT_FALSE(refusals.one_at_a_time());
    refusals.began_one();
    EXPECT_EQ(refusals.slots(4), 2);
    EXPECT_NE(refusals.text(start, "a/1", "a", 4).find("2 slots instead of 4"), std::string::npos);
    EXPECT_NE(refusals.text(start, "a/1", "a", 4).find("[connectors.a]"), std::string::npos);
    refusals.offers_anew();
    EXPECT_EQ(refusals.slots(4), 4);
    EXPECT_EQ(refusals.text(start, "a", "a", 4), "");
}

TEST(Refusals, OfAnIdleOneDoubleThePauseUpToThirtySeconds) {
    Refusals refusals;
    for (const int seconds : {1, 2, 4, 8, 16, 30, 30}) {
        refusals.refused(start, 0, 4, "job j1");
        EXPECT_EQ(refusals.asked_again(), start + std::chrono::seconds(seconds));
        refusals.refused(start + 100ms, 0, 4, "job j2");
        EXPECT_EQ(refusals.asked_again(), start + std::chrono::seconds(seconds)) << "given at the same time";
        EXPECT_NE(refusals.text(start, "a", "a", 4).find("asked again in"), std::string::npos);
        refusals.end_pause();
        EXPECT_EQ(refusals.slots(4), 1);
        EXPECT_NE(refusals.text(start, "a", "a", 4).find("one job at a time"), std::string::npos);
    }
    refusals.began_one();
    EXPECT_EQ(refusals.slots(4), 4);
    EXPECT_EQ(refusals.text(start, "a", "a", 4), "");
    refusals.refused(start, 0, 4, "job j1");
    EXPECT_EQ(refusals.asked_again(), start + 1s) << "from the beginning";
}

TEST(Refusals, TroubleOfTheFleetIsSaidUntilAJobBegins) {
    Refusals refusals;
    refusals.trouble("no space left on device");
    EXPECT_EQ(refusals.text(start, "a", "a", 1), "a cannot be given jobs: no space left on device");
    EXPECT_EQ(refusals.slots(1), 1);
    refusals.began_one();
    EXPECT_EQ(refusals.text(start, "a", "a", 1), "");
}

// ---- Drains

TEST(Drains, NowIsDueAtOnceAndOnlyOnce) {
    Drains drains;
    EXPECT_FALSE(drains.drained(Drains::whole_worker));
    drains.begin(Drains::whole_worker, DrainMode::now, {});
    EXPECT_TRUE(drains.drained(Drains::whole_worker));
    EXPECT_FALSE(drains.gives_back(Drains::whole_worker));
    EXPECT_EQ(drains.take_due(start), Names({""}));
    EXPECT_TRUE(drains.gives_back(Drains::whole_worker));
    EXPECT_EQ(drains.take_due(start), Names());
    drains.begin(Drains::whole_worker, DrainMode::now, {});
    EXPECT_EQ(drains.take_due(start), Names({""})) << "a second call begins anew";
    drains.end(Drains::whole_worker);
    EXPECT_FALSE(drains.drained(Drains::whole_worker));
    EXPECT_FALSE(drains.gives_back(Drains::whole_worker));
}

TEST(Drains, ADeadlineIsWaitedForAndAGracefulDrainNeverEnds) {
    Drains drains;
    drains.begin("a", DrainMode::deadline, start + 20s);
    drains.begin("b", DrainMode::deadline, start + 10s);
    drains.begin("c", DrainMode::graceful, start);
    EXPECT_EQ(drains.next_wakeup(), start + 10s);
    EXPECT_EQ(drains.take_due(start + 9s), Names());
    EXPECT_EQ(drains.take_due(start + 10s), Names({"b"}));
    EXPECT_EQ(drains.next_wakeup(), start + 20s);
    EXPECT_EQ(drains.take_due(start + 24h), Names({"a"}));
    EXPECT_EQ(drains.next_wakeup(), std::nullopt);
    EXPECT_TRUE(drains.drained("c"));
    EXPECT_FALSE(drains.gives_back("c"));
    EXPECT_FALSE(drains.drained("d"));
}

TEST(Drains, ModesHaveNames) {
    EXPECT_EQ(drain_mode("now"), DrainMode::now);
    EXPECT_EQ(drain_mode("deadline"), DrainMode::deadline);
    EXPECT_EQ(drain_mode("graceful"), DrainMode::graceful);
}

}  // namespace
}  // namespace emprops::jobs::test
