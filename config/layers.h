#pragma once
// What the loader reads before it decides anything: TOML files, `.env` files, the environment and the command
// line, each with the place of every value. Internal to config/.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "config/load.h"
#include "config/toml_file.h"

namespace emprops::config {

/// A TOML file that could be parsed.
struct FileSource {
    std::string display;
    std::filesystem::path base;  ///< relative paths start here
    std::vector<TomlEntry> entries;

    Origin origin(const TomlEntry& entry) const {
        return {Layer::file, display + ":" + std::to_string(entry.line)};
    }
};

struct Variable {
    std::string value;
    std::string where;
};

/// Variables of one layer: the environment or one `.env*` file.
struct VariableSource {
    Layer layer = Layer::environment;
    std::string display;         ///< ".env.comfyui"; of the environment: "environment"
    std::filesystem::path base;  ///< relative paths start here
    std::map<std::string, Variable> variables;
};

/// One "table.key=value" of the command line.
struct Override {
    std::string key;
    std::string value;
    Origin origin() const { return {Layer::command_line, "command line: " + key}; }
};

/// A line of a `.env*` file that sets nothing: its problem in Loaded, and the name that it seems to set.
struct BrokenLine {
    std::size_t problem = 0;
    std::string name;
};

/// Reads all of it, noting problems and the files read. Blocking.
class Reader {
  public:
    Reader(const LoadRequest& request, Loaded& out);

    /// The configuration file and its config.d/*.toml, lowest first. Empty if there is none or it is broken.
    std::vector<FileSource> files();
    VariableSource environment();
    /// `.env`; without variables if there is no such file.
    VariableSource dotenv(const VariableSource& environment);
    /// `.env.NAME` and `.env.NAME.local`, those that exist, lowest first.
    std::vector<VariableSource> dotenv_of(const std::string& connector, const VariableSource& environment,
                                          const VariableSource& dotenv);
    std::vector<Override> overrides();

    /// Lines that were noted as errors. What sets nothing of ours is only a warning; whose it is can be told when the
    /// connectors are known.
    const std::vector<BrokenLine>& broken_lines() const { return broken_lines_; }
    /// NAME_PORT variables that Kubernetes has set for a service (`tcp://...`): they are left out of the environment.
    const std::vector<std::string>& service_links() const { return service_links_; }

  private:
    void problem(Severity severity, std::string where, std::string message);
    std::filesystem::path absolute(const std::filesystem::path& path) const;
    void read_toml(const std::filesystem::path& file, bool required, std::vector<FileSource>& sources);
    VariableSource read_dotenv(const std::string& name, Layer layer,
                               const std::vector<const VariableSource*>& known);

    const LoadRequest& request_;
    Loaded& out_;
    std::filesystem::path config_file_;  ///< empty: none
    bool config_file_required_ = false;
    std::filesystem::path dotenv_dir_;
    std::vector<BrokenLine> broken_lines_;
    std::vector<std::string> service_links_;
};

}  // namespace emprops::config
