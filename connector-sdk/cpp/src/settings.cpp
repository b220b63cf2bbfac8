#include "emprops/settings.h"

#include <algorithm>

#include "config/rows/page.h"
#include "ipc/text/nearest.h"
#include "ipc/text/values.h"
#include "ipc/text/variables.h"

namespace emprops {

namespace {

/// What variables begin with, the one that wins first.
std::vector<std::string> prefixes(const SettingSources& sources) {
    std::vector<std::string> result{sources.variables};
    const std::string own = text::variable_name(sources.connector) + "_";
    if (!sources.connector.empty() && own != sources.variables) result.insert(result.begin(), own);
    return result;
}

}  // namespace

std::vector<std::string> variables_of(std::string_view key, const SettingSources& sources) {
    std::vector<std::string> result = prefixes(sources);
    for (std::string& name : result)
        name += text::variable_name(key);
    return result;
}

std::optional<GivenSetting> find_setting(const settings::RowInfo& row, const Json& table,
                                         const SettingSources& sources) {
    for (const std::string& name : variables_of(row.key, sources)) {
        const auto variable = sources.lookup(name);
        if (!variable) continue;
        if (text::bare(variable->value).empty() && !row.takes_empty) return {};
        return GivenSetting{variable->name, row.from_text(variable->value)};
    }
    if (!table.is_object() || !table.contains(row.key) || table.at(row.key).is_null()) return {};
    const Json& value = table.at(row.key);
    if (sources.text_in_table && (value.is_string() || value.is_number())) {
        return GivenSetting{row.key,
                            row.from_text(value.is_string() ? value.get<std::string>() : value.dump())};
    }
    return GivenSetting{row.key, value};
}

std::vector<std::string> check_keys(const Json& table, const std::vector<std::string>& known,
                                    const SettingSources& sources) {
    std::vector<std::string> warnings;
    if (table.is_null()) return warnings;
    if (!table.is_object()) throw ConfigurationError("the connector's settings must be a table");
    for (const auto& item : table.items()) {
        const std::string& key = item.key();
        if (text::has_item(known, key)) continue;
        const auto retired = std::find_if(sources.retired.begin(), sources.retired.end(),
                                          [&key](const settings::Retired& each) { return each.key == key; });
        if (retired == sources.retired.end()) {
            const auto meant = text::meant(key, known);
            throw ConfigurationError("unknown setting \"" + key + "\"" +
                                     (meant ? "; did you mean \"" + *meant + "\"?" : ""));
        }
        warnings.push_back(key +
                           " is no setting any more and changes nothing: " + std::string(retired->instead));
    }
    return warnings;
}

std::vector<std::string> check_variables(const std::vector<std::string>& known,
                                         const SettingSources& sources) {
    const std::vector<std::string> all = prefixes(sources);
    std::vector<std::string> variables;
    for (const std::string& key : known) {
        for (std::string& name : variables_of(key, sources))
            variables.push_back(std::move(name));
    }
    std::vector<std::string> warnings;
    for (const std::string& name : sources.names) {
        const std::string_view worker = "WORKER_";
        const std::string plain = name.starts_with(worker) ? name.substr(worker.size()) : name;
        const bool ours = std::any_of(all.begin(), all.end(),
                                      [&](const std::string& prefix) { return plain.starts_with(prefix); });
        if (!ours || text::is_of_service_link(plain) || text::has_item(variables, plain)) continue;
        const auto meant = text::meant(plain, variables);
        warnings.push_back("the variable " + name + " sets nothing of this connector" +
                           (meant ? "; did you mean " + *meant + "?" : ""));
    }
    return warnings;
}

std::string settings_page(const std::vector<std::pair<settings::RowInfo, Json>>& rows) {
    std::string page = settings::page_head(false);
    for (const bool rare : {false, true}) {
        bool first = true;
        for (const auto& [row, value] : rows) {
            if (row.rare != rare) continue;
            if (rare && std::exchange(first, false))
                page += "\nRarely needed:\n\n" + settings::page_head(false);
            page += settings::page_line(row, row.key, value);
        }
    }
    return page;
}

}  // namespace emprops
