#pragma once
// A machine with nothing configured, for tests of config::load(): an empty working directory, an empty
// environment, and no system-wide file.

#include <string>
#include <string_view>

#include "config/load.h"
#include "temp_dir.h"

namespace emprops::test {

struct ConfigFixture {
    TempDir dir;
    config::LoadRequest request;

    ConfigFixture() {
        request.working_dir = dir.path();
        request.environment["HOME"] = "/home/somebody";
        request.system_config_file = dir / "etc/emprops-worker.toml";
        request.system_state_dir = dir / "no-such-folder";
    }
    /// Writes emprops-worker.toml into the working directory.
    void toml(std::string_view text) { dir.write_file("emprops-worker.toml", text); }
    void dotenv(std::string_view text) { dir.write_file(".env", text); }
    std::string& env(const std::string& name) { return request.environment[name]; }
    config::Loaded load() const { return config::load(request); }
};

/// All problems, one a line.
inline std::string problems_of(const config::Loaded& loaded) {
    std::string text;
    for (const config::Problem& problem : loaded.problems)
        text += to_string(problem) + "\n";
    return text;
}

}  // namespace emprops::test
