#pragma once
// The one table of settings. Reading TOML, the names of variables, the check for unknown keys, check-config,
// the example file and the README's table all come from it; a setting is added here and in settings.h,
// nowhere else. Immutable after its first use; any thread.

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "config/settings.h"

namespace emprops::config {

/// How a value is written and checked; what may stand in TOML, and in a variable after the semicolon.
enum class Kind {
    boolean,    ///< true, false; also 1/0, yes/no, on/off, empty = false
    text,       ///< string
    choice,     ///< one of `choices`
    duration,   ///< "500ms", "10s", "5m", "1h", "7d" or seconds
    bytes,      ///< "512KiB", "16MiB", "10MB" or bytes
    integer,    ///< whole number within range; empty unsets an optional one
    number,     ///< decimal number within range
    path,       ///< string; a relative one is taken from the file's folder
    names,      ///< list of strings; comma list
    words,      ///< a command: list of strings, or one string split like a shell does; the same
    numbers,    ///< list of whole numbers; comma list, "0-3" allowed
    paths,      ///< list of paths; list separated by ':'
    variables,  ///< table of strings
    levels,     ///< table of log levels; "hub=debug,jobs=info"
    json,       ///< any table
};

/// Where a value is stored.
using Slot =
    std::variant<bool*, std::string*, Duration*, double*, std::uint64_t*, std::uint32_t*, std::uint16_t*,
                 std::optional<std::uint16_t>*, std::optional<std::uint32_t>*, std::optional<int>*,
                 std::filesystem::path*, std::vector<std::string>*, std::vector<int>*,
                 std::vector<std::filesystem::path>*, std::map<std::string, std::string>*, nlohmann::json*>;

inline constexpr std::string_view service_table = "connectors.NAME.service";

struct Field {
    std::string_view table;  ///< "hub"; "connectors.NAME" for what only a connector has; "": top of the file
    std::string_view key;
    Kind kind;
    std::string_view sentence;

    std::vector<std::string> legacy;        ///< the Python worker's variables, the one that wins first
    std::vector<std::string_view> choices;  ///< Kind::choice; matched without regard to case
    double min = 0;                         ///< numbers; seconds for durations
    double max = 0;                         ///< 0 with min 0: any value the type holds
    bool secret = false;                    ///< never printed, never given to a connector
    bool may_hold_token = false;  ///< a URL: printed with its secrets cut, never given to a connector

    std::function<Slot(Settings&)> in_settings;            ///< null: connectors only
    std::function<Slot(ConnectorSettings&)> in_connector;  ///< null: not a connector's business

    /// "hub.url"; "connectors.NAME.command" with the literal NAME.
    std::string full_key() const;
    /// The key below [connectors.NAME]: "command", "service.command".
    std::string connector_key() const;
    bool of_service() const { return table == service_table; }
    /// "EMPROPS_HUB_URL": one rule for all.
    std::string variable() const;
    /// variable() and `legacy`, the one that wins first.
    std::vector<std::string> variables() const;
};

std::span<const Field> fields();

/// The field of a key in a table ("" for the top of the file), or null. Key "connect_timeout", table "hub".
const Field* find_field(std::string_view table, std::string_view key);
/// The field that [connectors.NAME] knows under this key: its own or one of [supervision]. Null if none.
const Field* find_connector_field(std::string_view key);
/// The field that [connectors.NAME.service] knows under this key. Null if none.
const Field* find_service_field(std::string_view key);
/// Table names in the order of the table of settings, without "" and "connectors.NAME".
std::vector<std::string> table_names();

/// "my-connector" -> "MY_CONNECTOR": how a name stands in variables.
std::string upper_name(std::string_view name);
/// The variables that select connectors, the one that wins first.
std::span<const std::string_view> connector_list_variables();
/// A variable that holds, or may hold, a secret of the worker itself: no connector ever gets it.
bool is_worker_secret(std::string_view variable);

}  // namespace emprops::config
