// The documents of the control API: `status` and `jobs`. Their shape is documented in control/README.md.

#include <unistd.h>

#include "supervisor/worker_impl.h"

namespace emprops {
namespace {

using ipc::Json;

Json death(const process::DeathReport& report) {
    Json json{{"summary", report.summary()},          {"pid", report.pid},
              {"uptime_ms", report.uptime.count()},   {"peak_rss_bytes", report.peak_rss_bytes},
              {"cpu_ms", report.cpu.count()},         {"core_dumped", report.core_dumped},
              {"jobs_held", report.jobs_held},        {"stderr_tail", report.stderr_tail},
              {"last_messages", report.last_messages}};
    if (report.exit_code) json["exit_code"] = *report.exit_code;
    if (report.signal) json["signal"] = *report.signal;
    if (report.stopped_for) json["stopped_for"] = process::to_string(*report.stopped_for);
    if (!report.start_error.empty()) json["start_error"] = report.start_error;
    return json;
}

Json counters(const process::Counters& c) {
    return {{"spawns", c.spawns},
            {"deaths", c.deaths},
            {"jobs_given", c.jobs_given},
            {"lines_received", c.lines_received},
            {"stderr_lines", c.stderr_lines},
            {"stderr_dropped", c.stderr_dropped},
            {"stray_lines", c.stray_lines},
            {"overlong_lines", c.overlong_lines},
            {"protocol_errors", c.protocol_errors},
            {"foreign_messages", c.foreign_messages},
            {"progress_coalesced", c.progress_coalesced},
            {"requests_dropped", c.requests_dropped}};
}

Json service(const process::ServiceStatus& s) {
    Json json{{"state", process::to_string(s.state)},
              {"usable", s.usable},
              {"in_state_ms", s.in_state.count()},
              {"pid", s.pid},
              {"port", s.port},
              {"uptime_ms", s.uptime.count()},
              {"rss_bytes", s.rss_bytes},
              {"missed", s.missed},
              {"why", s.why},
              {"counters",
               {{"starts", s.counters.starts},
                {"deaths", s.counters.deaths},
                {"restarts_asked", s.counters.restarts_asked},
                {"recycles", s.counters.recycles},
                {"probes_missed", s.counters.probes_missed},
                {"lines", s.counters.lines},
                {"lines_dropped", s.counters.lines_dropped}}}};
    if (s.vram_used) json["vram_used_bytes"] = *s.vram_used;
    if (s.next_attempt_in) json["next_attempt_in_ms"] = s.next_attempt_in->count();
    if (s.last_death) json["last_death"] = death(*s.last_death);
    return json;
}

Json instance(const process::InstanceStatus& s) {
    Json json{{"name", s.connector},
              {"index", s.index},
              {"state", process::to_string(s.state)},
              {"in_state_ms", s.in_state.count()},
              {"pid", s.pid},
              {"uptime_ms", s.uptime.count()},
              {"rss_bytes", s.rss_bytes},
              {"jobs", s.jobs},
              {"replacing", s.replacing},
              {"leaving", s.leaving},
              {"why", s.why},
              {"counters", counters(s.counters)}};
    if (s.id) json["generation"] = s.id->generation;
    if (s.next_attempt_in) json["next_attempt_in_ms"] = s.next_attempt_in->count();
    if (s.last_death) json["last_death"] = death(*s.last_death);
    if (s.service) json["service"] = service(*s.service);
    if (s.info) {
        json["job_types"] = s.info->job_types;
        json["concurrency"] = s.info->concurrency;
        json["available"] = s.info->available;
        json["unavailable_reason"] = s.info->unavailable_reason;
        json["version"] = s.info->version;
    }
    return json;
}

/// `waiting`: for the next attempt, or for good.
const char* name_of(const hub::SessionView& view, TimePoint now) {
    if (view.link == hub::SessionView::Link::connected) return "connected";
    if (view.link == hub::SessionView::Link::connecting && view.attempt_at <= now) return "connecting";
    return "waiting";
}

Json withheld_jobs(const hub::SessionView& view, TimePoint now) {
    Json list = Json::array();
    for (const auto& job : view.withheld)
        list.push_back({{"job_id", job.job_id},
                        {"job_type", job.job_type},
                        {"since_ms", std::chrono::duration_cast<Ms>(now - job.since).count()},
                        {"why", job.text}});
    return list;
}

}  // namespace

/// What keeps an instance that serves from getting jobs, for a person; empty: nothing does, or it does not
/// serve, and then its own `why` says it.
std::string Worker::Impl::takes_no_jobs_because(const process::InstanceStatus& instance) const {
    const bool serves = instance.state == process::State::ready || instance.state == process::State::busy;
    if (!serves || !instance.info) return {};
    if (phase_ != Phase::running) return "the worker is leaving";
    if (dispatcher_.draining()) return "the worker is drained, `emprops-worker resume` ends that";
    if (dispatcher_.drained(instance.connector))
        return "an operator drained it, `emprops-worker resume " + instance.connector + "` ends that";
    if (instance.info->job_types.empty())
        return "neither its `ready` nor job_types in its configuration names a job type";
    if (!instance.info->available) return "unavailable: " + instance.info->unavailable_reason;
    return ledger_->problem();
}

Json Worker::Impl::status() const {
    const TimePoint now = Clock::now();
    const auto view = link_->view();
    const auto metrics = link_->metrics();
    const auto stats = dispatcher_.stats();
    const auto ledger = ledger_->stats();
    static constexpr const char* phases[] = {"running", "leaving", "stopping", "ended"};

    std::size_t running = 0;
    std::size_t held = 0;  // ours at the Hub, and with no connector
    for (const auto& job : dispatcher_.running())
        ++(job.state == jobs::JobState::running ? running : held);

    Json connectors = Json::array();
    for (const auto& one : fleet_->snapshot()) {
        connectors.push_back(instance(one));
        if (const auto slots = one.id ? dispatcher_.slots(*one.id) : std::nullopt)
            connectors.back()["slots"] = *slots;
        if (const std::string refusal = one.id ? dispatcher_.refusal(now, *one.id) : ""; !refusal.empty())
            connectors.back()["refuses"] = refusal;
        connectors.back()["quiet"] = dispatcher_.quiet(one.connector);
        const std::string reason = takes_no_jobs_because(one);
        if (!reason.empty()) connectors.back()["takes_no_jobs_because"] = reason;
    }
    Json document = {
        {"worker",
         {{"pid", ::getpid()},
          {"state", phase_ == Phase::running && dispatcher_.draining() ? "draining"
                                                                       : phases[static_cast<int>(phase_)]},
          {"uptime_ms", std::chrono::duration_cast<Ms>(now - started_at_).count()},
          {"state_dir", settings().worker.state_dir.string()}}},
        {"hub",
         {{"address", link_->address()},
          {"link", name_of(view, now)},
          {"worker_id", view.worker_id},
          {"auth_refused", view.auth_refused},
          {"told_status", view.told_idle ? "idle" : "busy"},
          {"told_job_types", view.told_types},
          {"last_error", view.last_error},
          {"connections", metrics.connections},
          {"reconnects", metrics.reconnects},
          {"offers", metrics.offers},
          {"claims", metrics.claims},
          {"refusals", metrics.refusals},
          {"not_idle", metrics.not_idle},
          {"claim_timeouts", metrics.claim_timeouts},
          {"assignments", metrics.assignments},
          {"fresh_ids", metrics.fresh_ids},
          {"withheld_jobs", withheld_jobs(view, now)},
          {"readoptions", metrics.readoptions},
          {"delivered", metrics.delivered},
          {"not_delivered", metrics.not_delivered},
          {"bad_frames", metrics.bad_frames},
          {"dropped_assemblies", metrics.dropped_assemblies},
          {"outbox_depth", metrics.outbox_depth},
          {"outbox_oldest_ms", metrics.outbox_oldest.count()},
          {"last_offer_to_assignment_ms", metrics.last_offer_to_assignment.count()},
          {"max_offer_to_assignment_ms", metrics.max_offer_to_assignment.count()}}},
        {"ledger",
         {{"healthy", ledger_->healthy()},
          {"problem", ledger_->problem()},
          {"records", ledger.records},
          {"outcomes", ledger.outcomes},
          {"bytes", ledger.bytes},
          {"write_errors", ledger.write_errors},
          {"bad_files", ledger.bad_files}}},
        {"jobs",
         {{"running", running},
          {"held", held},
          {"returned", stats.returned},
          {"assigned", stats.assigned},
          {"given", stats.given},
          {"resumed", stats.resumed},
          {"completed", stats.completed},
          {"failed", stats.failed},
          {"undelivered", stats.undelivered},
          {"not_started", stats.not_started},
          {"deaths", stats.deaths},
          {"ignored_messages", stats.ignored},
          {"poisoned", stats.poisoned_jobs}}},
        {"connectors", std::move(connectors)},
    };
    if (view.link == hub::SessionView::Link::connecting && view.attempt_at > now)
        document["hub"]["next_attempt_in_ms"] = std::chrono::duration_cast<Ms>(view.attempt_at - now).count();
    return document;
}

Json Worker::Impl::jobs() const {
    const TimePoint now = Clock::now();
    const auto age = [now](TimePoint then) { return std::chrono::duration_cast<Ms>(now - then).count(); };
    Json list = Json::array();
    for (const auto& job : dispatcher_.jobs()) {
        Json json{{"job_id", job.job_id},     {"job_type", job.job_type},
                  {"priority", job.priority}, {"state", emprops::jobs::to_string(job.state)},
                  {"attempt", job.attempt},   {"assigned_ms_ago", age(job.assigned_at)}};
        if (job.instance) json["connector"] = process::to_string(*job.instance);
        if (job.given_at) json["given_ms_ago"] = age(*job.given_at);
        if (job.last_progress_at) {
            json["progress_ms_ago"] = age(*job.last_progress_at);
            json["message"] = job.progress.message;
            if (job.progress.progress) json["progress"] = *job.progress.progress;
        }
        list.push_back(std::move(json));
    }
    for (const auto& outcome : link_->view().outcomes) {
        list.push_back({{"job_id", outcome.job_id},
                        {"job_type", outcome.job_type},
                        {"state", "ended"},
                        {"attempt", 0},
                        {"assigned_ms_ago", age(outcome.since)},
                        {"message", outcome.completed ? "its result waits for the Hub"
                                                      : "its failure waits to be told to the Hub"}});
    }
    return Json{{"jobs", std::move(list)}};
}

}  // namespace emprops
