#include "supervisor/process/companion.h"

#include <algorithm>
#include <utility>

#include "ipc/text/people.h"
#include "ipc/text/values.h"

namespace emprops::process {

namespace {

/// While it cannot be used the Hub is told anew how long that has been so.
constexpr Ms news_interval{20'000};
/// Lines of its output in the error of a job.
constexpr std::size_t lines_in_error = 3;
constexpr std::size_t lines_in_details = 20;

std::vector<std::string> last_lines(const DeathReport& report, std::size_t count) {
    const auto& lines = report.stderr_tail;
    return {lines.end() - static_cast<std::ptrdiff_t>(std::min(count, lines.size())), lines.end()};
}

}  // namespace

Companion::Companion(Surroundings& around, Owner& owner, std::string connector, int index)
    : around_(around), owner_(owner), connector_(std::move(connector)), index_(index) {}

void Companion::configure(const config::ConnectorSettings& settings, bool wanted) {
    if (!settings.service.enabled()) {
        if (!service_) return;
        removed_ = true;
        on_service_changed();
        return;
    }
    bool start = wanted;
    if (service_) {
        start = std::exchange(removed_, false) && wanted;
        service_->configure(settings);
    } else {
        service_ = std::make_unique<Service>(around_, *this, settings, index_);
        serves_ = false;
    }
    if (start) service_->start();
}

// ---- wishes -----------------------------------------------------------------------------------------------

void Companion::start() {
    if (service_ && !removed_) service_->start();
}

void Companion::restart(const std::string& text) {
    if (service_ && !removed_) service_->restart(text);
}

void Companion::restart_asked(const std::string& reason, const LogFields& fields) {
    const LogContext context(fields);
    if (service_ && !removed_) {
        logger("process")->warn("{}: asks for a restart of its service: {}", fields.connector, cut(reason));
        service_->restart_asked(cut(reason));
        return;
    }
    logger("process")->warn(
        "{}: its outside service needs a restart: {}; this worker does not run that service "
        "([connectors.{}.service]), so somebody else must restart it",
        fields.connector, cut(reason), connector_);
}

void Companion::kill() {
    if (service_) service_->kill();
}

void Companion::judged(int pid, ServiceVerdict verdict, const std::string& text) {
    if (service_) service_->judged(pid, verdict, text);
}

void Companion::job_given() {
    if (service_) service_->job_given();
}

void Companion::job_done() {
    if (service_) service_->job_done();
}

void Companion::follow(const Followed& connector) {
    if (!service_) return;
    service_->jobs_changed();
    if (connector.leaving) {
        if (connector.gone || connector.hopeless) service_->shutdown();
    } else if (removed_) {
        if (service_->life().wanted() && jobs_running() == 0)
            service_->stop("it was removed from the configuration");
    } else if (!connector.wanted && connector.gone && service_->life().wanted()) {
        service_->stop("its connector is stopped");
    }
}

// ---- what the service does --------------------------------------------------------------------------------

void Companion::on_service_changed() {
    around_.changed(connector_, index_);
    if (!service_) return;  // it is just being made
    const State state = std::exchange(state_, service_->life().state());
    const bool served = std::exchange(serves_, serves());
    if (serves_ == served && (serves_ || state == state_)) return;
    next_news_ = Clock::now() + news_interval;
    owner_.on_companion_changed();
    if (serves_) owner_.on_companion_answers();
}

bool Companion::may_start_connector() {
    return service_ && serves() && std::exchange(started_for_, service_->starts()) != service_->starts();
}

void Companion::on_service_died(const DeathReport& report) {
    const std::vector<std::string> held = owner_.jobs_held();
    for (const std::string& job_id : report.jobs_held) {
        if (text::has_item(held, job_id)) deaths_.insert_or_assign(job_id, report);
    }
    around_.news->tell([name = connector_, index = index_, report](FleetListener& listener) {
        listener.on_service_gone(name, index, report);
    });
}

void Companion::tick(TimePoint now) {
    if (!service_) return;
    service_->tick(now);
    if (removed_ && service_->gone()) {
        service_.reset();
        removed_ = false;
        started_for_ = 0;
        serves_ = true;
        owner_.on_companion_changed();
        return;
    }
    if (serves_ || !next_news_ || now < *next_news_) return;
    next_news_ = now + news_interval;
    owner_.on_companion_still_away();
}

std::optional<TimePoint> Companion::next_wakeup() const {
    Earliest first;
    if (!service_) return std::nullopt;
    first.add(service_->next_wakeup());
    if (removed_ && service_->gone()) first.add(Clock::now());
    if (!serves_) first.add(next_news_);
    return first.at();
}

// ---- what follows for the connector -----------------------------------------------------------------------

std::string Companion::reason() const {
    if (removed_ && service_->life().usable())
        return "its service was removed from the configuration and is stopped when the running jobs have "
               "ended";
    return "its service " + service_->life().why(Clock::now());
}

void Companion::limit(InstanceInfo& offered) const {
    if (serves()) return;
    offered.available = false;
    offered.unavailable_reason = reason();
    offered.service_back_at = service_->life().back_at();
}

void Companion::limit(ipc::Status& status) const {
    if (serves()) return;
    status.available = false;
    status.connected = status.connected && service_->life().state() == State::draining;
    status.reason = reason();
}

void Companion::explain(ipc::Failed& failed) const {
    const auto found = deaths_.find(failed.job_id);
    if (found == deaths_.end()) return;
    const DeathReport& report = found->second;
    std::string& text = failed.error.message;
    add_item(text, std::string("its service ") + report.summary(), "; ");
    std::string words;
    for (const std::string& line : last_lines(report, lines_in_error))
        add_item(words, line, " | ");
    if (!words.empty()) text += "; its last words: " + cut(words);
    if (!failed.error.details.is_object()) failed.error.details = ipc::Json::object();
    failed.error.details["service"] = {{"death", report.summary()},
                                       {"last_lines", last_lines(report, lines_in_details)}};
}

void Companion::explain(DeathReport& report) {
    for (const std::string& job_id : report.jobs_held) {
        const auto death = deaths_.find(job_id);
        if (death == deaths_.end()) continue;
        report.stderr_tail.push_back("its service " + death->second.summary());
        deaths_.erase(death);
    }
}

std::optional<ServiceStatus> Companion::status() const {
    if (!service_) return std::nullopt;
    return service_->status();
}

std::string Companion::process_name() const {
    if (gone()) return "";
    return "the service of " + to_string(InstanceId{connector_, index_, 0}) + " (pid " +
           std::to_string(service_->pid()) + ")";
}

}  // namespace emprops::process
