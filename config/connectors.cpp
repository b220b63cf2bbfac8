#include "config/connectors.h"

#include <algorithm>
#include <cctype>

#include "config/rows/codec.h"
#include "config/variables.h"
#include "ipc/text/values.h"
#include "ipc/text/variables.h"

namespace emprops::config {

namespace {

constexpr std::string_view override_prefix = "connectors.";

/// Sources of a child's variables, lowest first.
enum Rank {
    pass_rank,
    table_rank,
    dotenv_rank,
    own_dotenv_rank,
    own_local_rank,
    environment_rank,
    override_rank
};

bool is_connector_name(std::string_view name) {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '_' || c == '-';
    });
}

/// "connectors.comfyui.env.X" -> comfyui, env, X; "connectors.comfyui.service.port" -> comfyui, service.port, "".
struct OverrideKey {
    std::string connector;
    std::string key;
    std::string below;
};

std::string take_part(std::string_view& key) {
    const std::string part(key.substr(0, key.find('.')));
    key.remove_prefix(std::min(part.size() + 1, key.size()));
    return part;
}

OverrideKey split_key(std::string_view key) {
    OverrideKey result;
    key.remove_prefix(override_prefix.size());
    result.connector = take_part(key);
    result.key = take_part(key);
    if (result.key == "service" && !key.empty()) result.key += "." + take_part(key);
    result.below = key;
    return result;
}

bool is_of_service(std::string_view key) {
    return key == "service" || key.starts_with("service.");
}

Sink into(settings::Texts& texts) {
    return [&texts](const settings::Json& value, const std::filesystem::path&) -> settings::Complaint {
        if (settings::Complaint wrong = settings::unfit(value)) return wrong;
        return settings::Codec<settings::Texts>().read(value, {}, texts);
    };
}

std::vector<std::string> candidate_keys(const ConnectorSettings& connector) {
    std::vector<std::string> keys;
    for (const Field& field : fields()) {
        if (field.in_connector) keys.push_back(full_key(connector, field.connector_key()));
    }
    keys.push_back(full_key(connector, "service"));
    return keys;
}

}  // namespace

ConnectorLoader::ConnectorLoader(const Sources& sources, Reader& reader, Loaded& out)
    : sources_(sources), reader_(reader), out_(out), setter_(out), own_(sources, known_, out) {}

void ConnectorLoader::declare(const std::string& name, const std::string& where) {
    if (!is_connector_name(name)) {
        setter_.problem(Severity::error, where,
                        "`" + name + "` is not a connector name; names consist of letters, digits, - and _");
    } else if (name == courier_name) {
        setter_.problem(Severity::error, where,
                        "`courier` is the name of the worker's own process that delivers files; give the "
                        "connector another one");
    } else if (!text::has_item(declared_, name)) {
        declared_.push_back(name);
    }
}

void ConnectorLoader::find_declared() {
    for (const FileSource& file : sources_.files) {
        for (const TomlEntry& table : file.entries) {
            if (table.key != "connectors") continue;
            if (!table.is_table) {
                setter_.problem(
                    Severity::error, file.origin(table).where,
                    "`connectors` holds tables, [connectors.NAME]; to select some of them set the "
                    "variable CONNECTORS");
            }
            for (const TomlEntry& connector : table.entries) {
                const std::string where = file.origin(connector).where;
                declare(connector.key, where);
                if (connector.is_table) continue;
                setter_.problem(
                    Severity::error, where,
                    "`connectors." + connector.key + "` must be a table, [connectors." + connector.key + "]");
            }
        }
    }
    for (const Override& override : sources_.overrides) {
        if (!override.key.starts_with(override_prefix)) continue;
        const OverrideKey key = split_key(override.key);
        declare(key.connector, override.origin().where);
    }
}

