#include "supervisor/worker/roster.h"

#include <fmt/format.h>

#include <algorithm>

#include "ipc/text/values.h"
#include "supervisor/hub/presence.h"

namespace emprops {

void Roster::configure(const config::Settings& settings) {
    const std::vector<std::string> before = names();
    connectors_.clear();
    for (const auto& connector : settings.connectors)
        connectors_.emplace_back(connector.name, connector.supervision);
    any_ = settings.supervision;
    for (const std::string& name : before)
        if (!configured(name) && !has_ready(name)) actions_.push_back(ForgetStatus{name});
    capabilities_changed_ = true;
}

void Roster::ready(const process::InstanceId& id, const process::InstanceInfo& info) {
    changed(id, info);
    if (info.features.status) return;  // it speaks for itself
    ipc::Status status;
    status.connected = status.available = true;
    status.service = id.connector;
    actions_.push_back(SetStatus{id.connector, std::move(status)});
}

void Roster::changed(const process::InstanceId& id, const process::InstanceInfo& info) {
    ready_[id] = info;
    capabilities_changed_ = true;
}

void Roster::leaving(const process::InstanceId& id) {
    gone(id);
    if (has_ready(id.connector)) return;
    if (!configured(id.connector)) {
        actions_.push_back(ForgetStatus{id.connector});
        return;
    }
    ipc::Status status;
    status.reason = "the connector is not running";
    status.service = id.connector;
    actions_.push_back(SetStatus{id.connector, std::move(status)});
}

void Roster::gone(const process::InstanceId& id) {
    if (ready_.erase(id) > 0) capabilities_changed_ = true;
}

void Roster::status(const process::InstanceId& id, const ipc::Status& status) {
    if (configured(id.connector)) actions_.push_back(SetStatus{id.connector, status});
}

std::vector<Roster::Action> Roster::take_actions() {
    if (std::exchange(capabilities_changed_, false)) actions_.push_back(SetCapabilities{capabilities()});
    return std::exchange(actions_, {});
}

bool Roster::configured(const std::string& connector) const {
    return std::any_of(connectors_.begin(), connectors_.end(),
                       [&](const auto& each) { return each.first == connector; });
}

Result<> Roster::known(const std::string& connector) const {
    if (configured(connector) || connector == config::courier_name) return Ok{};
    return Error{"not_found",
                 fmt::format("no connector is named '{}'; loaded: {}", connector,
                             connectors_.empty() ? "none" : fmt::format("{}", fmt::join(names(), ", ")))};
}

const config::SupervisionSettings& Roster::policy(const std::string& connector) const {
    for (const auto& [name, policy] : connectors_)
        if (name == connector) return policy;
    return any_;
}

std::vector<std::string> Roster::names() const {
    std::vector<std::string> names;
    for (const auto& [name, policy] : connectors_)
        names.push_back(name);
    return names;
}

bool Roster::has_ready(const std::string& connector) const {
    return std::any_of(ready_.begin(), ready_.end(),
                       [&](const auto& each) { return each.first.connector == connector; });
}

bool Roster::serves(const std::string& connector, const std::string& job_type) const {
    return std::any_of(ready_.begin(), ready_.end(), [&](const auto& each) {
        const auto& types = each.second.job_types;
        return each.first.connector == connector && text::has_item(types, job_type);
    });
}

/// One set of keys per connector, in the order of the configuration; of several instances the first one
/// speaks.
ipc::Json Roster::capabilities() const {
    std::vector<std::pair<std::string, ipc::Json>> parts;
    for (const std::string& name : names()) {
        const auto said = std::find_if(ready_.begin(), ready_.end(),
                                       [&](const auto& each) { return each.first.connector == name; });
        if (said != ready_.end()) parts.emplace_back(name, said->second.capabilities);
    }
    return hub::merge_capabilities(machine_, parts);
}

}  // namespace emprops
