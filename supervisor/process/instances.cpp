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
            add(connector, index);
        }
        connector.instances.back()->start();
    }
}

Instance& Instances::add(Connector& connector, int index) {
    auto& added =
        connector.instances.emplace_back(std::make_unique<Instance>(around_, connector.settings, index));
    by_place_[{connector.settings.name, index, 0}] = added.get();
    return *added;
}

void Instances::drop(std::unique_ptr<Instance> instance) {
    by_place_.erase({instance->connector(), instance->index(), 0});
    touched_.erase(instance.get());
    wakeups_.set(instance.get(), std::nullopt);
}

void Instances::forget_gone() {
    std::erase_if(surplus_, [this](auto& instance) {
        const bool gone = instance->gone();
        if (gone) drop(std::move(instance));
        return gone;
    });
    std::erase_if(connectors_, [this](const auto& connector) {
        auto& instances = connector->instances;
        const bool gone = connector->removed && std::all_of(instances.begin(), instances.end(),
                                                            [](const auto& each) { return each->gone(); });
        if (gone)
            std::for_each(instances.begin(), instances.end(), [this](auto& each) { drop(std::move(each)); });
        return gone;
    });
}

void Instances::clear() {
    by_place_.clear();
    connectors_.clear();
    surplus_.clear();
    touched_.clear();
    wakeups_.clear();
}

// ---- time -------------------------------------------------------------------------------------------------

void Instances::touched(const std::string& connector, int index) {
    if (Instance* instance = find({connector, index, 0})) touched_.insert(instance);
}

std::optional<TimePoint> Instances::next_wakeup() {
    for (Instance* each : touched_)
        wakeups_.set(each, each->next_wakeup());
    touched_.clear();
    return wakeups_.next();
}

void Instances::tick(TimePoint now) {
    for (Instance* each : wakeups_.due(now)) {
        each->tick(now);
        touched_.insert(each);
    }
}

// ---- who there is -----------------------------------------------------------------------------------------

Instance* Instances::find(const InstanceId& id) const {
    const auto found = by_place_.find({id.connector, id.index, 0});
    return found == by_place_.end() ? nullptr : found->second;
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
