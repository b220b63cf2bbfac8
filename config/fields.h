#pragma once
// All rows, each with the table that it stands in and the variables that set it. Reading TOML, the check for unknown
// keys, check-config, the example file and the page of settings go through this list. Immutable after its first use;
// any thread.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "config/setting_rows.h"

namespace emprops::config {

inline constexpr std::string_view service_table = "connectors.NAME.service";

struct Field : settings::RowInfo {
    std::string_view table;  ///< "hub"; "connectors.NAME" for what only a connector has; "": top of the file
    bool inherited = false;  ///< a service has its connector's value unless its own table says otherwise
    std::optional<settings::Row<Settings>> in_settings;            ///< none: connectors only
    std::optional<settings::Row<ConnectorSettings>> in_connector;  ///< none: not a connector's business

    /// "hub.url"; "connectors.NAME.command" with the literal NAME.
    std::string full_key() const;
    /// The key below [connectors.NAME]: "command", "service.command".
    std::string connector_key() const;
    bool of_service() const { return table == service_table; }
    /// A table of environment variables of a child.
    bool is_environment() const { return shape == settings::Shape::entries && !own_variable; }
    /// "EMPROPS_HUB_URL": one rule for all.
    std::string variable() const;
    /// variable() and `legacy`, the one that wins first; none for a table without one.
    std::vector<std::string> variables() const;
    settings::Json default_value() const;
};

std::span<const Field> fields();

/// The field of a key in a table ("" for the top of the file), or null. Key "connect_timeout", table "hub".
const Field* find_field(std::string_view table, std::string_view key);
/// The field that [connectors.NAME] knows under this key: its own, one of [supervision], or "service.port". Null if
/// none.
const Field* find_connector_field(std::string_view key);
/// "connectors.NAME.key"
std::string full_key(const ConnectorSettings& connector, std::string_view key);
/// Table names in the order of the pages, without "" and "connectors.NAME".
std::vector<std::string> table_names();
/// The retired setting of a full key ("hub.claim_timeout", "connectors.a.backoff_jitter"), or null.
const settings::Retired* find_retired(std::string_view full_key);
/// The same of a variable ("EMPROPS_HUB_CLAIM_TIMEOUT").
const settings::Retired* find_retired_variable(std::string_view name);

/// The variables that select connectors, the one that wins first.
std::span<const std::string_view> connector_list_variables();
/// A variable that sets a setting of the worker, under any of its names.
bool sets_a_field(std::string_view variable);
/// A variable that holds, or may hold, a secret of the worker itself: no connector ever gets it.
bool is_worker_secret(std::string_view variable);

/// What a service has unless its own table says otherwise: restart rules, steps of a stop and rights as its connector;
/// all limits of resources and all recycling are its own and off, because those of the connector, which is small,
/// would kill it.
ProcessSettings inherited_by_service(const ProcessSettings& connector);

}  // namespace emprops::config
