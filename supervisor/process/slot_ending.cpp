// Slot: the end of a process, from its exit to the report.

#include <boost/asio/post.hpp>

#include "supervisor/base/log.h"
#include "supervisor/process/slot.h"

namespace emprops::process {

namespace {

/// After the exit a grandchild may hold the pipe open; nothing that matters comes later than this.
constexpr Ms read_after_exit{1000};

}  // namespace

void Slot::on_exit(std::uint64_t generation, const ExitStatus& exit) {
    Entry* entry = find(generation);
    if (entry == nullptr) return;
    entry->exit = exit;
    context_.host.sweep(marker(generation));
    context_.sweep_repeatedly(marker(generation));
    read_to_end(generation);
}

void Slot::end_attached(std::uint64_t generation) {
    Entry* entry = find(generation);
    if (entry == nullptr || entry->ending) return;
    entry->listener.reset();
    boost::asio::post(context_.executor, guarded([this, generation] { read_to_end(generation); }));
}

void Slot::read_to_end(std::uint64_t generation) {
    Entry* entry = find(generation);
    if (entry == nullptr || entry->ending) return;
    entry->ending = true;
    carry_out(lifecycle_.exit_seen(generation, Clock::now()));
    const auto finished = guarded([this, generation] { on_finished(generation); });
    if (entry->process->connected())
        entry->process->finish(entry->attached ? Ms{0} : read_after_exit, finished);
    else
        boost::asio::post(context_.executor, finished);
}

void Slot::on_finished(std::uint64_t generation) {
    const auto found = processes_.find(generation);
    if (found == processes_.end()) return;
    const std::unique_ptr<ConnectorProcess> process = std::move(found->second.process);
    DeathReport report = process->death_report(found->second.exit);
    processes_.erase(found);
    Actions actions = lifecycle_.exited(generation, report, Clock::now());
    if (!planned_end(report.stopped_for)) ++counters_.deaths;
    for (const std::string& job_id : report.jobs_held) {
        const auto death = service_deaths_.find(job_id);
        if (death == service_deaths_.end()) continue;
        report.stderr_tail.push_back("its service " + death->second.summary());
        service_deaths_.erase(death);
    }
    report_death(*process, report);
    // A job that is resumed finds its folder again, unless nobody takes it up in time.
    const Ms keep = process->info.features.resume ? settings_.supervision.resume_window : Ms{0};
    for (const std::string& job_id : report.jobs_held)
        orphaned_jobs_.push_back({Clock::now() + keep, job_id});
    for (const std::string& job_id : process->unanswered_jobs())
        orphaned_jobs_.push_back({Clock::now(), job_id});
    remove_orphaned_jobs(Clock::now());
    if (report.was_ready) {
        context_.tell(
            [id = process->id(), report](FleetListener& listener) { listener.on_gone(id, report); });
    }
    carry_out(std::move(actions));
}

void Slot::report_death(ConnectorProcess& process, const DeathReport& report) const {
    process.log_what_was_dropped(!planned_end(report.stopped_for));
    const LogContext context(
        process.log_fields(report.jobs_held.size() == 1 ? report.jobs_held.front() : ""));
    const auto log = logger("process");
    if (planned_end(report.stopped_for)) {
        log->info("{}: {}", name_, report.summary());
        return;
    }
    log->error("{}: {}", name_, report.summary());
    for (const std::string& line : report.last_messages)
        log->info("{}: last messages: {}", name_, line);
}

}  // namespace emprops::process
