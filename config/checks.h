#pragma once
// What no single value can tell: settings that exclude each other, or that the world outside will refuse.
// Looks for certificate files; otherwise pure. Internal to config/.

#include "config/load.h"

namespace emprops::config {

/// Appends to loaded.problems. The settings must be complete.
void check_settings(const LoadRequest& request, Loaded& loaded);

}  // namespace emprops::config
