// What a reload changes.

#include <algorithm>

#include "config/fields.h"
#include "config/load.h"
#include "config/values.h"

namespace emprops::config {

std::vector<std::string> changed_connectors(const Settings& old, const Settings& neu) {
    std::vector<std::string> changed;
    for (const ConnectorSettings& connector : neu.connectors) {
        const auto before =
            std::find_if(old.connectors.begin(), old.connectors.end(),
                         [&connector](const ConnectorSettings& c) { return c.name == connector.name; });
        if (before != old.connectors.end() && !(*before == connector)) changed.push_back(connector.name);
    }
    return changed;
}

std::vector<std::string> changed_keys(const Settings& old, const Settings& neu) {
    Settings before = old;  // copies: the accessors of the table of settings hand out writable places
    Settings after = neu;
    std::vector<std::string> changed;
    for (const Field& field : fields()) {
        if (!field.in_settings || field.table == "supervision") continue;
        if (render(field, field.in_settings(before)) != render(field, field.in_settings(after))) {
            changed.push_back(field.full_key());
        }
    }
    return changed;
}

}  // namespace emprops::config
