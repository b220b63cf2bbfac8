#include "supervisor/process/slot.h"

#include <algorithm>
#include <csignal>

#include "ipc/overload.h"
#include "ipc/text/people.h"
#include "supervisor/base/log.h"
#include "supervisor/process/child_environment.h"
#include "supervisor/process/os/find_executable.h"

namespace emprops::process {

namespace {

/// How often the descendants of a process are looked at: for its memory, and to find them when it has ended.
constexpr Ms tree_sample_interval{2000};
/// How long SIGKILL may have been without effect before the worker's end does not wait for it any more.
constexpr Ms hopeless_after{3000};
/// A full disk is said once in this time.
constexpr Ms folder_complaint_interval{30'000};

}  // namespace

SlotContext::SlotContext(boost::asio::any_io_executor executor_in, ProcessHost& host_in,
                         FleetOptions options_in)
    : executor(std::move(executor_in)),
      host(host_in),
      options(std::move(options_in)),
      work_dirs(options.state_dir),
      environment(own_environment()) {}

Slot::Slot(SlotContext& context, const config::ConnectorSettings& settings, int index)
    : context_(context),
      settings_(settings),
      index_(index),
      name_(to_string(InstanceId{settings.name, index, 0})),
      lifecycle_(lifecycle_options(), context.options.random),
      state_since_(Clock::now()) {
    context_.work_dirs.remove_leftovers(settings_.name, index_);
    configure_service();
}

Slot::~Slot() {
    kill();
}

LifecycleOptions Slot::lifecycle_options() const {
    LifecycleOptions options;
    options.name = name_;
    options.policy = settings_.supervision;
    options.exclusive = settings_.exclusive;
    options.attach = settings_.attach;
    options.drain_timeout = context_.options.drain_timeout;
    return options;
}

std::string Slot::marker(std::uint64_t generation) const {
    return settings_.name + "/" + std::to_string(index_) + "/" + std::to_string(generation);
}

Slot::Entry* Slot::find(std::uint64_t generation) {
    const auto found = processes_.find(generation);
    return found == processes_.end() ? nullptr : &found->second;
}

// ---- wishes -----------------------------------------------------------------------------------------------

void Slot::start() {
    if (service_ && !service_removed_) service_->start();
    carry_out(lifecycle_.start(Clock::now()));
}

void Slot::stop(const std::string& text) {
    carry_out(lifecycle_.stop(text, Clock::now()));
}

void Slot::restart(const std::string& text) {
    // A running service is left alone, a waiting one is tried again.
    if (service_ && !service_removed_) service_->start();
    carry_out(lifecycle_.restart(StopReason::restart, text, Clock::now()));
}

void Slot::shutdown() {
    leaving_ = true;
    carry_out(lifecycle_.shutdown(Clock::now()));
}

void Slot::kill() {
    if (service_) service_->kill();
    for (auto& [generation, entry] : processes_) {
        entry.listener.reset();
        if (entry.attached || entry.process->pid() == 0) continue;
        context_.host.signal_group(entry.process->pid(), SIGKILL);
        context_.host.sweep(marker(generation));
    }
}

void Slot::configure(const config::ConnectorSettings& settings) {
    const config::ConnectorSettings before = settings_;
    settings_ = settings;
    lifecycle_.configure(lifecycle_options());
    if (!(before.service == settings.service)) configure_service();
    // The connector knows of its service where that is, and nothing else; instances are the fleet's business.
    config::ConnectorSettings same = before;
    same.service = settings.service;
    same.instances = settings.instances;
    const bool moved = service_port(before, index_) != service_port(settings, index_);
    if ((moved || !(same == settings)) && lifecycle_.wanted())
        // On the new port nothing answers while jobs of the old process keep the service on the old one: two
        // processes at a time would wait for each other.
        carry_out(lifecycle_.restart(StopReason::restart, "its settings changed", Clock::now(),
                                     moved ? Lifecycle::Overlap::no : Lifecycle::Overlap::yes));
    changed();
}

void Slot::stop_instance(const InstanceId& id, StopReason reason, const std::string& text) {
    carry_out(lifecycle_.stop_process(id.generation, reason, text, Clock::now()));
}

void Slot::replace_instance(const InstanceId& id, const std::string& text) {
    carry_out(lifecycle_.recycle(id.generation, text, Clock::now()));
}

// ---- jobs -------------------------------------------------------------------------------------------------

Result<> Slot::give_job(const InstanceId& id, ipc::Job& job) {
    const Error leaving{"leaving", name_ + " is leaving"};
    Entry* entry = find(id.generation);
    const ProcessRun* run = lifecycle_.find(id.generation);
    if (entry == nullptr || run == nullptr || run->phase() != ProcessRun::Phase::ready) return leaving;
    if (entry->process->holds(job.job_id)) return Error{"busy", name_ + " still holds a job of this id"};
    const auto folder = context_.work_dirs.make_job(settings_.name, index_, job.job_id, entry->user);
    if (!folder) {
        const TimePoint now = Clock::now();
        if (!next_folder_complaint_ || now >= *next_folder_complaint_) {
            next_folder_complaint_ = now + folder_complaint_interval;
            const LogContext context(entry->process->log_fields(job.job_id));
            logger("process")->error("{}", folder.error().message);
        }
        return folder.error();
    }
    job.work_dir = folder->string();
    if (!entry->process->give(job)) {
        if (!holds(job.job_id)) context_.work_dirs.remove_job(settings_.name, index_, job.job_id);
        return Error{"busy", "too much waits for the stdin of " + name_};
    }
    ++counters_.jobs_given;
    lifecycle_.job_given(id.generation);
    if (service_) service_->job_given();
    changed();
    return Ok{};
}

bool Slot::cancel_job(const InstanceId& id, const std::string& job_id, const std::string& reason) {
    Entry* entry = find(id.generation);
    if (entry == nullptr || !entry->process->holds(job_id)) return false;
    return entry->process->send(ipc::Cancel{job_id, reason});
}

void Slot::job_unanswered(const InstanceId& id, const std::string& job_id) {
    Entry* entry = find(id.generation);
    if (entry != nullptr && entry->process->job_unanswered(job_id))
        carry_out(lifecycle_.job_ended(id.generation, Clock::now()));
}

void Slot::job_ended(const InstanceId& id, const std::string& job_id) {
    Entry* entry = find(id.generation);
    // What the jobs of a dead process left behind is seen to when it ends: a resumed one may still want it.
    if (entry == nullptr) return;
    const bool ran = entry->process->job_ended(job_id);
    if (!holds(job_id)) context_.work_dirs.remove_job(settings_.name, index_, job_id);
    service_deaths_.erase(job_id);
    if (ran) carry_out(lifecycle_.job_ended(id.generation, Clock::now()));
}

bool Slot::holds(const std::string& job_id) const {
    for (const auto& [generation, entry] : processes_) {
        if (entry.process->holds(job_id)) return true;
    }
    return false;
}

// ---- starting ---------------------------------------------------------------------------------------------

void Slot::carry_out(Actions actions) {
    for (Action& each : actions) {
        std::visit(Overload{
                       [&](const action::Spawn&) { spawn(); },
                       [&](const action::Announce& announce) {
                           Entry& entry = processes_.at(announce.generation);
                           entry.announced = true;
                           entry.offer_changed = entry.status_changed = false;
                           context_.tell([id = entry.process->id(), info = offered(*entry.process)](
                                             FleetListener& listener) { listener.on_ready(id, info); });
                           if (service_) tell_status(*entry.process);
                       },
                       [&](const action::Withdraw& withdraw) {
                           Entry& entry = processes_.at(withdraw.generation);
                           entry.announced = false;
                           context_.tell([id = entry.process->id()](FleetListener& listener) {
                               listener.on_leaving(id);
                           });
                       },
                       [&](const action::SendPing& ping) {
                           processes_.at(ping.generation).process->send(ipc::Ping{ping.id});
                       },
                       [&](const action::SendDrain& drain) {
                           processes_.at(drain.generation).process->send(ipc::Drain{});
                       },
                       [&](const action::SendShutdown& shutdown) {
                           Entry& entry = processes_.at(shutdown.generation);
                           const LogContext context(entry.process->log_fields());
                           logger("process")->info("{}: shutdown and end of stdin, {} to leave", name_,
                                                   human_duration(shutdown.grace));
                           if (!entry.attached) context_.host.remember_tree(entry.process->pid());
                           entry.process->send(ipc::Shutdown{shutdown.grace});
                           entry.process->close_stdin_after_writing();
                           if (!entry.process->connected()) end_attached(shutdown.generation);
                       },
                       [&](const action::SignalGroup& signal) {
                           Entry& entry = processes_.at(signal.generation);
                           const LogContext context(entry.process->log_fields());
                           if (entry.attached) {
                               end_attached(signal.generation);
                               return;
                           }
                           context_.host.remember_tree(entry.process->pid());
                           logger("process")->warn("{}: SIG{} to its process group", name_,
                                                   signal.signal == SIGTERM ? "TERM" : "KILL");
                           context_.host.signal_group(entry.process->pid(), signal.signal);
                       },
                       [&](const action::ReportStuck& stuck) {
                           const LogContext context(processes_.at(stuck.generation).process->log_fields());
                           logger("process")->error(
                               "{}: does not end in spite of SIGKILL; it is probably in an uninterruptible "
                               "system call "
                               "(a driver or a network file system)",
                               name_);
                       },
                       [&](const action::Say& say) {
                           const auto level = say.level == action::Say::Level::info   ? spdlog::level::info
                                              : say.level == action::Say::Level::warn ? spdlog::level::warn
                                                                                      : spdlog::level::err;
                           const LogContext context({name_, 0, {}});
                           logger("process")->log(level, "{}", say.text);
                       },
                   },
                   each);
    }
    changed();
}

void Slot::spawn() {
    const std::uint64_t generation = ++context_.last_generation;
    ++counters_.spawns;
    start_problem_.clear();
    Entry& entry = processes_[generation];
    entry.process = std::make_unique<ConnectorProcess>(
        context_.executor, *this, InstanceId{settings_.name, index_, generation}, settings_, counters_);
    entry.attached = settings_.attach;
    const Result<> started = entry.attached ? listen(generation) : launch(generation, entry);
    if (!started) {
        processes_.erase(generation);
        carry_out(lifecycle_.spawn_failed(started.error().message, Clock::now()));
        return;
    }
    Actions actions = lifecycle_.spawned(generation, Clock::now());
    if (!entry.attached) greet(*entry.process);
    carry_out(std::move(actions));
}

Result<> Slot::launch(std::uint64_t generation, Entry& entry) {
    ConnectorProcess& process = *entry.process;
    const auto executable =
        find_executable(settings_, context_.options.bin_dir, context_.options.connector_dirs);
    if (!executable) return executable.error();
    if (!settings_.supervision.user.empty()) {
        auto user = look_up_user(settings_.supervision.user);
        if (!user) return user.error();
        entry.user = std::move(*user);
    }
    const auto work_dir = context_.work_dirs.make_instance(settings_.name, index_, entry.user);
    if (!work_dir) return work_dir.error();
    LaunchSpec spec;
    spec.user = entry.user;
    spec.executable = *executable;
    for (std::size_t argument = 1; argument < settings_.command.size(); ++argument)
        spec.arguments.push_back(for_connector(settings_.command[argument], settings_, index_));
    spec.env = child_environment(settings_, index_, context_.environment);
    spec.working_dir =
        settings_.working_dir.empty() ? *work_dir : std::filesystem::absolute(settings_.working_dir);
    spec.marker = marker(generation);
    spec.limits = settings_.supervision;
    auto child = context_.host.start(
        spec, guarded([this, generation](const ExitStatus& exit) { on_exit(generation, exit); }));
    if (!child) return child.error();
    process.connect(child->pid, std::move(child->stdin_fd), std::move(child->stdout_fd),
                    std::move(child->stderr_fd));
    const LogContext context(process.log_fields());
    logger("process")->info("{}: started {}", name_, spec.executable.string());
    return Ok{};
}

Result<> Slot::listen(std::uint64_t generation) {
    const auto path =
        context_.options.state_dir /
        ("attach-" + settings_.name + (index_ > 0 ? "-" + std::to_string(index_) : "") + ".sock");
    auto listener = AttachListener::open(
        context_.executor, path, guarded([this, generation](int pid, UniqueFd in, UniqueFd out) {
            Entry* entry = find(generation);
            if (entry == nullptr || entry->ending) return;
            entry->process->connect(pid, std::move(in), std::move(out), UniqueFd());
            const LogContext context(entry->process->log_fields());
            logger("process")->info("{}: attached", name_);
            greet(*entry->process);
            changed();
        }));
    if (!listener) return listener.error();
    processes_.at(generation).listener = std::move(*listener);
    logger("process")->info("{}: waiting for somebody to connect to {} (attach = true)", name_,
                            path.string());
    return Ok{};
}

void Slot::greet(ConnectorProcess& process) {
    ipc::Hello hello;
    hello.worker_id = context_.options.worker_id;
    hello.connector = settings_.name;
    hello.instance = index_;
    hello.settings = settings_for_connector(settings_, index_);
    hello.max_line_bytes = settings_.supervision.max_line_bytes;
    hello.work_dir = context_.work_dirs.instance(settings_.name, index_).string();
    hello.hub = context_.options.hub;
    if (settings_.concurrency) hello.concurrency = static_cast<int>(*settings_.concurrency);
    hello.heartbeat_interval = settings_.supervision.ping_interval;
    hello.heartbeat_missed = static_cast<int>(settings_.supervision.ping_missed);
    process.send(std::move(hello));
}

// ---- time and state ---------------------------------------------------------------------------------------

void Slot::remove_orphaned_jobs(TimePoint now) {
    for (const OrphanedJob& each : orphaned_jobs_) {
        if (now >= each.until && !holds(each.job_id))
            context_.work_dirs.remove_job(settings_.name, index_, each.job_id);
    }
    std::erase_if(orphaned_jobs_, [&](const OrphanedJob& each) { return now >= each.until; });
}

void Slot::tick(TimePoint now) {
    remove_orphaned_jobs(now);
    Observations seen;
    for (auto& [generation, entry] : processes_) {
        if (entry.process->backlog()) seen.stdin_backlog.push_back(generation);
        if (entry.offer_changed && now >= entry.tell_after) tell_changes(entry, now);
    }
    if (!next_tree_sample_ || now >= *next_tree_sample_) {
        next_tree_sample_ = now + tree_sample_interval;
        seen.rss_bytes = sample_trees();
    }
    Actions actions = lifecycle_.tick(seen, now);
    if (!actions.empty()) carry_out(std::move(actions));
    tick_service(now);
}

/// Returns the memory of the serving process tree if that is wanted.
std::uint64_t Slot::sample_trees() {
    const ProcessRun* current = lifecycle_.current();
    std::uint64_t rss_bytes = 0;
    for (const auto& [generation, entry] : processes_) {
        const int pid = entry.process->pid();
        if (pid <= 0 || entry.attached || entry.ending) continue;
        context_.host.remember_tree(pid);
        if (settings_.supervision.max_rss > 0 && current != nullptr && current->generation() == generation)
            rss_bytes = context_.host.tree_rss_bytes(pid);
    }
    return rss_bytes;
}

bool Slot::hopeless(TimePoint now) const {
    if (service_ && !service_->gone() && !service_->hopeless(now)) return false;
    return connectors_hopeless(now);
}

bool Slot::connectors_hopeless(TimePoint now) const {
    return std::all_of(processes_.begin(), processes_.end(), [&](const auto& entry) {
        const ProcessRun* run = lifecycle_.find(entry.first);
        return run != nullptr && run->stuck_since() && now - *run->stuck_since() >= hopeless_after;
    });
}

std::string Slot::process_names() const {
    std::string names;
    for (const auto& [generation, entry] : processes_)
        names += (names.empty() ? "" : ", ") + name_ + " (pid " + std::to_string(entry.process->pid()) + ")";
    if (service_ && !service_->gone()) {
        names += (names.empty() ? "" : ", ") + std::string("the service of ") + name_ + " (pid " +
                 std::to_string(service_->pid()) + ")";
    }
    return names;
}

std::optional<TimePoint> Slot::next_wakeup() const {
    std::optional<TimePoint> first = lifecycle_.next_wakeup();
    for (const OrphanedJob& each : orphaned_jobs_) {
        if (!first || each.until < *first) first = each.until;
    }
    const auto consider = [&](TimePoint at) {
        if (!first || at < *first) first = at;
    };
    for (const auto& [generation, entry] : processes_) {
        if (entry.offer_changed) consider(entry.tell_after);
    }
    if (!processes_.empty()) consider(next_tree_sample_.value_or(Clock::now()));
    if (!service_) return first;
    if (const auto at = service_->next_wakeup()) consider(*at);
    if (service_removed_ && service_->gone()) consider(Clock::now());
    if (!service_usable_ && next_service_news_) consider(*next_service_news_);
    return first;
}

void Slot::changed() {
    const State state = lifecycle_.state();
    if (state != state_) {
        state_ = state;
        state_since_ = Clock::now();
        context_.tell([name = settings_.name, index = index_, state](FleetListener& listener) {
            listener.on_connector_state(name, index, state);
        });
    }
    service_follows();
    context_.slot_changed();
}

InstanceStatus Slot::status() const {
    const TimePoint now = Clock::now();
    const auto since = [&](TimePoint from) { return std::chrono::duration_cast<Ms>(now - from); };
    InstanceStatus status;
    status.connector = settings_.name;
    status.index = index_;
    status.state = state_;
    status.in_state = since(state_since_);
    status.replacing = lifecycle_.replacing();
    status.leaving = lifecycle_.leaving();
    if (const auto at = lifecycle_.next_attempt())
        status.next_attempt_in = std::max(Ms{0}, std::chrono::duration_cast<Ms>(*at - now));
    status.last_death = lifecycle_.last_death();
    status.why = why();
    if (service_) status.service = service_->status();
    status.counters = counters_;
    for (const auto& [generation, entry] : processes_) {
        for (std::string& job_id : entry.process->jobs())
            status.jobs.push_back(std::move(job_id));
    }
    const ProcessRun* run = lifecycle_.current();
    const auto found = run != nullptr ? processes_.find(run->generation()) : processes_.end();
    if (found == processes_.end()) return status;
    const ConnectorProcess& process = *found->second.process;
    status.id = process.id();
    status.pid = process.pid();
    status.uptime = since(process.started_at());
    if (run->was_ready()) status.info = offered(process);
    if (process.pid() > 0 && !found->second.attached)
        status.rss_bytes = context_.host.tree_rss_bytes(process.pid());
    return status;
}

}  // namespace emprops::process
