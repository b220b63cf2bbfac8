#include "supervisor/process/member.h"

#include <csignal>
#include <utility>

#include "ipc/text/people.h"
#include "supervisor/process/complaints.h"
#include "supervisor/process/introduction.h"

namespace emprops::process {

Member::Member(Surroundings& around, const Companion& companion, const JobFolders& folders,
               ConnectorProcess::Owner& owner, InstanceId id, const config::ConnectorSettings& settings,
               ConnectorCounters& counters, LastSaid& last_said)
    : around_(around),
      companion_(companion),
      folders_(folders),
      settings_(settings),
      name_(to_string(id)),
      process_(around, owner, std::move(id), settings, counters, last_said),
      offer_(settings) {}

// ---- starting ---------------------------------------------------------------------------------------------

Result<> Member::start() {
    return attached() ? listen() : launch();
}

Result<> Member::launch() {
    auto spec = introduce(around_, settings_, process_.id().index);
    if (!spec) return spec.error();
    user_ = spec->user;
    const Result<> started = process_.start(std::move(*spec));
    if (started) greet();
    return started;
}

Result<> Member::listen() {
    const int index = process_.id().index;
    const auto path = around_.options.state_dir /
                      ("attach-" + settings_.name + (index > 0 ? "-" + std::to_string(index) : "") + ".sock");
    auto listener = AttachListener::open(around_.executor, path,
                                         lifetime_.guard([this](int pid, UniqueFd in, UniqueFd out) {
                                             if (process_.child().ending()) return;
                                             process_.attach(pid, std::move(in), std::move(out));
                                             const LogContext context(process_.log_fields());
                                             logger("process")->info("{}: attached", name_);
                                             greet();
                                             around_.changed(settings_.name, process_.id().index);
                                         }));
    if (!listener) return listener.error();
    listener_ = std::move(*listener);
    logger("process")->info("{}: waiting for somebody to connect to {} (attach = true)", name_,
                            path.string());
    return Ok{};
}

void Member::look() {
    if (listener_ && listener_->look())
        logger("process")->warn(
            "{}: its attach socket was removed (by a cleaner of old files?) and is made again", name_);
}

void Member::greet() {
    process_.send(greeting(around_, settings_, process_.id().index));
}

// ---- what its life wants ----------------------------------------------------------------------------------

void Member::shut_down(Ms grace, const Run& run) {
    const LogContext context(process_.log_fields());
    const auto reason = run.stop_reason();
    const bool cancel = reason == StopReason::cancel_ignored && offer_.info().features.cancel;
    if (cancel || reason == StopReason::hung || reason == StopReason::timeout)
        process_.say_it_did_not_answer(cancel, run.up_for(Clock::now()));
    logger("process")->info("{}: shutdown and end of stdin, {} to leave", name_, human_duration(grace));
    process_.child().remember_tree();
    process_.send(ipc::Shutdown{grace});
    process_.close_stdin_after_writing();
    if (!process_.connected()) detach();
}

void Member::signal(int signal) {
    if (attached())
        detach();
    else
        process_.child().signal(signal, spdlog::level::warn);
}

void Member::detach() {
    listener_.reset();
    process_.child().detach();
}

void Member::kill() {
    listener_.reset();
    process_.child().kill();
}

void Member::log_death(const DeathReport& report) {
    const bool as_planned = planned(report.stopped_for);
    if (report.exit_code == 0 && !report.stopped_for && report.left_behind == 0)
        process_.complain("", exited_by_itself);
    process_.tell_the_rest(!as_planned);
    const LogContext context(
        process_.log_fields(report.jobs_held.size() == 1 ? report.jobs_held.front() : ""));
    logger("process")->log(as_planned ? spdlog::level::info : spdlog::level::err, "{}: {}", name_,
                           report.summary());
}

// ---- what it offers ---------------------------------------------------------------------------------------

std::optional<std::string> Member::take(ipc::Ready ready) {
    const bool same_protocol = ready.protocol == ipc::protocol_version;
    if (auto problem = offer_.take(std::move(ready), process_.child().pid(), attached())) return problem;
    const InstanceInfo& info = offer_.info();
    const LogContext context(process_.log_fields());
    if (info.job_types.empty())
        logger("process")->warn(
            "{}: neither `ready` nor the configuration (job_types) names a job type: it will get no jobs",
            name_);
    else if (same_protocol)
        logger("process")->info(
            "{}: ready{}", name_,
            info.name.empty() && info.version.empty()
                ? ""
                : " (" + cut(info.name + (info.version.empty() ? "" : " ") + info.version) + ")");
    return std::nullopt;
}

void Member::take(const ipc::Status& status) {
    const bool waits = offer_.changed();
    offer_.take(status);
    change_noted(waits);
}

void Member::take(const ipc::Capabilities& change) {
    const bool waits = offer_.changed();
    if (const auto problem = offer_.take(change)) {
        const LogContext context(process_.log_fields());
        logger("process")->error("{}: the job types of its `capabilities` are not taken: {}", name_,
                                 *problem);
    }
    change_noted(waits);
}

void Member::take(const ipc::Metrics& metrics) {
    for (const std::string& sentence : figures_.take(metrics))
        process_.complain_once(sentence.substr(sentence.rfind(": ")), sentence);
}

/// Told at once if the last change is long enough ago, else with what else changes until then.
void Member::change_noted(bool waits_already) {
    tick(Clock::now());
    if (offer_.changed() && !waits_already) around_.changed(settings_.name, process_.id().index);
}

void Member::tick(TimePoint now) {
    if (now >= offer_.tell_after()) tell_change(now);
}

std::optional<TimePoint> Member::next_wakeup() const {
    Earliest first;
    if (offer_.changed()) first.add(offer_.tell_after());
    first.add(process_.child().next_sample());
    return first.at();
}

void Member::tell_change(TimePoint now) {
    const auto change = offer_.take_change(now);
    if (!change) return;
    if (change->says_otherwise) log_availability();
    if (change->status) tell_status();
    tell_offer();
}

void Member::log_availability() const {
    const ipc::Status& status = *offer_.info().status;
    const LogContext context(process_.log_fields());
    logger("process")->log(status.available ? spdlog::level::info : spdlog::level::warn,
                           "{}: its service {} is {}{}", name_, cut(status.service),
                           status.available ? "available" : "not available",
                           status.reason.empty() ? "" : ": " + cut(status.reason));
}

void Member::announce() {
    announced_ = true;
    offer_.forget_change();
    around_.news->tell(
        [id = process_.id(), info = offered()](FleetListener& listener) { listener.on_ready(id, info); });
    if (companion_.exists()) tell_status();
}

void Member::withdraw() {
    announced_ = false;
    around_.news->tell([id = process_.id()](FleetListener& listener) { listener.on_leaving(id); });
}

std::string Member::problem() const {
    const std::string stopped = process_.child().stopped();
    return stopped.empty() ? folders_.problem() : "it is " + stopped;
}

InstanceInfo Member::offered() const {
    InstanceInfo info = offer_.info();
    companion_.limit(info);
    if (std::string problem = this->problem(); !problem.empty()) {
        info.available = false;
        info.unavailable_reason = std::move(problem);
    }
    return info;
}

void Member::tell_offer() const {
    if (!announced_) return;
    around_.news->tell(
        [id = process_.id(), info = offered()](FleetListener& listener) { listener.on_changed(id, info); });
}

void Member::tell_status() const {
    if (!announced_) return;
    const InstanceInfo& info = offer_.info();
    ipc::Status status;
    if (info.status) {
        status = *info.status;
    } else {
        status.connected = status.available = info.available;
        status.reason = info.unavailable_reason;
        status.service = settings_.name;
    }
    companion_.limit(status);
    if (std::string problem = this->problem(); !problem.empty()) {
        status.available = false;
        status.reason = std::move(problem);
    }
    around_.news->tell(
        [id = process_.id(), status](FleetListener& listener) { listener.on_status(id, status); });
}

}  // namespace emprops::process
