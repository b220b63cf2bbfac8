#include "config/load.h"

#include <unistd.h>

#include <algorithm>

#include "config/checks.h"
#include "config/connectors.h"
#include "config/files.h"
#include "ipc/text/nearest.h"
#include "ipc/text/values.h"

extern char** environ;  // POSIX has no header for it

namespace emprops::config {

namespace fs = std::filesystem;

namespace {

std::vector<std::string> keys_of_table(std::string_view table) {
    std::vector<std::string> keys;
    for (const Field& field : fields()) {
        if (field.table == table) keys.push_back(field.full_key());
    }
    return keys;
}

/// One run of load(): reads every source, then sets layer by layer, lowest first.
class Loader {
  public:
    explicit Loader(const LoadRequest& request) : request_(request), setter_(out_), reader_(request, out_) {}

    Loaded run() {
        sources_.working_dir = request_.working_dir;
        sources_.environment = reader_.environment();
        sources_.files = reader_.files();
        sources_.dotenv = reader_.dotenv(sources_.environment);
        sources_.overrides = reader_.overrides();

        for (const FileSource& file : sources_.files)
            apply(file);
        for (const Field& field : fields()) {
            if (!field.in_settings) continue;
            const std::vector<std::string> names = field.variables();
            for (const VariableSource* source : {&sources_.dotenv, &sources_.environment}) {
                setter_.set_from(*source, names, field, sink(field.in_settings, out_.settings),
                                 field.full_key());
            }
        }
        for (const Override& override : sources_.overrides)
            apply(override);

        ConnectorLoader connectors(sources_, reader_, out_);
        connectors.run();
        warn_of_mistyped_variables(connectors.variables());
        read_token_file();
        fill_in_paths();
        check_settings(request_, out_);
        return std::move(out_);
    }

  private:
    void apply(const FileSource& file) {
        for (const TomlEntry& entry : file.entries) {
            if (entry.key == "connectors") continue;
            const Origin origin = file.origin(entry);
            if (const Field* field = find_field("", entry.key)) {
                setter_.set(*field, file, entry, sink(field->in_settings, out_.settings), field->full_key());
                continue;
            }
            std::vector<std::string> known = table_names();
            if (std::find(known.begin(), known.end(), entry.key) == known.end()) {
                known.emplace_back("connectors");
                for (std::string& key : keys_of_table(""))
                    known.push_back(std::move(key));
                setter_.unknown_key(origin.where, entry.key, known);
            } else if (!entry.is_table) {
                setter_.problem(Severity::error, origin.where,
                                "`" + entry.key + "` must be a table, [" + entry.key + "]");
            } else {
                for (const TomlEntry& setting : entry.entries)
                    apply(file, entry.key, setting);
            }
        }
    }

    void apply(const FileSource& file, const std::string& table, const TomlEntry& entry) {
        const Origin origin = file.origin(entry);
        const Field* field = find_field(table, entry.key);
        if (field == nullptr) {
            setter_.unknown_key(origin.where, table + "." + entry.key, keys_of_table(table));
            return;
        }
        setter_.set(*field, file, entry, sink(field->in_settings, out_.settings), field->full_key());
    }

    void apply(const Override& override) {
        if (override.key == "connectors" || override.key.starts_with("connectors.")) return;
        std::vector<std::string> known{"connectors"};
        for (const Field& field : fields()) {
            if (!field.in_settings) continue;
            const std::string key = field.full_key();
            known.push_back(key);
            const bool below = override.key.starts_with(key + ".");
            if (override.key != key && !below) continue;
            setter_.set(field, override, below ? std::string_view(override.key).substr(key.size() + 1) : "",
                        sink(field.in_settings, out_.settings), key, request_.working_dir);
            return;
        }
        setter_.unknown_key(override.origin().where, override.key, known);
    }

