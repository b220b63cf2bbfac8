// The reader's side of Session: lines of the supervisor, and the clock of leaving.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include "connector-sdk/cpp/src/session.h"
#include "ipc/codec.h"
#include "ipc/line_framer.h"

namespace emprops::sdk {
namespace {

constexpr std::size_t max_input_line_bytes = std::size_t{128} << 20;  // ipc/PROTOCOL.md, Limits
// Below the steps of the supervisor's stop ladder, so that we end by ourselves.
constexpr auto end_of_input_limit = std::chrono::milliseconds(2000);
constexpr auto terminate_limit = std::chrono::milliseconds(4000);
constexpr int exit_forced = 70;

/// Until the deadline, and no longer than the clock wants to be looked at.
int poll_timeout(std::optional<TimePoint> deadline, TimePoint now) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline.value_or(TimePoint::max()) - now);
    return static_cast<int>(std::clamp(left, std::chrono::milliseconds(0), ClockWatch::rest).count());
}

}  // namespace

void Session::read_loop() {
    const ClockWatch watch;  // this thread never blocks for long
    ipc::LineFramer framer(max_input_line_bytes);
    const ipc::LineFramer::Sink sink{
        [this](std::string_view line) { on_line(line); },
        [this](std::string_view head, std::uint64_t size) { on_overlong(head, size); }};
    while (true) {
        std::optional<TimePoint> deadline;
        {
            std::lock_guard lock(mutex_);
            deadline = leave_deadline_;
        }
        const TimePoint now = Clock::now();
        if (deadline && now >= *deadline) leave_by_force();

        pollfd fds[2] = {{in_fd_, POLLIN, 0}, {wake_pipe_.descriptor(), POLLIN, 0}};
        if (::poll(fds, 2, poll_timeout(deadline, now)) < 0) continue;
        if (fds[1].revents != 0) {
            char what = 0;
            while (::read(wake_pipe_.descriptor(), &what, 1) == 1) {
                if (what == WakePipe::finished) return;
                if (what == WakePipe::terminate) leave("terminated by SIGTERM", terminate_limit);
            }
        }
        if (in_fd_ < 0 || fds[0].revents == 0) continue;
        if (read_input()) {
            framer.feed(buffer_, sink);
        } else {
            framer.finish(sink);
            in_fd_ = -1;  // poll() ignores it
            bool already_leaving = false;
            {
                std::lock_guard lock(mutex_);
                already_leaving = leave_deadline_.has_value();
            }
            // After `shutdown` the supervisor closes stdin at once, and the grace still holds.
            if (!already_leaving)
                leave("the supervisor closed stdin", end_of_input_limit, CancelToken::Cause::gone);
        }
    }
}

