#include "supervisor/process/held_jobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace emprops::process {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct JobsHeld : testing::Test {
    JobsHeld() { EXPECT_TRUE(jobs.add("a")); }
    HeldJobs jobs;
};

TEST_F(JobsHeld, APreparedJobRunsFromItsBegin) {
    EXPECT_TRUE(jobs.add("j", "", true));
    EXPECT_TRUE(jobs.holds("j"));
    EXPECT_FALSE(jobs.runs("j"));
    EXPECT_THAT(jobs.ids(), ElementsAre("a"));
    EXPECT_THAT(jobs.ids(true), ElementsAre("j"));
    EXPECT_TRUE(jobs.begin("j"));
    EXPECT_FALSE(jobs.begin("j"));
    EXPECT_EQ(jobs.running(), 2);
    EXPECT_TRUE(jobs.add("k", "", true));
    EXPECT_FALSE(jobs.unanswered("k")) << "it did not run";
    EXPECT_FALSE(jobs.begin("unknown"));
}

TEST_F(JobsHeld, AJobIsHeldOnceAndUntilItIsRemoved) {
    EXPECT_FALSE(jobs.add("a"));
    EXPECT_TRUE(jobs.holds("a"));
    EXPECT_TRUE(jobs.runs("a"));
    jobs.remove("a");
    jobs.remove("a");
    EXPECT_FALSE(jobs.holds("a"));
    EXPECT_TRUE(jobs.add("a")) << "the same id may come again";
}

TEST_F(JobsHeld, WhatNobodyWaitsForIsHeldButDoesNotRun) {
    jobs.add("b");
    EXPECT_TRUE(jobs.unanswered("a"));
    EXPECT_FALSE(jobs.unanswered("a")) << "it ran no more";
    EXPECT_FALSE(jobs.unanswered("c"));
    EXPECT_TRUE(jobs.holds("a"));
    EXPECT_FALSE(jobs.runs("a"));
    EXPECT_EQ(jobs.running(), 1);
    EXPECT_THAT(jobs.ids(), ElementsAre("b"));
    EXPECT_THAT(jobs.ids(true), ElementsAre("a"));
    EXPECT_TRUE(jobs.said("a", true)) << "its one answer still comes";
    EXPECT_FALSE(jobs.said("a", true));
}

TEST_F(JobsHeld, NothingIsHeardAfterTheEndOrAboutAStrangersJob) {
    EXPECT_TRUE(jobs.said("a", false));
    EXPECT_TRUE(jobs.said("a", true));
    EXPECT_FALSE(jobs.said("a", false));
    EXPECT_TRUE(jobs.holds("a"));
    EXPECT_FALSE(jobs.said("b", false));
}

TEST_F(JobsHeld, AcceptedCountsOnceAfterEachRequestOfTheService) {
    EXPECT_TRUE(jobs.accepted("a"));
    EXPECT_FALSE(jobs.accepted("a"));
    EXPECT_TRUE(jobs.requested("a"));
    EXPECT_FALSE(jobs.accepted("a")) << "the request itself was not passed on yet";
    jobs.awaits_service("a");
    EXPECT_TRUE(jobs.accepted("a"));
    EXPECT_FALSE(jobs.accepted("a"));
    EXPECT_FALSE(jobs.requested("a")) << "not the first one";
    EXPECT_FALSE(jobs.accepted("b"));
    EXPECT_FALSE(jobs.requested("b"));
}

TEST_F(JobsHeld, OneErrorIsToldOfAJobAndNoneAfterItsOwnEnd) {
    jobs.add("b");
    EXPECT_TRUE(jobs.failed_here("a"));
    EXPECT_FALSE(jobs.failed_here("a"));
    jobs.said("b", true);
    EXPECT_FALSE(jobs.failed_here("b"));
    EXPECT_FALSE(jobs.failed_here("c"));
    EXPECT_THAT(HeldJobs().ids(), IsEmpty());
}

}  // namespace
}  // namespace emprops::process
