#pragma once
// A fleet with real processes for integration tests: its event loop, a listener that writes down everything,
// and waits with a deadline. Header only, because tests/support is linked by tests that know no processes.

#include <gtest/gtest.h>

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/process/fleet.h"
#include "supervisor/process/os/process_host.h"
#include "tests/support/process_fault_connector.h"
#include "tests/support/run_until.h"
#include "tests/support/temp_dir.h"

namespace emprops::test {

using namespace std::chrono_literals;
using process::DeathReport;
using process::InstanceId;
using process::InstanceInfo;
using process::InstanceStatus;
using process::State;
using process::StopReason;

/// Settings with short times, so that a test takes no longer than it must.
inline config::ConnectorSettings fault_settings(const std::string& name, const std::string& mode,
                                                std::vector<std::string> arguments = {}) {
    config::ConnectorSettings settings;
    settings.name = name;
    settings.command = fault_connector(mode, std::move(arguments));
    settings.supervision.start_timeout = 20s;
    settings.supervision.backoff_initial = 20ms;
    settings.supervision.backoff_max = 100ms;
    settings.supervision.breaker_deaths = 0;
    settings.supervision.stop = {500ms, 500ms, 500ms};
    return settings;
}

class FleetDriver : public process::FleetListener {
  public:
    FleetDriver() { restart_fleet(); }
    ~FleetDriver() override {
        fleet->kill_all();
        bool done = false;
        fleet->shutdown([&] { done = true; });
        run_until([&] { return done; });
        fleet.reset();
    }

    void restart_fleet() {
        process::FleetOptions options;
        options.worker_id = "w-test";
        options.state_dir = state.path();
        options.bin_dir = "/nonexistent/bin";
        options.drain_timeout = 10s;
        fleet = std::make_unique<process::Fleet>(loop.get_executor(), *host, *this, options);
    }

    /// Runs the loop until the condition holds; false after the deadline.
    template <class Condition>
    bool run_until(Condition condition, Ms deadline = 20s) {
        return test::run_until(loop, condition, deadline);
    }
    void run_for(Ms time) {
        const TimePoint end = Clock::now() + time;
        run_until([&] { return Clock::now() >= end; }, time + 1s);
    }

    /// Starts the connectors and waits until each of their instances is ready.
    bool start(const std::vector<config::ConnectorSettings>& connectors) {
        std::size_t wanted = 0;
        for (const auto& each : connectors)
            wanted += each.instances;
        fleet->configure(connectors);
        return run_until([&] { return ready.size() >= wanted; });
    }
    bool give(const InstanceId& id, const std::string& job_id, const std::string& payload = "{}") {
        ipc::Job job;
        job.job_id = job_id;
        job.job_type = "t";
        job.payload = {payload};
        return fleet->give_job(id, std::move(job)).ok();
    }
    /// Gives a job to the newest ready instance of a connector and waits for its result.
    std::optional<std::string> result_of(const std::string& connector, const std::string& job_id) {
        const auto id = newest(connector);
        if (!id || !give(*id, job_id)) return std::nullopt;
        if (!run_until([&] { return result(job_id).has_value(); })) return std::nullopt;
        fleet->job_ended(*id, job_id);
        return result(job_id);
    }
    std::optional<InstanceId> newest(const std::string& connector) const {
        for (auto each = ready.rbegin(); each != ready.rend(); ++each) {
            if (each->first.connector == connector) return each->first;
        }
        return std::nullopt;
    }
    std::optional<std::string> result(const std::string& job_id) const {
        for (const auto& [id, message] : messages) {
            const auto* result = std::get_if<ipc::JobResult>(&message);
            if (result != nullptr && result->job_id == job_id) return result->result.text();
        }
        return std::nullopt;
    }
    InstanceStatus status(const std::string& connector, int index = 0) const {
        for (InstanceStatus& each : fleet->snapshot()) {
            if (each.connector == connector && each.index == index) return each;
        }
        return {};
    }
    /// Why its instances are as they are; empty: there is no such connector.
    std::string why(const std::string& connector) const {
        std::string text;
        for (const InstanceStatus& each : fleet->snapshot()) {
            if (each.connector == connector) text += (text.empty() ? "" : "; ") + each.why;
        }
        return text;
    }
    bool run_until_state(const std::string& connector, State wanted, Ms deadline = 20s) {
        return run_until([&] { return status(connector).state == wanted; }, deadline);
    }
    bool is_gone(const InstanceId& id) const { return report_of(id) != nullptr; }
    const DeathReport* report_of(const InstanceId& id) const {
        for (const auto& [gone_id, report] : gone) {
            if (gone_id == id) return &report;
        }
        return nullptr;
    }

    void on_ready(const InstanceId& id, const InstanceInfo& info) override {
        ready.emplace_back(id, info);
        order.push_back("ready " + to_string(id));
    }
    void on_changed(const InstanceId& id, const InstanceInfo& info) override {
        changes.emplace_back(id, info);
    }
    void on_leaving(const InstanceId& id) override {
        leaving.push_back(id);
        order.push_back("leaving " + to_string(id));
    }
    void on_gone(const InstanceId& id, const DeathReport& report) override {
        gone.emplace_back(id, report);
        order.push_back("gone " + to_string(id));
    }
    void on_message(const InstanceId& id, ipc::FromConnector message) override {
        if (std::holds_alternative<ipc::JobResult>(message)) order.push_back("result " + to_string(id));
        messages.emplace_back(id, std::move(message));
    }
    void on_protocol_error(const InstanceId&, const std::optional<std::string>& job_id,
                           const std::string& code, const std::string& message) override {
        errors.push_back({job_id.value_or(""), code, message});
    }
    void on_status(const InstanceId&, const ipc::Status& status) override { statuses.push_back(status); }

    struct ProtocolError {
        std::string job_id;
        std::string code;
        std::string message;
    };

    TempDir state;
    boost::asio::io_context loop;
    std::unique_ptr<process::ProcessHost> host = process::make_process_host(loop.get_executor());
    std::unique_ptr<process::Fleet> fleet;
    std::vector<std::pair<InstanceId, InstanceInfo>> ready;
    std::vector<std::pair<InstanceId, InstanceInfo>> changes;
    std::vector<InstanceId> leaving;
    std::vector<std::pair<InstanceId, DeathReport>> gone;
    std::vector<std::pair<InstanceId, ipc::FromConnector>> messages;
    std::vector<ProtocolError> errors;
    std::vector<ipc::Status> statuses;
    std::vector<std::string> order;  ///< ready, leaving, result and gone in one list
};

}  // namespace emprops::test
