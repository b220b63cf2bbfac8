#pragma once
// Hands what the fleet reports to whom it concerns: of the courier to one listener, of all other connectors to another.
// Owned by the worker; event loop thread only.

#include <optional>
#include <string>
#include <utility>

#include "config/settings.h"
#include "supervisor/process/fleet_listener.h"

namespace emprops {

class FleetRouter final : public process::FleetListener {
  public:
    /// Both outlive it.
    FleetRouter(process::FleetListener& connectors, process::FleetListener& courier)
        : connectors_(connectors), courier_(courier) {}

    void on_ready(const process::InstanceId& id, const process::InstanceInfo& info) override {
        to(id.connector).on_ready(id, info);
    }
    void on_changed(const process::InstanceId& id, const process::InstanceInfo& info) override {
        to(id.connector).on_changed(id, info);
    }
    void on_leaving(const process::InstanceId& id) override { to(id.connector).on_leaving(id); }
    void on_gone(const process::InstanceId& id, const process::DeathReport& report) override {
        to(id.connector).on_gone(id, report);
    }
    void on_message(const process::InstanceId& id, ipc::FromConnector message) override {
        to(id.connector).on_message(id, std::move(message));
    }
    void on_protocol_error(const process::InstanceId& id, const std::optional<std::string>& job_id,
                           const std::string& code, const std::string& message) override {
        to(id.connector).on_protocol_error(id, job_id, code, message);
    }
    void on_status(const process::InstanceId& id, const ipc::Status& status) override {
        to(id.connector).on_status(id, status);
    }
    void on_service_gone(const std::string& connector, int index,
                         const process::DeathReport& report) override {
        to(connector).on_service_gone(connector, index, report);
    }

  private:
    process::FleetListener& to(const std::string& connector) {
        return connector == config::courier_name ? courier_ : connectors_;
    }

    process::FleetListener& connectors_;
    process::FleetListener& courier_;
};

}  // namespace emprops
