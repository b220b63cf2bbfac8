#pragma once
// For one version: the ComfyUI connector delivered files itself, by settings of its own (`s3_endpoint`, `deliver`, ...),
// and the worker does now. What stands in those settings, or in their variables, is taken as if it stood in [stores.s3],
// [stores.http_put], [stores.directory] and the connector's `deliver`, with a warning that says what to write. Neither the
// connector nor its service sees them any more: only the courier has secrets of stores. Pure; used once by load().

#include "config/load.h"

namespace emprops::config {

/// After the connectors are loaded, before the checks.
void take_comfyui_stores(Loaded& loaded);

}  // namespace emprops::config
