#pragma once
// The simulation's configuration, and what one job's payload makes of it. Pure, except for reading the
// environment.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "connectors/simulation/files.h"
#include "emprops/settings.h"

namespace emprops::simulation {

/// Stands for the connector's behaviour; goes into messages and capabilities.
inline constexpr const char* version = "1.0.0";

/// What each means is said in its row.
struct Settings {
    std::string job_type = "simulation";
    double processing_time = 10;  ///< s
    std::int64_t steps = 5;
    std::int64_t concurrency = 1;
    bool resume = false;
    bool prepare = false;

    // For tests of supervision.
    std::string start_fault;
    std::string start_fault_file;
    double start_seconds = 0;
    std::string journal;

    std::vector<std::string> warnings;  ///< about what was set and is no setting
};

const SettingRows<Settings>& setting_rows();
/// The variables SIMULATION_<KEY>, then `hello.settings`, then the default. Throws ConfigurationError.
Settings read_settings(const Json& hello_settings);

enum class Fault {
    none,
    fail,
    throw_exception,
    exit,
    segv,
    signal,
    hang,
    stop,
    ignore_cancel,
    ignore_term,
    slow_shutdown,
    leak,
    fork_child,
    setsid_child,
    flood_progress,
    stray_print,
    stray_stdout,
    stderr_flood,
    close_stdout,
    unavailable,
    restart_service,
    overlong_line,
    foreign_result,
    big_result,
    deep_result,
    nan_result,
    two_results,
    half_result,
    result_then_die,
};

/// nullopt: no fault has this name.
std::optional<Fault> fault_by_name(const std::string& name);
/// All names, in the order of the README.
std::string fault_names();

/// What to do for one job.
struct Plan {
    double processing_time = 0;
    std::int64_t steps = 0;
    bool echo = false;
    bool release = false;        ///< when its steps are done
    double release_seconds = 0;  ///< how long it goes on then, until its files are there
    std::vector<PlannedFile> files;

    Fault fault = Fault::none;
    std::int64_t at_step = 1;                ///< before which step it happens (those of a result: at the end)
    std::optional<std::int64_t> on_attempt;  ///< only on this attempt
    std::int64_t exit_code = 3;
    std::int64_t signal_number = 9;
    std::optional<std::int64_t> bytes;
    std::optional<double> seconds;
    std::int64_t count = 10;
    std::int64_t depth = 100'000;
    std::string code = "simulation.fault";
    bool retryable = true;
    std::string foreign_job_id = "not-mine";
};

/// Throws JobFailure: `invalid_payload` for a key of a wrong type or an unknown fault,
/// `simulation.division_by_zero` for no steps.
Plan plan_job(const Settings& settings, const Json& payload, int attempt);

/// A number as the Python worker would write it: 5, not 5.0.
Json number(double value);

struct StepReport {
    int percent = 0;
    std::string status;
    std::string message;
};
/// What is reported as step `step` (1-based) of `steps` begins.
StepReport report_step(std::int64_t step, std::int64_t steps);

}  // namespace emprops::simulation
