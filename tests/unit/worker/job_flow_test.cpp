// The way of jobs between a link, the dispatcher and the ledger: what each of them is told, in which order. The
// fleet has no connectors; an instance that it does not know takes no job.

#include "supervisor/worker/job_flow.h"

#include <algorithm>

#include "tests/unit/worker/flow_bench.h"

namespace emprops::test {
namespace {

struct JobFlowTest : FlowBench {
    /// Lets happen what happens until the link has heard this; then everything that it heard.
    Words until(const std::string& word) {
        while (std::find(link.heard.begin(), link.heard.end(), word) == link.heard.end()) {
            io.restart();
            if (io.run_one_for(20s) == 0) {
                ADD_FAILURE() << "the link never heard: " << word;
                break;
            }
        }
        return std::exchange(link.heard, {});
    }
    void ready() {
        process::InstanceInfo info;
        info.job_types = {"t"};
        info.features.cancel = true;
        info.capabilities = {{"steps", 5}};
        flow->on_ready(a, info);
    }
    void assign(const std::string& job_id) {
        flow->on_link_event(jobs::Assigned{{job_id, "t", 0, {"{}"}, ledger->first_number()}, "w-1"});
    }

    /// The job is given to us, the worker ends without a word, and the other side says that the job is still ours.
    void confirm_after_a_restart(const std::string& job_id) {
        assign(job_id);
        const std::uint64_t number = ledger->first_number();
        while (ledger->stats().writes == 0) {
            io.restart();
            ASSERT_GT(io.run_one_for(20s), 0u);
        }
        restart();
        EXPECT_EQ(link.heard.back(), "adopt " + job_id);
        EXPECT_TRUE(flow->quiet()) << "whose it is the other side must say first";
        flow->on_link_event(jobs::JobConfirmed{job_id, number});
    }
};

TEST_F(JobFlowTest, WhatIsKnownOfAConnectorIsToldInOneTurn) {
    until(R"({"version":"1"})");
    ready();
    flow->on_changed(a, {});
    EXPECT_TRUE(link.heard.empty()) << "nothing calls back";
    const int before = turns;
    EXPECT_EQ(until("room").front(), "a works");
    EXPECT_EQ(turns, before + 1);
}

TEST_F(JobFlowTest, APlaceIsGrantedAndTakenBack) {
    ready();
    until("room");
    flow->on_link_event(jobs::PlaceWanted{"j1", "t"});
    flow->on_link_event(jobs::PlaceWanted{"j2", "t"});
    EXPECT_EQ(link.heard, Words({"place for j1", "no place for j2"}));
    until("room");
    flow->on_link_event(jobs::PlaceReleased{"j1"});
    until("room");
    EXPECT_EQ(flow->room().capacity->free_slots.at("t"), 1);
}

TEST_F(JobFlowTest, AnOutcomeIsOnDiskBeforeItIsDeliveredAndGoneWhenItWasTaken) {
    assign("j1");
    flow->change().drain(Clock::now(), jobs::DrainMode::now);
    EXPECT_TRUE(flow->room().outcome_coming);
    EXPECT_FALSE(flow->quiet());
    until("deliver j1 drained");
    EXPECT_FALSE(flow->room().outcome_coming);
    EXPECT_TRUE(flow->quiet());
    EXPECT_EQ(ledger->stats().outcomes, 1u);
    const std::uint64_t number = ledger->first_number();
    restart();
    EXPECT_EQ(link.heard, Words({"adopt j1"})) << "it was on disk";
    flow->on_link_event(jobs::Delivered{"j1", number});
    EXPECT_EQ(ledger->stats().records, 0u);
}

TEST_F(JobFlowTest, ACancelledJobIsForgotten) {
    assign("j1");
    EXPECT_EQ(flow->jobs().running().size(), 1u);
    flow->on_link_event(jobs::JobCancelled{"j1", ledger->first_number(), "by a client"});
    until("undelivered j1");
    EXPECT_EQ(ledger->stats().records, 0u);
    EXPECT_TRUE(flow->quiet());
}

TEST_F(JobFlowTest, AJobOfAnEarlierProcessIsLostUnlessItCanBeResumed) {
    ready();
    confirm_after_a_restart("j1");
    until("deliver j1 lost");
}

TEST_F(JobFlowTest, AJobOfAnEarlierProcessThatNobodyBeganGoesBack) {
    confirm_after_a_restart("j1");
    until("deliver j1 not_started");
}

TEST_F(JobFlowTest, ATokenThatIsRefusedForGoodIsRemembered) {
    flow->on_link_event(jobs::AuthRefused{false});
    EXPECT_FALSE(flow->refused());
    flow->on_link_event(jobs::AuthRefused{true});
    EXPECT_TRUE(flow->refused());
}

}  // namespace
}  // namespace emprops::test
