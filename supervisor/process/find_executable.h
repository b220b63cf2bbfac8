#pragma once
// Where the program of a connector is. Looks at the file system; no state.

#include <filesystem>
#include <string>
#include <vector>

#include "config/settings.h"
#include "ipc/result.h"

namespace emprops::process {

/// `command[0]` (a path, or a name searched in PATH), else the executable emprops-connector-NAME: beside our
/// own
/// (`bin_dir`), in libexec, in `connector_dirs`. The error "not_found" names every place that was searched.
Result<std::filesystem::path> find_executable(const config::ConnectorSettings& settings,
                                              const std::filesystem::path& bin_dir,
                                              const std::vector<std::filesystem::path>& connector_dirs);

}  // namespace emprops::process
