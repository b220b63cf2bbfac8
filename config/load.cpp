#include "config/load.h"

#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <set>
#include <span>

#include "config/checks.h"
#include "config/comfyui_stores.h"
#include "config/connectors.h"
#include "config/files.h"
#include "config/variables.h"
#include "ipc/text/nearest.h"
#include "ipc/text/people.h"
#include "ipc/text/values.h"
#include "ipc/text/variables.h"

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

        read_token_file();
        read_headers_file();
        ConnectorLoader connectors(sources_, reader_, out_);
        connectors.run();
        take_comfyui_stores(out_);
        judge_broken_lines(connectors.known());
        warn_of_service_links(connectors.known());
        warn_of_unknown_variables(connectors.variables());
        fill_in_paths();
        check_settings(request_, out_);
        note_withheld_variables();
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
            if (!text::has_item(known, entry.key)) {
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

    bool is_of_us(const std::string& name, std::span<const std::string> connectors) const {
        const auto lists = connector_list_variables();
        return name.starts_with("EMPROPS_") || sets_a_field(name) ||
               !owner_of_variable(name, connectors).empty() ||
               std::find(lists.begin(), lists.end(), name) != lists.end();
    }

    /// The `.env` of the Python worker works as it is: a line that sets nothing of ours is only worth a warning.
    void judge_broken_lines(std::span<const std::string> connectors) {
        for (const BrokenLine& line : reader_.broken_lines()) {
            if (!is_of_us(line.name, connectors)) out_.problems[line.problem].severity = Severity::warning;
        }
    }

    void warn_of_service_links(std::span<const std::string> connectors) {
        for (const std::string& name : reader_.service_links()) {
            if (!is_of_us(name, connectors)) continue;
            setter_.problem(
                Severity::warning, "environment: " + name,
                "`" + name + "` is not used: Kubernetes sets `" + request_.environment.at(name) +
                    "` for a service of that name; write enableServiceLinks: false into the pod, or the "
                    "setting into the configuration file or .env");
        }
    }

    void warn_of_unknown_variables(const std::vector<std::string>& of_connectors) {
        std::vector<std::string> known{"EMPROPS_CONFIG", "EMPROPS_CONNECTORS", "EMPROPS_CONNECTOR"};
        for (const Field& field : fields()) {
            if (field.in_settings) known.push_back(field.variable());
        }
        known.insert(known.end(), of_connectors.begin(), of_connectors.end());
        for (const VariableSource* source : {&sources_.dotenv, &sources_.environment}) {
            std::string strangers;
            for (const auto& [name, variable] : source->variables) {
                if (!name.starts_with("EMPROPS_") || text::is_of_service_link(name) ||
                    is_told_to_children(name) || text::has_item(known, name)) {
                    continue;
                }
                if (const settings::Retired* retired = find_retired_variable(name)) {
                    setter_.retired(variable.where, name, *retired);
                } else if (const std::optional<std::string> meant = text::meant(name, known)) {
                    setter_.problem(Severity::warning, variable.where,
                                    "`" + name + "` sets nothing; did you mean `" + *meant + "`?");
                } else {
                    add_item(strangers, "`" + name + "`");
                }
            }
            if (strangers.empty()) continue;
            setter_.problem(Severity::warning, source->display,
                            strangers + (strangers.find(',') == std::string::npos ? " sets" : " set") +
                                " nothing of this worker, and no setting has a name like that");
        }
    }

    /// What is set for the worker, and what only its children read, must not be missed in silence.
    void note_withheld_variables() {
        std::set<std::string> candidates;
        for (const VariableSource* source : {&sources_.dotenv, &sources_.environment}) {
            for (const auto& [name, variable] : source->variables)
                if (is_for_children(name)) candidates.insert(name);
        }
        std::map<std::vector<std::string>, std::string> processes;  // by what they lack
        const auto look = [&](const std::string& process, const std::map<std::string, std::string>& env) {
            std::vector<std::string> lacking;
            for (const std::string& name : candidates)
                if (!env.contains(name)) lacking.push_back(name);
            if (!lacking.empty()) add_item(processes[lacking], process);
        };
        for (const ConnectorSettings& connector : out_.settings.connectors) {
            look("connector `" + connector.name + "`", connector.env);
            if (connector.service.enabled())
                look("the service of `" + connector.name + "`", connector.service.env);
        }
        for (const auto& [lacking, who] : processes) {
            std::string names, patterns;
            for (const std::string& name : lacking) {
                add_item(names, name);
                add_item(patterns, "\"" + name + "\"");
            }
            out_.notes.push_back({Severity::warning, "environment",
                                  names + (lacking.size() == 1 ? " is" : " are") + " set, but " + who +
                                      (who.find(',') == std::string::npos ? " does" : " do") +
                                      " not get that; env_pass = [" + patterns +
                                      "] in [supervision] or [connectors.NAME] hands it on"});
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
        const Result<std::string> text = read_text_file(file, 64 * 1024);
        if (!text) {
            setter_.problem(Severity::error, named->second.where,
                            "`hub.token_file` names " + display + ": " + text.error().message);
            return;
        }
        const std::string_view token = text::bare(*text);
        if (token.empty()) {
            setter_.problem(Severity::error, named->second.where,
                            "`hub.token_file` names " + display + ", which is empty");
        }
        out_.settings.hub.token = std::string(token);
        out_.origins["hub.token"] = {named->second.layer, named->second.where + ", from " + display};
    }

    /// What stands in `headers` itself wins, header by header.
    void read_headers_file() {
        const fs::path& file = out_.settings.hub.headers_file;
        const auto named = out_.origins.find("hub.headers_file");
        if (file.empty() || named == out_.origins.end()) return;
        const auto wrong = [&](const std::string& what) {
            setter_.problem(
                Severity::error, named->second.where,
                "`hub.headers_file` names " + display_name(file, request_.working_dir) + ": " + what);
        };
        const Result<std::string> text = read_text_file(file, 64 * 1024);
        if (!text) return wrong(text.error().message);
        const Field& field = *find_field("hub", "headers");
        Settings read;
        if (const auto complaint = field.in_settings->read(read, field.from_text(*text), {}))
            return wrong("it " + *complaint);
        out_.settings.hub.headers.merge(read.hub.headers);
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
            StateDirInput input{environment("XDG_STATE_HOME"), environment("HOME"), false,
                                request_.system_state_dir, environment("STATE_DIRECTORY")};
            if (!input.home || input.home->empty()) input.home = request_.home_of_user;
            const auto has_state = [](const fs::path& folder) {
                std::error_code unused;
                return fs::exists(folder / "lock", unused);
            };
            input.state_in_system_dir = has_state(input.system_dir) && !has_state(default_state_dir(input));
            state_dir = default_state_dir(input);
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
    if (input.state_directory) {
        const fs::path first = input.state_directory->substr(0, input.state_directory->find(':'));
        if (first.is_absolute()) return first;
    }
    if (input.state_in_system_dir || !input.home || input.home->empty() || *input.home == "/")
        return input.system_dir;
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
    if (const passwd* user = ::getpwuid(::getuid()); user != nullptr && user->pw_dir != nullptr)
        request.home_of_user = user->pw_dir;
    std::error_code error;
    request.working_dir = fs::current_path(error);
    if (error) request.working_dir = "/";  // the folder was removed: relative names then fail by themselves
    const long cpus = ::sysconf(_SC_NPROCESSORS_CONF);
    request.cpu_count = cpus > 0 ? static_cast<unsigned>(cpus) : 0;
    return request;
}

}  // namespace emprops::config
