#include "config/child_env.h"

#include "config/fields.h"
#include "ipc/text/variables.h"

namespace emprops::config {

namespace {

constexpr std::string_view worker_prefix = "WORKER_";

}  // namespace

std::string owner_of_variable(std::string_view variable, std::span<const std::string> connectors) {
    std::string owner;
    for (const std::string& name : connectors) {
        const std::string prefix = text::variable_name(name) + "_";
        if (!variable.starts_with(prefix) && !variable.starts_with(std::string(worker_prefix) + prefix))
            continue;
        if (name.size() > owner.size()) owner = name;
    }
    return owner;
}

void ChildEnvironment::add(int rank, const std::string& name, const std::string& value,
                           const Origin& origin) {
    const std::string sibling = name.starts_with(worker_prefix) ? name.substr(worker_prefix.size())
                                                                : std::string(worker_prefix) + name;
    const auto other = entries_.find(sibling);
    if (other != entries_.end() && other->second.rank < rank) entries_.erase(other);
    entries_[name] = {value, origin, rank};
}

}  // namespace emprops::config
