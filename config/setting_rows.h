#pragma once
// The rows of each struct in settings.h: a setting is added there and as one row here, nowhere else. Internal to
// config/.

#include "config/rows/row.h"
#include "config/settings.h"

namespace emprops::config {

inline constexpr double day = 24 * 3600;  ///< s

settings::Rows<Settings> top_rows();
settings::Rows<WorkerSettings> worker_rows();
settings::Rows<HubSettings> hub_rows();
settings::Rows<LocalHubSettings> local_hub_rows();
settings::Rows<LogSettings> log_rows();
settings::Rows<ControlSettings> control_rows();
settings::Rows<FilesSettings> files_rows();
/// [supervision], and the same keys in each [connectors.NAME].
settings::Rows<SupervisionSettings> supervision_rows();
/// What only [connectors.NAME] has.
settings::Rows<ConnectorSettings> connector_rows();
/// [connectors.NAME.service]: what a service has of its own, and what it has as its connector unless its own table
/// says otherwise.
settings::Rows<ServiceSettings> service_rows();
settings::Rows<ServiceSettings> inherited_service_rows();

}  // namespace emprops::config
