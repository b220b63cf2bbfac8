#include "supervisor/process/service.h"

#include <algorithm>
#include <csignal>

#include "supervisor/process/child_environment.h"
#include "supervisor/process/os/find_executable.h"
#include "supervisor/process/os/user_ids.h"

namespace emprops::process {

namespace {

constexpr Ms service_read_after_exit{1000};
/// How often its descendants are looked at: for its memory, and to find them when it has ended.
constexpr Ms service_tree_interval{2000};
/// How long SIGKILL may have been without effect before the worker's end does not wait for it any more.
constexpr Ms service_hopeless_after{3000};
constexpr std::size_t service_line_bytes = std::size_t{16} << 10;

template <class... Ts>
struct ServiceOverloaded : Ts... {
    using Ts::operator()...;
};
template <class... Ts>
ServiceOverloaded(Ts...) -> ServiceOverloaded<Ts...>;

/// Progress bars write over their own line: what a terminal would show in the end.
std::string_view last_of_overwritten(std::string_view line) {
    while (!line.empty() && line.back() == '\r')
        line.remove_suffix(1);
    return line.substr(line.rfind('\r') + 1);
}

}  // namespace

Service::Service(SlotContext& context, Owner& owner, const config::ConnectorSettings& settings, int index)
    : context_(context),
      owner_(owner),
      settings_(settings),
      index_(index),
      name_(to_string(InstanceId{settings.name, index, 0})),
      lifecycle_(lifecycle_options(), context.options.random),
      log_(logger("service." + settings.name)),
      lines_(settings.service.supervision.stderr_lines_per_second),
      state_since_(Clock::now()) {}

Service::~Service() {
    kill();
}

ServiceOptions Service::lifecycle_options() const {
    const config::ServiceSettings& service = settings_.service;
    ServiceOptions options;
    options.name = "the service of " + name_;
    options.settings = service;
    options.check_port = service_port(settings_, index_) != 0;
    options.probe = !service.health_url.empty() &&
                    (options.check_port || service.health_url.find("{port}") == std::string::npos);
    options.drain_timeout = context_.options.drain_timeout;
    return options;
}

LogFields Service::log_fields() const {
    return {name_, process_ ? process_->pid : 0, {}};
}

// ---- wishes -----------------------------------------------------------------------------------------------

void Service::start() {
    carry_out(lifecycle_.start(Clock::now()));
}

void Service::restart(const std::string& text) {
    carry_out(lifecycle_.restart(text, Clock::now()));
}

void Service::restart_asked(const std::string& reason) {
    ++counters_.restarts_asked;
    carry_out(lifecycle_.restart_asked(reason, Clock::now()));
}

void Service::stop(const std::string& text) {
    carry_out(lifecycle_.stop(text, Clock::now()));
}

void Service::shutdown() {
    carry_out(lifecycle_.shutdown(Clock::now()));
}

void Service::kill() {
    if (!process_ || process_->exit) return;
    context_.host.signal_group(process_->pid, SIGKILL);
    context_.host.sweep(process_->marker);
}

void Service::configure(const config::ConnectorSettings& settings) {
    settings_ = settings;
    lines_ = LineLimiter(settings.service.supervision.stderr_lines_per_second);
    lifecycle_.configure(lifecycle_options());
    if (lifecycle_.wanted()) restart("its settings changed");
}

void Service::judged(int pid, ServiceVerdict verdict, const std::string& text) {
    carry_out(lifecycle_.judged(pid, verdict, text, Clock::now()));
}

void Service::job_given() {
    lifecycle_.job_given();
    jobs_changed();
}

void Service::jobs_changed() {
    ServiceActions actions =
        lifecycle_.jobs_running(static_cast<int>(owner_.jobs_held().size()), Clock::now());
    // Only what follows from it is carried out: this is called from within the owner's own changes.
    if (!actions.empty()) carry_out(std::move(actions));
}

// ---- starting ---------------------------------------------------------------------------------------------

void Service::carry_out(ServiceActions actions) {
    for (ServiceAction& each : actions) {
        std::visit(ServiceOverloaded{
                       [&](const action::CheckPort&) { check_port(); },
                       [&](const action::Spawn&) { spawn(); },
                       [&](const action::Probe& asked) { probe(asked.generation); },
                       [&](const action::SignalGroup& signal) {
                           const LogContext context(log_fields());
                           logger("process")->info("the service of {}: SIG{} to its process group", name_,
                                                   signal.signal == SIGTERM ? "TERM" : "KILL");
                           // Now its descendants are still known to be its own; after the exit they are ours.
                           context_.host.remember_tree(process_->pid);
                           context_.host.signal_group(process_->pid, signal.signal);
                       },
                       [&](const action::ReportStuck&) {
                           const LogContext context(log_fields());
                           logger("process")->error(
                               "the service of {} does not end in spite of SIGKILL; it is probably in an "
                               "uninterruptible system call (a graphics driver or a network file system)",
                               name_);
                       },
                       [&](const action::Say& text) { say(text); },
                   },
                   each);
    }
    changed();
}

void Service::say(const action::Say& text) const {
    const auto level = text.level == action::Say::Level::info   ? spdlog::level::info
                       : text.level == action::Say::Level::warn ? spdlog::level::warn
                                                                : spdlog::level::err;
    const LogContext context(log_fields());
    logger("process")->log(level, "{}", text.text);
}

void Service::check_port() {
    const std::uint16_t port = service_port(settings_, index_);
    const PortOwner owner = context_.host.port_owner(port, 0, "");
    if (!owner.listening) {
        carry_out(lifecycle_.port_free(Clock::now()));
        return;
    }
    carry_out(lifecycle_.port_taken(
        "port " + std::to_string(port) + " belongs to " + owner.text() + ", which is not ours",
        Clock::now()));
}

void Service::spawn() {
    auto process = std::make_unique<Process>();
    process->generation = ++context_.last_generation;
    const std::uint64_t generation = process->generation;
    ++counters_.starts;
    process_ = std::move(process);
    if (const Result<> started = launch(*process_); !started) {
        process_.reset();
        carry_out(lifecycle_.spawn_failed(started.error().message, Clock::now()));
        return;
    }
    carry_out(lifecycle_.spawned(generation, Clock::now()));
}

Result<> Service::launch(Process& process) {
    const config::ServiceSettings& service = settings_.service;
    const auto filled = [&](const std::string& text) { return for_service(text, settings_, index_); };
    // For the search, and for the sentence that names what was searched.
    config::ConnectorSettings program;
    program.name = settings_.name + ".service";
    program.command = {filled(service.command.front())};
    program.env = service.env;
    const auto executable =
        find_executable(program, context_.options.bin_dir, context_.options.connector_dirs);
    if (!executable) return executable.error();
    LaunchSpec spec;
    if (!service.supervision.user.empty()) {
        auto user = look_up_user(service.supervision.user);
        if (!user) return user.error();
        spec.user = std::move(*user);
    }
    if (service.working_dir.empty()) {
        // The folder of the connector is not taken from its user.
        const bool same_user = service.supervision.user == settings_.supervision.user;
        const auto work_dir = same_user ? context_.work_dirs.make_instance(settings_.name, index_, spec.user)
                                        : context_.work_dirs.make_service(settings_.name, index_, spec.user);
        if (!work_dir) return work_dir.error();
        spec.working_dir = *work_dir;
    } else {
        spec.working_dir = std::filesystem::absolute(filled(service.working_dir.string()));
    }
    spec.executable = *executable;
    for (std::size_t argument = 1; argument < service.command.size(); ++argument)
        spec.arguments.push_back(filled(service.command[argument]));
    spec.env = service_environment(settings_, index_, context_.environment);
    spec.marker =
        settings_.name + "/" + std::to_string(index_) + "/service-" + std::to_string(process.generation);
    spec.limits = service.supervision;
    const std::uint64_t generation = process.generation;
    auto child = context_.host.start(
        spec, guarded([this, generation](const ExitStatus& exit) { on_exit(generation, exit); }));
    if (!child) return child.error();

    process.pid = child->pid;
    process.port = service_port(settings_, index_);
    process.health_url = filled(service.health_url);
    process.marker = spec.marker;
    process.started_at = Clock::now();
    process.evidence.emplace(service.supervision.evidence_stderr_lines, 0);
    IoLimits limits;
    limits.max_line_bytes = service_line_bytes;
    IoEvents events;
    events.on_line = [this, generation](std::string_view line, bool) { on_output(generation, line); };
    events.on_overlong = [this, generation](std::string_view head, std::uint64_t) {
        on_output(generation, head);
    };
    events.on_stderr = [this, generation](std::string_view line) { on_output(generation, line); };
    process.io =
        std::make_unique<ChildIo>(context_.executor, std::move(child->stdin_fd), std::move(child->stdout_fd),
                                  std::move(child->stderr_fd), limits, std::move(events));
    process.io->close_stdin();  // it is told nothing
    const LogContext context(log_fields());
    logger("process")->info("the service of {}: started {}{}", name_, spec.executable.string(),
                            process.port == 0 ? "" : " for port " + std::to_string(process.port));
    return Ok{};
}

// ---- running ----------------------------------------------------------------------------------------------

void Service::probe(std::uint64_t generation) {
    if (!process_ || process_->generation != generation) return;
    if (!probe_) probe_ = std::make_unique<HttpProbe>(context_.executor);
    probe_->get(
        process_->health_url, settings_.service.health_timeout,
        guarded([this, generation](const Result<HttpAnswer>& answer) { on_answer(generation, answer); }));
}

void Service::on_answer(std::uint64_t generation, const Result<HttpAnswer>& answer) {
    if (!process_ || process_->generation != generation || process_->exit) return;
    ServiceHealth health;
    if (answer)
        health = judge_answer(answer->status, answer->body);
    else
        health.text = answer.error().message;
    if (process_->port != 0) {
        const PortOwner owner = context_.host.port_owner(process_->port, process_->pid, process_->marker);
        if (owner.listening && !owner.ours) {
            health = {};
            health.text = "port " + std::to_string(process_->port) + " belongs to " + owner.text() +
                          ", which is not this service";
        }
    }
    if (!health.healthy && lifecycle_.state() != ServiceState::starting) ++counters_.probes_missed;
    carry_out(lifecycle_.probed(generation, health, Clock::now()));
}

void Service::on_output(std::uint64_t generation, std::string_view line) {
    if (!process_ || process_->generation != generation) return;
    line = last_of_overwritten(line);
    if (line.empty()) return;
    ++counters_.lines;
    const std::string text = cut(line);
    const bool logged = lines_.allow(Clock::now());
    process_->evidence->add_stderr(text, logged);
    if (!logged) {
        ++counters_.lines_dropped;
        return;
    }
    const LogContext context(log_fields());
    if (const std::uint64_t dropped = lines_.take_dropped())
        log_->warn("{} lines of output were dropped (log_lines_per_second = {})", dropped,
                   settings_.service.supervision.stderr_lines_per_second);
    log_->info("{}", text);
    context_.trace({InstanceId{settings_.name, index_, generation}, process_->pid,
                    std::chrono::system_clock::now(), TraceLine::Kind::stderr_line, "service: " + text});
}

// ---- ending -----------------------------------------------------------------------------------------------

void Service::on_exit(std::uint64_t generation, const ExitStatus& exit) {
    if (!process_ || process_->generation != generation) return;
    process_->exit = exit;
    process_->jobs_at_exit = owner_.jobs_held();
    context_.host.sweep(process_->marker);
    context_.sweep_repeatedly(process_->marker);
    lifecycle_.exit_seen(generation);
    changed();
    process_->io->finish(service_read_after_exit, guarded([this, generation] { on_finished(generation); }));
}

void Service::on_finished(std::uint64_t generation) {
    if (!process_ || process_->generation != generation) return;
    const std::unique_ptr<Process> ended = std::move(process_);
    DeathReport report;
    report.exit_code = ended->exit->exit_code;
    report.signal = ended->exit->signal;
    report.core_dumped = ended->exit->core_dumped;
    report.peak_rss_bytes = ended->exit->peak_rss_bytes;
    report.cpu = ended->exit->cpu;
    report.pid = ended->pid;
    report.uptime = std::chrono::duration_cast<Ms>(Clock::now() - ended->started_at);
    report.jobs_held = ended->jobs_at_exit;
    ended->evidence->fill(report);
    ServiceActions actions = lifecycle_.exited(generation, report, Clock::now());
    if (report.stopped_for == StopReason::recycle) ++counters_.recycles;
    const bool planned = planned_end(report.stopped_for);
    {
        const LogContext context({name_, ended->pid, {}});
        logger("process")->log(planned ? spdlog::level::info : spdlog::level::err, "the service of {}: {}",
                               name_, report.summary());
    }
    if (!planned) {
        ++counters_.deaths;
        owner_.on_service_died(report);
    }
    carry_out(std::move(actions));
}

// ---- time and state ---------------------------------------------------------------------------------------

void Service::tick(TimePoint now) {
    std::uint64_t rss_bytes = 0;
    if (process_ && !process_->exit && (!next_tree_sample_ || now >= *next_tree_sample_)) {
        next_tree_sample_ = now + service_tree_interval;
        context_.host.remember_tree(process_->pid);
        if (settings_.service.supervision.max_rss > 0)
            rss_bytes = context_.host.tree_rss_bytes(process_->pid);
    }
    ServiceActions actions = lifecycle_.tick(rss_bytes, now);
    if (!actions.empty()) carry_out(std::move(actions));
}

std::optional<TimePoint> Service::next_wakeup() const {
    std::optional<TimePoint> first = lifecycle_.next_wakeup();
    if (process_ && !process_->exit) {
        const TimePoint sample = next_tree_sample_.value_or(Clock::now());
        if (!first || sample < *first) first = sample;
    }
    return first;
}

void Service::changed() {
    if (const ServiceState state = lifecycle_.state(); state != state_) {
        state_ = state;
        state_since_ = Clock::now();
    }
    owner_.on_service_changed();
}

bool Service::hopeless(TimePoint now) const {
    const auto since = lifecycle_.stuck_since();
    return since && now - *since >= service_hopeless_after;
}

ServiceStatus Service::status() const {
    const TimePoint now = Clock::now();
    const auto since = [&](TimePoint from) { return std::chrono::duration_cast<Ms>(now - from); };
    ServiceStatus status;
    status.state = lifecycle_.state();
    status.usable = usable();
    status.in_state = since(state_since_);
    status.port = service_port(settings_, index_);
    status.missed = lifecycle_.missed();
    status.vram_used = lifecycle_.vram_used();
    if (const auto at = lifecycle_.next_attempt())
        status.next_attempt_in = std::max(Ms{0}, std::chrono::duration_cast<Ms>(*at - now));
    status.last_death = lifecycle_.last_death();
    status.why = lifecycle_.why(now);
    status.counters = counters_;
    if (!process_ || process_->exit) return status;
    status.pid = process_->pid;
    status.uptime = since(process_->started_at);
    status.port = process_->port;
    status.rss_bytes = context_.host.tree_rss_bytes(process_->pid);
    return status;
}

}  // namespace emprops::process
