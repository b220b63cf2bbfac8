#include "supervisor/process/service.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "ipc/overload.h"
#include "supervisor/base/note.h"
#include "supervisor/process/child_environment.h"
#include "supervisor/process/service_page.h"

namespace emprops::process {

namespace {

/// How often a port that somebody else has is looked at: at least and at most this far apart.
constexpr Ms port_retry_min{2000};
constexpr Ms port_retry_max{5000};
constexpr std::size_t longest_line = std::size_t{16} << 10;

}  // namespace

Service::Service(Surroundings& around, Owner& owner, const config::ConnectorSettings& settings, int index)
    : around_(around),
      owner_(owner),
      settings_(settings),
      index_(index),
      instance_(to_string(InstanceId{settings.name, index, 0})),
      name_("the service of " + instance_),
      life_(life_options(), around.options.random) {}

LifeOptions Service::life_options() const {
    const config::ServiceSettings& service = settings_.service;
    LifeOptions options;
    options.name = name_;
    options.log_name = instance_;
    options.policy = service.supervision;
    options.max_vram = service.max_vram;
    options.drain_timeout = around_.options.drain_timeout;
    const bool has_port = service_port(settings_, index_) != 0;
    if (has_port) options.port_retry = std::clamp(service.health_interval, port_retry_min, port_retry_max);
    const bool page_needs_port = service.health_url.find("{port}") != std::string::npos;
    if (service.health_url.empty() || (page_needs_port && !has_port))
        options.readiness = IsAlive{};
    else
        options.readiness = AnswersPage{service.health_interval, service.health_missed};
    return options;
}

// ---- wishes -----------------------------------------------------------------------------------------------

void Service::start() {
    carry_out(life_.start(Clock::now()));
}

void Service::restart(const std::string& text) {
    carry_out(life_.restart(text, Clock::now()));
}

void Service::restart_asked(const std::string& reason) {
    ++counters_.restarts_asked;
    carry_out(life_.restart_asked(reason, Clock::now()));
}

void Service::stop(const std::string& text) {
    carry_out(life_.stop(text, Clock::now()));
}

void Service::shutdown() {
    carry_out(life_.shutdown(Clock::now()));
}

void Service::kill() {
    if (child_) child_->kill();
}

void Service::configure(const config::ConnectorSettings& settings) {
    settings_ = settings;
    life_.configure(life_options());
    if (life_.wanted()) restart("its settings changed");
}

void Service::judged(int pid, ServiceVerdict verdict, const std::string& text) {
    carry_out(life_.judged(pid, verdict, text, Clock::now()));
}

void Service::job_given() {
    if (const Run* run = life_.current()) life_.job_given(run->generation());
    jobs_changed();
}

void Service::job_done() {
    if (const Run* run = life_.current()) life_.job_done(run->generation());
}

void Service::jobs_changed() {
    Actions actions = life_.jobs_running(owner_.jobs_running(), Clock::now());
    // Only what follows from it is carried out: this is called from within the owner's own changes.
    if (!actions.empty()) carry_out(std::move(actions));
}

// ---- starting ---------------------------------------------------------------------------------------------

void Service::carry_out(Actions actions) {
    for (Action& each : actions) {
        std::visit(
            Overload{
                [&](const action::CheckPort&) { check_port(); }, [&](const action::Spawn&) { spawn(); },
                [&](const action::AskPage& asked) { ask_page(asked.generation); },
                [&](const action::SignalGroup& end) { child_->signal(end.signal, spdlog::level::info); },
                [&](const action::ReportStuck&) { child_->say_stuck(); },
                [&](const Note& note) { write("process", note); },
                [](const auto&) {},  // what only a connector can be told
            },
            each);
    }
    state_.update(life_.state(), Clock::now());
    owner_.on_service_changed();
}

void Service::check_port() {
    const std::uint16_t port = service_port(settings_, index_);
    const PortOwner owner = around_.host.port_owner(port, 0, "");
    if (!owner.listening) {
        carry_out(life_.port_free(Clock::now()));
        return;
    }
    carry_out(life_.port_taken(
        "port " + std::to_string(port) + " belongs to " + owner.text() + ", which is not ours",
        Clock::now()));
}

void Service::spawn() {
    const std::uint64_t generation = ++around_.last_generation;
    ++counters_.starts;
    child_ = std::make_unique<Child>(
        around_, name_, instance_,
        settings_.name + "/" + std::to_string(index_) + "/service-" + std::to_string(generation),
        Child::Events{[this] { on_exit(); }, [this] { on_end(); }});
    said_ = std::make_unique<Said>(around_, *child_,
                                   Said::Speaker{{settings_.name, index_, generation},
                                                 "service." + settings_.name,
                                                 "service: ",
                                                 "lines of output",
                                                 "log_lines_per_second",
                                                 settings_.service.supervision.stderr_lines_per_second},
                                   counters_, last_said_);
    last_said_.process_started(Clock::now());
    if (const Result<> started = launch(); !started) {
        said_.reset();
        child_.reset();
        carry_out(life_.spawn_failed(started.error().message, Clock::now()));
        return;
    }
    carry_out(life_.spawned(generation, Clock::now()));
}

Result<> Service::launch() {
    const config::ServiceSettings& service = settings_.service;
    const auto filled = [&](const std::string& text) { return for_service(text, settings_, index_); };
    auto spec =
        Child::prepare(around_, service_search(settings_, index_, around_.environment), service.supervision);
    if (!spec) return spec.error();
    if (service.working_dir.empty()) {
        // The folder of the connector is not taken from its user.
        const bool same_user = service.supervision.user == settings_.supervision.user;
        WorkDirs& folders = around_.work_dirs;
        const auto work_dir = same_user ? folders.make_instance(settings_.name, index_, spec->user)
                                        : folders.make_service(settings_.name, index_, spec->user);
        if (!work_dir) return work_dir.error();
        spec->working_dir = *work_dir;
    } else {
        spec->working_dir = std::filesystem::absolute(filled(service.working_dir.string()));
    }
    for (std::size_t argument = 1; argument < service.command.size(); ++argument)
        spec->arguments.push_back(filled(service.command[argument]));
    port_ = service_port(settings_, index_);
    health_url_ = filled(service.health_url);

    IoLimits limits;
    limits.max_line_bytes = longest_line;
    limits.stdout_is_text = true;
    IoEvents events;
    events.on_line = [this](std::string_view line, bool) { said_->line(line, Pipe::out); };
    events.on_overlong = [this](std::string_view head, std::uint64_t) { said_->line(head, Pipe::out); };
    events.on_stderr = [this](std::string_view line) { said_->line(line, Pipe::err); };
    events.on_state = [this](std::string_view text, Pipe pipe) { said_->state(text, pipe); };
    const Result<> started = child_->start(std::move(*spec), limits, std::move(events));
    if (started) child_->io()->close_stdin();  // it is told nothing
    return started;
}

// ---- running ----------------------------------------------------------------------------------------------

void Service::ask_page(std::uint64_t generation) {
    if (!child_) return;
    if (!probe_) probe_ = std::make_unique<HttpProbe>(around_.executor);
    probe_->get(health_url_, settings_.service.health_timeout,
                lifetime_.guard([this, generation](const Result<HttpAnswer>& answer) {
                    const Run* run = life_.find(generation);
                    if (run == nullptr || child_->ending()) return;
                    if (answer) tell_where(*answer);
                    const PageAnswer judged = judge(answer);
                    if (!judged.healthy && run->was_up()) ++counters_.probes_missed;
                    carry_out(life_.answered(generation, judged, Clock::now()));
                }));
}

void Service::tell_where(const HttpAnswer& answer) {
    if (std::exchange(elsewhere_, answer.elsewhere) == answer.elsewhere || answer.elsewhere.empty()) return;
    const LogContext context(child_->log_fields());
    logger("process")->warn(
        "{}: it listens at {} and not where health_url says ({}); connectors look for it at 127.0.0.1, unless health_url "
        "names another loopback address: write {} there, or let it listen on 127.0.0.1",
        name_, answer.elsewhere, health_url_, answer.elsewhere);
}

PageAnswer Service::judge(const Result<HttpAnswer>& answer) const {
    PageAnswer judged;
    if (answer)
        judged = judge_page(answer->status, answer->body, settings_.service.vram_figures);
    else
        judged.text = answer.error().message;
    if (port_ == 0) return judged;
    const PortOwner owner = around_.host.port_owner(port_, child_->pid(), child_->marker());
    if (!owner.listening || owner.ours) return judged;
    PageAnswer foreign;
    foreign.text =
        "port " + std::to_string(port_) + " belongs to " + owner.text() + ", which is not this service";
    return foreign;
}

// ---- ending -----------------------------------------------------------------------------------------------

void Service::on_exit() {
    jobs_at_exit_ = owner_.jobs_held();
    carry_out(life_.exit_seen(life_.current()->generation(), Clock::now()));
}

void Service::on_end() {
    const std::unique_ptr<Child> ended = std::move(child_);
    const std::unique_ptr<Said> said = std::move(said_);
    DeathReport report = ended->report();
    report.jobs_held = std::move(jobs_at_exit_);
    Actions actions = life_.exited(life_.current()->generation(), report, Clock::now());
    if (report.stopped_for == StopReason::recycle) ++counters_.recycles;
    const bool as_planned = planned(report.stopped_for);
    said->say_what_was_dropped(!as_planned);
    {
        const LogContext context(ended->log_fields());
        logger("process")->log(as_planned ? spdlog::level::info : spdlog::level::err, "{}: {}", name_,
                               report.summary());
    }
    if (!as_planned) {
        ++counters_.deaths;
        owner_.on_service_died(report);
    }
    carry_out(std::move(actions));
}

// ---- time and state ---------------------------------------------------------------------------------------

void Service::tick(TimePoint now) {
    Observations seen;
    if (child_) {
        seen.rss_bytes = child_->sample(settings_.service.supervision.max_rss > 0, now);
        const Run* run = life_.current();
        if (std::string stopped = child_->stopped(); run != nullptr && !stopped.empty())
            seen.stopped[run->generation()] = std::move(stopped);
    }
    Actions actions = life_.tick(seen, now);
    if (!actions.empty()) carry_out(std::move(actions));
}

std::optional<TimePoint> Service::next_wakeup() const {
    Earliest first;
    first.add(life_.next_wakeup());
    if (child_) first.add(child_->next_sample());
    return first.at();
}

bool Service::hopeless(TimePoint now) const {
    const Run* run = life_.current();
    return run != nullptr && run->hopeless(now);
}

ServiceStatus Service::status() const {
    ServiceStatus status;
    state_.fill(status, life_, child_ && !child_->ending() ? child_.get() : nullptr, Clock::now());
    status.usable = life_.usable();
    status.port = status.pid != 0 ? port_ : service_port(settings_, index_);
    if (const Run* run = life_.current()) {
        status.missed = run->signs().missed();
        status.vram_used = run->signs().vram_used();
    }
    status.counters = counters_;
    return status;
}

}  // namespace emprops::process
