#pragma once
// The connector that brings files to stores: it takes jobs of type "deliver". Its jobs run on threads of their own; what
// they share is the settings and the connections.

#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "connectors/courier/forms.h"
#include "connectors/courier/settings.h"
#include "emprops/connector.h"

namespace emprops::courier {

class Courier : public Connector {
  public:
    std::string name() const override { return "courier"; }
    std::string version() const override { return "1.0.0"; }
    std::vector<std::string> job_types() const override { return {"deliver"}; }
    int concurrency() const override { return 4; }

    void initialize(const ConnectorSettings& settings, ConnectorContext& context) override;
    std::vector<std::string> check_settings(const ConnectorSettings& settings) override;
    Json process_job(const Job& job, JobContext& context) override;

  private:
    /// A client for one job; afterwards its connections wait for the next one.
    std::unique_ptr<stores::HttpClient> take_client();
    void give_back(std::unique_ptr<stores::HttpClient> client);

    Settings settings_;
    std::optional<Forms> forms_;  // since initialize()
    std::mutex mutex_;
    std::vector<std::unique_ptr<stores::HttpClient>> idle_;
};

}  // namespace emprops::courier
