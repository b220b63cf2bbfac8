#pragma once
// Where the program of a child is. Looks at the file system; no state.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "ipc/result.h"

namespace emprops::process {

struct ProgramSearch {
    std::string connector;  ///< "comfyui", "comfyui.service": its table in the configuration
    std::string program;    ///< the first word of its command; empty: emprops-connector-NAME
    std::map<std::string, std::string> environment;  ///< that the child gets; its PATH counts, as in a shell
};

/// A path is taken as it is. A name that begins with `emprops-connector-` is searched beside our own program (`bin_dir`),
/// in libexec and in `connector_dirs` first; then, as any other name, in the child's PATH. The error "not_found" names
/// every place that was searched.
Result<std::filesystem::path> find_executable(const ProgramSearch& search,
                                              const std::filesystem::path& bin_dir,
                                              const std::vector<std::filesystem::path>& connector_dirs);

}  // namespace emprops::process
