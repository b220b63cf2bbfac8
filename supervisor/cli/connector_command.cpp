// `connector doctor`: one connector, no hub, played by the doctor under a guardian of its own.

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "ipc/json_text.h"
#include "ipc/text/people.h"
#include "supervisor/base/exit_codes.h"
#include "supervisor/base/log.h"
#include "supervisor/base/log_format.h"
#include "supervisor/cli/common.h"
#include "supervisor/doctor/child_patient.h"
#include "supervisor/doctor/examination.h"
#include "supervisor/doctor/report.h"
#include "supervisor/process/os/guardian.h"
#include "supervisor/process/os/inherited.h"

namespace emprops::cli {
namespace {

/// A folder that goes with it.
class Scratch {
  public:
    Scratch() {
        std::error_code failed;
        std::string name = (std::filesystem::temp_directory_path(failed) / "emprops-doctor-XXXXXX").string();
        if (::mkdtemp(name.data()) != nullptr) path_ = name;
    }
    ~Scratch() {
        std::error_code unused;
        if (!path_.empty()) std::filesystem::remove_all(path_, unused);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;
    const std::filesystem::path& path() const { return path_; }

  private:
    std::filesystem::path path_;
};

/// JSON text, or @FILE. Nothing: it was wrong, and that was said.
std::optional<ipc::RawJson> payload_of(const std::string& argument, const char* option) {
    std::string text = argument;
    if (argument.starts_with('@')) {
        std::ifstream file(argument.substr(1), std::ios::binary);
        if (!file) {
            complain("cannot read " + argument.substr(1) + " (" + option + ")");
            return std::nullopt;
        }
        text.assign(std::istreambuf_iterator<char>(file), {});
    }
    if (!ipc::Json::accept(text) || !ipc::Json::parse(text).is_object()) {
        complain(std::string(option) + " must be a JSON object, or @FILE with one in it");
        return std::nullopt;
    }
    return ipc::on_one_line(text);
}

/// The configured connector, or one that the command line makes up.
std::optional<config::ConnectorSettings> settings_of(const ConnectorOptions& options, config::Settings& all) {
    if (!options.command.empty()) {
        config::ConnectorSettings settings;
        settings.name = "doctor";
        settings.command = options.command;
        settings.supervision = all.supervision;
        std::error_code unused;
        settings.working_dir = std::filesystem::current_path(unused);
        return settings;
    }
    for (config::ConnectorSettings& each : all.connectors) {
        if (each.name == options.name) return std::move(each);
    }
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

doctor::Plan plan_of(const ConnectorOptions& options, const config::ConnectorSettings& settings) {
    doctor::Plan plan;
    plan.level = options.level == "handshake" ? doctor::Level::handshake
                 : options.level == "jobs"    ? doctor::Level::jobs
                                              : doctor::Level::all;
    plan.job_type = options.job_type.empty() && !settings.job_types.empty() ? settings.job_types.front()
                                                                            : options.job_type;
    plan.types_configured = !settings.job_types.empty();
    plan.concurrency = static_cast<int>(settings.concurrency.value_or(0));
    plan.start_limit = settings.supervision.start_timeout;
    plan.prepare_limit = settings.supervision.prepare_timeout;
    plan.cancel_limit = settings.supervision.cancel_timeout;
    plan.leave_limit = settings.supervision.stop.shutdown_grace;
    plan.stderr_lines_per_second = settings.supervision.stderr_lines_per_second;
    if (options.timeout_seconds > 0) {
        const Ms limit(static_cast<long long>(options.timeout_seconds * 1000));
        plan.start_limit = plan.prepare_limit = plan.job_limit = limit;
        plan.ping_limit = std::min(plan.ping_limit, limit / 4);
        plan.cancel_limit = std::min(plan.cancel_limit, limit / 2);
        plan.leave_limit = std::min(plan.leave_limit, limit / 2);
    }
    return plan;
}

int examine(const ConnectorOptions& options, const config::ConnectorSettings& settings,
            const doctor::Plan& plan, const config::Settings& all) {
    const Scratch scratch;
    if (scratch.path().empty()) {
        complain("no scratch folder can be made in the folder for temporary files");
        return exit_temporary;
    }
    process::FleetOptions fleet;
    fleet.worker_id = "doctor";
    fleet.state_dir = scratch.path();
    fleet.bin_dir = own_directory();
    fleet.connector_dirs = all.connector_dirs;
    std::vector<doctor::Finding> findings;
    {
        doctor::ChildPatient patient(process_loop(), settings, std::move(fleet));
        findings = doctor::examine(patient, plan).findings(plan.level);
    }
    const std::string name = options.command.empty() ? settings.name : command_text(settings);
    if (!options.junit.empty()) {
        std::ofstream file(options.junit, std::ios::binary);
        if (!(file << doctor::junit(name, findings)).flush()) {
            complain("cannot write " + options.junit);
            return exit_usage;
        }
    }
    const std::string text = options.json ? json_text(doctor::json(name, findings), 2) + "\n"
                                          : doctor::table(findings, in_colour());
    std::fputs(text.c_str(), stdout);
    if (std::fflush(stdout) != 0) return exit_usage;
    return doctor::healthy(findings) ? exit_ok : exit_job_failed;
}

}  // namespace

int examine_connector(const Common& common, const ConnectorOptions& options) {
    process::take_over();
    if (options.name.empty() == options.command.empty()) {
        complain("name a configured connector, or give a command: emprops-worker connector doctor -- CMD...");
        return exit_usage;
    }
    auto loaded = load_or_complain(request_for(common), false);
    if (!loaded) return exit_config;
    const auto settings = settings_of(options, loaded->settings);
    if (!settings) return exit_config;
    doctor::Plan plan = plan_of(options, *settings);
    if (!options.payload.empty() && !(plan.payload = payload_of(options.payload, "--payload")))
        return exit_usage;
    if (!options.slow_payload.empty() &&
        !(plan.slow_payload = payload_of(options.slow_payload, "--slow-payload")))
        return exit_usage;
    if (!options.json)
        std::printf("Up to %d jobs are sent to `%s`%s%s\n\n", plan.jobs(),
                    one_line(command_text(*settings)).c_str(), plan.payload ? "" : ", with the payload {}",
                    plan.slow_payload ? "" : "; without --slow-payload what needs a slow job is not tried");
    std::fflush(stdout);
    return process::run_guarded([&] {
        config::LogSettings quiet = loaded->settings.log;
        quiet.level = "error";
        quiet.file.clear();
        if (const auto logging = setup_logging(quiet); !logging) complain(logging.error().message);
        const int code = examine(options, *settings, plan, loaded->settings);
        close_logging();
        return code;
    });
}

}  // namespace emprops::cli
