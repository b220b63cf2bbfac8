#pragma once
// [connectors.NAME]: which connectors there are, which of them are loaded, and the effective settings of
// each. Internal to config/; used once by load().

#include <span>
#include <string>
#include <vector>

#include "config/child_env.h"
#include "config/child_variables.h"
#include "config/layers.h"
#include "config/setter.h"

namespace emprops::config {

/// What load() has read.
struct Sources {
    std::vector<FileSource> files;
    VariableSource dotenv;
    VariableSource environment;
    std::vector<Override> overrides;
    std::filesystem::path working_dir;
};

class ConnectorLoader {
  public:
    ConnectorLoader(const Sources& sources, Reader& reader, Loaded& out);

    /// Fills out.settings.connectors; out.settings.supervision must be complete.
    void run();

    /// Every variable that sets something of a connector, for "did you mean".
    const std::vector<std::string>& variables() const { return variables_; }
    /// Every connector that is configured, loaded or not.
    const std::vector<std::string>& known() const { return known_; }

  private:
    void find_declared();
    void declare(const std::string& name, const std::string& where);
    bool find_selected();
    void load(const std::string& name);
    void apply_files(bool of_service, ConnectorSettings& connector, ChildEnvironment& child);
    void apply(const FileSource& file, const TomlEntry& entry, const std::string& key,
               ConnectorSettings& connector, ChildEnvironment& child);
    void apply_variables(bool of_service, std::span<const VariableSource* const> layers,
                         ConnectorSettings& connector);
    void apply_overrides(bool of_service, ConnectorSettings& connector, ChildEnvironment& child);
    void check_prefixes();

    const Sources& sources_;
    Reader& reader_;
    Loaded& out_;
    Setter setter_;
    std::vector<std::string> declared_;  ///< by a table or an override, in the order of the file
    std::vector<std::string> selected_;  ///< by CONNECTORS
    std::vector<std::string> known_;     ///< both
    std::vector<std::string> variables_;
    ChildVariables own_;
};

}  // namespace emprops::config
