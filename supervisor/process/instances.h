#pragma once
// The instances of all connectors: as many as are configured, in the order of the configuration, and beside them those
// that are on their way out; and when they want to be called. What happens to one costs nothing for the others. Owned by
// the fleet; event loop thread only.

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "config/settings.h"
#include "ipc/result.h"
#include "supervisor/base/schedule.h"
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

    /// Its next_wakeup() may be another one (Surroundings::changed).
    void touched(const std::string& connector, int index);
    /// When tick() is to be called.
    std::optional<TimePoint> next_wakeup();
    /// Calls those whose time has come.
    void tick(TimePoint now);

    /// Null: there is none such. Of which generation does not matter.
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
    Instance& add(Connector& connector, int index);
    void drop(std::unique_ptr<Instance> instance);

    Surroundings& around_;
    std::vector<std::unique_ptr<Connector>> connectors_;
    std::vector<std::unique_ptr<Instance>> surplus_;  // of connectors whose number of instances was reduced
    std::map<InstanceId, Instance*> by_place_;        // all of both, by connector and index
    std::set<Instance*> touched_;                     // their wake-ups are to be looked at
    Schedule<Instance*> wakeups_;
};

}  // namespace emprops::process