/// The list of CONNECTORS from the highest layer that has one; false if none has.
bool ConnectorLoader::find_selected() {
    std::string list;
    Origin origin;
    const auto look = [&](const VariableSource& source) {
        const auto names = connector_list_variables();
        for (auto name = names.rbegin(); name != names.rend(); ++name) {
            const auto found = source.variables.find(std::string(*name));
            if (found == source.variables.end()) continue;
            list = found->second.value;
            origin = {source.layer, found->second.where};
        }
    };
    look(sources_.dotenv);
    look(sources_.environment);
    for (const Override& override : sources_.overrides) {
        if (override.key != "connectors") continue;
        list = override.value;
        origin = override.origin();
    }
    if (origin.layer == Layer::built_in) return false;

    out_.origins["connectors"] = origin;
    std::vector<std::string> names;
    if (const auto wrong = settings::Names().read(settings::Names().from_text(list), {}, names)) {
        setter_.problem(Severity::error, origin.where, "the list of connectors " + *wrong);
        return true;
    }
    for (const std::string& name : names) {
        if (!is_connector_name(name)) {
            setter_.problem(Severity::error, origin.where,
                            "`" + name +
                                "` is not a connector name; names consist of letters, digits, - and _, with "
                                "commas between them");
        } else if (text::has_item(selected_, name)) {
            setter_.problem(Severity::warning, origin.where,
                            "connector `" + name + "` is named twice; it is loaded once");
        } else {
            selected_.push_back(name);
        }
    }
    if (selected_.empty()) {
        setter_.problem(Severity::warning, origin.where,
                        "no connector is selected: this worker takes no jobs");
    }
    return true;
}

void ConnectorLoader::check_prefixes() {
    for (auto one = known_.begin(); one != known_.end(); ++one) {
        for (auto other = known_.begin(); other != one; ++other) {
            if (text::variable_name(*one) != text::variable_name(*other)) continue;
            setter_.problem(Severity::error, "connectors",
                            "`" + *other + "` and `" + *one + "` share the variables " +
                                text::variable_name(*one) + "_*; rename one of them");
        }
    }
}

void ConnectorLoader::run() {
    find_declared();
    const bool selected = find_selected();
    if (!selected && declared_.empty()) selected_ = {"simulation"};
    known_ = declared_;
    for (const std::string& name : selected_) {
        if (!text::has_item(known_, name)) known_.push_back(name);
    }
    check_prefixes();
    for (const std::string& name : known_)
        load(name);

    std::vector<ConnectorSettings> chosen;
    const std::vector<std::string>& order = selected_.empty() ? known_ : selected_;
    for (const std::string& name : order) {
        const ConnectorSettings* const found = out_.settings.connector(name);
        if (selected_.empty() && (selected || !found->enabled)) continue;
        chosen.push_back(*found);
    }
    for (const ConnectorSettings& left_out : out_.settings.connectors) {
        if (!selected || selected_.empty() || !left_out.enabled || text::has_item(selected_, left_out.name))
            continue;
        setter_.problem(Severity::warning, out_.origins.at("connectors").where,
                        "this list leaves out [connectors." + left_out.name +
                            "], which is not loaded; add it, or write enabled = false there");
    }
    out_.settings.connectors = std::move(chosen);
    if (out_.settings.connectors.empty() && !selected) {
        setter_.problem(Severity::warning, "connectors",
                        "every [connectors.NAME] has enabled = false: this worker takes no jobs");
    }
}

void ConnectorLoader::load(const std::string& name) {
    ConnectorSettings connector;
    connector.name = name;
    connector.supervision = out_.settings.supervision;
    ChildEnvironment child;
    apply_files(false, connector, child);

    std::vector<VariableSource> own = reader_.dotenv_of(name, sources_.environment, sources_.dotenv);
    std::vector<const VariableSource*> layers{&sources_.dotenv};
    for (const VariableSource& source : own)
        layers.push_back(&source);
    layers.push_back(&sources_.environment);
    apply_variables(false, layers, connector);
    own_.add_of(sources_.dotenv, dotenv_rank, false, name, child);
    own_.add_of(own[0], own_dotenv_rank, true, name, child);
    own_.add_of(own[1], own_local_rank, true, name, child);
    own_.add_of(sources_.environment, environment_rank, false, name, child);
    apply_overrides(false, connector, child);
    own_.pass(connector.supervision.env_pass, "connector `" + name + "`", name,
              [&](const std::string& variable, const Variable& value, const Origin& origin) {
                  if (!child.entries().contains(variable))
                      child.add(pass_rank, variable, value.value, origin);
              });
    for (const auto& [variable, entry] : child.entries()) {
        connector.env[variable] = entry.value;
        out_.origins[full_key(connector, "env." + variable)] = entry.origin;
    }
    // Now that the connector's own settings are complete: some of them are the service's defaults.
    connector.service.supervision = inherited_by_service(connector.supervision);
    apply_files(true, connector, child);
    apply_variables(true, layers, connector);
    apply_overrides(true, connector, child);
    own_.drop_secrets(connector);
    if (connector.service.enabled())
        own_.pass(connector.service.supervision.env_pass, "the service of connector `" + name + "`", name,
                  [&](const std::string& variable, const Variable& value, const Origin& origin) {
                      if (!connector.service.env.emplace(variable, value.value).second) return;
                      out_.origins[full_key(connector, "service.env." + variable)] = origin;
                  });
    out_.settings.connectors.push_back(std::move(connector));
}

