#pragma once
// The instances of all connectors: as many as are configured, in the order of the configuration, and beside them those
// that are on their way out. Owned by the fleet; event loop thread only.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "config/settings.h"
#include "ipc/result.h"
#include "supervisor/process/instance.h"
#include "supervisor/process/surroundings.h"

namespace emprops::process {

class Instances {
  public:
    struct Connector {
        config::ConnectorSettings settings;
        std::vector<std::unique_ptr<Instance>> instances;
        bool removed = false;  ///< from the configuration; its instances finish their jobs and leave
    };

    explicit Instances(Surroundings& around) : around_(around) {}

    /// See Fleet::configure.
    void configure(const std::vector<config::ConnectorSettings>& connectors);
    /// Forgets what is not configured any more and has gone.
    void forget_gone();
    /// All of them, without waiting for them.
    void clear();

    /// Null: there is none such.
    Instance* find(const InstanceId& id) const;
    /// Null: there is none such.
    Connector* connector(const std::string& name) const;
    /// The error "not_found" lists those there are.
    Result<Connector*> known(const std::string& name) const;
    /// Those of one connector; likewise.
    Result<> for_each_of(const std::string& name, const std::function<void(Instance&)>& function) const;
    /// All, also those on their way out.
    void for_each(const std::function<void(Instance&)>& function) const;
    const std::vector<std::unique_ptr<Connector>>& connectors() const { return connectors_; }

  private:
    void reload(Connector& connector, const config::ConnectorSettings& settings);
    void resize(Connector& connector);

    Surroundings& around_;
    std::vector<std::unique_ptr<Connector>> connectors_;
    std::vector<std::unique_ptr<Instance>> surplus_;  // of connectors whose number of instances was reduced
};

}  // namespace emprops::process
