#include "supervisor/process/connector_process.h"

#include "ipc/envelope.h"

namespace emprops::process {

namespace {
constexpr Ms progress_interval{100};
constexpr std::uint32_t complaints_per_second = 10;
}  // namespace

ConnectorProcess::ConnectorProcess(boost::asio::any_io_executor executor, Owner& owner, InstanceId id,
                                   const config::ConnectorSettings& settings, Counters& counters)
    : executor_(executor),
      owner_(owner),
      id_(std::move(id)),
      policy_(settings.supervision),
      attached_(settings.attach),
      counters_(counters),
      log_(logger("connector." + settings.name)),
      started_at_(Clock::now()),
      evidence_(policy_.evidence_stderr_lines, policy_.evidence_messages),
      stderr_limit_(policy_.stderr_lines_per_second),
      complaint_limit_(complaints_per_second),
      progress_(progress_interval),
      progress_timer_(executor) {}

ConnectorProcess::~ConnectorProcess() = default;

void ConnectorProcess::connect(int pid, UniqueFd stdin_fd, UniqueFd stdout_fd, UniqueFd stderr_fd) {
    pid_ = pid;
    IoLimits limits;
    limits.max_line_bytes = policy_.max_line_bytes;
    limits.stdin_queue_bytes = policy_.stdin_queue_bytes;
    limits.write_timeout = attached_ ? Ms{0} : policy_.write_timeout;
    IoEvents events;
    events.on_line = [this](std::string_view line, bool torn) { on_line(line, torn); };
    events.on_overlong = [this](std::string_view head, std::uint64_t size) { on_overlong(head, size); };
    events.on_stderr = [this](std::string_view line) { on_stderr(line); };
    events.on_stdout_end = [this] { owner_.on_pipe_closed(*this, "closed its stdout"); };
    events.on_stdin_closed = [this] { owner_.on_pipe_closed(*this, "closed its stdin"); };
    events.on_stalled = [this] { owner_.on_stalled(*this); };
    io_ = std::make_unique<ConnectorIo>(executor_, std::move(stdin_fd), std::move(stdout_fd),
                                        std::move(stderr_fd), limits, std::move(events));
}

bool ConnectorProcess::send(const ipc::ToConnector& message) {
    if (!io_) return false;
    const bool job = std::holds_alternative<ipc::Job>(message);
    if (!io_->send(ipc::encode(message), job)) return false;
    const std::string text = shown(message);
    evidence_.add_sent(text);
    owner_.on_trace(*this, TraceLine::Kind::to_connector, text);
    return true;
}

bool ConnectorProcess::give(const ipc::Job& job) {
    // The fields around the payload are small: 1 KiB and the two texts of the client cover them.
    const std::size_t size = job.payload.text.size() + job.job_id.size() + job.job_type.size() + 1024;
    if (!io_ || holds(job.job_id) || !io_->fits(size)) return false;
    jobs_[job.job_id] = {};
    if (send(job)) return true;
    jobs_.erase(job.job_id);
    return false;
}

std::vector<std::string> ConnectorProcess::jobs() const {
    std::vector<std::string> ids;
    for (const auto& [job_id, job] : jobs_)
        ids.push_back(job_id);
    return ids;
}

void ConnectorProcess::close_stdin_after_writing() {
    if (io_) io_->close_stdin_after_writing();
}

void ConnectorProcess::finish(Ms limit, std::function<void()> done) {
    io_->finish(limit, [this, done = std::move(done)] {
        // A dead process holds nothing back: progress that waits comes before the news of its death.
        for (const auto& [job_id, job] : jobs_) {
            if (auto last = progress_.finish(job_id)) pass_progress(std::move(*last));
        }
        done();
    });
}

DeathReport ConnectorProcess::death_report(const std::optional<ExitStatus>& exit) const {
    DeathReport report;
    if (exit) {
        report.exit_code = exit->exit_code;
        report.signal = exit->signal;
        report.core_dumped = exit->core_dumped;
        report.peak_rss_bytes = exit->peak_rss_bytes;
        report.cpu = exit->cpu;
    }
    report.pid = pid_;
    report.uptime = std::chrono::duration_cast<Ms>(Clock::now() - started_at_);
    report.jobs_held = jobs();
    evidence_.fill(report);
    return report;
}

void ConnectorProcess::on_line(std::string_view line, bool torn) {
    ipc::Decoded decoded = ipc::decode_from_connector(line);
    if (auto* message = std::get_if<ipc::FromConnector>(&decoded)) {
        ++counters_.lines_received;
        const std::string text = shown(*message, line);
        evidence_.add_received(text);
        owner_.on_trace(*this, TraceLine::Kind::from_connector, text);
        on_decoded(std::move(*message));
        return;
    }
    const std::string text = cut(line);
    evidence_.add_received(text);
    owner_.on_trace(*this, TraceLine::Kind::from_connector, text);
    if (std::holds_alternative<ipc::Stray>(decoded)) {
        ++counters_.stray_lines;
        if (!complaint_limit_.allow(Clock::now())) return;
        const LogContext context(log_fields());
        log_->info("stray output on stdout: {}", text);
        return;
    }
    // Half a line is no lie but the trace of a death in mid-write. That death decides about the job: as a
    // protocol error it would be neither resumed nor counted as poison.
    if (torn) return;
    const auto& malformed = std::get<ipc::Malformed>(decoded);
    ++counters_.protocol_errors;
    broken(malformed.job_id, ipc::code::protocol_error,
           "the connector sent a line that is not a valid message: " + malformed.reason);
}

void ConnectorProcess::on_overlong(std::string_view head, std::uint64_t size) {
    ++counters_.overlong_lines;
    const std::string text = "(line of " + std::to_string(size) + " bytes skipped)";
    evidence_.add_received(text);
    owner_.on_trace(*this, TraceLine::Kind::from_connector, text);
    // The head is no complete object: the scan fails at its end and says what it had read by then.
    std::optional<std::string> job_id = ipc::scan_envelope(head, {"result", "payload"}).error.job_id;
    broken(job_id, ipc::code::result_too_large,
           "the connector sent a line of " + std::to_string(size) + " bytes, the limit is " +
               std::to_string(policy_.max_line_bytes) + " (max_line_bytes)");
}

void ConnectorProcess::broken(std::optional<std::string> job_id, const char* code, const std::string& text) {
    if (job_id && !holds(*job_id)) job_id.reset();
    if (!job_id && jobs_.size() == 1) job_id = jobs_.begin()->first;
    const bool allowed = complaint_limit_.allow(Clock::now());
    if (allowed) {
        const LogContext context(log_fields(job_id.value_or("")));
        log_->warn("{}", text);
    }
    if (job_id) {
        HeldJob& job = jobs_.at(*job_id);
        if (job.error_reported || job.ended) return;
        job.error_reported = true;
        if (auto last = progress_.finish(*job_id)) pass_progress(std::move(*last));
    } else if (!allowed) {
        return;
    }
    owner_.on_broken_line(*this, job_id, code, text);
}

void ConnectorProcess::on_stderr(std::string_view line) {
    ++counters_.stderr_lines;
    const TimePoint now = Clock::now();
    if (!stderr_limit_.allow(now)) {
        ++counters_.stderr_dropped;
        // The end of a flood often says why a process died: it is kept even when it is not logged.
        evidence_.add_stderr(cut(line));
        return;
    }
    const LogContext context(log_fields());
    if (const std::uint64_t dropped = stderr_limit_.take_dropped())
        log_->warn("{} lines of stderr were dropped (stderr_lines_per_second = {})", dropped,
                   policy_.stderr_lines_per_second);
    const std::string text = cut(line);
    evidence_.add_stderr(text);
    log_->info("{}", text);
    owner_.on_trace(*this, TraceLine::Kind::stderr_line, text);
}

void ConnectorProcess::on_decoded(ipc::FromConnector message) {
    if (auto* progress = std::get_if<ipc::Progress>(&message)) {
        if (!about_held_job(progress->job_id, "progress", false)) return;
        const std::uint64_t before = progress_.coalesced();
        auto passed = progress_.offer(std::move(*progress), Clock::now());
        counters_.progress_coalesced += progress_.coalesced() - before;
        if (passed)
            pass_progress(std::move(*passed));
        else
            arm_progress_timer();
        return;
    }
    const std::string* job_id = nullptr;
    bool ends = false;
    const char* type = "";
    if (const auto* accepted = std::get_if<ipc::Accepted>(&message)) {
        job_id = &accepted->job_id, type = "accepted";
    } else if (const auto* result = std::get_if<ipc::JobResult>(&message)) {
        job_id = &result->job_id, ends = true, type = "result";
    } else if (const auto* failed = std::get_if<ipc::Failed>(&message)) {
        job_id = &failed->job_id, ends = true, type = "failed";
    } else if (const auto* request = std::get_if<ipc::ServiceRequest>(&message)) {
        job_id = &request->job_id, type = "service_request";
    } else if (const auto* log = std::get_if<ipc::LogLine>(&message)) {
        if (!stderr_limit_.allow(Clock::now())) {
            ++counters_.stderr_dropped;
            return;
        }
        (void)log;
    }
    if (job_id != nullptr) {
        if (!about_held_job(*job_id, type, ends)) return;
        if (ends) {
            if (auto last = progress_.finish(*job_id)) pass_progress(std::move(*last));
        }
    }
    owner_.on_message(*this, std::move(message));
}

bool ConnectorProcess::about_held_job(const std::string& job_id, const char* type, bool ends) {
    const auto found = jobs_.find(job_id);
    if (found != jobs_.end() && !found->second.ended) {
        found->second.ended = ends;
        return true;
    }
    ++counters_.foreign_messages;
    if (complaint_limit_.allow(Clock::now())) {
        const LogContext context(log_fields(cut(job_id)));
        log_->warn("{} for a job that {}; ignored", type,
                   found == jobs_.end() ? "this process does not hold" : "it has already ended");
    }
    return false;
}

void ConnectorProcess::pass_progress(ipc::Progress progress) {
    owner_.on_message(*this, std::move(progress));
}

void ConnectorProcess::arm_progress_timer() {
    const auto due = progress_.next_due();
    if (progress_timer_armed_ || !due) return;
    progress_timer_armed_ = true;
    progress_timer_.expires_at(*due);
    progress_timer_.async_wait(
        [this, alive = std::weak_ptr<int>(alive_)](const boost::system::error_code& error) {
            if (error || alive.expired()) return;
            progress_timer_armed_ = false;
            for (ipc::Progress& progress : progress_.take_due(Clock::now()))
                pass_progress(std::move(progress));
            arm_progress_timer();
        });
}

}  // namespace emprops::process
