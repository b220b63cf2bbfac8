#pragma once
// The ComfyUI connector: settings, socket and monitor around the jobs.

#include <atomic>
#include <memory>

#include "connectors/comfyui/job/job.h"
#include "emprops/connector.h"

namespace emprops::comfyui {

class ComfyUi : public Connector {
  public:
    ComfyUi();
    ~ComfyUi() override;

    std::string name() const override { return "comfyui"; }
    std::string version() const override;
    std::vector<std::string> check_settings(const ConnectorSettings& given) override;
    void initialize(const ConnectorSettings& settings, ConnectorContext& context) override;
    std::vector<std::string> job_types() const override { return {settings_.job_type}; }
    Json capabilities() const override { return {{"supports_workflows", true}, {"supports_images", true}}; }
    int concurrency() const override { return settings_.concurrency; }
    Features features() const override { return {true, true, true, true, true}; }
    Json process_job(const Job& job, JobContext& context) override;
    void shutdown() override;

  private:
    Settings settings_;
    std::unique_ptr<PromptNames> names_;
    Mailboxes boxes_;
    TimeBook times_;
    ObjectInfo object_info_;
    DeathBook deaths_;
    std::atomic<bool> keeps_slot_ = false;
    int failures_ = 0;     // of the WebSocket since it was up; socket thread only
    std::string refusal_;  // why there is no WebSocket, as last told; socket thread only
    std::unique_ptr<Monitor> monitor_;
    std::unique_ptr<Socket> socket_;  // after the monitor: its handlers use it
    std::unique_ptr<Shared> shared_;
};

}  // namespace emprops::comfyui
