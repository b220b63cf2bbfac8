// What people see of the settings: check-config, the example file, the table of the README.

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>

#include "config/fields.h"
#include "config/load.h"
#include "config/masked.h"
#include "config/rows/page.h"
#include "config/rows/toml_text.h"
#include "ipc/text/people.h"
#include "ipc/text/values.h"

namespace emprops::config {

using nlohmann::json;
using settings::Shape;
using settings::toml_value;

namespace {

/// The value as it may be shown.
std::string shown(const Field& field, const json& value) {
    const bool unset = value == "" || (value.is_structured() && value.empty());
    if (field.secret) return toml_value(unset ? value : json(hidden));
    return toml_value(field.shape == Shape::entries ? value : masked("", value));
}

class Printer {
  public:
    explicit Printer(const Loaded& loaded) : origins_(loaded.origins), settings_(loaded.settings) {}

    std::string run() {
        table("");
        for (const std::string& name : table_names()) {
            out_ += "\n[" + name + "]\n";
            table(name);
        }
        out_ += "\n# connectors, in this order: " + connector_names() + "  # " + origin("connectors") + "\n";
        for (const ConnectorSettings& settings : settings_.connectors)
            connector(settings);
        return std::move(out_);
    }

  private:
    std::string origin(const std::string& key) const {
        const auto found = origins_.find(key);
        return found == origins_.end() ? "default" : found->second.where;
    }

    void line(const std::string& key, const std::string& value, const std::string& from) {
        const std::string text = value.empty() ? "# " + key + " is not set" : key + " = " + value;
        out_ += text + "  # " + from + "\n";
    }

    void table(std::string_view name) {
        for (const Field& field : fields()) {
            if (field.table != name || !field.in_settings) continue;
            line(field.key, shown(field, field.in_settings->value(settings_)),
                 table_origin(field, field.full_key()));
        }
    }

    /// Entries of a table may come from several places.
    std::string table_origin(const Field& field, const std::string& key) const {
        if (field.shape == Shape::value) return origin(key);
        std::string result;
        std::set<std::string> seen;
        for (auto at = origins_.lower_bound(key + "."); at != origins_.end(); ++at) {
            if (!at->first.starts_with(key + ".")) break;
            if (!seen.insert(at->second.where).second) continue;
            add_item(result, at->second.where);
        }
        return result.empty() ? "default" : result;
    }

    std::string connector_names() const {
        std::string names;
        for (const ConnectorSettings& c : settings_.connectors)
            add_item(names, c.name);
        return names.empty() ? "none" : names;
    }

    void connector(const ConnectorSettings& settings) {
        const std::string prefix = "connectors." + settings.name;
        out_ += "\n[" + prefix + "]\n";
        for (const Field& field : fields()) {
            if (!field.in_connector || field.is_environment() || field.of_service()) continue;
            const std::string key = prefix + "." + field.key;
            // Of [supervision] only what this table changes; the rest stands above.
            if (field.in_settings && origins_.count(key) == 0) continue;
            line(field.key, shown(field, field.in_connector->value(settings)), table_origin(field, key));
        }
        out_ += "# the rest as in [supervision]\n";
        variables(prefix, settings.env);
        service(prefix + ".service", settings);
    }

    void variables(const std::string& prefix, const std::map<std::string, std::string>& env) {
        if (env.empty()) return;
        out_ += "[" + prefix + ".env]\n";
        for (const auto& [name, value] : env) {
            line(name, toml_value(masked(name, value)), origin(prefix + ".env." + name));
        }
    }

    void service(const std::string& prefix, const ConnectorSettings& settings) {
        if (!settings.service.enabled()) return;
        out_ += "[" + prefix + "]\n";
        for (const Field& field : fields()) {
            if (!field.of_service() || field.is_environment()) continue;
            const std::string key = prefix + "." + field.key;
            if (field.inherited && origins_.count(key) == 0) continue;
            line(field.key, shown(field, field.in_connector->value(settings)), origin(key));
        }
        out_ += "# the rest as in [connectors." + settings.name + "]\n";
        variables(prefix, settings.service.env);
    }

