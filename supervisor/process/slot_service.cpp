// The companion service of a slot: how it follows the connector, and what the listener hears of it.

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "supervisor/base/log.h"
#include "supervisor/process/child_environment.h"
#include "supervisor/process/slot.h"

namespace emprops::process {

namespace {

/// While it cannot be used the Hub is told anew how long that has been so.
constexpr Ms service_news_interval{20'000};
/// Lines of its output in the error of a job.
constexpr std::size_t lines_in_error = 3;
constexpr std::size_t lines_in_details = 20;

}  // namespace

void Slot::configure_service() {
    if (settings_.service.enabled()) {
        if (service_) {
            const bool back = service_removed_;
            service_removed_ = false;
            service_->configure(settings_);
            if (back && lifecycle_.wanted()) service_->start();
        } else {
            service_ = std::make_unique<Service>(context_, *this, settings_, index_);
            service_usable_ = false;
            if (lifecycle_.wanted()) service_->start();
        }
    } else if (service_) {
        service_removed_ = true;
        service_follows();
        on_service_changed();
    }
}

void Slot::restart_service(const std::string& text) {
    if (service_ && !service_removed_ && lifecycle_.wanted()) service_->restart(text);
}

/// The service outlives its connector: jobs end first, then the connector leaves, then the service stops.
void Slot::service_follows() {
    if (!service_) return;
    service_->jobs_changed();
    const bool connector_gone = lifecycle_.gone() && processes_.empty();
    if (leaving_) {
        if (connector_gone || connectors_hopeless(Clock::now())) service_->shutdown();
    } else if (service_removed_) {
        if (service_->wanted() && jobs_held().empty())
            service_->stop("it was removed from the configuration");
    } else if (!lifecycle_.wanted() && connector_gone && service_->wanted()) {
        service_->stop("its connector is stopped");
    }
}

void Slot::tick_service(TimePoint now) {
    if (!service_) return;
    if (leaving_) service_follows();  // time alone makes a connector hopeless
    service_->tick(now);
    if (service_removed_ && service_->gone()) {
        service_.reset();
        service_removed_ = false;
        started_for_ = 0;
        service_usable_ = true;
        for (const auto& [generation, entry] : processes_) {
            if (entry.announced) tell_status(*entry.process);
            tell_changed(*entry.process);
        }
        return;
    }
    if (service_usable_ || !next_service_news_ || now < *next_service_news_) return;
    next_service_news_ = now + service_news_interval;
    for (const auto& [generation, entry] : processes_) {
        if (entry.announced) tell_status(*entry.process);
    }
}

std::vector<std::string> Slot::jobs_held() const {
    std::vector<std::string> all;
    for (const auto& [generation, entry] : processes_) {
        for (std::string& job_id : entry.process->jobs())
            all.push_back(std::move(job_id));
    }
    return all;
}

void Slot::on_service_changed() {
    context_.slot_changed();
    if (!service_) return;  // it is just being made
    const bool usable = service_serves();
    const bool unusable_otherwise = !usable && service_->state() != service_state_;
    service_state_ = service_->state();
    if (usable == service_usable_ && !unusable_otherwise) return;
    service_usable_ = usable;
    next_service_news_ = Clock::now() + service_news_interval;
    for (const auto& [generation, entry] : processes_) {
        if (!entry.announced) continue;
        tell_status(*entry.process);
        tell_changed(*entry.process);
    }
    if (usable) start_for_service();
}

bool Slot::waits_to_start() const {
    return lifecycle_.state() == State::backoff || lifecycle_.state() == State::breaker_open;
}

/// A connector that cannot live without its service may have died often while the service was starting. The
/// cause of those deaths is gone now, so the connector starts without waiting for its back-off or breaker;
/// once per start of the service, so that its own faults do not restart it endlessly.
void Slot::start_for_service() {
    if (!waits_to_start()) return;
    boost::asio::post(context_.executor, guarded([this] {
                          if (!service_ || !service_serves() || !waits_to_start()) return;
                          if (std::exchange(started_for_, service_->starts()) == service_->starts()) return;
                          const LogContext context({name_, 0, {}});
                          logger("process")->info("{}: is started now, because its service answers", name_);
                          carry_out(lifecycle_.start(Clock::now()));
                      }));
}

void Slot::on_service_died(const DeathReport& report) {
    for (const std::string& job_id : report.jobs_held) {
        if (holds(job_id)) service_deaths_.insert_or_assign(job_id, report);
    }
    context_.tell([name = settings_.name, index = index_, report](FleetListener& listener) {
        listener.on_service_gone(name, index, report);
    });
}

void Slot::service_judged(int pid, ServiceVerdict verdict, const std::string& text) {
    if (service_) service_->judged(pid, verdict, text);
}

void Slot::on_restart_service(const ConnectorProcess& process, const std::string& reason) {
    const LogContext context(process.log_fields());
    if (service_ && !service_removed_) {
        logger("process")->warn("{}: asks for a restart of its service: {}", name_, cut(reason));
        service_->restart_asked(cut(reason));
        return;
    }
    logger("process")->warn(
        "{}: its outside service needs a restart: {}; this worker does not run that service "
        "([connectors.{}.service]), so somebody else must restart it",
        name_, cut(reason), settings_.name);
}

/// The service died under a job that its connector gave up later: why is said here, nobody else knows it.
void Slot::add_service_evidence(ipc::Failed& failed) const {
    const auto found = service_deaths_.find(failed.job_id);
    if (found == service_deaths_.end()) return;
    const DeathReport& report = found->second;
    const auto last = [&](std::size_t count) {
        const auto& lines = report.stderr_tail;
        return std::vector<std::string>(
            lines.end() - static_cast<std::ptrdiff_t>(std::min(count, lines.size())), lines.end());
    };
    std::string& text = failed.error.message;
    text += (text.empty() ? "" : "; ") + std::string("its service ") + report.summary();
    std::string words;
    for (const std::string& line : last(lines_in_error))
        words += (words.empty() ? "" : " | ") + line;
    if (!words.empty()) text += "; its last words: " + cut(words);
    if (!failed.error.details.is_object()) failed.error.details = ipc::Json::object();
    failed.error.details["service"] = {{"death", report.summary()}, {"last_lines", last(lines_in_details)}};
}

/// Why it cannot be used, if it cannot.
std::string Slot::service_reason() const {
    if (service_removed_ && service_->usable())
        return "its service was removed from the configuration and is stopped when the running jobs have "
               "ended";
    return "its service " + service_->why();
}

/// What the connector offers as far as its service can be used.
InstanceInfo Slot::offered(const ConnectorProcess& process) const {
    InstanceInfo info = process.info;
    if (!service_ || service_serves()) return info;
    info.available = false;
    info.unavailable_reason = service_reason();
    info.service_back_at = service_->back_at();
    return info;
}

/// The outside service as the connector sees it and, where it is ours, as we do.
void Slot::tell_status(const ConnectorProcess& process) {
    ipc::Status status;
    if (process.info.status) {
        status = *process.info.status;
    } else {
        status.connected = status.available = process.info.available;
        status.reason = process.info.unavailable_reason;
        status.service = settings_.name;
    }
    if (service_ && !service_serves()) {
        status.available = false;
        status.connected = status.connected && service_->state() == ServiceState::stopping;
        status.reason = service_reason();
    }
    context_.tell([id = process.id(), status](FleetListener& listener) { listener.on_status(id, status); });
}

std::string Slot::why() const {
    const TimePoint now = Clock::now();
    std::string text = lifecycle_.why(now);
    if (lifecycle_.state() == State::starting && !start_problem_.empty())
        text += "; a line of it was no message: " + start_problem_;
    if (!service_) return text;
    const State state = lifecycle_.state();
    const std::string service = service_reason();
    if (state == State::ready && !service_serves()) return name_ + " is unavailable: " + service;
    return text + "; " + service;
}

}  // namespace emprops::process
