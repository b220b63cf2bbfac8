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

struct FoundProgram {
    std::filesystem::path path;          ///< absolute
    std::vector<std::string> arguments;  ///< that come before those of `command`
};

/// A path is taken as it is. A name that begins with `emprops-connector-` is searched beside our own program (`bin_dir`),
/// in libexec and in `connector_dirs` first; then, as any other name, in the child's PATH. A connector without a command
/// that has no program may be a connector of the Python worker, NAME_connector.py in `connector_dirs`: then it is the
/// argument of `emprops-connector-python`. The error "not_found" names every place that was searched.
Result<FoundProgram> find_executable(const ProgramSearch& search, const std::filesystem::path& bin_dir,
                                     const std::vector<std::filesystem::path>& connector_dirs);

}  // namespace emprops::process
