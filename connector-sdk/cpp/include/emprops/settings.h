#pragma once
// A connector's settings as rows: each says its key, one sentence, its range and where its value stands. From the rows
// come the reading of `hello.settings` and of variables, the errors with "did you mean", and the table in your README.
//
//     struct Settings { std::chrono::milliseconds delay{0}; };
//     const emprops::SettingRows<Settings> rows{
//         emprops::row(&Settings::delay, "delay", "How long each job waits.").within(0, 3600)};
//
//     Settings settings;  // in initialize()
//     emprops::read_rows(rows, given.settings, {.variables = "ECHO_"}, settings);
//
// A member's type decides how its value is spelled: bool, numbers, std::string, milliseconds ("10s"), lists, tables,
// std::optional of these. For a type with more than one spelling name the codec (settings::Size, settings::one_of, ...;
// config/rows/codec.h): row(&Settings::limit, "limit", settings::Size(), "..."). Reads the environment only; call from
// initialize(), any thread.

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "config/rows/row.h"
#include "emprops/connector.h"
#include "emprops/environment.h"

namespace emprops {

template <class Owner>
using SettingRows = settings::Rows<Owner>;
using settings::row;

/// Looks a variable up: with WORKER_ in front first.
using EnvLookup = std::function<std::optional<EnvValue>(std::string_view name)>;

struct SettingSources {
    /// "ECHO_": the key some_key is also the variable ECHO_SOME_KEY or WORKER_ECHO_SOME_KEY. Variables win over the
    /// table. An empty one is an empty text; where that says nothing (a number, a time), it is the default.
    std::string variables{};
    EnvLookup lookup = env_find;
    /// A text or number in the table may be spelled as in a variable: port = "8188", names = "a,b".
    bool text_in_table = false;
    std::vector<settings::Retired> retired{};  ///< keys that are no settings any more: a warning
    /// All variables that are set: of those with the prefix that are no setting a warning is made. Empty: none are.
    std::vector<std::string> names{};
    /// The connector's name (ConnectorSettings::connector): its own variables win over `variables`, so that two
    /// connectors of one kind can be told apart ("echo2": ECHO2_SOME_KEY). Empty: there are none.
    std::string connector{};
};

/// The variables of a key, the one that wins first; each is looked up with WORKER_ in front, too.
std::vector<std::string> variables_of(std::string_view key, const SettingSources& sources);

/// How one row is set: the name under which it was found, and the value as it would stand in TOML. Null: not at all.
struct GivenSetting {
    std::string name;
    Json value;
};
std::optional<GivenSetting> find_setting(const settings::RowInfo& row, const Json& table,
                                         const SettingSources& sources);
/// Throws ConfigurationError for a key that is none of `known`; returns what is to be warned of.
std::vector<std::string> check_keys(const Json& table, const std::vector<std::string>& known,
                                    const SettingSources& sources);

/// A sentence for each variable with a prefix of the sources that sets nothing, with the nearest that does.
std::vector<std::string> check_variables(const std::vector<std::string>& known,
                                         const SettingSources& sources);

/// Sets each member that a variable or the table names. A wrong value or an unknown key throws ConfigurationError with
/// its name and what it may be: a wrong setting is never replaced by a default. Returns warnings for the log.
template <class Owner>
std::vector<std::string> read_rows(const SettingRows<Owner>& rows, const Json& table,
                                   const SettingSources& sources, Owner& into) {
    std::vector<std::string> known;
    for (const auto& row : rows)
        known.push_back(row.key);
    std::vector<std::string> warnings = check_keys(table, known, sources);
    for (std::string& warning : check_variables(known, sources))
        warnings.push_back(std::move(warning));
    for (const auto& row : rows) {
        const auto given = find_setting(row, table, sources);
        if (!given) continue;
        if (const auto wrong = row.read(into, given->value, {}))
            throw ConfigurationError(given->name + " " + *wrong);
    }
    return warnings;
}

/// The rows as a Markdown table with the defaults of `Owner`, for a README.
std::string settings_page(const std::vector<std::pair<settings::RowInfo, Json>>& rows);
template <class Owner>
std::string settings_page(const SettingRows<Owner>& rows) {
    std::vector<std::pair<settings::RowInfo, Json>> infos;
    for (const auto& row : rows)
        infos.emplace_back(row, row.value(Owner()));
    return settings_page(infos);
}

}  // namespace emprops