bool Session::read_input() {
    constexpr std::size_t block = 64 * 1024;
    buffer_.resize(block);
    const ssize_t n = ::read(in_fd_, buffer_.data(), buffer_.size());
    buffer_.resize(n > 0 ? static_cast<std::size_t>(n) : 0);
    return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

void Session::on_line(std::string_view line) {
    auto decoded = ipc::decode_to_connector(line);
    if (!decoded) {
        std::fprintf(stderr, "%s: a line of the supervisor is not acceptable: %s\n", name_.c_str(),
                     decoded.error().message.c_str());
        return;
    }
    if (!decoded.value()) return;  // a type of a later version
    std::visit([this](auto& message) { handle(std::move(message)); }, *decoded.value());
}

void Session::on_overlong(std::string_view head, std::uint64_t size) {
    const auto scanned = ipc::scan_envelope(head, {"payload"});
    const std::string problem = "its line has " + std::to_string(size) + " bytes, and a connector takes " +
                                std::to_string(max_input_line_bytes);
    std::fprintf(stderr, "%s: a line of the supervisor was skipped: %s\n", name_.c_str(), problem.c_str());
    if (scanned.error.job_id && scanned.error.type == "job")
        writer_.send(failed_line(*scanned.error.job_id, ipc::code::invalid_payload, problem));
}

void Session::handle(ipc::Hello hello) {
    writer_.set_max_line_bytes(hello.max_line_bytes);
    std::lock_guard lock(mutex_);
    if (hello_) return;
    hello_ = std::move(hello);
    changed_.notify_all();
}

void Session::handle(const ipc::Job& job) {
    std::lock_guard lock(mutex_);
    join_finished_threads();
    if (jobs_.contains(job.job_id)) {
        std::fprintf(stderr, "%s: job %s was given twice; the second one is ignored\n", name_.c_str(),
                     job.job_id.c_str());
    } else if (!ready_) {
        refuse(job.job_id, "the connector is not ready yet");
    } else if (draining_) {
        refuse(job.job_id, "the connector is leaving");
    } else if (job.prepare && count(false) > 0) {
        refuse(job.job_id, "another job is being prepared");
    } else if (!job.prepare && count(true) >= concurrency_) {
        refuse(job.job_id, "all " + std::to_string(concurrency_) + " slots of the connector are taken");
    } else {
        start(job);
    }
}

std::size_t Session::count(bool begun) const {
    return static_cast<std::size_t>(std::count_if(jobs_.begin(), jobs_.end(), [&](const auto& each) {
        return each.second->token().has_turn() == begun && !each.second->released();
    }));
}

void Session::refuse(const std::string& job_id, const std::string& why) {
    writer_.send(failed_line(job_id, ipc::code::not_started, why));
}

void Session::start(const ipc::Job& job) {
    auto run = std::make_shared<RunningJob>(job, writer_, hello_->files, releases_);
    jobs_.emplace(job.job_id, run);
    threads_.emplace_back();
    JobThread& slot = threads_.back();
    if (!job.prepare) writer_.send(ipc::encode(ipc::Accepted{job.job_id}));
    try {
        slot.thread = std::thread([this, run, &slot] { run_on_thread(*run, slot); });
    } catch (const std::system_error& error) {
        jobs_.erase(job.job_id);
        threads_.pop_back();
        refuse(job.job_id, std::string("no thread for it: ") + error.what());
    }
}

void Session::join_finished_threads() {
    threads_.remove_if([](JobThread& slot) {
        // `done` is set under the lock that we hold, as the thread's last act: this waits for nothing.
        if (slot.done) slot.thread.join();
        return slot.done;
    });
}

void Session::handle(const ipc::Begin& begin) {
    std::lock_guard lock(mutex_);
    const auto found = jobs_.find(begin.job_id);
    if (found == jobs_.end() || found->second->token().has_turn()) return;  // it has ended, or began
    writer_.send(ipc::encode(ipc::Accepted{begin.job_id}));
    found->second->token().set_turn(true);
}

void Session::handle(const ipc::Cancel& cancel) {
    std::lock_guard lock(mutex_);
    const auto found = jobs_.find(cancel.job_id);
    if (found != jobs_.end()) found->second->token().cancel(cancel.reason, CancelToken::Cause::cancel);
}

void Session::handle(const ipc::Ping& ping) {
    writer_.send(ipc::encode(ipc::Pong{ping.id}));
}

void Session::handle(const ipc::Drain&) {
    std::lock_guard lock(mutex_);
    draining_ = true;
}

void Session::handle(const ipc::Shutdown& shutdown) {
    leave("the supervisor asked for it", shutdown.grace);
}

void Session::leave_by_force() {
    std::string reason, jobs;
    {
        std::lock_guard lock(mutex_);
        reason = leave_reason_;
        for (const auto& [job_id, run] : jobs_)
            jobs += (jobs.empty() ? "; still running: " : ", ") + job_id;
    }
    std::fprintf(stderr, "%s leaves by force (%s)%s\n", name_.c_str(), reason.c_str(), jobs.c_str());
    std::fflush(nullptr);
    ::_exit(exit_forced);
}

}  // namespace emprops::sdk