    /// EMPROPS_ is our prefix, but not ours alone: only what looks like one of our names is worth a word.
    void warn_of_mistyped_variables(const std::vector<std::string>& of_connectors) {
        std::vector<std::string> known{"EMPROPS_CONFIG", "EMPROPS_CONNECTORS", "EMPROPS_CONNECTOR"};
        for (const Field& field : fields()) {
            if (field.in_settings) known.push_back(field.variable());
        }
        known.insert(known.end(), of_connectors.begin(), of_connectors.end());
        for (const VariableSource* source : {&sources_.dotenv, &sources_.environment}) {
            for (const auto& [name, variable] : source->variables) {
                if (!name.starts_with("EMPROPS_") ||
                    std::find(known.begin(), known.end(), name) != known.end()) {
                    continue;
                }
                if (const settings::Retired* retired = find_retired_variable(name)) {
                    setter_.retired(variable.where, name, *retired);
                    continue;
                }
                if (const std::optional<std::string> meant = text::meant(name, known)) {
                    setter_.problem(Severity::warning, variable.where,
                                    "`" + name + "` sets nothing; did you mean `" + *meant + "`?");
                }
            }
        }
    }

    /// Of token and token_file the one from the higher layer counts; within one layer, the file.
    void read_token_file() {
        const fs::path& file = out_.settings.hub.token_file;
        const auto named = out_.origins.find("hub.token_file");
        if (file.empty() || named == out_.origins.end()) return;
        const auto direct = out_.origins.find("hub.token");
        if (direct != out_.origins.end()) {
            if (direct->second.layer > named->second.layer) return;
            if (direct->second.layer == named->second.layer) {
                setter_.problem(Severity::warning, direct->second.where,
                                "`hub.token` is not used: `hub.token_file` is set as well");
            }
        }
        const std::string display = display_name(file, request_.working_dir);
        const Result<std::string> text = read_file(file, 64 * 1024);
        if (!text) {
            setter_.problem(Severity::error, named->second.where,
                            "`hub.token_file` names " + display + ": " + text.error().message);
            return;
        }
        const std::string_view token = text::trim(*text);
        if (token.empty()) {
            setter_.problem(Severity::error, named->second.where,
                            "`hub.token_file` names " + display + ", which is empty");
        }
        out_.settings.hub.token = std::string(token);
        out_.origins["hub.token"] = {named->second.layer, named->second.where + ", from " + display};
    }

    std::optional<std::string> environment(const std::string& name) const {
        const auto found = request_.environment.find(name);
        if (found == request_.environment.end()) return {};
        return found->second;
    }

    void fill_in_paths() {
        Settings& settings = out_.settings;
        fs::path& state_dir = settings.worker.state_dir;
        if (state_dir.empty()) {
            const bool writable = ::access(request_.system_state_dir.c_str(), W_OK | X_OK) == 0;
            state_dir = default_state_dir(
                {environment("XDG_STATE_HOME"), environment("HOME"), writable, request_.system_state_dir});
        }
        if (settings.control.socket.empty()) settings.control.socket = state_dir / "control.sock";
        if (settings.local_hub.database.empty()) settings.local_hub.database = state_dir / "hub.sqlite";
    }

    const LoadRequest& request_;
    Loaded out_;
    Setter setter_;
    Reader reader_;
    Sources sources_;
};

}  // namespace

std::string to_string(const Problem& problem) {
    return problem.where + ": " + (problem.severity == Severity::warning ? "warning: " : "") +
           problem.message;
}

bool Loaded::ok() const {
    return std::none_of(problems.begin(), problems.end(),
                        [](const Problem& problem) { return problem.severity == Severity::error; });
}

Loaded load(const LoadRequest& request) {
    return Loader(request).run();
}

fs::path default_state_dir(const StateDirInput& input) {
    if (input.xdg_state_home && fs::path(*input.xdg_state_home).is_absolute()) {
        return fs::path(*input.xdg_state_home) / "emprops-worker";
    }
    if (input.system_dir_writable || !input.home || input.home->empty()) return input.system_dir;
    return fs::path(*input.home) / ".local/state/emprops-worker";
}

LoadRequest request_of_this_process() {
    LoadRequest request;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        const std::size_t equals = text.find('=');
        if (equals == std::string_view::npos) continue;
        request.environment.emplace(text.substr(0, equals), text.substr(equals + 1));
    }
    std::error_code error;
    request.working_dir = fs::current_path(error);
    if (error) request.working_dir = "/";  // the folder was removed: relative names then fail by themselves
    const long cpus = ::sysconf(_SC_NPROCESSORS_CONF);
    request.cpu_count = cpus > 0 ? static_cast<unsigned>(cpus) : 0;
    return request;
}

}  // namespace emprops::config
