#pragma once
// The real patient: a process that is started with the worker's own code (the same search, environment, folder, limits,
// pipes and greeting), judged line by line. Owned by a command; runs the event loop while a script waits.

#include <boost/asio/io_context.hpp>
#include <memory>
#include <optional>
#include <string>

#include "config/settings.h"
#include "supervisor/doctor/patient.h"
#include "supervisor/process/child.h"
#include "supervisor/process/fleet_listener.h"
#include "supervisor/process/os/process_host.h"

namespace emprops::doctor {

class ChildPatient : public Patient {
  public:
    /// `options.state_dir`: scratch folders are made below it.
    ChildPatient(boost::asio::io_context& loop, const config::ConnectorSettings& settings,
                 process::FleetOptions options);
    /// Ends what runs, by force.
    ~ChildPatient() override;

    Result<> start() override;
    ipc::Hello hello() const override;
    void send(const ipc::ToConnector& message) override;
    void send_text(std::string text, const std::string& job_id = {}) override;
    void close_stdin() override;
    void terminate() override;
    std::string work_dir(const std::string& job_id) override;
    std::string wrong_files(const std::string& work_dir, const ipc::JobResult& result) const override;
    const Heard& heard() const override { return heard_; }
    std::string heir(int descriptor) const override { return heirs_[descriptor]; }
    TimePoint now() const override { return Clock::now(); }
    bool wait(const std::function<bool()>& condition, Ms limit) override;
    int pid() const { return child_ ? child_->pid() : 0; }

    /// Hears every line beside the judge: of stdin (0), stdout (1) and stderr (2).
    std::function<void(int descriptor, std::string_view line)> on_line;

  private:
    struct Nobody : process::FleetListener {
        void on_ready(const process::InstanceId&, const process::InstanceInfo&) override {}
        void on_changed(const process::InstanceId&, const process::InstanceInfo&) override {}
        void on_leaving(const process::InstanceId&) override {}
        void on_gone(const process::InstanceId&, const process::DeathReport&) override {}
        void on_message(const process::InstanceId&, ipc::FromConnector) override {}
        void on_protocol_error(const process::InstanceId&, const std::optional<std::string>&,
                               const std::string&, const std::string&) override {}
        void on_status(const process::InstanceId&, const ipc::Status&) override {}
    };
    void end();
    void look();
    process::IoEvents io_events();

    boost::asio::io_context& loop_;
    config::ConnectorSettings settings_;
    std::unique_ptr<process::ProcessHost> host_;
    Nobody nobody_;
    process::Surroundings around_;
    std::optional<process::UserIds> user_;
    std::unique_ptr<process::Child> child_;
    Heard heard_;
    std::optional<TimePoint> ready_at_;
    TimePoint next_look_{};
    std::string heirs_[2];
};

}  // namespace emprops::doctor
