// `connector run`: one connector without a hub, its conversation with notes on what the worker would make of it.

#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "ipc/codec.h"
#include "ipc/overload.h"
#include "ipc/text/people.h"
#include "supervisor/base/exit_codes.h"
#include "supervisor/base/log.h"
#include "supervisor/base/log_format.h"
#include "supervisor/cli/common.h"
#include "supervisor/cli/connector_parts.h"
#include "supervisor/doctor/child_patient.h"
#include "supervisor/doctor/visit.h"
#include "supervisor/process/complaints.h"
#include "supervisor/process/os/guardian.h"
#include "supervisor/process/os/inherited.h"

namespace emprops::cli {
namespace {

/// What the worker takes a line for, where that is not plain to see; empty: it is.
std::string remark(std::string_view line) {
    const ipc::Decoded decoded = ipc::decode_from_connector(line);
    return std::visit(
        Overload{
            [](const ipc::FromConnector& message) -> std::string {
                const auto* unknown = std::get_if<ipc::Unknown>(&message);
                return unknown != nullptr ? process::unknown_type(unknown->type) : "";
            },
            [](const ipc::Stray& stray) {
                return "no message, but a print" + (stray.hint.empty() ? "" : ": " + stray.hint);
            },
            [](const ipc::Malformed& malformed) { return "broken: " + malformed.reason; },
            [](const ipc::Behind& behind) { return "text stands in front of the `" + behind.type + "`"; },
        },
        decoded);
}

class Played {
  public:
    Played(const ConnectorOptions& options, const config::ConnectorSettings& settings,
           const config::Settings& all, const Scratch& scratch)
        : patient_(process_loop(), settings, fleet_in(scratch, all)) {
        patient_.on_line = [this](int descriptor, std::string_view line) { print(descriptor, line); };
        plan_.job_type = options.job_type.empty() && !settings.job_types.empty() ? settings.job_types.front()
                                                                                 : options.job_type;
        plan_.start_limit = settings.supervision.start_timeout;
        plan_.prepare_limit = settings.supervision.prepare_timeout;
        leave_limit_ = settings.supervision.stop.shutdown_grace;
    }

    int run(const std::vector<ipc::RawJson>& payloads) {
        doctor::Chart chart;
        doctor::Visit visit(patient_, plan_, chart);
        const Signals signals(process_loop(), [this](const std::string&) { interrupt(); });
        if (const auto started = patient_.start(); !started) {
            complain(started.error().message);
            return exit_config;
        }
        patient_.send(patient_.hello());
        if (!visit.wait_ready()) {
            note("no `ready`: " + visit.state());
            return exit_job_failed;
        }
        bool all_good = true;
        for (std::size_t n = 0; n < payloads.size() && interrupts_ == 0 && visit.runs(); ++n) {
            job_ = "job-" + std::to_string(n + 1);
            const TimePoint from = patient_.now();
            visit.give(job_, payloads[n]);
            while (visit.runs() && visit.heard().job(job_).ends == 0 && interrupts_ < 2)
                patient_.wait(
                    [&] { return visit.heard().job(job_).ends > 0 || !visit.runs() || interrupts_ >= 2; },
                    Ms{1000});
            const doctor::JobHeard& heard = visit.heard().job(job_);
            note(job_ +
                 (heard.result   ? " is done"
                  : heard.failed ? " has failed"
                                 : " has no end") +
                 " after " + human_duration(between(from, patient_.now())));
            all_good = all_good && heard.result.has_value();
        }
        job_.clear();
        if (!visit.runs()) {
            note(visit.state());
            return exit_job_failed;
        }
        patient_.send(ipc::Drain{});
        patient_.send(ipc::Shutdown{leave_limit_});
        patient_.close_stdin();
        patient_.wait([&] { return !visit.runs(); }, leave_limit_);
        note(visit.runs() ? "it does not leave; it is killed" : visit.state());
        return all_good && !visit.runs() ? exit_ok : exit_job_failed;
    }

  private:
    void interrupt() {
        if (++interrupts_ == 1 && !job_.empty()) patient_.send(ipc::Cancel{job_, "Ctrl-C"});
    }
    void note(const std::string& text) {
        std::printf("   # %s\n", one_line(text).c_str()), std::fflush(stdout);
    }
    void print(int descriptor, std::string_view line) {
        static constexpr const char* marks[] = {"-> ", "<- ", " | "};
        if (!line.empty() && line.back() == '\n') line.remove_suffix(1);
        std::printf("%s%s\n", marks[descriptor], one_line(line).c_str());
        if (const std::string text = descriptor == 1 ? remark(line) : ""; !text.empty()) note(text);
        std::fflush(stdout);
    }

    doctor::ChildPatient patient_;
    doctor::Plan plan_;
    Ms leave_limit_{0};
    std::string job_;  // that runs
    int interrupts_ = 0;
};

/// Those of the command line: --payload, and each line of --jobs.
std::optional<std::vector<ipc::RawJson>> payloads_of(const ConnectorOptions& options) {
    std::vector<ipc::RawJson> payloads;
    if (!options.payload.empty()) {
        const auto payload = payload_of(options.payload, "--payload");
        if (!payload) return std::nullopt;
        payloads.push_back(*payload);
    }
    if (options.jobs.empty()) return payloads;
    std::ifstream file(options.jobs);
    if (!file) {
        complain("cannot read " + options.jobs + " (--jobs)");
        return std::nullopt;
    }
    for (std::string line; std::getline(file, line);) {
        if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
        const auto payload = payload_of(line, "each line of --jobs");
        if (!payload) return std::nullopt;
        payloads.push_back(*payload);
    }
    return payloads;
}

}  // namespace

int play_connector(const Common& common, const ConnectorOptions& options) {
    process::take_over();
    auto loaded = load_or_complain(request_for(common), false);
    if (!loaded) return exit_config;
    const auto settings = connector_of(options, loaded->settings);
    if (!settings) return exit_config;
    const auto payloads = payloads_of(options);
    if (!payloads) return exit_usage;
    return process::run_guarded([&] {
        config::LogSettings quiet = loaded->settings.log;
        quiet.level = "error";
        quiet.file.clear();
        if (const auto logging = setup_logging(quiet); !logging) complain(logging.error().message);
        const Scratch scratch("doctor");
        if (scratch.path().empty()) {
            complain("no scratch folder can be made in the folder for temporary files");
            return static_cast<int>(exit_temporary);
        }
        const int code = Played(options, *settings, loaded->settings, scratch).run(*payloads);
        close_logging();
        return code;
    });
}

}  // namespace emprops::cli
