#include "supervisor/cli/connector_parts.h"

#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "ipc/envelope.h"
#include "supervisor/cli/common.h"
#include "supervisor/cli/payload.h"

namespace emprops::cli {

std::optional<ipc::RawJson> payload_of(const std::string& argument, const char* option) {
    Result<std::string> text = argument;
    if (argument.starts_with('@')) text = read_payload_file(argument.substr(1));
    if (text) text = checked_payload(std::move(*text));
    if (text) return ipc::on_one_line(*text);
    complain(std::string(option) +
             " must be a JSON object, or @FILE with one in it: " + text.error().message);
    return std::nullopt;
}

std::optional<config::ConnectorSettings> connector_of(const ConnectorOptions& options,
                                                      const config::Settings& all) {
    if (!options.command.empty()) {
        config::ConnectorSettings settings;
        settings.name = "doctor";
        settings.command = options.command;
        settings.supervision = all.supervision;
        std::error_code unused;
        settings.working_dir = std::filesystem::current_path(unused);
        return settings;
    }
    if (const config::ConnectorSettings* const found = all.connector(options.name)) return *found;
    complain("no connector \"" + options.name +
             "\" is configured; name one of [connectors], or give a command: -- CMD");
    return std::nullopt;
}

bool in_colour() {
    const char* no = std::getenv("NO_COLOR");
    const char* term = std::getenv("TERM");
    return ::isatty(STDOUT_FILENO) == 1 && (no == nullptr || *no == '\0') &&
           (term == nullptr || std::string(term) != "dumb");
}

std::string command_text(const config::ConnectorSettings& settings) {
    if (settings.command.empty()) return "emprops-connector-" + settings.name;
    std::string text;
    for (const std::string& word : settings.command)
        text += (text.empty() ? "" : " ") + word;
    return text;
}

process::FleetOptions fleet_in(const Scratch& scratch, const config::Settings& all) {
    process::FleetOptions options;
    options.worker_id = "by-hand";
    options.state_dir = scratch.path();
    options.bin_dir = own_directory();
    options.connector_dirs = all.connector_dirs;
    return options;
}

}  // namespace emprops::cli
