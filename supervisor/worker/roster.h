#pragma once
// The configured connectors and those of their processes that are ready, and what the Hub's monitors are told
// of both: capabilities of all together, one status per connector. Pure; owned by the worker, event loop only.

#include <map>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "config/settings.h"
#include "ipc/messages.h"
#include "ipc/result.h"
#include "supervisor/process/types.h"

namespace emprops {

class Roster {
  public:
    /// `machine`: the capabilities that are not a connector's.
    explicit Roster(ipc::Json machine) : machine_(std::move(machine)) {}

    /// At the start and after a reload. A connector that is gone from the configuration keeps its status at
    /// the monitors until its last process leaves.
    void configure(const config::Settings& settings);

    void ready(const process::InstanceId& id, const process::InstanceInfo& info);
    void changed(const process::InstanceId& id, const process::InstanceInfo& info);
    void leaving(const process::InstanceId& id);
    void gone(const process::InstanceId& id);
    void status(const process::InstanceId& id, const ipc::Status& status);

    struct SetCapabilities {
        ipc::Json capabilities;
    };
    struct SetStatus {
        std::string connector;
        ipc::Status status;
    };
    struct ForgetStatus {
        std::string connector;
    };
    using Action = std::variant<SetStatus, ForgetStatus, SetCapabilities>;
    /// What the Hub side must be told, in this order. Capabilities come once, whatever changed them.
    std::vector<Action> take_actions();

    bool configured(const std::string& connector) const;
    /// Error "not_found", with the names that are known. The worker's own courier is one of them, whether it runs or not.
    Result<> known(const std::string& connector) const;
    /// How a connector is watched over; one that is not configured any more as any.
    const config::SupervisionSettings& policy(const std::string& connector) const;
    std::vector<std::string> names() const;  ///< in the order of the configuration
    /// A ready process of this connector takes jobs of this type.
    bool serves(const std::string& connector, const std::string& job_type) const;
    int ready_instances() const { return static_cast<int>(ready_.size()); }

  private:
    bool has_ready(const std::string& connector) const;
    ipc::Json capabilities() const;

    ipc::Json machine_;
    std::vector<std::pair<std::string, config::SupervisionSettings>> connectors_;
    config::SupervisionSettings any_;
    std::map<process::InstanceId, process::InstanceInfo> ready_;
    std::vector<Action> actions_;
    bool capabilities_changed_ = false;
};

}  // namespace emprops