    const Origins& origins_;
    const Settings& settings_;
    std::string out_;
};

/// The row's sentence, and whose value it has when it is not set.
std::string sentence_of(const Field& field) {
    if (!field.inherited) return field.sentence;
    return field.sentence.substr(0, field.sentence.size() - 1) + "; as the connector.";
}

std::string wrapped(std::string_view text, std::size_t width, std::string_view prefix) {
    std::string result;
    std::string line;
    for (const std::string& word : text::split_list(text, ' ')) {
        if (!line.empty() && line.size() + 1 + word.size() > width) {
            result += std::string(prefix) + line + "\n";
            line.clear();
        }
        add_item(line, word, " ");
    }
    return result + std::string(prefix) + line + "\n";
}

/// One key of the example file: sentence and variables as comments, then the key, commented out.
std::string example_entry(const Field& field) {
    const std::string takes = field.range ? " Takes " + field.noun() + "." : "";
    std::string result = "\n" + wrapped(sentence_of(field) + takes, 106, "## ");
    std::string names;
    if (!field.legacy.empty()) {
        for (const std::string& name : field.variables())
            names += (names.empty() ? "Variables: " : ", ") + name;
        result += wrapped(names, 106, "## ");
    }
    const std::string value = toml_value(field.default_value());
    // An unset optional has no TOML value of its own: the empty string unsets it.
    return result + "# " + field.key + " = " + (value.empty() ? "\"\"" : value) + "\n";
}

/// The keys of one table, those that are rarely needed last.
std::string example_entries(std::string_view table) {
    std::string result;
    for (const bool rare : {false, true}) {
        bool first = true;
        for (const Field& field : fields()) {
            if (field.table != table || field.rare != rare) continue;
            if (rare && std::exchange(first, false)) result += "\n## Rarely needed:\n";
            result += example_entry(field);
        }
    }
    return result;
}

constexpr std::string_view example_head =
    R"(## The configuration of emprops-worker: every key with its default. Take the `# ` in front of a key away to
## change it; lines with `## ` are explanations. Without this file the worker runs on defaults and variables.
##
## Searched: --config FILE, $EMPROPS_CONFIG, ./emprops-worker.toml, /etc/emprops-worker/emprops-worker.toml;
## config.d/*.toml beside it is merged over it. `emprops-worker check-config` shows what holds, and why.
##
## Times: "500ms", "10s", "5m", "1h", "7d" or a number of seconds. Sizes: "512KiB", "16MiB" or bytes.
## Relative paths start at the folder of this file.
## Every key has a variable, EMPROPS_<TABLE>_<KEY> (EMPROPS_HUB_URL); the older ones of the Python worker are
## named with their key. Highest first: command line, environment, .env.NAME.local, .env.NAME, .env, this file.
## Of the variables of one key the one named first wins.
)";

constexpr std::string_view example_connectors = R"(
## A connector is a program that does one kind of job: one table each, NAME of letters, digits, - and _.
## The variable CONNECTORS=a,b selects and orders them; without it all enabled tables are loaded in the order
## of this file; without any table, `simulation`. Any key of [supervision] may stand here too and then holds
## for this connector only. The process gets the variables NAME_* and WORKER_NAME_*, those of .env.NAME and
## .env.NAME.local, the table `env`, and what fits `env_pass` - nothing else, and never the Hub's token.
# [connectors.simulation]
)";

constexpr std::string_view example_service = R"(
## A companion process that the worker starts, watches, restarts and stops with the connector, one for each
## instance: ComfyUI itself, for example with these lines (README.md explains them):
##   [connectors.comfyui.service]
##   command = ["/opt/ComfyUI/venv/bin/python", "main.py", "--port", "{port}"]
##   working_dir = "/opt/ComfyUI"
##   port = 8188
##   env = { CUDA_VISIBLE_DEVICES = "{instance}" }
## Keys that stand "as the connector" in their sentence have its value unless they are set here.
# [connectors.simulation.service]
)";

}  // namespace

std::string print_effective(const Loaded& loaded) {
    return Printer(loaded).run();
}

std::string example_toml() {
    std::string result = std::string(example_head) + example_entries("");
    for (const std::string& table : table_names()) {
        if (table == "supervision") {
            result +=
                "\n## Defaults for all connectors; each [connectors.NAME] may set any of these keys for "
                "itself.";
        }
        result += "\n[" + table + "]\n" + example_entries(table);
    }
    return result + std::string(example_connectors) + example_entries("connectors.NAME") +
           std::string(example_service) + example_entries(service_table);
}

std::string settings_table_markdown() {
    std::string result;
    std::string rare;
    std::string_view table = "-";
    for (const Field& field : fields()) {
        settings::RowInfo row = field;
        row.sentence = sentence_of(field);
        if (field.rare) {
            rare += page_line(row, field.full_key(), field.default_value(), field.variables());
            continue;
        }
        if (field.table != table) {
            table = field.table;
            const std::string title = table.empty() ? "Top of the file" : "`[" + std::string(table) + "]`";
            result += (result.empty() ? "**" : "\n**") + title + "**\n\n" + settings::page_head(true);
        }
        result += page_line(row, field.key, field.default_value(), field.variables());
    }
    return result + "\n**Rarely needed**\n\n" + settings::page_head(true) + rare;
}

}  // namespace emprops::config
