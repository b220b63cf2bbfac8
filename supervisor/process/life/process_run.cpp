#include "supervisor/process/life/process_run.h"
#include "ipc/text/people.h"

#include <csignal>

#include "ipc/text/people.h"

namespace emprops::process {

namespace {

/// A process whose stdout has ended, or whose init has failed, is normally about to exit.
constexpr Ms own_exit_grace{2000};
/// SIGKILL goes out again all the time; people hear of it less often.
constexpr Ms stuck_report_interval{60'000};

std::optional<TimePoint> earlier(std::optional<TimePoint> a, std::optional<TimePoint> b) {
    if (!a) return b;
    if (!b) return a;
    return *a < *b ? a : b;
}

}  // namespace

std::string rss_before_jobs_text(std::uint64_t rss_bytes, std::uint64_t max_rss) {
    return "uses " + human_bytes(rss_bytes) + " of memory before its first job and max_rss is " +
           human_bytes(max_rss) +
           ": it would be recycled after every job; set max_rss well above what it needs when idle";
}

ProcessRun::ProcessRun(std::uint64_t generation, const config::SupervisionSettings& policy, bool timeouts,
                       TimePoint now)
    : generation_(generation), policy_(policy), timeouts_(timeouts), spawned_at_(now) {}

Ms ProcessRun::ready_for(TimePoint now) const {
    return ready_at_ ? std::chrono::duration_cast<Ms>(now - *ready_at_) : Ms{0};
}

void ProcessRun::ready(bool pings, TimePoint now, Actions& out) {
    ready_at_ = now;
    phase_ = Phase::ready;
    announced_ = true;
    if (pings && timeouts_ && policy_.ping_interval > Ms{0}) next_ping_ = now + policy_.ping_interval;
    out.push_back(action::Announce{generation_});
}

void ProcessRun::withdraw(Actions& out) {
    if (announced_) out.push_back(action::Withdraw{generation_});
    announced_ = false;
}

void ProcessRun::job_ended(TimePoint now, Actions& out) {
    if (jobs_ > 0) --jobs_;
    if (phase_ == Phase::leaving && jobs_ == 0) stop(*reason_, text_, now, out);
}

void ProcessRun::pong(std::uint64_t id) {
    // An older answer proves as well that its reader lives.
    if (id > last_ping_) return;
    ping_unanswered_ = false;
    pings_missed_ = 0;
}

void ProcessRun::expect_exit(const std::string& why, TimePoint now) {
    if (exit_deadline_) return;
    exit_deadline_ = now + own_exit_grace;
    exit_why_ = why;
}

void ProcessRun::leave(StopReason reason, const std::string& text, Ms limit, TimePoint now, Actions& out) {
    if (phase_ == Phase::leaving || phase_ == Phase::stopping || phase_ == Phase::exited) return;
    if (jobs_ == 0) {
        stop(reason, text, now, out);
        return;
    }
    withdraw(out);
    reason_ = reason;
    text_ = text;
    phase_ = Phase::leaving;
    leave_deadline_ = now + limit;
    out.push_back(action::SendDrain{generation_});
}

void ProcessRun::stop(StopReason reason, const std::string& text, TimePoint now, Actions& out) {
    if (phase_ == Phase::stopping || phase_ == Phase::exited) return;
    withdraw(out);
    const bool drained = phase_ == Phase::leaving;
    reason_ = reason;
    text_ = text;
    phase_ = Phase::stopping;
    ladder_.emplace(policy_.stop, now);
    if (!drained) out.push_back(action::SendDrain{generation_});
    out.push_back(action::SendShutdown{generation_, policy_.stop.shutdown_grace});
}

void ProcessRun::exit_seen(Actions& out) {
    withdraw(out);
    phase_ = Phase::exited;
}

void ProcessRun::tick(TimePoint now, bool stdin_backlog, Actions& out) {
    switch (phase_) {
        case Phase::exited:
            return;
        case Phase::stopping:
            while (ladder_->advance(now)) {
                if (ladder_->step() == LadderRun::Step::terminate) {
                    out.push_back(action::SignalGroup{generation_, SIGTERM});
                } else {
                    out.push_back(action::SignalGroup{generation_, SIGKILL});
                    if (ladder_->step() == LadderRun::Step::stuck) report_stuck(now, out);
                }
            }
            return;
        case Phase::starting:
            if (timeouts_ && now >= spawned_at_ + policy_.start_timeout) {
                stop(StopReason::start_timeout, "no ready within " + human_duration(policy_.start_timeout),
                     now, out);
                return;
            }
            break;
        case Phase::leaving:
            if (now >= *leave_deadline_) {
                stop(*reason_, text_ + "; its jobs did not end in time", now, out);
                return;
            }
            break;
        case Phase::ready:
            break;
    }
    if (exit_deadline_ && now >= *exit_deadline_) {
        stop(StopReason::hung, exit_why_ + " and did not exit", now, out);
        return;
    }
    tick_pings(now, stdin_backlog, out);
}

void ProcessRun::report_stuck(TimePoint now, Actions& out) {
    if (!stuck_since_) stuck_since_ = now;
    if (stuck_said_ && now - *stuck_said_ < stuck_report_interval) return;
    stuck_said_ = now;
    out.push_back(action::ReportStuck{generation_});
}

void ProcessRun::tick_pings(TimePoint now, bool stdin_backlog, Actions& out) {
    if (!next_ping_ || now < *next_ping_) return;
    next_ping_ = now + policy_.ping_interval;
    // A ping behind a large payload says nothing about the reader; the write deadline watches that case.
    if (stdin_backlog) return;
    if (ping_unanswered_ && ++pings_missed_ >= policy_.ping_missed) {
        stop(StopReason::hung, "no answer to " + std::to_string(pings_missed_) + " pings", now, out);
        return;
    }
    ping_unanswered_ = true;
    out.push_back(action::SendPing{generation_, ++last_ping_});
}

std::optional<TimePoint> ProcessRun::next_wakeup() const {
    switch (phase_) {
        case Phase::exited:
            return std::nullopt;
        case Phase::stopping:
            return ladder_->deadline();
        case Phase::starting:
            return earlier(timeouts_ ? std::optional(spawned_at_ + policy_.start_timeout) : std::nullopt,
                           exit_deadline_);
        case Phase::leaving:
            return earlier(earlier(leave_deadline_, exit_deadline_), next_ping_);
        case Phase::ready:
            return earlier(exit_deadline_, next_ping_);
    }
    return std::nullopt;
}

}  // namespace emprops::process