/// The entries of [connectors.NAME] in the files, or those of its service's table.
void ConnectorLoader::apply_files(bool of_service, ConnectorSettings& connector, ChildEnvironment& child) {
    const auto apply_table = [&](const FileSource& file, const TomlEntry& table) {
        for (const TomlEntry& entry : table.entries) {
            if ((entry.key == "service") != of_service) continue;
            if (!of_service) {
                apply(file, entry, entry.key, connector, child);
            } else if (!entry.is_table) {
                const std::string name = full_key(connector, "service");
                setter_.problem(Severity::error, file.origin(entry).where,
                                "`" + name + "` must be a table, [" + name + "]");
            }
            for (const TomlEntry& below : of_service ? entry.entries : std::vector<TomlEntry>())
                apply(file, below, "service." + below.key, connector, child);
        }
    };
    for (const FileSource& file : sources_.files) {
        for (const TomlEntry& tables : file.entries) {
            for (const TomlEntry& table : tables.entries) {
                if (tables.key == "connectors" && table.key == connector.name) apply_table(file, table);
            }
        }
    }
}

void ConnectorLoader::apply(const FileSource& file, const TomlEntry& entry, const std::string& key,
                            ConnectorSettings& connector, ChildEnvironment& child) {
    const Origin origin = file.origin(entry);
    const std::string full = full_key(connector, key);
    const Field* field = find_connector_field(key);
    if (field == nullptr) return setter_.unknown_key(origin.where, full, candidate_keys(connector));
    if (!field->is_environment() || field->of_service()) {
        return setter_.set(*field, file, entry, sink(field->in_connector, connector), full);
    }
    if (!entry.is_table) setter_.problem(Severity::error, origin.where, "`" + full + "` must be a table");
    for (const TomlEntry& variable : entry.entries) {
        settings::Texts one;
        setter_.set(*field, file, {entry.key, variable.line, true, {variable}, {}}, into(one), full);
        for (const auto& [name, text] : one)
            own_.add(connector.name, table_rank, name, text, file.origin(variable), child);
    }
}

void ConnectorLoader::apply_variables(bool of_service, std::span<const VariableSource* const> layers,
                                      ConnectorSettings& connector) {
    for (const Field& field : fields()) {
        // `env` and `settings` have no variable of their own: NAME_* are the connector's variables.
        if (!field.in_connector || !field.own_variable || field.of_service() != of_service) continue;
        const std::string key = full_key(connector, field.connector_key());
        const std::vector<std::string> names{"EMPROPS_" + text::variable_name(key)};
        variables_.push_back(names.front());
        for (const VariableSource* layer : layers)
            setter_.set_from(*layer, names, field, sink(field.in_connector, connector), key);
    }
}

void ConnectorLoader::apply_overrides(bool of_service, ConnectorSettings& connector,
                                      ChildEnvironment& child) {
    for (const Override& override : sources_.overrides) {
        if (!override.key.starts_with(override_prefix)) continue;
        const OverrideKey key = split_key(override.key);
        if (key.connector != connector.name || is_of_service(key.key) != of_service) continue;
        const Field* field = find_connector_field(key.key);
        if (field == nullptr) {
            setter_.unknown_key(override.origin().where, override.key, candidate_keys(connector));
            continue;
        }
        const std::string name = full_key(connector, key.key);
        const bool environment = field->is_environment() && !of_service;
        settings::Texts some;
        setter_.set(*field, override, key.below,
                    environment ? into(some) : sink(field->in_connector, connector), name,
                    sources_.working_dir);
        for (const auto& [variable, text] : some)
            own_.add(connector.name, override_rank, variable, text, override.origin(), child);
    }
}

}  // namespace emprops::config
