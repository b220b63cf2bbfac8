#include "config/child_variables.h"

#include <algorithm>

#include "config/connectors.h"
#include "config/fields.h"
#include "config/rows/codec.h"
#include "config/variables.h"
#include "ipc/text/variables.h"

namespace emprops::config {

void ChildVariables::pass(const std::vector<std::string>& patterns, const std::string& process,
                          const std::string& connector, const Take& take) {
    if (patterns.empty()) return;
    const bool dotenv = std::count(patterns.begin(), patterns.end(), settings::whole_dotenv) > 0;
    for (const VariableSource* source : {&sources_.environment, &sources_.dotenv}) {
        // Of the whole file not what only this worker reads: settings of its own, keys of stores among them.
        const bool whole = dotenv && source == &sources_.dotenv;
        for (const auto& [name, variable] : source->variables) {
            if (!(whole && !name.starts_with("EMPROPS_")) && !fits_pattern(name, patterns)) continue;
            const std::string owner = owner_of_variable(name, known_);
            const bool secret = is_secret(name, variable.value);
            if (!secret && (owner.empty() || owner == connector)) {
                take(name, variable, {source->layer, variable.where});
            } else if (std::count(patterns.begin(), patterns.end(), name) > 0) {
                // What a pattern would have brought along is not worth a word.
                setter_.problem(Severity::warning, variable.where,
                                "`" + name + "` is in env_pass, but " +
                                    (secret ? "holds or may hold a secret of the worker"
                                            : "belongs to connector `" + owner + "`") +
                                    ": " + process + " does not get it");
            }
        }
    }
}

bool ChildVariables::is_secret(const std::string& variable, const std::string& value) const {
    if (is_worker_secret(variable)) return true;
    constexpr std::size_t shortest = 6;  // anything may contain a shorter one
    const auto holds = [&](const std::string& secret) {
        return secret.size() >= shortest && value.find(secret) != std::string::npos;
    };
    const HubSettings& hub = out_.settings.hub;
    return holds(hub.token) || holds(out_.settings.local_hub.token) ||
           std::any_of(hub.headers.begin(), hub.headers.end(),
                       [&](const auto& header) { return holds(header.second); });
}

void ChildVariables::drop_secrets(ConnectorSettings& connector) {
    std::erase_if(connector.service.env, [&](const auto& variable) {
        if (!is_worker_secret(variable.first)) return false;
        const auto origin = out_.origins.find(full_key(connector, "service.env." + variable.first));
        setter_.problem(Severity::warning, origin == out_.origins.end() ? "connectors" : origin->second.where,
                        "`" + variable.first +
                            "` may hold the Hub's token: it is dropped, the service of connector `" +
                            connector.name + "` does not get it");
        return true;
    });
}

void ChildVariables::add_of(const VariableSource& source, int rank, bool all, const std::string& connector,
                            ChildEnvironment& child) {
    for (const auto& [variable, entry] : source.variables) {
        if (variable.starts_with("EMPROPS_" + text::variable_name("connectors." + connector) + "_")) continue;
        if (!all && owner_of_variable(variable, known_) != connector) continue;
        add(connector, rank, variable, entry.value, {source.layer, entry.where}, child);
        if (!all) continue;
        const auto lists = connector_list_variables();
        bool of_worker = std::count(lists.begin(), lists.end(), variable) > 0;
        for (const Field& field : fields()) {
            const std::vector<std::string> names = field.variables();
            const bool named = std::count(names.begin(), names.end(), variable) > 0;
            of_worker = of_worker || (field.table == "hub" && named);
        }
        if (of_worker && !is_worker_secret(variable)) {
            setter_.problem(Severity::warning, entry.where,
                            "`" + variable + "` is a setting of the worker: here it reaches connector `" +
                                connector + "` only; put it into .env");
        }
    }
}

void ChildVariables::add(const std::string& connector, int rank, const std::string& variable,
                         const std::string& value, const Origin& origin, ChildEnvironment& child) {
    if (!is_worker_secret(variable)) {
        child.add(rank, variable, value, origin);
        return;
    }
    setter_.problem(Severity::warning, origin.where,
                    "`" + variable + "` may hold the Hub's token: it is dropped, connector `" + connector +
                        "` does not get it" +
                        (origin.layer == Layer::dotenv_connector ? "; if it is meant for the worker, put it "
                                                                   "into .env"
                                                                 : ""));
}

}  // namespace emprops::config
