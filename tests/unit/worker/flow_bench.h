#pragma once
// A JobFlow with the parts that it joins, but for a Hub and connectors: the link only listens, and the fleet is empty,
// so that an instance takes no job.

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <string>
#include <vector>

#include "supervisor/process/os/process_host.h"
#include "supervisor/worker/job_flow.h"
#include "tests/support/temp_dir.h"

namespace emprops::test {

using namespace std::chrono_literals;
using Words = std::vector<std::string>;

struct ListeningLink final : jobs::JobLink {
    Words heard;

    void adopt(jobs::LedgerEntry entry) override { heard.push_back("adopt " + entry.assignment.job_id); }
    void start() override {}
    void stop(std::function<void()> done) override { done(); }
    void room_changed() override { heard.push_back("room"); }
    void place(const std::string& job_id, jobs::Place place) override {
        const char* words[] = {"no place for ", "place for ", "place ahead for "};
        heard.push_back(words[static_cast<int>(place)] + job_id);
    }
    void begun(const std::string& job_id, std::uint64_t) override { heard.push_back("begun " + job_id); }
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
    void cancel(const std::string& job_id, const std::string& reason) override {
        heard.push_back("cancel " + job_id + " (" + reason + ")");
    }
    void set_capabilities(ipc::Json capabilities) override { heard.push_back(capabilities.dump()); }
    void set_connector_status(const std::string& connector, const ipc::Status& status) override {
        heard.push_back(connector + (status.available ? " works" : " does not"));
    }
    jobs::LinkMetrics metrics() const override { return {}; }
    jobs::LinkView view() const override { return {}; }
    bool nothing_left() const override { return true; }
    std::string address() const override { return {}; }
};

struct FlowBench : testing::Test {
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
        config::WorkerSettings worker;
        worker.state_dir = dir.path();
        worker.durability = "process";
        flow = std::make_unique<JobFlow>(io.get_executor(), worker, roster, *ledger, [this] { ++turns; });
        process::FleetOptions fleet_options;
        fleet_options.state_dir = dir.path();
        fleet = std::make_unique<process::Fleet>(io.get_executor(), *host, *flow, fleet_options);
        flow->connect(*fleet, link);
        flow->start({}, ledger->take_loaded());
    }
    /// The worker is killed, and its threads are done.
    void end() {
        fleet.reset();
        flow.reset();
        ledger.reset();
        io.restart();
        io.poll();
    }
    void restart() {
        end();
        begin();
    }
};

}  // namespace emprops::test
