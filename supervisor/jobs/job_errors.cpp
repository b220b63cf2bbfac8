#include "supervisor/jobs/job_errors.h"
#include "ipc/text/people.h"

#include <csignal>
#include <utility>

namespace emprops::jobs {
namespace {

namespace code = ipc::code;
using process::StopReason;

ipc::JobError make(const char* code, std::string message, bool retryable = true) {
    return {code, std::move(message), retryable, {}};
}

std::string last_words(const process::DeathReport& report) {
    const std::string line = report.last_line();
    return line.empty() ? "" : "; its last line on stderr: \"" + line + "\"";
}

ipc::Json evidence(const process::InstanceId& id, const process::DeathReport& report) {
    ipc::Json details{{"connector", id.connector},
                      {"instance", id.index},
                      {"pid", report.pid},
                      {"uptime_ms", report.uptime.count()},
                      {"peak_rss_bytes", report.peak_rss_bytes},
                      {"cpu_ms", report.cpu.count()}};
    if (report.exit_code) details["exit_code"] = *report.exit_code;
    if (report.signal) details["signal"] = *report.signal;
    if (report.stopped_for) details["stopped_for"] = process::to_string(*report.stopped_for);
    return details;
}

}  // namespace

bool not_the_jobs_fault(const process::DeathReport& report) {
    if (!report.stopped_for) return false;
    switch (*report.stopped_for) {
        case StopReason::requested:
        case StopReason::restart:
        case StopReason::worker_leaving:
        case StopReason::recycle:
        case StopReason::cancel_ignored:  // another job's cancel
        case StopReason::start_timeout:
        case StopReason::bad_protocol:
        case StopReason::asked:  // of services only
            return true;
        case StopReason::hung:
        case StopReason::timeout:
        case StopReason::write_stalled:
            return false;
    }
    return false;
}

bool service_end_is_no_jobs_fault(const process::DeathReport& report) {
    return report.stopped_for || report.signal == SIGTERM || report.signal == SIGINT ||
           report.signal == SIGHUP;
}

std::string service_name(const std::string& connector, int index) {
    return "the service of " + process::to_string(process::InstanceId{connector, index, 0});
}

ipc::JobError died_error(const process::InstanceId& id, const process::DeathReport& report) {
    const std::string who =
        "connector " + process::to_string(id) + " (pid " + std::to_string(report.pid) + ")";
    ipc::JobError error;
    if (not_the_jobs_fault(report)) {
        error = make(code::drained, who + " was stopped (" + process::to_string(*report.stopped_for) +
                                        ") while it ran this job; it was not the job's fault");
    } else if (report.stopped_for) {
        error = make(*report.stopped_for == StopReason::timeout ? code::timeout : code::hung,
                     who + " was stopped (" + process::to_string(*report.stopped_for) +
                         ") while it ran this job: " + report.summary() + last_words(report));
    } else {
        error = make(code::crashed,
                     who + " died while it ran this job: " + report.summary() + last_words(report));
    }
    error.details = evidence(id, report);
    return error;
}

ipc::JobError not_resumed_error(ipc::JobError error, const std::string& connector, Ms window) {
    error.message += "; it could have been resumed, but no new process of " + connector + " took it within " +
                     human_duration(window);
    return error;
}

ipc::JobError poison_error(const JobHistory::Poison& poison) {
    if (!poison.service.empty()) {
        const std::string times = poison.deaths == 1   ? "once"
                                  : poison.deaths == 2 ? "twice"
                                                       : std::to_string(poison.deaths) + " times";
        return make(code::poison,
                    "this job has ended " + poison.service + " " + times +
                        " and is not run again by this worker; the last time: " + poison.last_death,
                    false);
    }
    return make(code::poison,
                "this job has cost " + std::to_string(poison.deaths) +
                    (poison.deaths == 1 ? " connector process" : " connector processes") +
                    " and is not run again by this worker; the last one: " + poison.last_death,
                false);
}

ipc::JobError unclear_error(const std::string& service, std::size_t jobs,
                            const process::DeathReport& report) {
    return make(
        code::service_unavailable,
        service + " ended while " + std::to_string(jobs) +
            " jobs were at it, and which of them it worked on is not known; they run one at a time next: " +
            report.summary_with_last_line());
}

ipc::JobError sick_machine_error(const std::string& service, const std::string& text,
                                 const process::DeathReport& report) {
    return make(code::service_unavailable, service + " is not used for now, and this job is not blamed: " +
                                               text + "; the last time: " + report.summary_with_last_line());
}

ipc::JobError service_away_error(const process::InstanceId& id, const std::string& reason) {
    return make(code::service_unavailable,
                "connector " + process::to_string(id) +
                    " gave this job back, because its service will not be there soon: " + reason);
}

ipc::JobError timeout_error(const process::InstanceId& id, Ms limit) {
    return make(code::timeout, "the job ran longer than " + human_duration(limit) + " on connector " +
                                   process::to_string(id) + " (job_timeout)");
}

ipc::JobError hung_error(const process::InstanceId& id, Ms limit, bool silent) {
    const std::string text = "connector " + process::to_string(id) +
                             " reported no progress of this job for " + human_duration(limit) +
                             " (no_progress_timeout)";
    if (!silent) return make(code::hung, text);
    return make(code::hung,
                text +
                    " and never said a word about it. If it works without the worker: does it flush its "
                    "output after each line, and read its input line by line (mawk -W interactive, "
                    "sed -u, gawk)? `emprops-worker trace " +
                    id.connector + "` shows every line");
}

ipc::JobError drained_error(const std::string& what) {
    return make(code::drained, what + " and gave this job back; it was not the job's fault");
}

ipc::JobError unavailable_error(const std::string& job_type, Ms waited, const std::string& why) {
    return make(code::service_unavailable, "no connector could take this job of type \"" + job_type +
                                               "\" within " + human_duration(waited) +
                                               (why.empty() ? "" : ": " + why));
}

ipc::JobError not_started_error(int times, Ms waited, const std::string& last_message) {
    return make(code::not_started,
                "no connector began this job within " + human_duration(waited) + "; it was refused " +
                    std::to_string(times) + (times == 1 ? " time" : " times") +
                    ", at last with the words: " + (last_message.empty() ? "nothing" : last_message));
}

ipc::JobError another_begins_error() {
    return make(code::not_started,
                "the job waited for its slot here, and another worker can begin it at once");
}

ipc::JobError never_begun_error() {
    return make(code::not_started, "the worker process ended before the job began");
}

ipc::JobError lost_error(const std::string& connector, Ms window) {
    return make(code::lost,
                "the worker was ended while connector " + connector +
                    " ran this job, and after its restart no process of that connector that can resume took "
                    "the job within " +
                    human_duration(window));
}

ipc::JobError not_resumable_error(const std::string& connector) {
    return make(code::lost, "the worker process ended while connector " + connector +
                                " ran this job, and that connector cannot resume jobs");
}

}  // namespace emprops::jobs
