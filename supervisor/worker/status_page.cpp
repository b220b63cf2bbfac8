#include "supervisor/worker/status_page.h"

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

Json counters(const process::ConnectorCounters& c) {
    return {{"spawns", c.starts},
            {"deaths", c.deaths},
            {"jobs_given", c.jobs_given},
            {"lines_received", c.lines_received},
            {"stderr_lines", c.lines},
            {"stderr_dropped", c.lines_dropped},
            {"stray_lines", c.stray_lines},
            {"overlong_lines", c.overlong_lines},
            {"protocol_errors", c.protocol_errors},
            {"foreign_messages", c.foreign_messages},
            {"progress_coalesced", c.progress_coalesced},
            {"requests_dropped", c.requests_dropped}};
}

Json metrics(const ipc::Figures& figures) {
    Json counters = Json::object();
    Json gauges = Json::object();
    for (const auto& [name, figure] : figures.all())
        (figure.kind == ipc::Figures::Kind::counter ? counters : gauges)[name] = figure.value;
    return {{"counters", std::move(counters)}, {"gauges", std::move(gauges)}};
}

Json service(const process::ServiceStatus& s) {
    Json json{{"state", process::service_word(s.state)},
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
              {"state", s.word()},
              {"in_state_ms", s.in_state.count()},
              {"pid", s.pid},
              {"uptime_ms", s.uptime.count()},
              {"rss_bytes", s.rss_bytes},
              {"jobs", s.jobs},
              {"replacing", s.replacing},
              {"leaving", s.leaving},
              {"why", s.why},
              {"counters", counters(s.counters)}};
    if (!s.figures.empty()) json["metrics"] = metrics(s.figures);
    if (s.id) json["generation"] = s.id->generation;
    if (s.next_attempt_in) json["next_attempt_in_ms"] = s.next_attempt_in->count();
    if (s.last_death) json["last_death"] = death(*s.last_death);
    if (s.service) json["service"] = service(*s.service);
    if (s.info) {
        json["job_types"] = s.info->job_types;
        json["concurrency"] = s.info->concurrency;
        json["available"] = s.info->available;
        json["unavailable_reason"] = s.info->unavailable_reason;
        json["remark"] = s.info->remark();
        json["version"] = s.info->version;
    }
    return json;
}

/// `waiting`: for the next attempt, or for good.
const char* name_of(const jobs::LinkView& view, TimePoint now) {
    if (view.link == jobs::LinkView::Link::connected) return "connected";
    if (view.link == jobs::LinkView::Link::connecting && view.attempt_at <= now) return "connecting";
    return "waiting";
}

Json withheld_jobs(const jobs::LinkView& view, TimePoint now) {
    Json list = Json::array();
    for (const auto& job : view.withheld)
        list.push_back({{"job_id", job.job_id},
                        {"job_type", job.job_type},
                        {"since_ms", std::chrono::duration_cast<Ms>(now - job.since).count()},
                        {"why", job.text}});
    return list;
}

}  // namespace

Json status_page(const StatusSources& s) {
    Json connectors = Json::array();
    for (const ConnectorLine& line : s.connectors) {
        Json json = instance(line.instance);
        if (line.slots) json["slots"] = *line.slots;
        if (!line.refusal.empty()) json["refuses"] = line.refusal;
        json["quiet"] = line.quiet;
        if (!line.takes_no_jobs_because.empty()) json["takes_no_jobs_because"] = line.takes_no_jobs_because;
        connectors.push_back(std::move(json));
    }
    Json document = {
        {"worker",
         {{"pid", s.pid}, {"state", s.state}, {"uptime_ms", s.uptime.count()}, {"state_dir", s.state_dir}}},
        {"hub",
         {{"address", s.hub_address},
          {"link", name_of(s.view, s.now)},
          {"worker_id", s.view.worker_id},
          {"auth_refused", s.view.auth_refused},
          {"told_status", s.view.told_idle ? "idle" : "busy"},
          {"told_job_types", s.view.told_types},
          {"last_error", s.view.last_error},
          {"suspicion", s.view.suspicion},
          {"connections", s.metrics.connections},
          {"reconnects", s.metrics.reconnects},
          {"offers", s.metrics.offers},
          {"claims", s.metrics.claims},
          {"refusals", s.metrics.refusals},
          {"not_idle", s.metrics.not_idle},
          {"claim_timeouts", s.metrics.claim_timeouts},
          {"assignments", s.metrics.assignments},
          {"fresh_ids", s.metrics.fresh_ids},
          {"withheld_jobs", withheld_jobs(s.view, s.now)},
          {"readoptions", s.metrics.readoptions},
          {"delivered", s.metrics.delivered},
          {"not_delivered", s.metrics.not_delivered},
          {"bad_frames", s.metrics.bad_frames},
          {"dropped_assemblies", s.metrics.dropped_assemblies},
          {"outbox_depth", s.metrics.outbox_depth},
          {"outbox_oldest_ms", s.metrics.outbox_oldest.count()},
          {"last_offer_to_assignment_ms", s.metrics.last_offer_to_assignment.count()},
          {"max_offer_to_assignment_ms", s.metrics.max_offer_to_assignment.count()}}},
        {"ledger",
         {{"healthy", s.ledger_problem.empty()},
          {"problem", s.ledger_problem},
          {"records", s.ledger.records},
          {"outcomes", s.ledger.outcomes},
          {"bytes", s.ledger.bytes},
          {"write_errors", s.ledger.write_errors},
          {"bad_files", s.ledger.bad_files}}},
        {"files", {{"problem", s.disk_problem}, {"jobs", s.spool_jobs}, {"bytes", s.spool_bytes}}},
        {"jobs",
         {{"running", s.running},
          {"held", s.held},
          {"delivering", s.delivering},
          {"returned", s.jobs.returned},
          {"assigned", s.jobs.assigned},
          {"given", s.jobs.given},
          {"resumed", s.jobs.resumed},
          {"completed", s.jobs.completed},
          {"failed", s.jobs.failed},
          {"undelivered", s.jobs.undelivered},
          {"not_started", s.jobs.not_started},
          {"deaths", s.jobs.deaths},
          {"ignored_messages", s.jobs.ignored},
          {"poisoned", s.jobs.poisoned_jobs}}},
        {"connectors", std::move(connectors)},
    };
    if (s.view.link == jobs::LinkView::Link::connecting && s.view.attempt_at > s.now)
        document["hub"]["next_attempt_in_ms"] =
            std::chrono::duration_cast<Ms>(s.view.attempt_at - s.now).count();
    return document;
}

Json jobs_page(TimePoint now, const std::vector<jobs::JobView>& active,
               const std::vector<jobs::LinkView::Outcome>& outcomes) {
    const auto age = [now](TimePoint then) { return std::chrono::duration_cast<Ms>(now - then).count(); };
    Json list = Json::array();
    for (const auto& job : active) {
        Json json{{"job_id", job.job_id},     {"job_type", job.job_type},
                  {"priority", job.priority}, {"state", jobs::to_string(job.state)},
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
    for (const auto& outcome : outcomes) {
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
