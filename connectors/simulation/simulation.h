#pragma once
// The simulation connector: jobs that take time and do nothing, reported as the Python worker's simulation
// does; and, on request of the payload, every kind of misbehaviour (faults.h).

#include <atomic>

#include "connectors/simulation/settings.h"
#include "emprops/connector.h"

namespace emprops::simulation {

class Simulation : public Connector {
  public:
    std::string name() const override { return "simulation"; }
    std::string version() const override { return simulation::version; }
    void initialize(const ConnectorSettings& settings, ConnectorContext& context) override;
    std::vector<std::string> check_settings(const ConnectorSettings& settings) override;
    std::vector<std::string> job_types() const override { return {settings_.job_type}; }
    Json capabilities() const override;
    int concurrency() const override { return static_cast<int>(settings_.concurrency); }
    Features features() const override;
    RawResult process_job_raw(const Job& job, JobContext& context) override;
    void shutdown() override;

  private:
    Json connection_details(const Job& job, const char* progress_type) const;

    Settings settings_;
    ConnectorContext* context_ = nullptr;
    std::atomic<double> shutdown_seconds_{0};
};

}  // namespace emprops::simulation
