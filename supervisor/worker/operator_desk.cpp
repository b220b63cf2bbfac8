#include "supervisor/worker/operator_desk.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "ipc/text/people.h"
#include "supervisor/base/log.h"
#include "supervisor/worker/reload_plan.h"
#include "supervisor/worker/status_page.h"

namespace emprops {

// ---- questions

ipc::Json OperatorDesk::status() const {
    const TimePoint now = Clock::now();
    const jobs::Dispatcher& dispatcher = parts_.flow.jobs();
    const auto view = parts_.link.view();
    const auto metrics = parts_.link.metrics();
    StatusSources sources{now, view, metrics};
    sources.pid = ::getpid();
    sources.state = !leaves() && dispatcher.draining() ? "draining" : to_string(parts_.leaving.phase());
    sources.uptime = std::chrono::duration_cast<Ms>(now - started_at_);
    sources.state_dir = parts_.settings.worker.state_dir.string();
    sources.hub_address = parts_.link.address();
    sources.ledger = parts_.ledger.stats();
    sources.ledger_problem = parts_.ledger.problem();
    sources.disk_problem = parts_.flow.disk().problem();
    sources.spool_jobs = parts_.flow.spool().folders();
    sources.spool_bytes = parts_.flow.spool().bytes();
    sources.jobs = dispatcher.stats();
    for (const auto& job : dispatcher.running())
        ++(job.state == jobs::JobState::running      ? sources.running
           : job.state == jobs::JobState::delivering ? sources.delivering
                                                     : sources.held);
    for (auto& instance : parts_.fleet.snapshot()) {
        ConnectorLine line;
        if (instance.id) line.slots = dispatcher.slots(*instance.id);
        if (instance.id) line.refusal = dispatcher.refusal(now, *instance.id);
        line.quiet = dispatcher.quiet(instance.connector);
        line.takes_no_jobs_because = takes_no_jobs_because(instance);
        line.instance = std::move(instance);
        sources.connectors.push_back(std::move(line));
    }
    return status_page(sources);
}

ipc::Json OperatorDesk::jobs() const {
    return jobs_page(Clock::now(), parts_.flow.jobs().jobs(), parts_.link.view().outcomes);
}

/// What keeps an instance that serves from getting jobs, for a person; empty: nothing does, or it does not
/// serve, and then its own `why` says it.
std::string OperatorDesk::takes_no_jobs_because(const process::InstanceStatus& instance) const {
    const bool serves = instance.state == process::State::ready || instance.state == process::State::busy;
    if (!serves || !instance.info || instance.connector == config::courier_name) return {};
    if (leaves()) return "the worker is leaving";
    if (parts_.flow.jobs().draining()) return "the worker is drained, `emprops-worker resume` ends that";
    if (parts_.flow.jobs().drained(instance.connector))
        return "an operator drained it, `emprops-worker resume " + instance.connector + "` ends that";
    if (instance.info->job_types.empty())
        return "neither its `ready` nor job_types in its configuration names a job type";
    if (!instance.info->available) return "unavailable: " + instance.info->unavailable_reason;
    return parts_.flow.problem();
}

Result<std::string> OperatorDesk::why(const std::string& connector) const {
    if (auto known = parts_.roster.known(connector); !known) return known.error();
    std::string text;
    for (const auto& instance : parts_.fleet.snapshot()) {
        if (instance.connector != connector) continue;
        add_item(text, instance.why, "; ");
        const std::string reason = takes_no_jobs_because(instance);
        // Said already; a time in it may have moved on.
        const bool service_said =
            instance.service && !instance.service->usable && reason.starts_with("unavailable: its service");
        if (!reason.empty() && !service_said && instance.why.find(reason) == std::string::npos)
            text += "; it takes no jobs: " + reason;
        if (instance.info && !instance.info->remark().empty()) text += "; it " + instance.info->remark();
        if (!instance.id) continue;
        const std::string refusal = parts_.flow.jobs().refusal(Clock::now(), *instance.id);
        if (!refusal.empty()) text += "; " + refusal;
    }
    if (text.empty() && connector == config::courier_name)
        text = "it does not run: no store is configured, and no result has named a file yet";
    const auto view = parts_.link.view();
    if (!view.suspicion.empty()) text += "; " + view.suspicion;
    for (const auto& job : view.withheld)
        if (parts_.roster.serves(connector, job.job_type)) text += "; " + job.text;
    return text;
}

// ---- connectors

Result<std::string> OperatorDesk::begin(const char* what, const std::string& connector,
                                        Result<> (process::Fleet::*operation)(const std::string&),
                                        const char* sentence) {
    if (auto known = parts_.roster.known(connector); !known) return known.error();
    logger("control")->info("{} {} asked for", what, connector);
    if (auto done = (parts_.fleet.*operation)(connector); !done) return done.error();
    return fmt::format(fmt::runtime(sentence), connector);
}

Result<std::string> OperatorDesk::restart(const std::string& connector) {
    return begin("restart of connector", connector, &process::Fleet::restart,
                 "restarting {}: the new process starts, then the old one finishes its jobs and leaves");
}

Result<std::string> OperatorDesk::restart_service(const std::string& connector) {
    return begin("restart of the service of connector", connector, &process::Fleet::restart_service,
                 "restarting the service of {}: its running jobs finish first, the connector stays");
}

Result<std::string> OperatorDesk::start(const std::string& connector) {
    return begin("start of connector", connector, &process::Fleet::start, "starting {}");
}

Result<std::string> OperatorDesk::stop(const std::string& connector) {
    return begin("stop of connector", connector, &process::Fleet::stop,
                 "stopping {}: it takes no more jobs, finishes those it has, and stays stopped until start");
}

// ---- jobs

Result<std::string> OperatorDesk::drain(const std::string& connector, const std::string& mode) {
    const TimePoint now = Clock::now();
    const TimePoint deadline = now + parts_.settings.worker.drain_timeout;
    if (connector.empty()) {
        if (leaves())
            return Error{"leaving",
                         "the worker is leaving already, by the mode and deadline of its signal or notice; a "
                         "second signal gives running jobs back at once"};
        logger("control")->info("drain of the worker asked for (mode {})", mode);
        parts_.flow.change().drain(now, jobs::drain_mode(mode), deadline);
        return fmt::format("draining: the worker takes no more jobs until resume; {}",
                           mode == "now"        ? "what runs is given back to the Hub"
                           : mode == "deadline" ? "what still runs after worker.drain_timeout is given back"
                                                : "what runs goes on");
    }
    if (auto known = parts_.roster.known(connector); !known) return known.error();
    logger("control")->info("drain of connector {} asked for (mode {})", connector, mode);
    parts_.flow.change().drain_connector(now, connector, jobs::drain_mode(mode), deadline);
    return fmt::format("draining {}: it takes no more jobs until resume", connector);
}

Result<std::string> OperatorDesk::resume(const std::string& connector) {
    const TimePoint now = Clock::now();
    if (connector.empty()) {
        if (leaves()) return Error{"leaving", "the worker is leaving and cannot take jobs again"};
        parts_.flow.change().resume(now);
        return std::string("the worker takes jobs again");
    }
    if (auto known = parts_.roster.known(connector); !known) return known.error();
    parts_.flow.change().resume_connector(now, connector);
    for (const auto& instance : parts_.fleet.snapshot()) {
        if (instance.connector == connector && instance.state == process::State::stopped)
            return fmt::format(
                "{0} takes jobs again once it runs: it is stopped, `emprops-worker start {0}` starts it",
                connector);
    }
    return fmt::format("{} takes jobs again", connector);
}

Result<std::string> OperatorDesk::cancel(const std::string& job_id, const std::string& reason) {
    const jobs::Dispatcher& dispatcher = parts_.flow.jobs();
    const auto named = [&](const jobs::JobView& job) { return job.job_id == job_id; };
    const auto running = dispatcher.running();
    if (std::any_of(running.begin(), running.end(), named)) {
        parts_.link.cancel(job_id, reason);
        return fmt::format("cancelling {}: {}, then the connector", job_id,
                           parts_.link.view().link == jobs::LinkView::Link::connected
                               ? "the Hub is told first"
                               : "the Hub is away and is told when it is back; for 3 s it is waited for");
    }
    const auto held = dispatcher.jobs();
    if (std::any_of(held.begin(), held.end(), named))
        return fmt::format("{} is being stopped already; `emprops-worker jobs` shows when it is gone",
                           job_id);
    return Error{"not_found", fmt::format("no job {} runs here", job_id)};
}

Result<std::string> OperatorDesk::deliver_again(const std::string& name) {
    return parts_.flow.deliver_again(name);
}

// ---- settings

Result<std::string> OperatorDesk::reload() {
    config::Loaded fresh = config::load(parts_.request);
    if (!fresh.ok()) {
        std::string problems;
        for (const auto& problem : fresh.problems)
            add_item(problems, config::to_string(problem), "\n");
        return Error{"config", problems};
    }
    if (auto logging = setup_logging(fresh.settings.log); !logging) return logging.error();
    const ReloadPlan plan = plan_reload(parts_.settings, fresh.settings);
    take_over(parts_.settings, std::move(fresh.settings));
    if (plan.new_token) parts_.link.set_token(parts_.settings.hub.token);
    parts_.flow.configure(parts_.settings);
    for (const auto& name : plan.removed)
        parts_.tails.forget(name);
    return to_string(plan);
}

// ---- what connectors say

Result<std::vector<std::string>> OperatorDesk::log_tail(const std::string& connector) const {
    if (!connector.empty()) {
        if (auto known = parts_.roster.known(connector); !known) return known.error();
        return parts_.tails.lines(connector);
    }
    std::vector<std::string> all;
    for (const auto& name : parts_.roster.names())
        for (auto& line : parts_.tails.lines(name))
            all.push_back(std::move(line));
    return all;
}

Result<control::Subscription> OperatorDesk::follow(const std::string& connector, process::Fleet::Lines lines,
                                                   control::OnLine on_line) {
    if (!connector.empty()) {
        if (auto known = parts_.roster.known(connector); !known) return known.error();
    }
    const auto id = parts_.fleet.subscribe(
        connector, lines,
        [on_line = std::move(on_line)](const process::TraceLine& line) { on_line(show(line)); });
    return control::Subscription(static_cast<void*>(this),
                                 lifetime_.guard([this, id](void*) { parts_.fleet.unsubscribe(id); }));
}

Result<control::Subscription> OperatorDesk::follow_log(const std::string& connector,
                                                       control::OnLine on_line) {
    // Both in one turn of the loop: no line is lost in between, and none comes twice.
    const auto tail = log_tail(connector);
    if (!tail) return tail.error();
    for (const auto& line : tail.value())
        on_line(line);
    return follow(connector, process::Fleet::Lines::for_people, std::move(on_line));
}

Result<control::Subscription> OperatorDesk::follow_trace(const std::string& connector,
                                                         control::OnLine on_line) {
    return follow(connector, process::Fleet::Lines::all, std::move(on_line));
}

}  // namespace emprops
