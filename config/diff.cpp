// What a reload changes.

#include <algorithm>

#include "config/fields.h"
#include "config/load.h"

namespace emprops::config {

std::vector<std::string> changed_connectors(const Settings& old, const Settings& fresh) {
    std::vector<std::string> changed;
    for (const ConnectorSettings& connector : fresh.connectors) {
        const auto before =
            std::find_if(old.connectors.begin(), old.connectors.end(),
                         [&connector](const ConnectorSettings& c) { return c.name == connector.name; });
        if (before != old.connectors.end() && !(*before == connector)) changed.push_back(connector.name);
    }
    return changed;
}

std::vector<std::string> changed_keys(const Settings& old, const Settings& fresh) {
    std::vector<std::string> changed;
    for (const Field& field : fields()) {
        if (!field.in_settings || field.table == "supervision") continue;
        if (field.in_settings->value(old) != field.in_settings->value(fresh)) {
            changed.push_back(field.full_key());
        }
    }
    return changed;
}

}  // namespace emprops::config
