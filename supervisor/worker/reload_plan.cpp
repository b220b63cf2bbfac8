#include "supervisor/worker/reload_plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "config/load.h"

namespace emprops {
namespace {

using config::ConnectorSettings;

const ConnectorSettings* find(const std::vector<ConnectorSettings>& connectors, const std::string& name) {
    const auto found = std::find_if(connectors.begin(), connectors.end(),
                                    [&](const auto& each) { return each.name == name; });
    return found == connectors.end() ? nullptr : &*found;
}

/// Names of those in `all` that are not in `some`.
std::vector<std::string> names_missing_in(const std::vector<ConnectorSettings>& some,
                                          const std::vector<ConnectorSettings>& all) {
    std::vector<std::string> names;
    for (const auto& each : all)
        if (find(some, each.name) == nullptr) names.push_back(each.name);
    return names;
}

/// Only the settings of the companion service differ: the connector's process can stay, and so can the port.
bool only_service_differs(const ConnectorSettings* before, const ConnectorSettings* after) {
    if (before == nullptr || after == nullptr) return false;
    if (!before->service.enabled() || !after->service.enabled()) return false;
    ConnectorSettings same = *before;
    same.service = after->service;
    return same == *after && before->service.port == after->service.port;
}

}  // namespace

ReloadPlan plan_reload(const config::Settings& running, const config::Settings& fresh) {
    ReloadPlan plan;
    plan.added = names_missing_in(running.connectors, fresh.connectors);
    plan.removed = names_missing_in(fresh.connectors, running.connectors);
    for (const auto& name : config::changed_connectors(running, fresh)) {
        const bool service =
            only_service_differs(find(running.connectors, name), find(fresh.connectors, name));
        plan.restarting.push_back(service ? name + "'s service" : name);
    }
    plan.new_token = running.hub.token != fresh.hub.token && !running.hub.embedded;
    for (const auto& key : config::changed_keys(running, fresh)) {
        const bool in_force = key.starts_with("log.") || key == "hub.token" || key == "hub.token_file" ||
                              key.starts_with("files.") || key == "stores";
        if (!in_force) plan.waiting.push_back(key);
    }
    return plan;
}

void take_over(config::Settings& running, config::Settings fresh) {
    running.connectors = std::move(fresh.connectors);
    running.supervision = fresh.supervision;
    running.log = fresh.log;
    running.files = fresh.files;
    running.stores = fresh.stores;
    running.hub.token = fresh.hub.token;
    running.hub.token_file = fresh.hub.token_file;
}

std::string to_string(const ReloadPlan& plan) {
    std::vector<std::string> done;
    if (!plan.added.empty()) done.push_back(fmt::format("starting {}", fmt::join(plan.added, ", ")));
    if (!plan.restarting.empty())
        done.push_back(fmt::format("restarting {}", fmt::join(plan.restarting, ", ")));
    if (!plan.removed.empty())
        done.push_back(fmt::format("removing {} when its jobs are done", fmt::join(plan.removed, ", ")));
    if (plan.new_token) done.push_back("the new token serves from the next connection on");
    std::string text = done.empty() ? std::string("reloaded: no running connector has other settings")
                                    : fmt::format("reloaded: {}", fmt::join(done, "; "));
    if (!plan.waiting.empty())
        text += fmt::format("; changed, but in force only after a restart of the worker: {}",
                            fmt::join(plan.waiting, ", "));
    return text;
}

}  // namespace emprops
