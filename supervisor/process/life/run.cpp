#include "supervisor/process/life/run.h"

#include <csignal>
#include <utility>

#include "ipc/text/people.h"

namespace emprops::process {

namespace {

/// A process whose stdout has ended, or whose init has failed, is normally about to exit.
constexpr Ms own_exit_grace{2000};

}  // namespace

Run::Run(std::uint64_t generation, RunRules rules, TimePoint now)
    : generation_(generation),
      rules_(std::move(rules)),
      signs_(rules_.readiness, now),
      start_(rules_.limits, now),
      spawned_at_(now) {
    // The first step of the ladder is to tell it.
    if (!told()) rules_.stop.shutdown_grace = Ms{0};
}

std::optional<StopReason> Run::stop_reason() const {
    return phase_ == Phase::leaving && !told() ? std::nullopt : reason_;
}

void Run::up(bool pings, TimePoint now, Actions& out) {
    if (!told()) {
        const Ms time = between(spawned_at_, now);
        say(Note::Level::info, "is healthy" + (time > Ms{0} ? " after " + human_duration(time) : ""), out);
    }
    up_at_ = now;
    phase_ = Phase::up;
    if (pings) signs_.start_pings(now);
    if (!told()) return;
    announced_ = true;
    out.push_back(action::Announce{generation_});
}

State Run::state() const {
    if (phase_ == Phase::starting) return State::starting;
    if (phase_ != Phase::up) return State::draining;
    if (!told()) return signs_.missed() > 0 || !stopped_.empty() ? State::unhealthy : State::ready;
    return jobs_ > 0 ? State::busy : State::ready;
}

std::string Run::why(TimePoint now) const {
    const std::string since = human_duration(between(spawned_at_, now));
    const std::string& miss = signs_.last_miss();
    switch (phase_) {
        case Phase::starting:
            return "is starting for " + since + (miss.empty() ? "" : " (" + miss + ")") +
                   (start_.preparing() ? ", is preparing" + start_.doing() : "") +
                   (stopped_.empty() ? "" : "; it is " + stopped_);
        case Phase::up:
            if (!stopped_.empty())
                return "is " + stopped_ + (told() && jobs_ > 0 ? "; it holds " + jobs_text() : "");
            if (state() == State::unhealthy)
                return "gives no healthy answer (" + std::to_string(signs_.missed()) + " of " +
                       std::to_string(signs_.misses_that_mean_hung()) + " misses): " + miss;
            return (!told()     ? "is healthy"
                    : jobs_ > 0 ? "is running " + jobs_text()
                                : "is ready") +
                   ", up for " + since;
        case Phase::leaving:
            return (told() ? "finishes " + jobs_text() + " and stops: "
                           : "is restarted when " + jobs_text() + " have ended: ") +
                   text_;
        case Phase::stopping:
            return "is being stopped: " + text_;
        case Phase::exited:
            return "has just ended";
    }
    return "";
}

void Run::say(Note::Level level, const std::string& text, Actions& out) const {
    out.push_back(Note{level, rules_.name + " " + text, rules_.log_name, {}});
}

void Run::withdraw(Actions& out) {
    if (std::exchange(announced_, false)) out.push_back(action::Withdraw{generation_});
}

void Run::set_jobs(int jobs, TimePoint now, Actions& out) {
    jobs_ = jobs;
    if (phase_ == Phase::leaving && jobs_ == 0) stop(*reason_, text_, now, out);
}

void Run::answered(const PageAnswer& answer, TimePoint now, Actions& out) {
    if (ending()) return;
    const std::uint32_t missed = signs_.missed();
    if (signs_.answered(answer, was_up(), now))
        stop(
            StopReason::hung,
            "no healthy answer to " + std::to_string(signs_.missed()) + " questions in a row: " + answer.text,
            now, out);
    else if (!answer.healthy && signs_.missed() == 1)
        say(Note::Level::warn, "gave no healthy answer: " + answer.text, out);
    else if (answer.healthy && missed > 0)
        say(Note::Level::info, "answers again after " + std::to_string(missed) + " misses", out);
}

void Run::init_failed(bool retryable, const std::string& text, TimePoint now, Actions& out) {
    if (phase_ != Phase::starting)
        return say(Note::Level::warn, "said init_failed although it is not starting; ignored", out);
    start_error_ = text;
    useless_ = !retryable;
    expect_exit("it reported init_failed", now);
}

void Run::preparing(const ipc::Preparing& said, TimePoint now, Actions& out) {
    if (phase_ == Phase::starting && start_.preparing(said, now))
        say(Note::Level::info, "is preparing" + start_.doing(), out);
}

void Run::refused(const std::string& text, TimePoint now, Actions& out) {
    if (phase_ != Phase::starting) return;
    start_error_ = text;
    say(Note::Level::error, "cannot be used: " + text, out);
    begin_stop(StopReason::bad_protocol, text, now, out);
}

void Run::expect_exit(const std::string& why, TimePoint now) {
    if (exit_deadline_) return;
    exit_deadline_ = now + own_exit_grace;
    exit_why_ = why;
}

void Run::leave(StopReason reason, const std::string& text, std::optional<TimePoint> deadline, TimePoint now,
                Actions& out) {
    if (ending() || (phase_ == Phase::leaving && leave_deadline_)) return;
    if (jobs_ == 0 || !was_up()) {
        stop(reason, text, now, out);
        return;
    }
    withdraw(out);
    reason_ = reason;
    text_ = text;
    leave_deadline_ = deadline;
    if (std::exchange(phase_, Phase::leaving) == Phase::up && told())
        out.push_back(action::SendDrain{generation_});
}

void Run::stop(StopReason reason, const std::string& text, TimePoint now, Actions& out) {
    if (ending()) return;
    say(planned(reason) ? Note::Level::info : Note::Level::warn, "is stopped: " + text, out);
    begin_stop(reason, text, now, out);
}

void Run::begin_stop(StopReason reason, const std::string& text, TimePoint now, Actions& out) {
    withdraw(out);
    reason_ = reason;
    text_ = text;
    const bool drained = std::exchange(phase_, Phase::stopping) == Phase::leaving;
    ladder_.emplace(rules_.stop, now);
    if (!told()) {
        climb(now, out);
        return;
    }
    if (!drained) out.push_back(action::SendDrain{generation_});
    out.push_back(action::SendShutdown{generation_, rules_.stop.shutdown_grace});
}

void Run::climb(TimePoint now, Actions& out) {
    while (ladder_->advance(now)) {
        const bool gently = ladder_->step() == LadderRun::Step::terminate;
        out.push_back(action::SignalGroup{generation_, gently ? SIGTERM : SIGKILL});
        if (ladder_->take_report(now)) out.push_back(action::ReportStuck{generation_});
    }
}

void Run::exit_seen(Actions& out) {
    withdraw(out);
    // Of one that leaves without knowing it, the end is its own: the reason to leave was none to end.
    reason_ = stop_reason();
    phase_ = Phase::exited;
}

void Run::fill(DeathReport& report, TimePoint now) const {
    report.stopped_for = stop_reason();
    // What becomes of a connector is told in the words of its reason, unless more is known.
    const bool prepared = reason_ == StopReason::start_timeout && start_.preparing();
    const bool more = prepared || reason_ == StopReason::hung || reason_ == StopReason::timeout ||
                      reason_ == StopReason::cancel_ignored;
    if (report.stopped_for && (!told() || more)) report.stop_text = text_;
    report.was_ready = was_up();
    report.ready_for = up_for(now);
    if (was_up()) return;
    report.start_error = start_error_;
    report.useless_to_retry = useless_ || report.stopped_for == StopReason::bad_protocol;
}

void Run::set_stopped(const std::string& text, Actions& out) {
    const std::string before = std::exchange(stopped_, text);
    if (before == stopped_ || phase_ == Phase::exited) return;
    if (stopped_.empty())
        say(Note::Level::info, "goes on", out);
    else
        say(Note::Level::warn, "is " + stopped_, out);
}

void Run::tick(TimePoint now, bool stdin_backlog, Actions& out) {
    switch (phase_) {
        case Phase::exited:
            return;
        case Phase::stopping:
            climb(now, out);
            return;
        case Phase::starting:
            if (const auto deadline = start_.deadline(); deadline && now >= *deadline) {
                const std::string& miss = signs_.last_miss();
                stop(StopReason::start_timeout,
                     start_.over(told() ? "no ready" : "no healthy answer", now) +
                         (miss.empty() ? "" : ": " + miss),
                     now, out);
                return;
            }
            break;
        case Phase::leaving:
            if (leave_deadline_ && now >= *leave_deadline_) {
                stop(*reason_, text_ + "; the running jobs did not end in time", now, out);
                return;
            }
            break;
        case Phase::up:
            break;
    }
    if (exit_deadline_ && now >= *exit_deadline_) {
        stop(StopReason::hung, exit_why_ + " and did not exit", now, out);
        return;
    }
    const SignsOfLife::Due due = signs_.tick(stdin_backlog, now);
    if (!due.hangs.empty())
        stop(StopReason::hung, due.hangs, now, out);
    else if (due.ping)
        out.push_back(action::SendPing{generation_, *due.ping});
    else if (due.ask_page)
        out.push_back(action::AskPage{generation_});
}

std::optional<TimePoint> Run::next_wakeup() const {
    if (phase_ == Phase::exited) return std::nullopt;
    if (phase_ == Phase::stopping) return ladder_->deadline();
    Earliest first;
    first.add(exit_deadline_);
    first.add(signs_.next_wakeup());
    if (phase_ == Phase::starting) first.add(start_.deadline());
    if (phase_ == Phase::leaving) first.add(leave_deadline_);
    return first.at();
}

}  // namespace emprops::process
