// The way of jobs between a link, the dispatcher and the ledger: what each of them is told, in which order. The
// fleet has no connectors; an instance that it does not know takes no job.

#include "supervisor/worker/job_flow.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>

#include "supervisor/process/os/process_host.h"
#include "tests/support/temp_dir.h"

namespace emprops::test {
namespace {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

struct ListeningLink final : jobs::JobLink {
    Words heard;

    void adopt(jobs::LedgerEntry entry) override { heard.push_back("adopt " + entry.assignment.job_id); }
    void start() override {}
    void stop(std::function<void()> done) override { done(); }
    void room_changed() override { heard.push_back("room"); }
    void place(const std::string& job_id, bool granted) override {
        heard.push_back((granted ? "place for " : "no place for ") + job_id);
    }
    void report_progress(const std::string& job_id, std::uint64_t, const ipc::Progress&) override {
        heard.push_back("progress " + job_id);
    }
    void deliver(jobs::Outcome outcome) override {
        const auto* failed = std::get_if<jobs::Failed>(&outcome.value);
        heard.push_back("deliver " + outcome.job_id + " " + (failed ? failed->error.code : "completed"));
    }
    void undelivered(const std::string& job_id, std::uint64_t) override {
        heard.push_back("undelivered " + job_id);
    }
    void cancel(const std::string&, const std::string&) override {}
    void set_capabilities(ipc::Json capabilities) override { heard.push_back(capabilities.dump()); }
    void set_connector_status(const std::string& connector, const ipc::Status& status) override {
        heard.push_back(connector + (status.available ? " works" : " does not"));
    }
    jobs::LinkMetrics metrics() const override { return {}; }
    jobs::LinkView view() const override { return {}; }
    bool nothing_left() const override { return true; }
    std::string address() const override { return {}; }
};

struct JobFlowTest : testing::Test {
    TempDir dir;
    boost::asio::io_context io;
    Roster roster{{{"version", "1"}}};
    std::unique_ptr<jobs::Ledger> ledger;
    std::unique_ptr<JobFlow> flow;
    std::unique_ptr<process::ProcessHost> host = process::make_process_host(io.get_executor());
    std::unique_ptr<process::Fleet> fleet;
    ListeningLink link;
    int turns = 0;
    const process::InstanceId a{"a", 0, 1};

    void SetUp() override { begin(); }
    void begin() {
        jobs::LedgerOptions options;
        options.state_dir = dir.path();
        options.durability = jobs::Durability::process;
        ledger = jobs::Ledger::open(options, io.get_executor()).value();
        flow = std::make_unique<JobFlow>(io.get_executor(), roster, *ledger, [this] { ++turns; });
        process::FleetOptions fleet_options;
        fleet_options.state_dir = dir.path();
        fleet = std::make_unique<process::Fleet>(io.get_executor(), *host, *flow, fleet_options);
        flow->connect(*fleet, link);
        flow->configure({});
        flow->adopt(ledger->take_loaded());
    }
    /// The worker is killed and started again.
    void restart() {
        fleet.reset();
        flow.reset();
        ledger.reset();
        io.restart();
        io.poll();
        begin();
    }
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
    assign("j1");
    const std::uint64_t number = ledger->first_number();
    while (ledger->stats().writes == 0) {
        io.restart();
        ASSERT_GT(io.run_one_for(20s), 0u);
    }
    restart();
    EXPECT_EQ(link.heard.back(), "adopt j1");
    EXPECT_TRUE(flow->quiet()) << "whose it is the other side must say first";
    flow->on_link_event(jobs::JobConfirmed{"j1", number});
    until("deliver j1 lost");
}

TEST_F(JobFlowTest, ATokenThatIsRefusedForGoodIsRemembered) {
    flow->on_link_event(jobs::AuthRefused{true, false});
    EXPECT_FALSE(flow->refused());
    flow->on_link_event(jobs::AuthRefused{true, true});
    EXPECT_TRUE(flow->refused());
}

}  // namespace
}  // namespace emprops::test
