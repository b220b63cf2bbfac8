// `connector doctor`: one connector, no hub, played by the doctor under a guardian of its own.

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <optional>
#include <string>

#include "supervisor/base/exit_codes.h"
#include "supervisor/base/log.h"
#include "supervisor/base/log_format.h"
#include "supervisor/cli/common.h"
#include "supervisor/cli/connector_parts.h"
#include "supervisor/doctor/child_patient.h"
#include "supervisor/doctor/examination.h"
#include "supervisor/doctor/report.h"
#include "supervisor/process/os/guardian.h"
#include "supervisor/process/os/inherited.h"

namespace emprops::cli {
namespace {

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
    const Scratch scratch("doctor");
    if (scratch.path().empty()) {
        complain("no scratch folder can be made in the folder for temporary files");
        return exit_temporary;
    }
    std::vector<doctor::Finding> findings;
    {
        doctor::ChildPatient patient(process_loop(), settings, fleet_in(scratch, all));
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
    const auto settings = connector_of(options, loaded->settings);
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
