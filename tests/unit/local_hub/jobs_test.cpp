// The states of jobs alone, on a database in memory.

#include "supervisor/local_hub/jobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::local_hub {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

struct JobsTest : testing::Test {
    Policy policy;
    std::unique_ptr<Store> store = Store::open(":memory:").value();
    Offers offers{policy};
    Jobs jobs{*store, offers, policy};
    Now now{TimePoint{} + std::chrono::hours(1), 1e9};

    void add(const std::string& id) { ASSERT_TRUE(jobs.add(hub::SubmitJob{id, "sim"}, "c", now).ok()); }
    void claimed(const std::string& id, ConnectionId worker = 1) {
        add(id);
        ASSERT_TRUE(jobs.claim(id, worker, "w" + std::to_string(worker), now).ok());
    }
    void pass(Ms time) {
        now.steady += time;
        now.epoch_seconds += std::chrono::duration<double>(time).count();
    }
    std::vector<std::string> overdue() {
        std::vector<std::string> all;
        for (const auto& [id, attempt] : jobs.overdue(now.steady))
            all.push_back(id + (attempt.counts ? ": " : " (not counted): ") + attempt.error);
        return all;
    }
    JobStatus state(const std::string& id) { return jobs.view(id).value()->stored.job.status; }
};

TEST_F(JobsTest, ANewJobWaitsBehindTheOthersOfItsType) {
    add("a");
    add("b");
    EXPECT_EQ(jobs.view("b").value()->ahead, 1U);
    EXPECT_EQ(jobs.find("a")->subscribers, std::set<std::string>{"c"});
    EXPECT_EQ(jobs.add(hub::SubmitJob{"a", "sim"}, "c", now).error().code, "exists");
    EXPECT_FALSE(jobs.view("none").value());
    EXPECT_EQ(jobs.payload("a").value(), "{}");
}

TEST_F(JobsTest, AClaimTakesTheJobOutOfTheQueue) {
    claimed("a");
    EXPECT_EQ(state("a"), JobStatus::claimed);
    EXPECT_EQ(jobs.find("a")->holder, 1U);
    EXPECT_THAT(jobs.held_by(1), ElementsAre("a"));
    EXPECT_THAT(jobs.claimed(), ElementsAre("a"));
    EXPECT_TRUE(offers.queue().empty());
    EXPECT_EQ(store->find("a").value()->job.worker_id, "w1");
}

TEST_F(JobsTest, AFailedAttemptGoesBackToItsOldPlaceAndTheLastOneIsTheEnd) {
    policy.max_attempts = 2;
    claimed("a");
    add("b");
    const auto first = jobs.end_attempt("a", {.worker_id = "w1", .error = "boom"}, now);
    EXPECT_EQ(first->job.status, JobStatus::pending);
    EXPECT_EQ(first->job.attempts, 1U);
    EXPECT_EQ(first->job.last_failer, "w1");
    EXPECT_EQ(first->holder, 1U);
    EXPECT_EQ(jobs.view("a").value()->ahead, 0U);
    EXPECT_THAT(jobs.held_by(1), IsEmpty());
    ASSERT_TRUE(jobs.claim("a", 2, "w2", now).ok());
    const auto second = jobs.end_attempt("a", {.worker_id = "w2", .error = "boom again"}, now);
    EXPECT_EQ(second->job.status, JobStatus::failed);
    EXPECT_EQ(second->job.completed_at, now.epoch_seconds);
    EXPECT_EQ(jobs.find("a"), nullptr);
    EXPECT_EQ(jobs.view("a").value()->stored.job.error, "boom again");
    EXPECT_EQ(jobs.finished().at(JobStatus::failed), 1U);
}

TEST_F(JobsTest, AnAttemptThatIsNobodysFaultIsNotCounted) {
    policy.max_attempts = 1;
    claimed("a");
    EXPECT_EQ(jobs.end_attempt("a", {.worker_id = "w1", .error = "left", .counts = false}, now)->job.status,
              JobStatus::pending);
    EXPECT_EQ(jobs.find("a")->job.attempts, 0U);
    EXPECT_EQ(jobs.find("a")->job.last_failer, "");
}

TEST_F(JobsTest, WhatCannotWorkAgainFailsAtOnce) {
    claimed("a");
    EXPECT_EQ(jobs.end_attempt("a", {.worker_id = "w1", .error = "no", .retryable = false}, now)->job.status,
              JobStatus::failed);
}

