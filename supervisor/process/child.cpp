#include "supervisor/process/child.h"

#include <csignal>
#include <utility>

#include "supervisor/base/loop.h"

namespace emprops::process {

namespace {

/// After the exit a grandchild may hold the pipe open; nothing that matters comes later than this.
constexpr Ms read_after_exit{1000};
/// How often its descendants are looked at: for its memory, and to find them when it has ended.
constexpr Ms tree_sample_interval{2000};

}  // namespace

Child::Child(Surroundings& around, std::string name, std::string connector, std::string marker, Events events)
    : around_(around),
      name_(std::move(name)),
      connector_(std::move(connector)),
      marker_(std::move(marker)),
      events_(std::move(events)),
      evidence_(config::OutputSettings::evidence_stderr_lines, config::TalkSettings::evidence_messages),
      started_at_(Clock::now()) {}

// ---- starting ---------------------------------------------------------------------------------------------

Result<LaunchSpec> Child::prepare(const Surroundings& around, ProgramSearch search,
                                  const config::LaunchSettings& limits) {
    const auto executable = find_executable(search, around.options.bin_dir, around.options.connector_dirs);
    if (!executable) return executable.error();
    LaunchSpec spec;
    spec.executable = executable->path;
    spec.arguments = executable->arguments;
    spec.env = std::move(search.environment);
    spec.limits = limits;
    if (limits.user.empty()) return spec;
    auto user = look_up_user(limits.user);
    if (!user) return user.error();
    spec.user = std::move(*user);
    return spec;
}

Result<> Child::start(LaunchSpec spec, const IoLimits& limits, IoEvents events) {
    spec.marker = marker_;
    auto started =
        around_.host.start(spec, lifetime_.guard([this](const ExitStatus& exit) { on_exit(exit); }));
    if (!started) return started.error();
    pid_ = started->pid;
    started_ = true;
    io_ = std::make_unique<ChildIo>(around_.executor, std::move(started->stdin_fd),
                                    std::move(started->stdout_fd), std::move(started->stderr_fd), limits,
                                    std::move(events));
    const LogContext context(log_fields());
    logger("process")->info("{}: started {}", name_, spec.executable.string());
    return Ok{};
}

void Child::attach(int pid, UniqueFd stdin_fd, UniqueFd stdout_fd, const IoLimits& limits, IoEvents events) {
    pid_ = pid;
    io_ = std::make_unique<ChildIo>(around_.executor, std::move(stdin_fd), std::move(stdout_fd), UniqueFd(),
                                    limits, std::move(events));
}

// ---- running ----------------------------------------------------------------------------------------------

void Child::signal(int signal, spdlog::level::level_enum level) {
    const LogContext context(log_fields());
    logger("process")->log(level, "{}: SIG{} to its process group", name_,
                           signal == SIGTERM ? "TERM" : "KILL");
    remember_tree();
    if (!started_) return;
    around_.host.signal_group(pid_, signal);
    if (signal == SIGTERM) around_.host.signal_group(pid_, SIGCONT);
}

void Child::kill() {
    if (!runs()) return;
    around_.host.signal_group(pid_, SIGKILL);
    around_.host.sweep({marker_});
}

void Child::say_stuck() const {
    const LogContext context(log_fields());
    logger("process")->error(
        "{} does not end in spite of SIGKILL; it is probably in an uninterruptible system call (a graphics "
        "driver or a network file system)",
        name_);
}

void Child::remember_tree() {
    if (runs()) around_.host.remember_tree(pid_);
}

std::uint64_t Child::sample(bool measure, TimePoint now) {
    const auto due = next_sample();
    if (!due || now < *due) return 0;
    next_sample_ = next_beat(now, tree_sample_interval);
    remember_tree();
    stopped_by_ = around_.host.stopped_by(pid_);
    return measure ? rss_bytes() : 0;
}

std::optional<TimePoint> Child::next_sample() const {
    if (!runs() || ending_) return std::nullopt;
    return next_sample_.value_or(started_at_);
}

std::uint64_t Child::rss_bytes() const {
    return runs() ? around_.host.tree_rss_bytes(pid_) : 0;
}

// ---- ending -----------------------------------------------------------------------------------------------

void Child::on_exit(const ExitStatus& exit) {
    exit_ = exit;
    around_.host.sweep({marker_});
    around_.sweep_repeatedly(marker_);
    read_to_end();
}

void Child::detach() {
    if (!ending_) later(around_.executor, lifetime_.guard([this] { read_to_end(); }));
}

void Child::read_to_end() {
    if (std::exchange(ending_, true)) return;
    events_.on_exit();
    auto ended = lifetime_.guard([this] {
        const auto on_end = std::move(events_.on_end);
        on_end();
    });
    if (io_)
        io_->finish(started_ ? read_after_exit : Ms{0}, ended);
    else
        later(around_.executor, ended);
}

DeathReport Child::report() const {
    DeathReport report;
    if (exit_) {
        report.exit_code = exit_->exit_code;
        report.signal = exit_->signal;
        report.core_dumped = exit_->core_dumped;
        report.left_behind = exit_->left_behind;
        report.peak_rss_bytes = exit_->peak_rss_bytes;
        report.cpu = exit_->cpu;
    }
    report.pid = pid_;
    report.uptime = between(started_at_, Clock::now());
    evidence_.fill(report);
    return report;
}

}  // namespace emprops::process
