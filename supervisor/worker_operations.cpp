// The control API's operations: each begins something and says so in a sentence.

#include <fmt/format.h>

#include <algorithm>

#include "supervisor/base/log.h"
#include "supervisor/worker_impl.h"

namespace emprops {
namespace {

const char* mark(process::TraceLine::Kind kind) {
    switch (kind) {
        case process::TraceLine::Kind::to_connector:
            return ">";
        case process::TraceLine::Kind::from_connector:
        case process::TraceLine::Kind::log_line:
            return "<";
        default:
            return "|";
    }
}

/// How many lines of one connector `logs` shows.
constexpr std::size_t log_tail_lines = 200;

std::string show(const process::TraceLine& line) {
    return fmt::format("{} {} {} {}", process::to_string(line.id), line.pid, mark(line.kind), line.text);
}

/// Names of those in `all` that are not in `some`.
std::vector<std::string> names_missing_in(const std::vector<config::ConnectorSettings>& some,
                                          const std::vector<config::ConnectorSettings>& all) {
    std::vector<std::string> names;
    for (const auto& each : all) {
        const bool there =
            std::any_of(some.begin(), some.end(), [&](const auto& other) { return other.name == each.name; });
        if (!there) names.push_back(each.name);
    }
    return names;
}

/// Only the settings of the companion service differ: the connector's process can stay, and so can the port.
bool only_service_differs(const std::string& name, const config::Settings& old, const config::Settings& neu) {
    const auto named = [&](const config::ConnectorSettings& each) { return each.name == name; };
    const auto before = std::find_if(old.connectors.begin(), old.connectors.end(), named);
    const auto after = std::find_if(neu.connectors.begin(), neu.connectors.end(), named);
    if (before == old.connectors.end() || after == neu.connectors.end()) return false;
    if (!before->service.enabled() || !after->service.enabled()) return false;
    config::ConnectorSettings same = *before;
    same.service = after->service;
    return same == *after && before->service.port == after->service.port;
}

}  // namespace

Result<> Worker::Impl::known_connector(const std::string& connector) const {
    std::string names;
    for (const auto& known : settings().connectors) {
        if (known.name == connector) return Ok{};
        names += (names.empty() ? "" : ", ") + known.name;
    }
    return Error{"not_found", fmt::format("no connector is named '{}'; loaded: {}", connector,
                                          names.empty() ? "none" : names)};
}

bool Worker::Impl::serves(const std::string& connector, const std::string& job_type) const {
    return std::any_of(ready_.begin(), ready_.end(), [&](const auto& each) {
        const auto& types = each.second.job_types;
        return each.first.connector == connector &&
               std::find(types.begin(), types.end(), job_type) != types.end();
    });
}

Result<std::string> Worker::Impl::why(const std::string& connector) const {
    if (auto known = known_connector(connector); !known) return known.error();
    std::string text;
    for (const auto& instance : fleet_->snapshot()) {
        if (instance.connector != connector) continue;
        text += (text.empty() ? "" : "; ") + instance.why;
        const std::string reason = takes_no_jobs_because(instance);
        // Said already; a time in it may have moved on.
        const bool service_said =
            instance.service && !instance.service->usable && reason.starts_with("unavailable: its service");
        if (!reason.empty() && !service_said && instance.why.find(reason) == std::string::npos)
            text += "; it takes no jobs: " + reason;
        if (const std::string refusal = instance.id ? dispatcher_.refusal(Clock::now(), *instance.id) : "";
            !refusal.empty())
            text += "; " + refusal;
    }
    for (const auto& job : link_->view().withheld)
        if (serves(connector, job.job_type)) text += "; " + job.text;
    return text;
}

Result<std::string> Worker::Impl::restart(const std::string& connector) {
    if (auto known = known_connector(connector); !known) return known.error();
    logger("control")->info("restart of connector {} asked for", connector);
    if (auto done = fleet_->restart(connector); !done) return done.error();
    return fmt::format("restarting {}: the new process starts, then the old one finishes its jobs and leaves",
                       connector);
}

Result<std::string> Worker::Impl::restart_service(const std::string& connector) {
    if (auto known = known_connector(connector); !known) return known.error();
    logger("control")->info("restart of the service of connector {} asked for", connector);
    if (auto done = fleet_->restart_service(connector); !done) return done.error();
    return fmt::format("restarting the service of {}: its running jobs finish first, the connector stays",
                       connector);
}

Result<std::string> Worker::Impl::start(const std::string& connector) {
    if (auto known = known_connector(connector); !known) return known.error();
    logger("control")->info("start of connector {} asked for", connector);
    if (auto done = fleet_->start(connector); !done) return done.error();
    return fmt::format("starting {}", connector);
}

Result<std::string> Worker::Impl::stop(const std::string& connector) {
    if (auto known = known_connector(connector); !known) return known.error();
    logger("control")->info("stop of connector {} asked for", connector);
    if (auto done = fleet_->stop(connector); !done) return done.error();
    return fmt::format(
        "stopping {}: it takes no more jobs, finishes those it has, and stays stopped until start",
        connector);
}

Result<std::string> Worker::Impl::drain(const std::string& connector, const std::string& mode) {
    const TimePoint now = Clock::now();
    const TimePoint deadline = now + settings().worker.drain_timeout;
    if (connector.empty()) {
        if (phase_ != Phase::running)
            return Error{"leaving",
                         "the worker is leaving already, by the mode and deadline of its signal or notice; a "
                         "second signal gives running jobs back at once"};
        logger("control")->info("drain of the worker asked for (mode {})", mode);
        dispatcher_.drain(now, jobs::drain_mode(mode), deadline);
        schedule_pump();
        return fmt::format("draining: the worker takes no more jobs until resume; {}",
                           mode == "now"        ? "what runs is given back to the Hub"
                           : mode == "deadline" ? "what still runs after worker.drain_timeout is given back"
                                                : "what runs goes on");
    }
    if (auto known = known_connector(connector); !known) return known.error();
    logger("control")->info("drain of connector {} asked for (mode {})", connector, mode);
    dispatcher_.drain_connector(now, connector, jobs::drain_mode(mode), deadline);
    schedule_pump();
    return fmt::format("draining {}: it takes no more jobs until resume", connector);
}

Result<std::string> Worker::Impl::resume(const std::string& connector) {
    const TimePoint now = Clock::now();
    if (connector.empty()) {
        if (phase_ != Phase::running)
            return Error{"leaving", "the worker is leaving and cannot take jobs again"};
        dispatcher_.resume(now);
    } else {
        if (auto known = known_connector(connector); !known) return known.error();
        dispatcher_.resume_connector(now, connector);
    }
    schedule_pump();
    if (connector.empty()) return std::string("the worker takes jobs again");
    for (const auto& instance : fleet_->snapshot()) {
        if (instance.connector == connector && instance.state == process::State::stopped)
            return fmt::format(
                "{0} takes jobs again once it runs: it is stopped, `emprops-worker start {0}` starts it",
                connector);
    }
    return fmt::format("{} takes jobs again", connector);
}

void Worker::Impl::on_reload_signal() {
    const auto done = reload();
    if (done) {
        logger("config")->info("{}", done.value());
    } else {
        logger("config")->error("reload refused, nothing changed:\n{}", done.error().message);
    }
}

Result<std::string> Worker::Impl::reload() {
    config::Loaded fresh = config::load(options_.request);
    if (!fresh.ok()) {
        std::string problems;
        for (const auto& problem : fresh.problems)
            problems += (problems.empty() ? "" : "\n") + config::to_string(problem);
        return Error{"config", problems};
    }
    const auto keys = config::changed_keys(settings(), fresh.settings);
    const auto connectors = config::changed_connectors(settings(), fresh.settings);
    std::vector<std::string> restarting;
    for (const auto& name : connectors)
        restarting.push_back(only_service_differs(name, settings(), fresh.settings) ? name + "'s service"
                                                                                    : name);
    const auto added = names_missing_in(settings().connectors, fresh.settings.connectors);
    const auto removed = names_missing_in(fresh.settings.connectors, settings().connectors);
    if (auto logging = setup_logging(fresh.settings.log); !logging) return logging.error();
    // What the worker was started with stays in force until its next start; connectors and logging change
    // now.
    auto& current = options_.loaded.settings;
    current.connectors = std::move(fresh.settings.connectors);
    current.supervision = fresh.settings.supervision;
    current.log = fresh.settings.log;
    const bool new_token = current.hub.token != fresh.settings.hub.token;
    current.hub.token = fresh.settings.hub.token;
    current.hub.token_file = fresh.settings.hub.token_file;
    if (new_token && !hub_.embedded) link_->set_token(current.hub.token);
    configure_connectors();
    for (const auto& name : removed) {
        log_tails_.erase(name);
        if (!has_ready(name)) link_->forget_connector_status(name);
    }
    refresh_capabilities();
    std::vector<std::string> done;
    if (!added.empty()) done.push_back(fmt::format("starting {}", fmt::join(added, ", ")));
    if (!restarting.empty()) done.push_back(fmt::format("restarting {}", fmt::join(restarting, ", ")));
    if (!removed.empty())
        done.push_back(fmt::format("removing {} when its jobs are done", fmt::join(removed, ", ")));
    if (new_token && !hub_.embedded) done.push_back("the new token serves from the next connection on");
    std::string text = done.empty() ? std::string("reloaded: no running connector has other settings")
                                    : fmt::format("reloaded: {}", fmt::join(done, "; "));
    std::vector<std::string> waiting;
    for (const auto& key : keys) {
        const bool in_force = key.starts_with("log.") || key == "hub.token" || key == "hub.token_file";
        if (!in_force) waiting.push_back(key);
    }
    if (!waiting.empty())
        text += fmt::format("; changed, but in force only after a restart of the worker: {}",
                            fmt::join(waiting, ", "));
    return text;
}

Result<std::string> Worker::Impl::cancel(const std::string& job_id, const std::string& reason) {
    for (const auto& job : dispatcher_.running()) {
        if (job.job_id != job_id) continue;
        link_->cancel(job_id, reason);
        return fmt::format("cancelling {}: {}, then the connector", job_id,
                           link_->view().link == hub::SessionView::Link::connected
                               ? "the Hub is told first"
                               : "the Hub is away and is told when it is back; for 3 s it is waited for");
    }
    for (const auto& job : dispatcher_.jobs()) {
        if (job.job_id == job_id)
            return fmt::format("{} is being stopped already; `emprops-worker jobs` shows when it is gone",
                               job_id);
    }
    return Error{"not_found", fmt::format("no job {} runs here", job_id)};
}

Result<std::vector<std::string>> Worker::Impl::log_tail(const std::string& connector) const {
    if (!connector.empty()) {
        if (auto known = known_connector(connector); !known) return known.error();
    }
    std::vector<std::string> lines;
    for (const auto& known : settings().connectors) {
        if (!connector.empty() && known.name != connector) continue;
        const auto tail = log_tails_.find(known.name);
        if (tail != log_tails_.end()) lines.insert(lines.end(), tail->second.begin(), tail->second.end());
    }
    return lines;
}

void Worker::Impl::keep_log_line(const process::TraceLine& line) {
    if (!configured(line.id.connector)) return;
    auto& tail = log_tails_[line.id.connector];
    if (tail.size() >= log_tail_lines) tail.pop_front();
    tail.push_back(show(line));
}

Result<control::Subscription> Worker::Impl::follow(const std::string& connector, bool log_only,
                                                   control::OnLine on_line) {
    if (!connector.empty()) {
        if (auto known = known_connector(connector); !known) return known.error();
    }
    using Lines = process::Fleet::Lines;
    const auto id = fleet_->subscribe(
        connector, log_only ? Lines::for_people : Lines::all,
        [on_line = std::move(on_line)](const process::TraceLine& line) { on_line(show(line)); });
    return control::Subscription(static_cast<void*>(this), [alive = std::weak_ptr(alive_), id](void* impl) {
        if (!alive.expired()) static_cast<Impl*>(impl)->fleet_->unsubscribe(id);
    });
}

Result<control::Subscription> Worker::Impl::follow_log(const std::string& connector,
                                                       control::OnLine on_line) {
    // Both in one turn of the loop: no line is lost in between, and none comes twice.
    const auto tail = log_tail(connector);
    if (!tail) return tail.error();
    for (const auto& line : tail.value())
        on_line(line);
    return follow(connector, true, std::move(on_line));
}

Result<control::Subscription> Worker::Impl::follow_trace(const std::string& connector,
                                                         control::OnLine on_line) {
    return follow(connector, false, std::move(on_line));
}

}  // namespace emprops