TEST_F(JobsTest, AJobThatNobodyBeganIsWhatItWas) {
    claimed("a");
    jobs.report_progress("a", 10, "hello");
    const auto back = jobs.take_back("a");
    EXPECT_EQ(back->job.status, JobStatus::pending);
    EXPECT_EQ(back->job.worker_id, "");
    EXPECT_EQ(back->job.message, std::nullopt);
    EXPECT_EQ(back->job.progress, std::nullopt);
    EXPECT_EQ(back->job.attempts, 0U);
    EXPECT_EQ(offers.queue().size(), 1U);
}

TEST_F(JobsTest, AFinishedJobKeepsItsResultInTheStoreOnly) {
    claimed("a");
    auto job = jobs.find("a")->job;
    job.status = JobStatus::completed;
    const std::string_view result = R"({"x":1.10})";
    const auto finished = jobs.finish(job, &result, now);
    EXPECT_EQ(finished->holder, 1U);
    EXPECT_EQ(finished->subscribers, std::set<std::string>{"c"});
    EXPECT_EQ(jobs.find("a"), nullptr);
    EXPECT_EQ(jobs.view("a").value()->stored.result, result);
    EXPECT_THAT(jobs.claimed(), IsEmpty());
    EXPECT_EQ(jobs.unfinished(), 0U);
}

TEST_F(JobsTest, ALostJobIsTakenBackInTimeUnlessSomebodyReportsOnIt) {
    claimed("a");
    claimed("b");
    jobs.lose_holder(1, now);
    EXPECT_EQ(jobs.find("a")->holder, std::nullopt);
    jobs.adopt("b", 2, now);
    pass(policy.requeue_after - Ms(1));
    EXPECT_THAT(overdue(), IsEmpty());
    pass(Ms(1));
    EXPECT_THAT(overdue(), ElementsAre("a: worker w1 was lost"));
    EXPECT_THAT(jobs.held_by(2), ElementsAre("b"));
}

TEST_F(JobsTest, ASilentJobIsTakenBackButASignOfLifeOfItsWorkerKeepsIt) {
    claimed("a", 1);
    claimed("b", 2);
    pass(policy.stale_claim_after - Ms(1));
    jobs.sign_of_life(2, now);
    pass(Ms(1));
    EXPECT_THAT(overdue(), ElementsAre("a: worker w1 sent no progress for 30 s"));
}

TEST_F(JobsTest, ARestartOfTheHubIsNoFaultOfTheWorker) {
    claimed("a");
    add("b");
    Offers offers_again{policy};
    Jobs again{*store, offers_again, policy};
    ASSERT_TRUE(again.load(now).ok());
    EXPECT_EQ(offers_again.queue().size(), 1U);
    EXPECT_EQ(again.find("a")->subscribers, std::set<std::string>{"c"});
    const auto due = again.overdue(now.steady + policy.requeue_after);
    ASSERT_EQ(due.size(), 1U);
    EXPECT_FALSE(due[0].second.counts);
}

TEST_F(JobsTest, ARevivedJobIsPendingWithoutAHistory) {
    policy.max_attempts = 1;
    claimed("a");
    ASSERT_TRUE(jobs.end_attempt("a", {.worker_id = "w1", .error = "boom"}, now).ok());
    const auto revived = jobs.revive(jobs.view("a").value()->stored.job, "other");
    EXPECT_EQ(revived->job.status, JobStatus::pending);
    EXPECT_EQ(revived->job.attempts, 0U);
    EXPECT_EQ(revived->job.last_failer, "");
    EXPECT_THAT(revived->subscribers, UnorderedElementsAre("c", "other"));
    EXPECT_EQ(jobs.finished().at(JobStatus::failed), 0U);
    EXPECT_EQ(offers.queue().size(), 1U);
}

TEST_F(JobsTest, OldFinishedJobsAreForgottenFromTimeToTime) {
    policy.trim_at_once = 1;
    ASSERT_TRUE(jobs.load(now).ok());
    for (const char* id : {"a", "b", "c"}) {
        claimed(id);
        auto job = jobs.find(id)->job;
        job.status = JobStatus::cancelled;
        ASSERT_TRUE(jobs.finish(job, nullptr, now).ok());
    }
    pass(policy.history + Ms(1000));
    for (const std::uint64_t left : {2U, 1U, 0U}) {
        ASSERT_TRUE(jobs.trim(now).ok());
        EXPECT_EQ(jobs.finished().at(JobStatus::cancelled), left);
    }
    EXPECT_FALSE(jobs.view("a").value());
}

}  // namespace
}  // namespace emprops::local_hub
