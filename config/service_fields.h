#pragma once
// The rows of [connectors.NAME.service], and what a companion process takes over from its connector. Internal
// to config/.

#include <vector>

#include "config/fields.h"

namespace emprops::config {

std::vector<Field> service_fields();

/// What the service has unless its own table says otherwise: back-off, breaker, stop steps, log limits, user
/// and no_new_privs as its connector; all limits of resources and all recycling are its own and off, because
/// those of the connector, which is small, would kill it.
SupervisionSettings inherited_by_service(const SupervisionSettings& connector);
/// Whether this row of the service's table has the connector's value unless it is set.
bool is_inherited(const Field& field);

}  // namespace emprops::config
