#include "connectors/simulation/simulation.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <thread>

#include "connectors/simulation/faults.h"
#include "emprops/environment.h"
#include "ipc/json_text.h"

namespace emprops::simulation {
namespace {

/// Where a job that may be resumed keeps the number of its last finished step; empty: nowhere.
std::filesystem::path step_file(const Settings& settings, const Job& job) {
    if (!settings.resume || job.work_dir.empty()) return {};
    return std::filesystem::path(job.work_dir) / "step";
}

std::int64_t steps_done(const std::filesystem::path& file, const Job& job, std::int64_t steps) {
    std::int64_t done = 0;
    if (job.resume && !file.empty()) std::ifstream(file) >> done;
    return std::clamp<std::int64_t>(done, 0, steps);
}

void store_step(const std::filesystem::path& file, std::int64_t step) {
    if (!file.empty()) std::ofstream(file) << step;
}

/// One write with O_APPEND, so that lines of several processes do not mix and a kill leaves a whole line or
/// none.
void note_start(const std::string& journal, const Job& job) {
    if (journal.empty()) return;
    const int file = ::open(journal.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    const std::string line = job.job_id + " " + std::to_string(job.attempt) + "\n";
    const bool written =
        file >= 0 && ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
    if (file >= 0) ::close(file);
    if (!written) throw std::runtime_error("cannot write to the journal " + journal);
}

Json own_status(const Settings& settings) {
    return {{"job_type", settings.job_type},
            {"processing_time", number(settings.processing_time)},
            {"steps", settings.steps}};
}

/// Takes the time of one step; throws when the job is cancelled, unless it is deaf to that.
void work(JobContext& context, std::chrono::duration<double> time, bool deaf) {
    const auto duration = std::chrono::ceil<std::chrono::milliseconds>(time);
    if (deaf)
        std::this_thread::sleep_for(duration);
    else if (context.wait_cancelled(duration))
        throw JobFailure("cancelled", context.cancel_reason());
}

Json output_of(const Settings& settings, const Plan& plan, const Job& job) {
    Json output{{"job_id", job.job_id},
                {"job_type", settings.job_type},
                {"processing_time", number(plan.processing_time)},
                {"steps", plan.steps},
                {"payload_size", job.payload_text.size()},
                {"result", "Simulated " + settings.job_type + " job completed successfully"}};
    if (job.resume) output["resumed"] = true;
    return output;
}

std::string result_text(const Plan& plan, const Job& job, const Json& output) {
    std::string text = ipc::dump(output);
    if (plan.echo) {  // spliced, so that it comes back byte for byte
        text.pop_back();
        text += ",\"echo\":" + job.payload_text + "}";
    }
    return R"({"status":"success","output":)" + text + "}";
}

}  // namespace

void Simulation::initialize(const ConnectorSettings& settings, ConnectorContext& context) {
    context_ = &context;
    settings_ = read_settings(settings.settings);
    for (const std::string& warning : settings_.warnings)
        context.log("warn", warning);
    const auto own = settings_.concurrency == Settings{}.concurrency
                         ? std::nullopt
                         : std::optional(static_cast<int>(settings_.concurrency));
    if (const std::string warning = own_concurrency_warning(settings, own); !warning.empty())
        context.log("warn", warning);
    std::this_thread::sleep_for(std::chrono::duration<double>(settings_.start_seconds));
    break_start(settings_);
    context.set_status(true, true, "", "simulation", own_status(settings_));
}

std::vector<std::string> Simulation::check_settings(const ConnectorSettings& settings) {
    return read_settings(settings.settings).warnings;
}

Json Simulation::capabilities() const {
    return {{"simulation_version", simulation::version},
            {"processing_time", number(settings_.processing_time)},
            {"steps", settings_.steps}};
}

Features Simulation::features() const {
    Features features;
    features.status = true;
    features.resume = settings_.resume;
    features.prepare = settings_.prepare;
    features.files = true;
    return features;
}

RawResult Simulation::process_job_raw(const Job& job, JobContext& context) {
    if (!context.wait_turn()) throw JobFailure("cancelled", context.cancel_reason());
    note_start(settings_.journal, job);
    const std::string tag = std::string(" [version: ") + simulation::version + "]";
    context.progress(0, "Starting " + settings_.job_type + " job" + tag, "started",
                     connection_details(job, "normal"));
    const Plan plan = plan_job(settings_, job.payload(), job.attempt);
    const auto file = step_file(settings_, job);
    const std::chrono::duration<double> step_time(plan.processing_time / static_cast<double>(plan.steps));
    FaultNotes notes;

    for (std::int64_t step = steps_done(file, job, plan.steps) + 1; step <= plan.steps; ++step) {
        if (step == plan.at_step)
            notes = break_in_mid_job(plan, {job, context, *context_, shutdown_seconds_});
        const StepReport report = report_step(step, plan.steps);
        context.progress(report.percent, report.message, report.status, connection_details(job, "normal"));
        work(context, step_time, notes.deaf);
        store_step(file, step);
        if (step % 2 == 0)
            context.progress(std::nullopt, "Heartbeat during step " + std::to_string(step) + tag, "heartbeat",
                             connection_details(job, "heartbeat"));
    }

    if (plan.release) {
        context.release();
        work(context, std::chrono::duration<double>(plan.release_seconds), notes.deaf);
    }
    Json output = output_of(settings_, plan, job);
    for (const PlannedFile& file : plan.files) {
        output["files"].push_back(context.add_file(file.file));
        make_file(job.work_dir, file);
    }
    output.update(notes.output);
    std::string result = result_text(plan, job, output);
    if (auto broken = break_result(plan, job, result)) return std::move(*broken);
    return {std::move(result)};
}

Json Simulation::connection_details(const Job& job, const char* progress_type) const {
    return {{"connected", true},
            {"service", "simulation"},
            {"details", own_status(settings_)},
            {"current_job_id", job.job_id},
            {"version", simulation::version},
            {"job_id", job.job_id},
            {"progress_type", progress_type}};
}

void Simulation::shutdown() {
    std::this_thread::sleep_for(std::chrono::duration<double>(shutdown_seconds_.load()));
}

}  // namespace emprops::simulation
