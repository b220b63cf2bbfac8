#include "supervisor/process/os/find_executable.h"

#include <unistd.h>

#include <string_view>

#include "ipc/text/people.h"
#include "ipc/text/values.h"

namespace emprops::process {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view own_prefix = "emprops-connector-";
constexpr std::string_view python_host = "emprops-connector-python";

bool executable(const fs::path& path) {
    std::error_code error;
    return fs::is_regular_file(path, error) && ::access(path.c_str(), X_OK) == 0;
}

std::vector<fs::path> candidates(const ProgramSearch& search, const std::string& name,
                                 const fs::path& bin_dir, const std::vector<fs::path>& connector_dirs) {
    if (name.find('/') != std::string::npos) return {fs::absolute(name)};
    std::vector<fs::path> found;
    // A second connector that runs our program must find it whatever PATH says; any other name is the user's.
    if (name.starts_with(own_prefix)) {
        const fs::path prefix = bin_dir.parent_path();
        found = {bin_dir / name, prefix / "libexec" / "emprops-worker" / name, prefix / "libexec" / name};
        for (const fs::path& folder : connector_dirs)
            found.push_back(folder / name);
    }
    if (search.program.empty()) return found;
    const auto path = search.environment.find("PATH");
    const std::string folders =
        path == search.environment.end() ? "/usr/local/bin:/usr/bin:/bin" : path->second;
    for (const std::string& folder : text::split_list(folders, ':'))
        found.push_back(fs::path(folder) / name);
    return found;
}

/// The program's path; empty: there is none. What was looked at is added to the two texts.
fs::path first_executable(const std::vector<fs::path>& files, std::string& searched,
                          std::string& not_executable) {
    for (const fs::path& candidate : files) {
        if (executable(candidate)) return fs::absolute(candidate);
        std::error_code error;
        if (fs::exists(candidate, error)) not_executable = candidate.string();
        add_item(searched, candidate.string());
    }
    return {};
}

/// NAME_connector.py in one of the folders; empty: there is none.
fs::path python_connector(const std::string& name, const std::vector<fs::path>& connector_dirs,
                          std::string& searched) {
    for (const fs::path& folder : connector_dirs) {
        const fs::path file = fs::absolute(folder / (name + "_connector.py"));
        std::error_code error;
        if (fs::is_regular_file(file, error)) return file;
        add_item(searched, file.string());
    }
    return {};
}

}  // namespace

Result<FoundProgram> find_executable(const ProgramSearch& search, const fs::path& bin_dir,
                                     const std::vector<fs::path>& connector_dirs) {
    const std::string table = "[connectors." + search.connector + "]";
    const std::string name =
        search.program.empty() ? std::string(own_prefix) + search.connector : search.program;
    std::string searched;
    std::string not_executable;
    const auto find = [&](const std::string& program) {
        return first_executable(candidates(search, program, bin_dir, connector_dirs), searched,
                                not_executable);
    };
    if (const fs::path program = find(name); !program.empty()) return FoundProgram{program, {}};
    if (search.program.empty()) {
        const fs::path module = python_connector(search.connector, connector_dirs, searched);
        if (!module.empty()) {
            if (const fs::path host = find(std::string(python_host)); !host.empty())
                return FoundProgram{host, {module.string()}};
        }
    }
    std::string text = "connector " + search.connector + ": no executable `" + name +
                       "` found; searched: " + (searched.empty() ? "nothing, its PATH is empty" : searched);
    if (!not_executable.empty()) text += "; " + not_executable + " is there but may not be executed";
    text += !search.program.empty()
                ? "; set `command` of " + table + " to an existing program, or PATH in its `env`"
                : "; install it, set `command` of " + table + ", or add its folder to connector_dirs";
    return Error{"not_found", text};
}

}  // namespace emprops::process
