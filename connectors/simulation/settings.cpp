#include "connectors/simulation/settings.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "emprops/environment.h"
#include "ipc/text/people.h"

namespace emprops::simulation {
namespace {

constexpr double max_seconds = 7 * 24 * 3600;
constexpr std::int64_t max_steps = 1'000'000;
constexpr std::int64_t max_bytes = std::int64_t{4} << 30;

constexpr std::array<std::pair<const char*, Fault>, 28> faults{{
    {"fail", Fault::fail},
    {"throw", Fault::throw_exception},
    {"exit", Fault::exit},
    {"segv", Fault::segv},
    {"signal", Fault::signal},
    {"hang", Fault::hang},
    {"stop", Fault::stop},
    {"ignore_cancel", Fault::ignore_cancel},
    {"ignore_term", Fault::ignore_term},
    {"slow_shutdown", Fault::slow_shutdown},
    {"leak", Fault::leak},
    {"fork_child", Fault::fork_child},
    {"setsid_child", Fault::setsid_child},
    {"flood_progress", Fault::flood_progress},
    {"stray_print", Fault::stray_print},
    {"stray_stdout", Fault::stray_stdout},
    {"stderr_flood", Fault::stderr_flood},
    {"close_stdout", Fault::close_stdout},
    {"unavailable", Fault::unavailable},
    {"restart_service", Fault::restart_service},
    {"overlong_line", Fault::overlong_line},
    {"foreign_result", Fault::foreign_result},
    {"big_result", Fault::big_result},
    {"deep_result", Fault::deep_result},
    {"nan_result", Fault::nan_result},
    {"two_results", Fault::two_results},
    {"half_result", Fault::half_result},
    {"result_then_die", Fault::result_then_die},
}};

Plan read_plan(const Settings& settings, const Json& payload) {
    Plan plan;
    plan.processing_time =
        setting_double(payload, "processing_time", settings.processing_time, {0, max_seconds});
    plan.steps = setting_int(payload, "steps", settings.steps, {0, max_steps});
    plan.echo = setting_bool(payload, "echo", false);
    plan.release = setting_bool(payload, "release", false);
    plan.release_seconds = setting_double(payload, "release_seconds", 0, {0, max_seconds});
    plan.files = plan_files(payload);
    const std::string fault = setting_string(payload, "fault", "");
    if (fault.empty()) return plan;

    const auto known = fault_by_name(fault);
    if (!known) throw ConfigurationError("fault \"" + fault + "\" is unknown; there are " + fault_names());
    plan.fault = *known;
    plan.at_step = setting_int(payload, "at_step", plan.at_step, {1, max_steps});
    if (payload.contains("on_attempt")) plan.on_attempt = setting_int(payload, "on_attempt", 1);
    plan.exit_code = setting_int(payload, "exit_code", plan.exit_code, {0, 255});
    plan.signal_number = setting_int(payload, "signal", plan.signal_number, {1, 64});
    if (payload.contains("bytes")) plan.bytes = setting_int(payload, "bytes", 0, {0, max_bytes});
    if (payload.contains("seconds")) plan.seconds = setting_double(payload, "seconds", 0, {0, max_seconds});
    plan.count = setting_int(payload, "count", plan.count, {0, 1'000'000});
    plan.depth = setting_int(payload, "depth", plan.depth, {1, 10'000'000});
    plan.code = setting_string(payload, "code", plan.code);
    plan.retryable = setting_bool(payload, "retryable", plan.retryable);
    plan.foreign_job_id = setting_string(payload, "foreign_job_id", plan.foreign_job_id);
    return plan;
}

}  // namespace

const SettingRows<Settings>& setting_rows() {
    using S = Settings;
    static const SettingRows<Settings> rows{
        row(&S::job_type, "job_type", "Job type that is served and named in the result."),
        row(&S::processing_time, "processing_time", emprops::settings::Seconds(),
            "How long a job takes, all steps together.")
            .within(0, max_seconds),
        row(&S::steps, "steps", "Steps of a job; 0: every job fails.").within(0, max_steps),
        row(&S::concurrency, "concurrency", "Old name of `[connectors.NAME] concurrency`, which wins.")
            .within(1, 1000),
        row(&S::resume, "resume", "Declare the feature `resume`: jobs of a dead process are given again."),
        row(&S::prepare, "prepare", "Declare the feature `prepare`: the next job comes while one runs."),
        row(&S::start_fault, "start_fault", "What goes wrong at the start; see Faults of the start.")
            .seldom(),
        row(&S::start_fault_file, "start_fault_file", "The fault happens only while this file exists.")
            .seldom(),
        row(&S::start_seconds, "start_seconds", emprops::settings::Seconds(), "How long the start takes.")
            .within(0, max_seconds)
            .seldom(),
        row(&S::journal, "journal", "A file that gets `job_id attempt` as each job begins.").seldom(),
    };
    return rows;
}

Settings read_settings(const Json& own) {
    Settings result;
    result.warnings =
        read_rows(setting_rows(), own, {"SIMULATION_", env_find, false, {}, env_names()}, result);
    if (result.job_type.empty())
        throw ConfigurationError("SIMULATION_JOB_TYPE is empty, but must name the job type to serve");
    return result;
}

std::optional<Fault> fault_by_name(const std::string& name) {
    for (const auto& [known, fault] : faults)
        if (name == known) return fault;
    return std::nullopt;
}

std::string fault_names() {
    std::string names;
    for (const auto& entry : faults)
        add_item(names, entry.first);
    return names;
}

Plan plan_job(const Settings& settings, const Json& payload, int attempt) {
    Plan plan;
    try {
        plan = read_plan(settings, payload);
    } catch (const ConfigurationError& wrong) {
        throw JobFailure("invalid_payload", std::string("the job's payload cannot be used: ") + wrong.what(),
                         false);
    }
    if (plan.on_attempt && *plan.on_attempt != attempt) plan.fault = Fault::none;
    if (plan.steps == 0)
        throw JobFailure(
            "simulation.division_by_zero",
            "division by zero: the job has no steps (SIMULATION_STEPS, or \"steps\" in the payload, "
            "is 0)",
            false);
    plan.at_step = std::min(plan.at_step, plan.steps);  // a fault that is asked for happens
    return plan;
}

Json number(double value) {
    constexpr double exact = 9e15;
    if (std::abs(value) < exact && value == std::floor(value)) return static_cast<std::int64_t>(value);
    return value;
}

StepReport report_step(std::int64_t step, std::int64_t steps) {
    StepReport report;
    report.percent = static_cast<int>(100 * step / steps);
    report.status = step == steps ? "finalizing" : "processing";
    report.message = "Step " + std::to_string(step) + "/" + std::to_string(steps) + ": Processing at " +
                     std::to_string(report.percent) + "% [version: " + version + "]";
    return report;
}

}  // namespace emprops::simulation
