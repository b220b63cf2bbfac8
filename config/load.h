#pragma once
// From files, variables and the command line to config::Settings, with every problem named at once.
// Blocking file reads; called at the start and on reload. No state, any thread, nothing throws.
//
// Precedence, highest first: overrides, environment, .env.NAME.local, .env.NAME, .env, config.d/*.toml, the
// configuration file, default. `.env.NAME*` files concern connector NAME only. Within one layer the names of
// a setting win in the order EMPROPS_TABLE_KEY, WORKER_X, X. README.md in this folder has the rules.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "config/settings.h"

namespace emprops::config {

enum class Severity { error, warning };

struct Problem {
    Severity severity = Severity::error;
    std::string where;    ///< "emprops-worker.toml:12", ".env:3 (USE_SSL)", "environment: USE_SSL", "command
                          ///< line: hub.url"
    std::string message;  ///< what is wrong and what to write instead
    bool operator==(const Problem&) const = default;
};

/// "emprops-worker.toml:12: unknown key ..." ("warning: " goes in front of the message of a warning).
std::string to_string(const Problem& problem);

/// The layers, lowest first: a value of a later one replaces a value of an earlier one.
enum class Layer { built_in, file, dotenv, dotenv_connector, environment, command_line };

struct Origin {
    Layer layer = Layer::built_in;
    std::string where;  ///< as Problem::where
};

/// By full key ("hub.url", "connectors.comfyui.ping_interval", "connectors.comfyui.env.COMFYUI_HOST"); a key
/// that is not in it has its default (of a connector: the value of [supervision]).
using Origins = std::map<std::string, Origin>;

/// Everything outside that load() looks at, so that tests need no real environment.
struct LoadRequest {
    std::optional<std::filesystem::path> config_file;  ///< --config; a missing file is then an error
    std::map<std::string, std::string> environment;
    std::filesystem::path working_dir;
    std::string home_of_user;            ///< of the user's entry in the system; used when HOME is not set
    std::vector<std::string> overrides;  ///< "hub.url=ws://x", "connectors=simulation", ...
    unsigned cpu_count = 0;              ///< CPU numbers beyond it are errors; 0: not checked
    std::filesystem::path system_config_file = "/etc/emprops-worker/emprops-worker.toml";
    std::filesystem::path system_state_dir = "/var/lib/emprops-worker";
};

/// The request of this very process: its environment, working directory, user and CPUs.
LoadRequest request_of_this_process();

struct Loaded {
    /// Ready for use if ok(): state_dir, control.socket, local_hub.database are filled in, the token file is
    /// read, relative paths are absolute (of a file: from its folder, else from the working directory).
    Settings settings;
    std::vector<Problem> problems;  ///< in the order of the files and then of the variables
    /// What is worth a word once, when a worker starts and when its configuration is looked at: variables that are set
    /// for it and that its children do not get.
    std::vector<Problem> notes;
    Origins origins;
    std::vector<std::filesystem::path> files_read;
    /// A configuration file could not be read or is not TOML: what it says about folders is not known.
    bool files_unusable = false;

    /// No problem is an error.
    bool ok() const;
};

Loaded load(const LoadRequest& request);

/// Where state lives when state_dir is not set, the first that applies: $XDG_STATE_HOME/emprops-worker (if absolute),
/// $STATE_DIRECTORY (systemd's), the system's folder if only that has a state already, $HOME/.local/state/emprops-worker,
/// the system's folder. A folder that appears later changes nothing: a state does not move by itself.
struct StateDirInput {
    std::optional<std::string> xdg_state_home;
    std::optional<std::string> home;   ///< "/" is none
    bool state_in_system_dir = false;  ///< and not in the home folder
    std::filesystem::path system_dir = "/var/lib/emprops-worker";
    std::optional<std::string> state_directory{};
};
std::filesystem::path default_state_dir(const StateDirInput& input);

/// The effective settings as TOML, each `key = value  # origin`; secrets as "(set, hidden)".
std::string print_effective(const Loaded& loaded);
/// Every setting with its variables, default and sentence, for the README.
std::string settings_table_markdown();
/// emprops-worker.example.toml: every key as a comment with its default and sentence.
std::string example_toml();

/// Connectors in both whose effective settings differ: what a reload restarts. (Those in one only were added
/// or removed.)
std::vector<std::string> changed_connectors(const Settings& old, const Settings& fresh);
/// Full keys outside of [connectors] and [supervision] that differ; most need a restart of the worker.
std::vector<std::string> changed_keys(const Settings& old, const Settings& fresh);

}  // namespace emprops::config
