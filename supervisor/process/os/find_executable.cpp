#include "supervisor/process/os/find_executable.h"

#include <unistd.h>

#include <cstdlib>
#include <sstream>

namespace emprops::process {

namespace fs = std::filesystem;

namespace {

bool executable(const fs::path& path) {
    std::error_code error;
    return fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

std::vector<fs::path> search_path(const config::ConnectorSettings& settings) {
    std::string value;
    if (const auto own = settings.env.find("PATH"); own != settings.env.end()) {
        value = own->second;
    } else if (const char* ours = std::getenv("PATH")) {
        value = ours;
    }
    std::vector<fs::path> folders;
    std::istringstream stream(value);
    for (std::string folder; std::getline(stream, folder, ':');)
        folders.emplace_back(folder.empty() ? "." : folder);
    return folders;
}

}  // namespace

Result<fs::path> find_executable(const config::ConnectorSettings& settings, const fs::path& bin_dir,
                                 const std::vector<fs::path>& connector_dirs) {
    std::vector<fs::path> candidates;
    const bool own_command = !settings.command.empty();
    if (own_command && settings.command.front().find('/') != std::string::npos) {
        candidates.push_back(fs::absolute(settings.command.front()));
    } else {
        // Our own folders first: a second connector that runs our program (`command =
        // ["emprops-connector-..."]`) must find it whatever PATH says.
        const std::string name =
            own_command ? settings.command.front() : "emprops-connector-" + settings.name;
        candidates.push_back(bin_dir / name);
        const fs::path prefix = bin_dir.parent_path();
        candidates.push_back(prefix / "libexec" / "emprops-worker" / name);
        candidates.push_back(prefix / "libexec" / name);
        for (const fs::path& folder : connector_dirs)
            candidates.push_back(folder / name);
        if (own_command) {
            for (const fs::path& folder : search_path(settings))
                candidates.push_back(folder / name);
        }
    }
    std::string searched;
    std::string not_executable;
    for (const fs::path& candidate : candidates) {
        if (executable(candidate)) return fs::absolute(candidate);
        std::error_code error;
        if (fs::exists(candidate, error)) not_executable = candidate.string();
        searched += (searched.empty() ? "" : ", ") + candidate.string();
    }
    std::string text = "connector " + settings.name + ": no executable found; searched: " + searched;
    if (!not_executable.empty()) text += "; " + not_executable + " is there but may not be executed";
    text += own_command ? "; set `command` of [connectors." + settings.name + "] to an existing program"
                        : "; install it, set `command` of [connectors." + settings.name +
                              "], or add its folder to connector_dirs";
    return Error{"not_found", text};
}

}  // namespace emprops::process
