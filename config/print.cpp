// What people see of the settings: check-config, the example file, the table of the README.

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <set>

#include "config/checks.h"
#include "config/fields.h"
#include "config/load.h"
#include "config/service_fields.h"
#include "config/values.h"
#include "ipc/text/values.h"

namespace emprops::config {

using nlohmann::json;

namespace {

constexpr std::string_view hidden = "(set, hidden)";

/// A name under which people keep secrets. A connector's variables and settings are free, so only the name
/// can tell; rather one hidden too many.
bool names_secret(std::string_view name) {
    const std::string text = text::lower(name);
    for (const std::string_view part : {"pass", "token", "secret", "key", "auth", "credential", "cookie"}) {
        if (text.find(part) != std::string::npos) return true;
    }
    return false;
}

json masked(const std::string& name, const json& value) {
    if (names_secret(name) && !value.is_object()) return value.empty() ? value : json(hidden);
    if (value.is_string()) return masked_url(value.get<std::string>());
    if (value.is_array()) {
        json list = json::array();
        for (const json& item : value)
            list.push_back(masked(name, item));
        return list;
    }
    if (!value.is_object()) return value;
    json object = json::object();
    for (const auto& item : value.items())
        object[item.key()] = masked(item.key(), item.value());
    return object;
}

/// The value as it may be shown.
std::string shown(const Field& field, const Slot& slot) {
    if (auto* const* text = std::get_if<std::string*>(&slot)) {
        if (field.secret) return toml_string((*text)->empty() ? "" : hidden);
        return toml_string(masked_url(**text));
    }
    if (auto* const* table = std::get_if<json*>(&slot)) return toml_value(masked("", **table));
    return render(field, slot);
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
        for (ConnectorSettings& settings : settings_.connectors)
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
            line(std::string(field.key), shown(field, field.in_settings(settings_)),
                 table_origin(field, field.full_key()));
        }
    }

    /// Entries of a table may come from several places.
    std::string table_origin(const Field& field, const std::string& key) const {
        if (field.kind != Kind::levels && field.kind != Kind::json) return origin(key);
        std::string result;
        std::set<std::string> seen;
        for (auto at = origins_.lower_bound(key + "."); at != origins_.end(); ++at) {
            if (!at->first.starts_with(key + ".")) break;
            if (!seen.insert(at->second.where).second) continue;
            result += (result.empty() ? "" : ", ") + at->second.where;
        }
        return result.empty() ? "default" : result;
    }

    std::string connector_names() const {
        std::string names;
        for (const ConnectorSettings& c : settings_.connectors)
            names += (names.empty() ? "" : ", ") + c.name;
        return names.empty() ? "none" : names;
    }

    void connector(ConnectorSettings& settings) {
        const std::string prefix = "connectors." + settings.name;
        out_ += "\n[" + prefix + "]\n";
        for (const Field& field : fields()) {
            if (!field.in_connector || field.kind == Kind::variables || field.of_service()) continue;
            const std::string key = prefix + "." + std::string(field.key);
            // Of [supervision] only what this table changes; the rest stands above.
            if (field.in_settings && origins_.count(key) == 0) continue;
            line(std::string(field.key), shown(field, field.in_connector(settings)),
                 table_origin(field, key));
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

    void service(const std::string& prefix, ConnectorSettings& settings) {
        if (!settings.service.enabled()) return;
        out_ += "[" + prefix + "]\n";
        for (const Field& field : fields()) {
            if (!field.of_service() || field.kind == Kind::variables) continue;
            const std::string key = prefix + "." + std::string(field.key);
            if (is_inherited(field) && origins_.count(key) == 0) continue;
            line(std::string(field.key), shown(field, field.in_connector(settings)), origin(key));
        }
        out_ += "# the rest as in [connectors." + settings.name + "]\n";
        variables(prefix, settings.service.env);
    }

    const Origins& origins_;
    Settings settings_;  // a copy: the accessors of the table of settings hand out writable places
    std::string out_;
};

/// The default as TOML; an unset optional is "".
std::string default_of(const Field& field) {
    static Settings settings;
    static ConnectorSettings connector;
    return render(field, field.in_settings ? field.in_settings(settings) : field.in_connector(connector));
}

std::string wrapped(std::string_view text, std::size_t width, std::string_view prefix) {
    std::string result;
    std::string line;
    for (const std::string& word : text::split_list(text, ' ')) {
        if (!line.empty() && line.size() + 1 + word.size() > width) {
            result += std::string(prefix) + line + "\n";
            line.clear();
        }
        line += (line.empty() ? "" : " ") + word;
    }
    return result + std::string(prefix) + line + "\n";
}

std::string variables_of(const Field& field, std::string_view quote) {
    std::string result;
    for (const std::string& name : field.variables()) {
        result += (result.empty() ? "" : ", ") + std::string(quote) + name + std::string(quote);
    }
    return result;
}

bool has_variable(const Field& field) {
    return field.in_settings || (field.kind != Kind::variables && field.kind != Kind::json);
}

/// One key of the example file: sentence and variables as comments, then the key, commented out.
std::string example_entry(const Field& field) {
    std::string result = "\n" + wrapped(field.sentence, 106, "## ");
    if (!field.legacy.empty()) result += wrapped("Variables: " + variables_of(field, ""), 106, "## ");
    const std::string value = default_of(field);
    // An unset optional has no TOML value of its own: the empty string unsets it.
    return result + "# " + std::string(field.key) + " = " + (value.empty() ? "\"\"" : value) + "\n";
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
## .env.NAME.local, and the table `env` - nothing else, and never the Hub's token.
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
    std::string result(example_head);
    for (const Field& field : fields()) {
        if (field.table.empty()) result += example_entry(field);
    }
    for (const std::string& table : table_names()) {
        if (table == "supervision") {
            result +=
                "\n## Defaults for all connectors; each [connectors.NAME] may set any of these keys for "
                "itself.";
        }
        result += "\n[" + table + "]\n";
        for (const Field& field : fields()) {
            if (field.table == table) result += example_entry(field);
        }
    }
    result += example_connectors;
    for (const Field& field : fields()) {
        if (!field.in_settings && !field.of_service()) result += example_entry(field);
    }
    result += example_service;
    for (const Field& field : fields()) {
        if (field.of_service()) result += example_entry(field);
    }
    return result;
}

std::string settings_table_markdown() {
    std::string result;
    std::string_view table = "-";
    for (const Field& field : fields()) {
        if (field.table != table) {
            table = field.table;
            const std::string title = table.empty() ? "Top of the file" : "`[" + std::string(table) + "]`";
            result += (result.empty() ? "**" : "\n**") + title +
                      "**\n\n| key | variables | default | meaning |\n|---|---|---|---|\n";
        }
        std::string value = default_of(field);
        value = value.empty() ? "unset" : value == "\"\"" ? "empty" : "`" + value + "`";
        result += "| `" + std::string(field.key) + "` | " +
                  (has_variable(field) ? variables_of(field, "`") : "") + " | " + value + " | " +
                  std::string(field.sentence) + " |\n";
    }
    return result;
}

}  // namespace emprops::config
