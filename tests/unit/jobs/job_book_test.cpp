// The book of assignments: which state follows which, and what each question answers.

#include "supervisor/jobs/job_book.h"

#include <gtest/gtest.h>

namespace emprops::jobs::test {
namespace {

using namespace std::chrono_literals;
using Cause = ActiveJob::Stop::Cause;
using Numbers = std::vector<std::uint64_t>;

const TimePoint morning{1h};
const process::InstanceId a{"a", 0, 1};
const process::InstanceId b{"b", 0, 2};

struct Book : JobBook {
    const ActiveJob& assign(const std::string& job_id, std::uint64_t number) {
        return add(morning, {job_id, "t", 5, {R"({"n":1})"}, number}, "w-1");
    }
    const ActiveJob& run(const std::string& job_id, std::uint64_t number, const process::InstanceId& id = a) {
        const ActiveJob& job = assign(job_id, number);
        promise(job, id);
        give(morning, job, 1);
        return job;
    }
};

TEST(JobBook, AJobIsHeldPromisedGivenAndGone) {
    Book book;
    EXPECT_TRUE(book.quiet());
    const ActiveJob& job = book.assign("j1", 7);
    EXPECT_EQ(job.state, JobState::held);
    EXPECT_EQ(book.waiting(), Numbers({7}));
    book.promise(job, a);
    EXPECT_EQ(job.state, JobState::recording);
    EXPECT_TRUE(book.bound(a, "j1"));
    EXPECT_EQ(book.given(a, "j1"), nullptr) << "not yet";
    book.give(morning + 1s, job, 3);
    EXPECT_EQ(job.state, JobState::running);
    EXPECT_EQ(book.given(a, "j1"), &job);
    EXPECT_EQ(book.given(b, "j1"), nullptr);
    EXPECT_EQ(job.run.attempt, 3);
    EXPECT_EQ(job.run.last_sign, morning + 1s);
    EXPECT_FALSE(book.quiet());
    EXPECT_FALSE(book.quiet("a"));
    EXPECT_TRUE(book.quiet("b"));
    book.unbind(job);
    book.remove(job);
    EXPECT_EQ(book.find(7), nullptr);
    EXPECT_TRUE(book.quiet());
}

TEST(JobBook, OnlyTheAnswerToTheNewestRecordLetsAJobBeGiven) {
    Book book;
    const ActiveJob& job = book.assign("j1", 7);
    book.record_asked(job, "", true);
    book.record_asked(job, "a", true);
    book.promise(job, a);
    EXPECT_EQ(book.recorded(7), nullptr);
    EXPECT_EQ(book.recorded(7), &job);
    EXPECT_EQ(book.recorded(7), nullptr);
    EXPECT_EQ(book.recorded(99), nullptr);
    EXPECT_EQ(job.record.connector, "a");
}

TEST(JobBook, AnAdoptedJobGoesOnUnderItsNewNumber) {
    Book book;
    const ActiveJob& job = book.run("j1", 7);
    book.record_asked(job, "a", true);
    book.adopt(job, {"j1", "t", 1, {}, 9}, "w-2");
    EXPECT_EQ(book.find(7), nullptr);
    ASSERT_EQ(book.find(9), &job);
    EXPECT_EQ(job.state, JobState::running);
    EXPECT_EQ(job.claimed_as, "w-2");
    EXPECT_EQ(job.record.unanswered, 0) << "the answer comes under the old number";
}

TEST(JobBook, ARunThatDidNotTakePlaceCostsNoAttemptAndAResumedOneStaysWithItsConnector) {
    Book book;
    const ActiveJob& fresh = book.run("j1", 1);
    book.not_run(fresh);
    book.unbind(fresh);
    book.wait_again(fresh, morning + 30s);
    EXPECT_EQ(fresh.state, JobState::held);
    EXPECT_EQ(fresh.run.attempt, 0);
    EXPECT_EQ(fresh.waiting.until, morning + 30s);
    book.promise(fresh, a);
    book.unbind(fresh);
    book.wait_again(fresh, morning + 90s);
    EXPECT_EQ(fresh.waiting.until, morning + 30s) << "the time runs on";

    const ActiveJob& resumed = book.run("j2", 2);
    book.lost(resumed, "a", morning + 60s, {"crashed", "x", true, {}});
    EXPECT_EQ(resumed.state, JobState::resuming);
    EXPECT_EQ(resumed.connector(), "a");
    book.promise(resumed, a);
    book.give(morning, resumed, 2);
    EXPECT_TRUE(resumed.run.resumed);
    EXPECT_FALSE(resumed.waiting.resume_on);
    book.not_run(resumed);
    book.unbind(resumed);
    book.wait_again(resumed, morning);
    EXPECT_EQ(resumed.state, JobState::resuming);
}

TEST(JobBook, ASignOfLifeEndsTheTimeOfWaiting) {
    Book book;
    const ActiveJob& job = book.run("j1", 1);
    book.wait_again(job, morning + 30s);
    book.refused(job, "no");
    book.trouble(job, "disk full");
    book.promise(job, a);
    book.give(morning, job, 1);
    EXPECT_FALSE(job.run.started);
    book.sign_of_life(morning + 5s, job);
    EXPECT_TRUE(job.run.started);
    EXPECT_EQ(job.run.last_sign, morning + 5s);
    EXPECT_FALSE(job.waiting.until);
    EXPECT_EQ(job.waiting.refusals, 0);
    EXPECT_EQ(job.waiting.trouble, "");
}

TEST(JobBook, AProcessMayBeEndedOnlyForJobsThatItDoesNotLetGoOf) {
    Book book;
    const ActiveJob& first = book.run("j1", 1);
    const ActiveJob& second = book.run("j2", 2);
    book.stop(first, Cause::cancelled, morning + 10s, false);
    EXPECT_FALSE(first.live());
    EXPECT_EQ(book.live("j1"), nullptr);
    EXPECT_FALSE(book.ignores_cancel(a));
    book.cancel_ignored(first);
    EXPECT_FALSE(first.stop.answer_until);
    EXPECT_TRUE(book.ignores_cancel(a));
    EXPECT_EQ(book.ends_process(a), nullptr) << "j2 runs on";
    book.unbind(second);
    book.remove(second);
    EXPECT_EQ(book.ends_process(a), &first);
    EXPECT_EQ(book.ends_process(b), nullptr);
}

TEST(JobBook, CountsWhatAnInstanceWasGivenBeforeAndNamesItsOnlyJob) {
    Book book;
    const ActiveJob& first = book.run("j1", 2);
    EXPECT_EQ(book.only_given(a), &first);
    const ActiveJob& second = book.run("j0", 1);  // an older number, given later
    book.run("j3", 3, b);
    EXPECT_EQ(book.given_before(first), 0);
    EXPECT_EQ(book.given_before(second), 1);
    EXPECT_EQ(book.only_given(a), nullptr);
    EXPECT_EQ(book.on(a), Numbers({1, 2}));
}

TEST(JobBook, AnEndedJobStaysUntilItsOutcomeIsOnDisk) {
    Book book;
    const ActiveJob& job = book.run("j1", 1);
    EXPECT_FALSE(book.outcome_at_ledger());
    book.finished(job);
    EXPECT_TRUE(book.outcome_at_ledger());
    book.unbind(job);
    book.remove(job);
    EXPECT_EQ(job.state, JobState::ended);
    EXPECT_FALSE(book.quiet());
    EXPECT_TRUE(book.quiet("a"));
    EXPECT_TRUE(book.views().empty());
    book.outcome_recorded(99);
    book.outcome_recorded(1);
    EXPECT_EQ(book.find(1), nullptr);

    const ActiveJob& still_there = book.run("j2", 2);
    book.stop(still_there, Cause::timeout, morning, false);
    book.finished(still_there);
    book.outcome_recorded(2);
    EXPECT_EQ(book.find(2), &still_there) << "its connector has not let go of it";
}

TEST(JobBook, WhatAnEarlierProcessLeftIsNobodysUntilItIsResumed) {
    Book book;
    book.add_left({{"j1", "t", 0, {R"({"n":1})"}, 7}, {{"w-0"}, "a", 2, true}}, 60s);
    const ActiveJob& job = *book.find(7);
    EXPECT_EQ(book.left("j1"), &job);
    EXPECT_EQ(book.live("j1"), nullptr);
    EXPECT_TRUE(book.quiet());
    EXPECT_TRUE(book.waiting().empty());
    EXPECT_TRUE(job.record.with_payload);
    book.resume_left(morning, job, {"lost", "x", true, {}});
    EXPECT_EQ(book.left("j1"), nullptr);
    EXPECT_EQ(job.state, JobState::resuming);
    EXPECT_EQ(job.waiting.resume_on, "a");
    EXPECT_EQ(job.waiting.until, morning + 60s);
    EXPECT_EQ(job.run.attempt, 2);
}

TEST(JobBook, ViewsShowWhatIsOursAndWhatConnectorsStillHold) {
    Book book;
    const ActiveJob& running = book.run("j1", 1);
    book.assign("j2", 2);
    book.stop(book.run("j3", 3), Cause::cancelled, std::nullopt, false);
    ipc::Progress progress;
    progress.progress = 40;
    book.progress(morning + 2s, running, progress);
    ASSERT_EQ(book.running().size(), 2u);
    ASSERT_EQ(book.views().size(), 3u);
    const JobView view = book.running().front();
    EXPECT_EQ(view.priority, 5);
    EXPECT_EQ(view.progress.progress, 40);
    EXPECT_EQ(view.given_at, morning);
    EXPECT_EQ(view.last_progress_at, morning + 2s);
    EXPECT_FALSE(book.running().back().given_at);
    EXPECT_STREQ(to_string(book.views().back().state), "stopping");
    EXPECT_STREQ(to_string(JobState::held), "held");
    EXPECT_STREQ(to_string(JobState::recording), "recording");
}

}  // namespace
}  // namespace emprops::jobs::test
