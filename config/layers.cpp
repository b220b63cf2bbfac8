#include "config/layers.h"

#include <algorithm>

#include "config/dotenv.h"
#include "config/files.h"
#include "config/variables.h"
#include "ipc/text/variables.h"

namespace emprops::config {

namespace fs = std::filesystem;

Reader::Reader(const LoadRequest& request, Loaded& out) : request_(request), out_(out) {
    const auto variable = request.environment.find("EMPROPS_CONFIG");
    dotenv_dir_ = request.working_dir;
    if (request.config_file) {
        config_file_ = absolute(*request.config_file);
        config_file_required_ = true;
        dotenv_dir_ = config_file_.parent_path();
    } else if (variable != request.environment.end()) {
        if (variable->second.empty()) return;  // set and empty: no configuration file
        config_file_ = absolute(variable->second);
        config_file_required_ = true;
        dotenv_dir_ = config_file_.parent_path();
    } else {
        for (const fs::path& candidate :
             {request.working_dir / "emprops-worker.toml", request.system_config_file}) {
            std::error_code error;
            if (!fs::exists(candidate, error) && !error) continue;
            config_file_ = candidate;
            break;
        }
    }
}

void Reader::problem(Severity severity, std::string where, std::string message) {
    out_.problems.push_back({severity, std::move(where), std::move(message)});
}

fs::path Reader::absolute(const fs::path& path) const {
    return path.is_absolute() ? path : (request_.working_dir / path).lexically_normal();
}

void Reader::read_toml(const fs::path& file, bool required, std::vector<FileSource>& sources) {
    const std::string display = display_name(file, request_.working_dir);
    const Result<std::string> text = read_text_file(file);
    if (!text) {
        const bool missing = text.error().code == "not_found";
        if (missing && !required) return;
        out_.files_unusable = true;
        problem(Severity::error, display,
                missing ? "there is no such configuration file; check --config or EMPROPS_CONFIG"
                        : "the configuration file " + text.error().message);
        return;
    }
    out_.files_read.push_back(file);
    TomlFile parsed = parse_toml(*text);
    if (parsed.error) {
        out_.files_unusable = true;
        problem(
            Severity::error,
            display + ":" + std::to_string(parsed.error->line) + ":" + std::to_string(parsed.error->column),
            "is not TOML: " + parsed.error->message);
        return;
    }
    sources.push_back({display, file.parent_path(), std::move(parsed.entries)});
}

std::vector<FileSource> Reader::files() {
    std::vector<FileSource> sources;
    if (config_file_.empty()) return sources;
    read_toml(config_file_, config_file_required_, sources);

    std::vector<fs::path> drop_ins;
    std::error_code error;
    for (fs::directory_iterator at(config_file_.parent_path() / "config.d", error), end; !error && at != end;
         at.increment(error)) {
        const std::string name = at->path().filename().string();
        if (at->path().extension() == ".toml" && !name.starts_with('.')) drop_ins.push_back(at->path());
    }
    if (error && error != std::errc::no_such_file_or_directory && error != std::errc::not_a_directory) {
        problem(Severity::error, display_name(config_file_.parent_path() / "config.d", request_.working_dir),
                "cannot be read: " + error.message());
    }
    std::sort(drop_ins.begin(), drop_ins.end());
    for (const fs::path& file : drop_ins)
        read_toml(file, true, sources);
    return sources;
}

VariableSource Reader::environment() {
    VariableSource source{Layer::environment, "environment", request_.working_dir, {}};
    for (const auto& [name, value] : request_.environment) {
        if (name.ends_with("_PORT") && text::is_service_link(value))
            service_links_.push_back(name);
        else
            source.variables[name] = {value, "environment: " + name};
    }
    return source;
}

VariableSource Reader::read_dotenv(const std::string& name, Layer layer,
                                   const std::vector<const VariableSource*>& known) {
    const fs::path file = dotenv_dir_ / name;
    VariableSource source{layer, display_name(file, request_.working_dir), dotenv_dir_, {}};
    const Result<std::string> text = read_text_file(file);
    if (!text) {
        if (text.error().code != "not_found") problem(Severity::error, source.display, text.error().message);
        return source;
    }
    out_.files_read.push_back(file);
    const Dotenv parsed = parse_dotenv(*text, [&known](const std::string& variable) {
        for (const VariableSource* above : known) {
            const auto found = above->variables.find(variable);
            if (found != above->variables.end()) return std::optional<std::string>(found->second.value);
        }
        return std::optional<std::string>();
    });
    for (const DotenvProblem& found : parsed.problems) {
        if (!found.warning) broken_lines_.push_back({out_.problems.size(), found.name});
        problem(found.warning ? Severity::warning : Severity::error,
                source.display + ":" + std::to_string(found.line), found.message);
    }
    for (const DotenvVariable& variable : parsed.variables) {
        source.variables[variable.name] = {
            variable.value,
            source.display + ":" + std::to_string(variable.line) + " (" + variable.name + ")"};
    }
    return source;
}

VariableSource Reader::dotenv(const VariableSource& environment) {
    return read_dotenv(".env", Layer::dotenv, {&environment});
}

std::vector<VariableSource> Reader::dotenv_of(const std::string& connector, const VariableSource& environment,
                                              const VariableSource& dotenv) {
    std::vector<VariableSource> sources;
    for (const std::string& name : {".env." + connector, ".env." + connector + ".local"}) {
        sources.push_back(read_dotenv(name, Layer::dotenv_connector, {&environment, &dotenv}));
    }
    return sources;
}

std::vector<Override> Reader::overrides() {
    std::vector<Override> result;
    for (const std::string& text : request_.overrides) {
        const std::size_t equals = text.find('=');
        if (equals == std::string::npos || equals == 0) {
            problem(Severity::error, "command line", "`" + text + "` is not table.key=value");
            continue;
        }
        result.push_back({text.substr(0, equals), text.substr(equals + 1)});
    }
    return result;
}

}  // namespace emprops::config
