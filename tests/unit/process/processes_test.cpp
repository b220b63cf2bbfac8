// The processes of one life, without the Life that owns them.

#include "supervisor/process/life/processes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

namespace emprops::process {
namespace {

using namespace std::chrono_literals;
using namespace action;
using testing::ElementsAre;
using testing::IsEmpty;

struct ProcessesBench : testing::Test {
    ProcessesBench() {
        options.name = "c";
        options.readiness = SaysReady{};
        options.drain_timeout = 30s;
    }
    process::Run& start_up(std::uint64_t generation) {
        processes.add(generation, now, out);
        processes.take_over(*processes.candidate(), false, now, out);
        return *processes.serving();
    }
    bool make_way(StopReason reason, bool overlapping = true) {
        return processes.make_way(reason, "why", overlapping, now, out);
    }
    Actions taken() {
        Actions rest;
        for (const Action& each : std::exchange(out, {})) {
            if (!std::holds_alternative<Note>(each)) rest.push_back(each);
        }
        return rest;
    }
    std::optional<Processes::Role> end(std::uint64_t generation) {
        return processes.exited(generation, report, now, out);
    }
    TimePoint now{};
    LifeOptions options;
    Processes processes{options};
    Actions out;
    DeathReport report;
};

TEST_F(ProcessesBench, TheFirstOneIsACandidateUntilItIsUp) {
    EXPECT_TRUE(processes.empty());
    processes.add(1, now, out);
    EXPECT_EQ(processes.candidate()->generation(), 1u);
    EXPECT_EQ(processes.serving(), nullptr);
    EXPECT_EQ(processes.foremost(), processes.candidate());
    processes.take_over(*processes.candidate(), false, now, out);
    EXPECT_EQ(processes.serving()->generation(), 1u);
    EXPECT_EQ(processes.candidate(), nullptr);
    EXPECT_EQ(end(1), Processes::Role::serving);
    EXPECT_TRUE(report.was_ready);
    EXPECT_EQ(end(1), std::nullopt);
}

TEST_F(ProcessesBench, TheOldOneServesUntilTheNewOneIsUpAndThenRetires) {
    start_up(1).job_given();
    EXPECT_TRUE(make_way(StopReason::restart));
    processes.add(2, now, out);
    EXPECT_TRUE(processes.replacing());
    EXPECT_EQ(processes.about_replacement(), "; a new process is starting to take over (why)");
    EXPECT_EQ(processes.current()->generation(), 1u);
    taken();
    processes.take_over(*processes.candidate(), false, now, out);
    EXPECT_THAT(taken(), ElementsAre(Announce{2}, Withdraw{1}, SendDrain{1}));
    EXPECT_EQ(processes.retiring(), 1);
    EXPECT_EQ(processes.about_retiring(), "; 1 older process(es) still finish their jobs");
    EXPECT_EQ(processes.current()->generation(), 2u);
    EXPECT_EQ(processes.find(1)->next_wakeup(), now + 30s) << "its jobs may take the drain timeout";
    EXPECT_EQ(end(1), Processes::Role::retiring);
    EXPECT_EQ(processes.about_retiring(), "");
}

TEST_F(ProcessesBench, AFailedCandidateIsToldOfUntilAnotherOneIsUp) {
    start_up(1);
    make_way(StopReason::restart);
    processes.add(2, now, out);
    EXPECT_EQ(end(2), Processes::Role::candidate);
    processes.candidate_failed("exited with code 1", out);
    EXPECT_EQ(std::get<Note>(out.back()).text,
              "the new process of c never became ready (exited with code 1); the old one goes on");
    EXPECT_EQ(processes.about_replacement(),
              "; its new process never became ready (exited with code 1), so this old one goes on");
    make_way(StopReason::restart);
    EXPECT_EQ(processes.about_replacement(), "");
}

TEST_F(ProcessesBench, WhatMustBeAloneLeavesBeforeTheNextOneStarts) {
    options.exclusive = true;
    start_up(1);
    taken();
    EXPECT_FALSE(make_way(StopReason::restart));
    EXPECT_THAT(taken(), ElementsAre(Withdraw{1}, SendDrain{1}, SendShutdown{1, 10s}));
    end(1);
    EXPECT_TRUE(make_way(StopReason::restart));
}

TEST_F(ProcessesBench, ACandidateMakesWayAtOnce) {
    processes.add(1, now, out);
    EXPECT_TRUE(make_way(StopReason::restart));
    EXPECT_THAT(taken(), ElementsAre(SendDrain{1}, SendShutdown{1, 10s}));
    EXPECT_EQ(end(1), Processes::Role::retiring) << "its end decides nothing";
}

TEST_F(ProcessesBench, RecyclingWaitsForJobsWithoutADeadlineWhereNobodyIsTold) {
    options.readiness = IsAlive{};
    start_up(1);
    processes.jobs_running(1, now, out);
    EXPECT_FALSE(make_way(StopReason::recycle));
    EXPECT_EQ(processes.next_wakeup(), std::nullopt);
    EXPECT_FALSE(make_way(StopReason::restart));
    EXPECT_EQ(processes.next_wakeup(), now + 30s);
    ASSERT_NE(processes.serving(), nullptr) << "its end is judged like any other";
    processes.jobs_running(0, now, out);
    EXPECT_THAT(taken(), ElementsAre(SignalGroup{1, SIGTERM}));
}

TEST_F(ProcessesBench, ANewProcessKnowsTheJobsThatOthersCount) {
    options.readiness = IsAlive{};
    processes.jobs_running(2, now, out);
    EXPECT_EQ(processes.add(1, now, out).jobs(), 2);
}

TEST_F(ProcessesBench, ADebuggersProcessHasAllTheTimeItWants) {
    options.attach = true;
    processes.add(1, now, out);
    EXPECT_EQ(processes.next_wakeup(), std::nullopt);
}

TEST_F(ProcessesBench, OnlyAProcessWithABacklogIsSparedItsPing) {
    options.readiness = SaysReady{10s, 3};
    for (const std::uint64_t generation : {1u, 2u}) {
        processes.add(generation, now, out);
        processes.find(generation)->up(true, now, out);
    }
    taken();
    processes.tick({0, {2}}, now + 10s, out);
    EXPECT_THAT(taken(), ElementsAre(SendPing{1, 1}));
}

TEST_F(ProcessesBench, TheEndOfTheWorkerStopsThemAll) {
    start_up(1);
    processes.add(2, now, out);
    taken();
    processes.dismiss_all(StopReason::worker_leaving, "the worker ends", now, out);
    EXPECT_THAT(taken(), ElementsAre(Withdraw{1}, SendDrain{1}, SendShutdown{1, 10s}, SendDrain{2},
                                     SendShutdown{2, 10s}));
    EXPECT_EQ(processes.foremost(), nullptr);
    EXPECT_EQ(processes.current()->generation(), 2u);
}

}  // namespace
}  // namespace emprops::process
