// What a reload changes.

#include "config/fields.h"
#include "config/load.h"

namespace emprops::config {

std::vector<std::string> changed_connectors(const Settings& old, const Settings& fresh) {
    std::vector<std::string> changed;
    for (const ConnectorSettings& connector : fresh.connectors) {
        const ConnectorSettings* const before = old.connector(connector.name);
        if (before != nullptr && !(*before == connector)) changed.push_back(connector.name);
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
