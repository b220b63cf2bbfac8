#include "supervisor/process/life/lifecycle.h"
#include "ipc/text/people.h"

#include <algorithm>

namespace emprops::process {

namespace {

constexpr int exit_configuration = 78;  // EX_CONFIG of sysexits

action::Say say(action::Say::Level level, std::string text) {
    return {level, std::move(text)};
}
using Level = action::Say::Level;

}  // namespace

Lifecycle::Lifecycle(LifecycleOptions options, Random random)
    : options_(std::move(options)), policy_(options_.policy, std::move(random)) {}

void Lifecycle::configure(LifecycleOptions options) {
    options_ = std::move(options);
    policy_.set_settings(options_.policy);
    policy_.reset();
    no_recycle_before_.reset();
    rss_before_jobs_ = 0;
}

const ProcessRun* Lifecycle::find(std::uint64_t generation) const {
    if (serving_ && serving_->generation() == generation) return &*serving_;
    if (candidate_ && candidate_->generation() == generation) return &*candidate_;
    for (const ProcessRun& run : retiring_) {
        if (run.generation() == generation) return &run;
    }
    return nullptr;
}

ProcessRun* Lifecycle::run_of(std::uint64_t generation) {
    return const_cast<ProcessRun*>(find(generation));
}

const ProcessRun* Lifecycle::current() const {
    if (serving_) return &*serving_;
    if (candidate_) return &*candidate_;
    return retiring_.empty() ? nullptr : &retiring_.back();
}

// ---- wishes -----------------------------------------------------------------------------------------------

void Lifecycle::spawn(Actions& out) {
    if (leaving_for_good_) return;
    next_attempt_.reset();
    breaker_open_ = false;
    fatal_init_ = false;
    init_error_.clear();
    spawning_ = true;
    out.push_back(action::Spawn{});
}

void Lifecycle::retire(std::optional<ProcessRun>& slot) {
    retiring_.push_back(std::move(*slot));
    slot.reset();
}

Actions Lifecycle::start(TimePoint) {
    Actions out;
    if (leaving_for_good_) return out;
    wish_ = Wish::run;
    if (serving_ || candidate_ || spawning_) return out;
    policy_.reset();
    next_attempt_.reset();
    // One that must be alone is started when the last old process has gone.
    if (!alone() || retiring_.empty()) spawn(out);
    return out;
}

Actions Lifecycle::restart(StopReason reason, const std::string& text, TimePoint now, Overlap overlap) {
    Actions out;
    if (leaving_for_good_) return out;
    wish_ = Wish::run;
    policy_.reset();
    next_attempt_.reset();
    replace(reason, text, now, overlap, out);
    return out;
}

void Lifecycle::replace(StopReason reason, const std::string& text, TimePoint now, Overlap overlap,
                        Actions& out) {
    if (spawning_) return;
    const bool one_by_one = alone() || overlap == Overlap::no;
    replace_reason_ = reason;
    replace_text_ = text;
    restart_problem_.clear();
    if (candidate_) {
        candidate_->stop(reason, text, now, out);
        retire(candidate_);
    }
    if (serving_ && (one_by_one || serving_->phase() != ProcessRun::Phase::ready)) {
        serving_->leave(reason, text, options_.drain_timeout, now, out);
        retire(serving_);
    }
    if (!one_by_one || retiring_.empty()) spawn(out);
}

Actions Lifecycle::stop(const std::string& text, TimePoint now) {
    Actions out;
    wish_ = Wish::stopped;
    stop_text_ = text;
    next_attempt_.reset();
    if (candidate_) {
        candidate_->stop(StopReason::requested, text, now, out);
        retire(candidate_);
    }
    if (serving_) {
        serving_->leave(StopReason::requested, text, options_.drain_timeout, now, out);
        retire(serving_);
    }
    return out;
}

Actions Lifecycle::shutdown(TimePoint now) {
    Actions out;
    leaving_for_good_ = true;
    wish_ = Wish::stopped;
    stop_text_ = "the worker ends";
    next_attempt_.reset();
    if (candidate_) retire(candidate_);
    if (serving_) retire(serving_);
    for (ProcessRun& run : retiring_)
        run.stop(StopReason::worker_leaving, stop_text_, now, out);
    return out;
}

Actions Lifecycle::stop_process(std::uint64_t generation, StopReason reason, const std::string& text,
                                TimePoint now) {
    Actions out;
    ProcessRun* run = run_of(generation);
    if (run == nullptr || run->phase() == ProcessRun::Phase::stopping ||
        run->phase() == ProcessRun::Phase::exited)
        return out;
    out.push_back(
        say(planned_end(reason) ? Level::info : Level::warn, options_.name + " is stopped: " + text));
    run->stop(reason, text, now, out);
    return out;
}

// ---- what happened ----------------------------------------------------------------------------------------

Actions Lifecycle::spawned(std::uint64_t generation, TimePoint now) {
    Actions out;
    spawning_ = false;
    candidate_.emplace(generation, options_.policy, !options_.attach, now);
    if (wish_ == Wish::run) return out;
    candidate_->stop(StopReason::requested, stop_text_, now, out);
    retire(candidate_);
    return out;
}

Actions Lifecycle::spawn_failed(const std::string& text, TimePoint now) {
    Actions out;
    spawning_ = false;
    DeathReport report;
    report.start_error = text;
    candidate_gone(report, now, out);
    return out;
}

Actions Lifecycle::ready(std::uint64_t generation, int protocol, const ipc::Features& features,
                         TimePoint now) {
    Actions out;
    ProcessRun* run = run_of(generation);
    if (run == nullptr) return out;
    if (run->was_ready()) {
        out.push_back(say(Level::warn, options_.name + " said ready a second time; ignored"));
        return out;
    }
    if (run->phase() != ProcessRun::Phase::starting) return out;
    if (protocol != ipc::protocol_version) {
        const std::string text = "it speaks connector protocol " + std::to_string(protocol) +
                                 ", this worker speaks " + std::to_string(ipc::protocol_version);
        out.push_back(say(Level::error, options_.name + " cannot be used: " + text));
        run->stop(StopReason::bad_protocol, text, now, out);
        return out;
    }
    run->ready(features.ping, now, out);
    restart_problem_.clear();
    if (serving_) {
        serving_->leave(replace_reason_, replace_text_, options_.drain_timeout, now, out);
        retire(serving_);
    }
    serving_ = std::move(candidate_);
    candidate_.reset();
    return out;
}

Actions Lifecycle::init_failed(std::uint64_t generation, bool retryable, const std::string& text,
                               TimePoint now) {
    Actions out;
    ProcessRun* run = run_of(generation);
    if (run == nullptr) return out;
    if (run->phase() != ProcessRun::Phase::starting) {
        out.push_back(
            say(Level::warn, options_.name + " said init_failed although it is not starting; ignored"));
        return out;
    }
    init_error_ = text;
    fatal_init_ = !retryable;
    run->expect_exit("it reported init_failed", now);
    return out;
}

Actions Lifecycle::refused(std::uint64_t generation, const std::string& text, TimePoint now) {
    Actions out;
    ProcessRun* run = run_of(generation);
    if (run == nullptr || run->phase() != ProcessRun::Phase::starting) return out;
    out.push_back(say(Level::error, options_.name + " cannot be used: " + text));
    init_error_ = text;
    run->stop(StopReason::bad_protocol, text, now, out);
    return out;
}

void Lifecycle::job_given(std::uint64_t generation) {
    if (ProcessRun* run = run_of(generation)) run->job_given();
}

Actions Lifecycle::job_ended(std::uint64_t generation, TimePoint now) {
    Actions out;
    if (ProcessRun* run = run_of(generation)) run->job_ended(now, out);
    check_recycle({}, now, out);
    return out;
}

void Lifecycle::job_done(std::uint64_t generation) {
    if (serving_ && serving_->generation() == generation) policy_.worked();
}

void Lifecycle::pong(std::uint64_t generation, std::uint64_t id) {
    if (ProcessRun* run = run_of(generation)) run->pong(id);
}

Actions Lifecycle::stdin_stalled(std::uint64_t generation, TimePoint now) {
    return stop_process(generation, StopReason::write_stalled,
                        "it took nothing from its stdin for " + human_duration(options_.policy.write_timeout),
                        now);
}

void Lifecycle::expect_exit(std::uint64_t generation, const std::string& why, TimePoint now) {
    if (ProcessRun* run = run_of(generation)) run->expect_exit(why, now);
}

Actions Lifecycle::exit_seen(std::uint64_t generation, TimePoint) {
    Actions out;
    if (ProcessRun* run = run_of(generation)) run->exit_seen(out);
    return out;
}

Actions Lifecycle::exited(std::uint64_t generation, DeathReport& report, TimePoint now) {
    Actions out;
    ProcessRun* run = run_of(generation);
    if (run == nullptr) return out;
    run->exit_seen(out);
    report.stopped_for = run->stop_reason();
    report.was_ready = run->was_ready();
    report.ready_for = run->ready_for(now);
    if (candidate_ && candidate_->generation() == generation) {
        if (report.start_error.empty()) report.start_error = init_error_;
        candidate_.reset();
        candidate_gone(report, now, out);
    } else if (serving_ && serving_->generation() == generation) {
        const Ms ready_for = serving_->ready_for(now);
        serving_.reset();
        serving_gone(report, ready_for, now, out);
    } else {
        retiring_.remove_if([&](const ProcessRun& each) { return each.generation() == generation; });
        if (wish_ == Wish::run && gone() && !spawning_ && !next_attempt_) spawn(out);
    }
    return out;
}

void Lifecycle::candidate_gone(const DeathReport& report, TimePoint now, Actions& out) {
    if (!serving_) {
        after_death(report, Ms{0}, now, out);
        return;
    }
    // What the candidate said of itself is not true of the process that goes on.
    fatal_init_ = false;
    init_error_.clear();
    last_death_ = report;
    restart_problem_ = report.summary();
    no_recycle_before_ = now + options_.policy.breaker_trial;
    out.push_back(say(Level::error, "the new process of " + options_.name + " never became ready (" +
                                        restart_problem_ + "); the old one goes on"));
}

void Lifecycle::serving_gone(const DeathReport& report, Ms ready_for, TimePoint now, Actions& out) {
    if (planned_end(report.stopped_for)) {
        if (wish_ == Wish::run && !candidate_ && !spawning_) spawn(out);
    } else if (candidate_ || spawning_) {
        last_death_ = report;
        policy_.on_death(now, ready_for);
    } else {
        after_death(report, ready_for, now, out);
    }
}

void Lifecycle::after_death(const DeathReport& report, Ms ready_for, TimePoint now, Actions& out) {
    last_death_ = report;
    if (wish_ != Wish::run) return;
    if (report.exit_code == exit_configuration) {
        fail("its configuration is wrong (exit code 78)" +
                 (report.start_error.empty() ? "" : ": " + report.start_error),
             out);
        return;
    }
    if (report.stopped_for == StopReason::bad_protocol) {
        fail(report.start_error.empty() ? "it speaks another version of the connector protocol"
                                        : report.start_error,
             out);
        return;
    }
    if (fatal_init_) {
        fail("it could not start and says that trying again is useless: " + report.start_error, out);
        return;
    }
    // An attached connector ends when its debugger session does: wait for the next one.
    if (options_.attach && (report.start_error.empty() || report.pid != 0)) {
        spawn(out);
        return;
    }
    const RestartPolicy::Decision decision = policy_.on_death(now, ready_for);
    next_attempt_ = now + decision.delay;
    breaker_open_ = decision.breaker_open;
    out.push_back(say(breaker_open_ ? Level::error : Level::warn, why(now)));
}

void Lifecycle::fail(const std::string& text, Actions& out) {
    wish_ = Wish::failed;
    failed_text_ = text;
    out.push_back(say(Level::error, options_.name + " has failed: " + text +
                                        "; it is not started again until its settings change or an operator "
                                        "restarts it"));
}

Actions Lifecycle::tick(const Observations& seen, TimePoint now) {
    Actions out;
    const auto backlog = [&](const ProcessRun& run) {
        return std::find(seen.stdin_backlog.begin(), seen.stdin_backlog.end(), run.generation()) !=
               seen.stdin_backlog.end();
    };
    const auto tick_run = [&](ProcessRun& run) {
        const auto before = run.phase();
        Actions own;
        run.tick(now, backlog(run), own);
        if (run.phase() == ProcessRun::Phase::stopping && before != ProcessRun::Phase::stopping)
            out.push_back(say(planned_end(run.stop_reason()) ? Level::info : Level::warn,
                              options_.name + " is stopped: " + run.stop_text()));
        out.insert(out.end(), own.begin(), own.end());
    };
    if (serving_) tick_run(*serving_);
    if (candidate_) tick_run(*candidate_);
    for (ProcessRun& run : retiring_)
        tick_run(run);
    check_recycle(seen, now, out);
    if (next_attempt_ && now >= *next_attempt_) spawn(out);
    return out;
}

bool Lifecycle::may_recycle(TimePoint now) const {
    if (wish_ != Wish::run || !serving_ || candidate_ || spawning_ || options_.attach) return false;
    if (serving_->phase() != ProcessRun::Phase::ready) return false;
    return !no_recycle_before_ || now >= *no_recycle_before_;
}

Actions Lifecycle::recycle(std::uint64_t generation, const std::string& text, TimePoint now) {
    Actions out;
    if (!may_recycle(now) || serving_->generation() != generation) return out;
    out.push_back(say(Level::info, options_.name + " is replaced: " + text));
    replace(StopReason::recycle, text, now, Overlap::yes, out);
    return out;
}

void Lifecycle::check_recycle(const Observations& seen, TimePoint now, Actions& out) {
    if (!may_recycle(now)) return;
    const config::SupervisionSettings& limits = options_.policy;
    const bool too_large = limits.max_rss > 0 && seen.rss_bytes > limits.max_rss;
    // A new process does not help when it needs that much before its first job.
    const bool worked = serving_->jobs_given() > 0;
    if (!worked && seen.rss_bytes > 0) note_rss_before_jobs(too_large ? seen.rss_bytes : 0, out);
    std::string text;
    if (limits.max_jobs > 0 && serving_->jobs_given() >= limits.max_jobs) {
        text = "it has had " + std::to_string(serving_->jobs_given()) + " jobs (max_jobs)";
    } else if (limits.max_age > Ms{0} && serving_->ready_for(now) >= limits.max_age) {
        text = "it has served for " + human_duration(limits.max_age) + " (max_age)";
    } else if (worked && too_large) {
        text = "it uses " + std::to_string(seen.rss_bytes >> 20) + " MiB of memory (max_rss)";
    }
    if (text.empty()) return;
    out.push_back(say(Level::info, options_.name + " is recycled: " + text));
    replace(StopReason::recycle, text, now, Overlap::yes, out);
}

void Lifecycle::note_rss_before_jobs(std::uint64_t rss_bytes, Actions& out) {
    if (rss_bytes > 0 && rss_before_jobs_ == 0) {
        out.push_back(
            say(Level::warn, options_.name + " " + rss_before_jobs_text(rss_bytes, options_.policy.max_rss)));
    }
    rss_before_jobs_ = rss_bytes;
}

// ---- what is ----------------------------------------------------------------------------------------------

State Lifecycle::state() const {
    const ProcessRun* run = serving_ ? &*serving_ : candidate_ ? &*candidate_ : nullptr;
    if (run != nullptr) {
        switch (run->phase()) {
            case ProcessRun::Phase::starting:
                return State::starting;
            case ProcessRun::Phase::ready:
                return run->jobs() > 0 ? State::busy : State::ready;
            default:
                return State::draining;
        }
    }
    if (spawning_) return State::starting;
    if (!retiring_.empty()) return State::draining;
    if (wish_ == Wish::failed) return State::failed;
    if (next_attempt_) return breaker_open_ ? State::breaker_open : State::backoff;
    return State::stopped;
}

std::optional<TimePoint> Lifecycle::next_wakeup() const {
    std::optional<TimePoint> first = next_attempt_;
    const auto consider = [&](std::optional<TimePoint> at) {
        if (at && (!first || *at < *first)) first = at;
    };
    if (serving_) consider(serving_->next_wakeup());
    if (candidate_) consider(candidate_->next_wakeup());
    for (const ProcessRun& run : retiring_)
        consider(run.next_wakeup());
    if (serving_ && !candidate_ && options_.policy.max_age > Ms{0} && !options_.attach &&
        serving_->phase() == ProcessRun::Phase::ready) {
        TimePoint due = serving_->ready_at() + options_.policy.max_age;
        if (no_recycle_before_) due = std::max(due, *no_recycle_before_);
        consider(due);
    }
    return first;
}

std::string Lifecycle::why(TimePoint now) const {
    const std::string& name = options_.name;
    const ProcessRun* run = current();
    const std::string death = last_death_ ? last_death_->summary() : "";
    const auto wait = [&] { return human_duration(std::chrono::duration_cast<Ms>(*next_attempt_ - now)); };
    const std::size_t deaths = policy_.recent_deaths(now);
    std::string chain = deaths > 1 ? std::to_string(deaths) + " deaths in the last " +
                                         human_duration(policy_.recent_span(now)) + ", the last one "
                                   : "";
    chain += death;
    switch (state()) {
        case State::starting:
            return name + " is starting" + (last_death_ ? ", after: " + death : "");
        case State::ready:
        case State::busy: {
            std::string text = name +
                               (run->jobs() > 0 ? " is running " + std::to_string(run->jobs()) + " job(s)"
                                                : std::string(" is ready")) +
                               ", up for " +
                               human_duration(std::chrono::duration_cast<Ms>(now - run->spawned_at()));
            if (!restart_problem_.empty())
                text += "; its new process never became ready (" + restart_problem_ +
                        "), so this old one goes on";
            else if (replacing())
                text += "; a new process is starting to take over (" + replace_text_ + ")";
            else if (last_death_)
                text += "; its last process " + death;
            if (rss_before_jobs_ > 0)
                text += "; it " + rss_before_jobs_text(rss_before_jobs_, options_.policy.max_rss);
            if (leaving() > 0)
                text += "; " + std::to_string(leaving()) + " older process(es) still finish their jobs";
            return text;
        }
        case State::draining:
            if (run->phase() == ProcessRun::Phase::exited) return name + " has just ended";
            return name +
                   (run->jobs() > 0 ? " finishes " + std::to_string(run->jobs()) + " job(s) and stops: "
                                    : std::string(" is being stopped: ")) +
                   run->stop_text();
        case State::backoff:
            return name + " waits " + wait() + " to restart: " + chain;
        case State::breaker_open:
            return name + " is tried again in " + wait() + " only (breaker open): " + chain;
        case State::stopped:
            return name + " is stopped: " + (stop_text_.empty() ? "it was never started" : stop_text_);
        case State::failed:
            return name + " has failed: " + failed_text_ +
                   "; it is not started again until its settings change or an operator restarts it";
    }
    return name;
}

}  // namespace emprops::process
