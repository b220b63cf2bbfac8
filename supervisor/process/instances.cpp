#include "supervisor/process/instances.h"

#include <algorithm>

#include "ipc/text/people.h"

namespace emprops::process {

// ---- configuration ----------------------------------------------------------------------------------------

void Instances::configure(const std::vector<config::ConnectorSettings>& connectors) {
    std::vector<std::unique_ptr<Connector>> ordered;
    for (const config::ConnectorSettings& settings : connectors) {
        const auto found = std::find_if(connectors_.begin(), connectors_.end(), [&](const auto& each) {
            return each != nullptr && each->settings.name == settings.name;
        });
        ordered.push_back(found == connectors_.end()
                              ? std::make_unique<Connector>(Connector{settings, {}, false})
                              : std::move(*found));
    }
    for (auto& missing : connectors_) {
        if (missing == nullptr) continue;
        missing->removed = true;
        for (const auto& instance : missing->instances)
            instance->stop("it was removed from the configuration");
        ordered.push_back(std::move(missing));
    }
    connectors_ = std::move(ordered);
    for (const config::ConnectorSettings& settings : connectors)
        reload(*connector(settings.name), settings);
}

void Instances::reload(Connector& connector, const config::ConnectorSettings& settings) {
    config::ConnectorSettings before = connector.settings;
    before.instances = settings.instances;
    const bool changed = !(before == settings);
    const bool back = connector.removed;
    connector.removed = false;
    connector.settings = settings;
    for (const auto& instance : connector.instances) {
        if (changed) instance->configure(settings);
        if (back) instance->start();
    }
    resize(connector);
}

void Instances::resize(Connector& connector) {
    const std::size_t wanted = connector.settings.instances;
    while (connector.instances.size() > wanted) {
        connector.instances.back()->stop("fewer instances of it are configured now");
        surplus_.push_back(std::move(connector.instances.back()));
        connector.instances.pop_back();
    }
    while (connector.instances.size() < wanted) {
        const int index = static_cast<int>(connector.instances.size());
        // One that is still on its way out comes back: two instances must not share an index.
        const auto old = std::find_if(surplus_.begin(), surplus_.end(), [&](const auto& each) {
            return each->index() == index && each->connector() == connector.settings.name;
        });
        if (old != surplus_.end()) {
            connector.instances.push_back(std::move(*old));
            surplus_.erase(old);
            connector.instances.back()->configure(connector.settings);
        } else {
            connector.instances.push_back(std::make_unique<Instance>(around_, connector.settings, index));
        }
        connector.instances.back()->start();
    }
}

void Instances::forget_gone() {
    std::erase_if(surplus_, [](const auto& instance) { return instance->gone(); });
    std::erase_if(connectors_, [](const auto& connector) {
        return connector->removed && std::all_of(connector->instances.begin(), connector->instances.end(),
                                                 [](const auto& instance) { return instance->gone(); });
    });
}

void Instances::clear() {
    connectors_.clear();
    surplus_.clear();
}

// ---- who there is -----------------------------------------------------------------------------------------

Instance* Instances::find(const InstanceId& id) const {
    Instance* found = nullptr;
    for_each([&](Instance& each) {
        if (each.index() == id.index && each.connector() == id.connector) found = &each;
    });
    return found;
}

Instances::Connector* Instances::connector(const std::string& name) const {
    const auto found = std::find_if(connectors_.begin(), connectors_.end(),
                                    [&](const auto& each) { return each->settings.name == name; });
    return found == connectors_.end() ? nullptr : found->get();
}

Result<Instances::Connector*> Instances::known(const std::string& name) const {
    if (Connector* found = connector(name)) return found;
    std::string names;
    for (const auto& each : connectors_)
        add_item(names, each->settings.name);
    return Error{"not_found",
                 "there is no connector \"" + name + "\"; there are: " + (names.empty() ? "none" : names)};
}

Result<> Instances::for_each_of(const std::string& name,
                                const std::function<void(Instance&)>& function) const {
    const auto found = known(name);
    if (!found) return found.error();
    for (const auto& instance : (*found)->instances)
        function(*instance);
    return Ok{};
}

void Instances::for_each(const std::function<void(Instance&)>& function) const {
    for (const auto& connector : connectors_) {
        for (const auto& instance : connector->instances)
            function(*instance);
    }
    for (const auto& instance : surplus_)
        function(*instance);
}

}  // namespace emprops::process
