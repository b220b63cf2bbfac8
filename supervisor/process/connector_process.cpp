#include "supervisor/process/connector_process.h"

#include <new>
#include <utility>

#include "ipc/envelope.h"
#include "ipc/lead.h"
#include "ipc/overload.h"
#include "supervisor/base/memory.h"
#include "supervisor/process/complaints.h"

namespace emprops::process {

namespace {
constexpr Ms progress_interval{100};
constexpr std::uint32_t requests_per_second = 20;
/// A waiting progress line is kept as it came, unless it is longer than what it says.
constexpr std::size_t kept_progress_bytes = 4096;

Said::Speaker speaker(const InstanceId& id, const config::ConnectorSettings& settings) {
    return {id,
            "connector." + settings.name,
            "",
            "prints, lines of stderr and log messages",
            "stderr_lines_per_second",
            settings.supervision.stderr_lines_per_second};
}
}  // namespace

ConnectorProcess::ConnectorProcess(Surroundings& around, Owner& owner, InstanceId id,
                                   const config::ConnectorSettings& settings, ConnectorCounters& counters,
                                   LastSaid& last_said)
    : around_(around),
      owner_(owner),
      id_(std::move(id)),
      policy_(settings.supervision),
      attached_(settings.attach),
      counters_(counters),
      child_(around, to_string(id_), to_string(id_),
             id_.connector + "/" + std::to_string(id_.index) + "/" + std::to_string(id_.generation),
             Child::Events{[this] { owner_.on_exit(*this); }, [this] { on_end(); }}),
      said_(around, child_, speaker(id_, settings), counters, last_said),
      request_limit_(requests_per_second),
      progress_(progress_interval),
      progress_due_(around.executor, [this] { pass_due_progress(); }) {}

Result<> ConnectorProcess::start(LaunchSpec spec) {
    return child_.start(std::move(spec), io_limits(), io_events());
}

void ConnectorProcess::attach(int pid, UniqueFd stdin_fd, UniqueFd stdout_fd) {
    child_.attach(pid, std::move(stdin_fd), std::move(stdout_fd), io_limits(), io_events());
}

IoLimits ConnectorProcess::io_limits() const {
    IoLimits limits;
    limits.max_line_bytes = policy_.max_line_bytes;
    limits.stdin_queue_bytes = policy_.stdin_queue_bytes;
    limits.write_timeout = attached_ ? Ms{0} : policy_.write_timeout;
    return limits;
}

IoEvents ConnectorProcess::io_events() {
    IoEvents events;
    events.on_line = [this](std::string_view line, bool torn) { on_line(line, torn); };
    events.on_overlong = [this](std::string_view head, std::uint64_t size) { on_overlong(head, size); };
    events.on_stderr = [this](std::string_view line) { said_.line(line, Pipe::err); };
    events.on_state = [this](std::string_view text, Pipe pipe) {
        if (pipe == Pipe::err)
            said_.state(text, pipe);
        else
            said_.stray({std::string(text), {}, {}}, true);
    };
    events.on_stdout_end = [this] { owner_.on_pipe_closed(*this, "closed its stdout"); };
    events.on_stdin_closed = [this] { owner_.on_pipe_closed(*this, "closed its stdin"); };
    events.on_stalled = [this] { owner_.on_stalled(*this); };
    return events;
}

bool ConnectorProcess::send(const ipc::ToConnector& message) {
    ChildIo* io = child_.io();
    if (io == nullptr) return false;
    const bool job = std::holds_alternative<ipc::Job>(message);
    if (!io->send(ipc::encode_shared(message), job)) return false;
    const std::string text = shown(message);
    child_.evidence().add_sent(text);
    if (around_.news->protocol_is_watched()) said_.trace(TraceLine::Kind::to_connector, text);
    return true;
}

Result<> ConnectorProcess::give(const ipc::Job& job) {
    // The fields around the payload are small: 1 KiB and the two texts of the client cover them.
    const std::size_t size = job.payload.text().size() + job.job_id.size() + job.job_type.size() + 1024;
    const Error busy{"busy", "too much waits for the stdin of " + to_string(id_)};
    if (!connected() || !child_.io()->fits(size) || !jobs_.add(job.job_id, job.work_dir, job.prepare))
        return busy;
    try {
        if (send(job)) return Ok{};
    } catch (const std::bad_alloc&) {
        jobs_.remove(job.job_id);
        return Error{"no_memory", "its payload has " + std::to_string(job.payload.text().size()) +
                                      " bytes, for which " + no_memory};
    }
    jobs_.remove(job.job_id);
    return busy;
}

bool ConnectorProcess::begin(const std::string& job_id) {
    return jobs_.holds(job_id) && send(ipc::Begin{job_id}) && jobs_.begin(job_id);
}

bool ConnectorProcess::job_ended(const std::string& job_id) {
    progress_.finish(job_id);
    const bool ran = jobs_.runs(job_id);
    jobs_.remove(job_id);
    return ran;
}

void ConnectorProcess::close_stdin_after_writing() {
    if (ChildIo* io = child_.io()) io->close_stdin_after_writing();
}

void ConnectorProcess::on_end() {
    // Progress that waits is told before the death of the process.
    for (const bool unanswered : {false, true}) {
        for (const std::string& job_id : jobs_.ids(unanswered))
            pass_last_progress(job_id);
    }
    owner_.on_end(*this);
}

DeathReport ConnectorProcess::death_report() const {
    DeathReport report = child_.report();
    report.jobs_held = jobs_.ids();
    return report;
}

// ---- lines ------------------------------------------------------------------------------------------------

void ConnectorProcess::keep(std::string_view shown, bool for_people) {
    child_.evidence().add_received(shown);
    if (!for_people && around_.news->protocol_is_watched())
        said_.trace(TraceLine::Kind::from_connector, cut(shown));
}

void ConnectorProcess::on_line(std::string_view line, bool torn) {
    if (const auto job_id = ipc::quick_progress(line)) {
        ++counters_.lines_received;
        keep(line);
        on_progress(*job_id, line);
        return;
    }
    ipc::Decoded decoded = ipc::decode_from_connector(line);
    std::visit(Overload{
                   [&](ipc::FromConnector& message) { on_message(std::move(message), line); },
                   [&](const ipc::Stray& stray) { on_stray(stray, line); },
                   [&](const ipc::Malformed& malformed) { on_malformed(malformed, line, torn); },
                   [&](ipc::Behind& behind) { on_behind(std::move(behind), line); },
               },
               decoded);
}

void ConnectorProcess::on_message(ipc::FromConnector message, std::string_view line) {
    ++counters_.lines_received;
    keep(shown(message, line), std::holds_alternative<ipc::LogLine>(message));
    on_decoded(std::move(message), line);
}

void ConnectorProcess::on_stray(const ipc::Stray& stray, std::string_view line) {
    keep(line, true);
    ++counters_.stray_lines;
    said_.stray(stray);
    // Perhaps it was to be `ready`.
    if (said_ready_ || stray.hint.empty() || stray.log || stray.hint == hint_) return;
    hint_ = stray.hint;
    complain("", "a line on its stdout is no message: " + hint_);
}

void ConnectorProcess::on_malformed(const ipc::Malformed& malformed, std::string_view line, bool torn) {
    keep(shown(malformed, line.size()));
    // Half a line is no lie but the trace of a death in mid-write. That death decides about the job: as a
    // protocol error it would be neither resumed nor counted as poison.
    if (torn) return;
    ++counters_.protocol_errors;
    std::optional<std::string> job_id = malformed.job_id;
    if (!job_id && malformed.ends_job()) {
        if (const auto running = jobs_.ids(); running.size() == 1) job_id = running.front();
    }
    broken(job_id, ipc::code::protocol_error,
           "the connector sent a line that is not a valid message: " + malformed.reason +
               perhaps_two_writers(line));
    // Of two threads that write at once, one may have written a whole message.
    if (malformed.at != 0) return;
    auto rest = ipc::message_behind(line);
    if (auto* behind = rest ? std::get_if<ipc::Behind>(&*rest) : nullptr) on_behind(std::move(*behind), line);
}

void ConnectorProcess::on_behind(ipc::Behind behind, std::string_view line) {
    const TextBefore before{line.substr(0, behind.at), behind.type};
    const std::string_view rest = line.substr(behind.at);
    const std::string* job_id = ipc::job_id_of(behind.message);
    ++counters_.stray_lines;
    if (job_id != nullptr && jobs_.holds(*job_id)) {
        complain(*job_id, before.taken());
        on_message(std::move(behind.message), rest);
    } else if (std::holds_alternative<ipc::LogLine>(behind.message)) {
        on_message(std::move(behind.message), rest);
    } else {
        keep("(text and a message " + behind.type + ")");
        if (job_id != nullptr) ++counters_.foreign_messages;
        complain(job_id != nullptr ? cut(*job_id) : "",
                 job_id != nullptr ? before.foreign() : before.not_taken());
    }
}

void ConnectorProcess::on_overlong(std::string_view head, std::uint64_t size) {
    ++counters_.overlong_lines;
    keep("(line of " + std::to_string(size) + " bytes skipped)");
    const std::string_view begun = ipc::without_lead(head);
    std::optional<std::string> job_id;
    if (begun.starts_with('{')) {
        // The head is no complete object: the scan fails at its end and says what it had read by then.
        job_id = ipc::scan_envelope(begun, {"result", "payload"}).error.job_id;
    } else {
        const auto behind = ipc::message_behind(head);
        const auto* cut_off = behind ? std::get_if<ipc::Malformed>(&*behind) : nullptr;
        if (cut_off == nullptr) {
            ++counters_.stray_lines;
            complain("", "stray output on stdout: a line of " + std::to_string(size) + " bytes, skipped");
            return;
        }
        job_id = cut_off->job_id;
    }
    const std::string text =
        "the connector sent a line of " + std::to_string(size) + " bytes, " +
        (size > policy_.max_line_bytes ? "the limit is " + std::to_string(policy_.max_line_bytes) +
                                             " (max_line_bytes; return references, not data)"
                                       : std::string("for which ") + no_memory);
    if (job_id)
        broken(job_id, ipc::code::result_too_large, text);
    else
        complain("", text + "; its first 4 KiB name no job");
}

void ConnectorProcess::broken(const std::optional<std::string>& job_id, const char* code,
                              const std::string& text) {
    if (job_id && !jobs_.holds(*job_id)) {
        ++counters_.foreign_messages;
        complain(cut(*job_id), text + "; this process does not hold the job it names");
        return;
    }
    const bool allowed = said_.complain(job_id.value_or(""), text);
    if (job_id) {
        if (!jobs_.failed_here(*job_id)) return;
        pass_last_progress(*job_id);
    } else if (!allowed) {
        return;
    }
    owner_.on_broken_line(*this, job_id, code, text);
}

void ConnectorProcess::tell_the_rest(bool died) {
    if (const std::uint64_t dropped = request_limit_.take_dropped())
        complain("", std::to_string(dropped) + " messages service_request or restart_service were dropped");
    said_.say_what_was_dropped(died);
    if (!died) return;
    for (const std::string& line : death_report().last_messages)
        said_.trace(TraceLine::Kind::last_message, line);
}

// ---- messages ---------------------------------------------------------------------------------------------

void ConnectorProcess::on_progress(std::string_view job_id, std::string_view line) {
    if (!about_held_job(job_id, "progress", false)) return;
    const std::uint64_t before = progress_.coalesced();
    const bool now = progress_.offer(job_id, line, Clock::now());
    counters_.progress_coalesced += progress_.coalesced() - before;
    if (now)
        pass_progress(line);
    else
        progress_due_.set(progress_.next_due());
}

/// A connector may send these messages as often as it likes: only so many in each second are passed on.
bool ConnectorProcess::may_pass(const ipc::FromConnector& message) {
    const TimePoint now = Clock::now();
    if (const auto* request = std::get_if<ipc::ServiceRequest>(&message);
        request != nullptr && jobs_.requested(request->job_id)) {
        // The first one of a job is never dropped: that the job has reached the service decides who is to blame when
        // the service dies.
        return true;
    } else if (std::holds_alternative<ipc::ServiceRequest>(message) ||
               std::holds_alternative<ipc::RestartService>(message)) {
        if (!request_limit_.allow(now)) {
            ++counters_.requests_dropped;
            return false;
        }
        if (const std::uint64_t dropped = request_limit_.take_dropped())
            complain("", std::to_string(dropped) +
                             " messages service_request or restart_service were dropped (" +
                             std::to_string(requests_per_second) + " per second are passed on)");
    } else if (std::holds_alternative<ipc::Ready>(message) ||
               std::holds_alternative<ipc::InitFailed>(message)) {
        if (said_ready_ && !said_.may_complain()) return false;
        said_ready_ = true;
        if (const auto* ready = std::get_if<ipc::Ready>(&message)) {
            for (const std::string& name : ready->unknown_features)
                complain_once("feature " + name, unknown_feature(name));
        }
    } else if (std::holds_alternative<ipc::Preparing>(message) && said_ready_) {
        complain_once("preparing", preparing_after_ready);
        return false;
    }
    return true;
}

void ConnectorProcess::on_decoded(ipc::FromConnector message, std::string_view line) {
    if (const auto* progress = std::get_if<ipc::Progress>(&message)) {
        if (line.size() <= kept_progress_bytes)
            on_progress(progress->job_id, line);
        else
            on_progress(progress->job_id, ipc::encode(message));
        return;
    }
    if (const auto* log = std::get_if<ipc::LogLine>(&message)) return said_.message(*log);
    if (const auto* unknown = std::get_if<ipc::Unknown>(&message)) return on_unknown(*unknown);
    if (!may_pass(message)) return;
    if (const auto* request = std::get_if<ipc::ServiceRequest>(&message)) {
        if (!about_held_job(request->job_id, "service_request", false)) return;
        jobs_.awaits_service(request->job_id);
    } else if (const auto* accepted = std::get_if<ipc::Accepted>(&message)) {
        if (!about_held_job(accepted->job_id, "accepted", false)) return;
        if (!jobs_.accepted(accepted->job_id)) return;
    } else if (const auto* released = std::get_if<ipc::Released>(&message)) {
        if (!about_held_job(released->job_id, "released", false)) return;
    } else if (const auto* result = std::get_if<ipc::JobResult>(&message)) {
        if (!about_held_job(result->job_id, "result", true)) return;
        pass_last_progress(result->job_id);
        if (!result->files.empty()) jobs_.has_files(result->job_id);
        examine(*result);
    } else if (const auto* failed = std::get_if<ipc::Failed>(&message)) {
        if (!about_held_job(failed->job_id, "failed", true)) return;
        pass_last_progress(failed->job_id);
    }
    owner_.on_message(*this, std::move(message));
}

/// What is taken as it is, and yet hardly meant so: each kind is told once of a process.
void ConnectorProcess::examine(const ipc::JobResult& result) {
    if (jobs_.counts_in_fractions(result.job_id))
        said_.complain_once("fractions", result.job_id, fraction_as_progress);
    const std::string work_dir = jobs_.work_dir(result.job_id);
    if (!work_dir.empty() && result.result.text().find(work_dir) != std::string::npos)
        said_.complain_once("work_dir", result.job_id, result_in_work_dir(work_dir));
}

void ConnectorProcess::say_it_did_not_answer(bool cancel, Ms up) {
    const std::string reader = around_.host.heir(child_.pid(), 0, up);
    if (cancel || !reader.empty()) complain("", unanswered_messages(reader));
}

void ConnectorProcess::on_unknown(const ipc::Unknown& unknown) {
    ++counters_.stray_lines;
    complain_once("type " + cut(unknown.type), unknown_type(cut(unknown.type)));
}

bool ConnectorProcess::about_held_job(std::string_view job_id, const char* type, bool ends) {
    if (jobs_.said(job_id, ends)) return true;
    ++counters_.foreign_messages;
    complain(cut(job_id), about_no_held_job(type, jobs_.holds(job_id), jobs_.ids()));
    return false;
}

void ConnectorProcess::pass_progress(std::string_view line) {
    ipc::Decoded decoded = ipc::decode_from_connector(line);
    auto* message = std::get_if<ipc::FromConnector>(&decoded);
    if (message == nullptr) return;
    if (const auto* progress = std::get_if<ipc::Progress>(message))
        jobs_.progressed(progress->job_id, progress->progress.value_or(0), is_fraction(line));
    owner_.on_message(*this, std::move(*message));
}

void ConnectorProcess::pass_last_progress(std::string_view job_id) {
    if (const auto last = progress_.finish(job_id)) pass_progress(*last);
}

void ConnectorProcess::pass_due_progress() {
    for (const std::string& line : progress_.take_due(Clock::now()))
        pass_progress(line);
    progress_due_.set(progress_.next_due());
}

}  // namespace emprops::process
