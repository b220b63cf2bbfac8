#pragma once
// Where the program of a connector is. Looks at the file system; no state.

#include <filesystem>
#include <string>
#include <vector>

#include "config/settings.h"
#include "ipc/result.h"

namespace emprops::process {

/// `command[0]`, or emprops-connector-NAME without a command. A path is taken as it is; a name is searched
/// beside our own program (`bin_dir`), in libexec, in `connector_dirs`, and, if it was given as `command`,
/// then in PATH. The error "not_found" names every place that was searched.
Result<std::filesystem::path> find_executable(const config::ConnectorSettings& settings,
                                              const std::filesystem::path& bin_dir,
                                              const std::vector<std::filesystem::path>& connector_dirs);

}  // namespace emprops::process
