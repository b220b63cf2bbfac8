#include "supervisor/process/life/life.h"

#include <utility>

#include "ipc/text/people.h"
#include "supervisor/base/exit_codes.h"

namespace emprops::process {

namespace {

using Level = Note::Level;

RecycleRule::Limits recycle_limits(const LifeOptions& options) {
    return {options.policy.max_rss, options.max_vram, options.policy.max_jobs, options.policy.max_age};
}

}  // namespace

Life::Life(LifeOptions options, Random random)
    : options_(std::move(options)),
      retries_(options_.policy, std::move(random)),
      recycle_(recycle_limits(options_)) {}

void Life::configure(LifeOptions options) {
    options_ = std::move(options);
    retries_.configure(options_.policy);
    recycle_ = RecycleRule(recycle_limits(options_));
}

void Life::say(Level level, const std::string& text, Actions& out) const {
    out.push_back(Note{level, options_.name + " " + text, options_.log_name, {}});
}

template <class Change>
void Life::change(Run* run, Actions& out, Change change) {
    if (run == nullptr) return;
    const bool before = run->ending();
    Actions own;
    change(*run, own);
    if (!before && run->phase() == Run::Phase::stopping)
        say(planned(run->stop_reason()) ? Level::info : Level::warn, "is stopped: " + run->stop_text(), out);
    out.insert(out.end(), own.begin(), own.end());
}

// ---- wishes -----------------------------------------------------------------------------------------------

void Life::spawn(Actions& out) {
    if (leaving_for_good_) return;
    retries_.cancel();
    fatal_init_ = false;
    init_error_.clear();
    spawning_ = true;
    if (options_.port_retry) {
        out.push_back(action::CheckPort{});
        return;
    }
    port_owner_.clear();
    out.push_back(action::Spawn{});
}

/// One that cannot be told to leave serves until it ends, and its end is judged like any other.
void Life::retire(Run& run) {
    if (told()) runs_.retire(run);
}

Actions Life::start(TimePoint) {
    Actions out;
    if (leaving_for_good_) return out;
    wish_ = Wish::run;
    if (runs_.serving() != nullptr || runs_.candidate() != nullptr || spawning_) return out;
    retries_.forget_failures();
    retries_.cancel();
    // One that must be alone is started when the last old process has gone.
    if (!alone() || runs_.empty()) spawn(out);
    return out;
}

Actions Life::restart(StopReason reason, const std::string& text, TimePoint now, Overlapping overlapping) {
    Actions out;
    if (leaving_for_good_) return out;
    wish_ = Wish::run;
    retries_.forget_failures();
    retries_.cancel();
    replace(reason, text, now, overlapping, out);
    return out;
}

void Life::replace(StopReason reason, const std::string& text, TimePoint now, Overlapping overlapping,
                   Actions& out) {
    if (spawning_) return;
    const bool one_by_one = alone() || overlapping == Overlapping::no;
    replacement_ = {reason, text, {}};
    if (Run* candidate = runs_.candidate()) {
        change(candidate, out, [&](Run& run, Actions& own) { run.stop(reason, text, now, own); });
        retire(*candidate);
    }
    if (Run* serving = runs_.serving();
        serving != nullptr && (one_by_one || serving->phase() != Run::Phase::up)) {
        // Nobody waits for the recycling of what cannot leave while it still works.
        std::optional<TimePoint> deadline = now + options_.drain_timeout;
        if (!told() && reason == StopReason::recycle) deadline.reset();
        change(serving, out, [&](Run& run, Actions& own) { run.leave(reason, text, deadline, now, own); });
        retire(*serving);
    }
    if (!one_by_one || runs_.empty()) spawn(out);
}

Actions Life::restart_asked(const std::string& text, TimePoint now) {
    Actions out;
    const Run* run = runs_.serving();
    if (run == nullptr || run->ending()) {
        say(Level::info, "is not restarted once more (" + text + "): it " + why(now), out);
        return out;
    }
    return stop_process(run->generation(), StopReason::asked, "its connector asked for a restart: " + text,
                        now);
}

Actions Life::stop(const std::string& text, TimePoint now) {
    Actions out;
    wish_ = Wish::stopped;
    stop_text_ = text;
    retries_.cancel();
    port_owner_.clear();
    for (Run* run : {runs_.candidate(), runs_.serving()}) {
        if (run == nullptr) continue;
        change(run, out, [&](Run& each, Actions& own) {
            each.leave(StopReason::requested, text, now + options_.drain_timeout, now, own);
        });
        retire(*run);
    }
    return out;
}

Actions Life::shutdown(TimePoint now) {
    Actions out;
    leaving_for_good_ = true;
    wish_ = Wish::stopped;
    stop_text_ = "the worker ends";
    retries_.cancel();
    port_owner_.clear();
    runs_.for_each([&](Run& run) {
        change(&run, out,
               [&](Run& each, Actions& own) { each.stop(StopReason::worker_leaving, stop_text_, now, own); });
        retire(run);
    });
    return out;
}

Actions Life::stop_process(std::uint64_t generation, StopReason reason, const std::string& text,
                           TimePoint now) {
    return with(generation, [&](Run& run, Actions& out) {
        change(&run, out, [&](Run& each, Actions& own) { each.stop(reason, text, now, own); });
    });
}

// ---- starting ---------------------------------------------------------------------------------------------

Actions Life::port_free(TimePoint) {
    Actions out;
    port_owner_.clear();
    if (wish_ == Wish::run)
        out.push_back(action::Spawn{});
    else
        spawning_ = false;
    return out;
}

Actions Life::port_taken(const std::string& owner, TimePoint now) {
    Actions out;
    spawning_ = false;
    if (wish_ != Wish::run) return out;
    retries_.plan_at(now + options_.port_retry.value_or(Ms{0}));
    if (owner == port_owner_) return out;
    port_owner_ = owner;
    say(Level::error,
        "is not started: " + owner + "; stop that process or give the service another port (service.port)",
        out);
    return out;
}

Actions Life::spawned(std::uint64_t generation, TimePoint now) {
    Actions out;
    spawning_ = false;
    RunRules rules{options_.readiness, options_.policy.start_timeout, options_.policy.stop};
    // A person may sit in its debugger.
    if (options_.attach) {
        rules.readiness = SaysReady{};
        rules.start_timeout = Ms{0};
    }
    runs_.add_candidate(Run(generation, std::move(rules), now));
    Run& run = *runs_.candidate();
    run.set_jobs(jobs_, now, out);
    if (wish_ != Wish::run) {
        change(&run, out,
               [&](Run& each, Actions& own) { each.stop(StopReason::requested, stop_text_, now, own); });
        retire(run);
    } else if (std::holds_alternative<IsAlive>(options_.readiness)) {
        take_over(run, false, now, out);
    }
    return out;
}

Actions Life::spawn_failed(const std::string& text, TimePoint now) {
    Actions out;
    spawning_ = false;
    DeathReport report;
    report.start_error = text;
    candidate_gone(report, now, out);
    return out;
}

Actions Life::ready(std::uint64_t generation, int protocol, const ipc::Features& features, TimePoint now) {
    if (protocol != ipc::protocol_version)
        return refused(generation,
                       "it speaks connector protocol " + std::to_string(protocol) + ", this worker speaks " +
                           std::to_string(ipc::protocol_version),
                       now);
    return with(generation, [&](Run& run, Actions& out) {
        if (run.was_up())
            say(Level::warn, "said ready a second time; ignored", out);
        else if (run.phase() == Run::Phase::starting)
            take_over(run, features.ping, now, out);
    });
}

/// The candidate is up: it serves from now on, and who served before leaves.
void Life::take_over(Run& run, bool pings, TimePoint now, Actions& out) {
    if (!told())
        say(Level::info,
            "is healthy" + (now > run.spawned_at()
                                ? " after " + human_duration(between(run.spawned_at(), now))
                                : std::string()),
            out);
    run.up(pings, now, out);
    replacement_.problem.clear();
    if (Run* old = runs_.serving()) {
        change(old, out, [&](Run& each, Actions& own) {
            each.leave(replacement_.reason, replacement_.text, now + options_.drain_timeout, now, own);
        });
        retire(*old);
    }
    runs_.promote();
}

Actions Life::init_failed(std::uint64_t generation, bool retryable, const std::string& text, TimePoint now) {
    return with(generation, [&](Run& run, Actions& out) {
        if (run.phase() != Run::Phase::starting)
            return say(Level::warn, "said init_failed although it is not starting; ignored", out);
        init_error_ = text;
        fatal_init_ = !retryable;
        run.expect_exit("it reported init_failed", now);
    });
}

Actions Life::refused(std::uint64_t generation, const std::string& text, TimePoint now) {
    return with(generation, [&](Run& run, Actions& out) {
        if (run.phase() != Run::Phase::starting) return;
        say(Level::error, "cannot be used: " + text, out);
        init_error_ = text;
        run.stop(StopReason::bad_protocol, text, now, out);
    });
}

// ---- running ----------------------------------------------------------------------------------------------

Actions Life::answered(std::uint64_t generation, const PageAnswer& answer, TimePoint now) {
    return with(generation, [&](Run& run, Actions& out) {
        const std::uint32_t missed = run.signs().missed();
        change(&run, out, [&](Run& each, Actions& own) { each.answered(answer, now, own); });
        if (run.ending()) return;
        if (!answer.healthy) {
            if (run.signs().missed() == 1) say(Level::warn, "gave no healthy answer: " + answer.text, out);
            return;
        }
        if (missed > 0) say(Level::info, "answers again after " + std::to_string(missed) + " misses", out);
        if (!run.was_up()) take_over(run, false, now, out);
        check_recycle(0, now, out);
    });
}

void Life::job_given(std::uint64_t generation) {
    if (Run* run = runs_.find(generation)) run->job_given();
}

void Life::job_done(std::uint64_t generation) {
    if (const Run* run = runs_.serving(); run != nullptr && run->generation() == generation)
        retries_.worked();
}

Actions Life::job_ended(std::uint64_t generation, TimePoint now) {
    Actions out;
    change(runs_.find(generation), out, [&](Run& run, Actions& own) { run.job_ended(now, own); });
    check_recycle(0, now, out);
    return out;
}

Actions Life::jobs_running(int jobs, TimePoint now) {
    Actions out;
    jobs_ = jobs;
    runs_.for_each([&](Run& run) {
        change(&run, out, [&](Run& each, Actions& own) { each.set_jobs(jobs, now, own); });
    });
    check_recycle(0, now, out);
    return out;
}

void Life::pong(std::uint64_t generation, std::uint64_t id) {
    if (Run* run = runs_.find(generation)) run->pong(id);
}

Actions Life::stdin_stalled(std::uint64_t generation, TimePoint now) {
    return stop_process(generation, StopReason::write_stalled,
                        "it took nothing from its stdin for " + human_duration(options_.policy.write_timeout),
                        now);
}

Actions Life::tick(const Observations& seen, TimePoint now) {
    Actions out;
    runs_.for_each([&](Run& run) {
        bool backlog = false;
        for (const std::uint64_t generation : seen.stdin_backlog)
            backlog = backlog || generation == run.generation();
        change(&run, out, [&](Run& each, Actions& own) { each.tick(now, backlog, own); });
    });
    check_recycle(seen.rss_bytes, now, out);
    if (retries_.due(now)) spawn(out);
    return out;
}

bool Life::may_recycle(TimePoint now) const {
    const Run* run = runs_.serving();
    return wish_ == Wish::run && run != nullptr && run->phase() == Run::Phase::up && !replacing() &&
           !spawning_ && !options_.attach && !recycle_.put_off(now);
}

Actions Life::recycle(std::uint64_t generation, const std::string& text, TimePoint now) {
    Actions out;
    if (!may_recycle(now) || runs_.serving()->generation() != generation) return out;
    say(Level::info, "is replaced: " + text, out);
    replace(StopReason::recycle, text, now, Overlapping::yes, out);
    return out;
}

void Life::check_recycle(std::uint64_t rss_bytes, TimePoint now, Actions& out) {
    if (!may_recycle(now)) return;
    const Run& run = *runs_.serving();
    if (recycle_.finds_limit_too_low(run, rss_bytes)) say(Level::warn, recycle_.limit_too_low(), out);
    const std::string text = recycle_.due(run, rss_bytes, now);
    if (text.empty()) return;
    const bool waits = !told() && run.jobs() > 0;
    say(Level::info,
        "is recycled" +
            (waits ? " when " + std::to_string(run.jobs()) + " job(s) have ended" : std::string()) + ": " +
            text,
        out);
    replace(StopReason::recycle, text, now, Overlapping::yes, out);
}

// ---- ending -----------------------------------------------------------------------------------------------

void Life::expect_exit(std::uint64_t generation, const std::string& why, TimePoint now) {
    if (Run* run = runs_.find(generation)) run->expect_exit(why, now);
}

Actions Life::exit_seen(std::uint64_t generation, TimePoint) {
    return with(generation, [&](Run& run, Actions& out) { run.exit_seen(out); });
}

Actions Life::exited(std::uint64_t generation, DeathReport& report, TimePoint now) {
    Actions out;
    Run* run = runs_.find(generation);
    if (run == nullptr) return out;
    run->exit_seen(out);
    report.stopped_for = run->stop_reason();
    // What becomes of a connector is told in the words of its reason.
    if (!told() && report.stopped_for) report.stop_text = run->stop_text();
    report.was_ready = run->was_up();
    report.ready_for = run->up_for(now);
    const auto role = runs_.remove(generation);
    if (role == Overlap::Role::candidate) {
        if (report.start_error.empty()) report.start_error = init_error_;
        candidate_gone(report, now, out);
    } else if (role == Overlap::Role::serving) {
        serving_gone(report, now, out);
    } else if (wish_ == Wish::run && gone() && !retries_.next()) {
        spawn(out);
    }
    return out;
}

void Life::candidate_gone(const DeathReport& report, TimePoint now, Actions& out) {
    if (runs_.serving() == nullptr) {
        serving_gone(report, now, out);
        return;
    }
    // What the candidate said of itself is not true of the process that goes on.
    fatal_init_ = false;
    init_error_.clear();
    retries_.remember(report);
    replacement_.problem = report.summary();
    recycle_.put_off_until(now + options_.policy.breaker_trial);
    out.push_back(Note{Level::error,
                       "the new process of " + options_.name + " never became ready (" +
                           replacement_.problem + "); the old one goes on",
                       options_.log_name,
                       {}});
}

void Life::serving_gone(const DeathReport& report, TimePoint now, Actions& out) {
    const bool next_is_there = runs_.candidate() != nullptr || spawning_;
    if (planned(report.stopped_for)) {
        if (wish_ == Wish::run && !next_is_there) spawn(out);
    } else if (next_is_there) {
        retries_.count(report, now);
    } else {
        after_death(report, now, out);
    }
}

void Life::after_death(const DeathReport& report, TimePoint now, Actions& out) {
    retries_.remember(report);
    if (wish_ != Wish::run) return;
    const std::string& said = report.start_error;
    if (report.exit_code == exit_config)
        failed_text_ = "its configuration is wrong (exit code 78)" + (said.empty() ? "" : ": " + said);
    else if (report.stopped_for == StopReason::bad_protocol)
        failed_text_ = said;
    else if (fatal_init_)
        failed_text_ = "it could not start and says that trying again is useless: " + said;
    else if (options_.attach && (said.empty() || report.pid != 0))
        return spawn(out);  // an attached connector ends with its debugger's session: wait for the next one
    else {
        retries_.plan(report, now);
        say(retries_.breaker_open() ? Level::error : Level::warn, why(now), out);
        return;
    }
    wish_ = Wish::failed;
    say(Level::error, why(now), out);
}

Actions Life::judged(int pid, ServiceVerdict verdict, const std::string& text, TimePoint now) {
    Actions out;
    const bool waits = wish_ == Wish::run && gone() && port_owner_.empty();
    if (retries_.judge(pid, verdict, text, waits, now))
        say(retries_.breaker_open() ? Level::error : Level::info, why(now), out);
    return out;
}

// ---- what is ----------------------------------------------------------------------------------------------

State Life::state() const {
    const Run* run = runs_.serving() != nullptr ? runs_.serving() : runs_.candidate();
    if (run != nullptr) {
        switch (run->phase()) {
            case Run::Phase::starting:
                return State::starting;
            case Run::Phase::up:
                if (!told()) return run->signs().missed() > 0 ? State::unhealthy : State::ready;
                return run->jobs() > 0 ? State::busy : State::ready;
            default:
                return State::draining;
        }
    }
    if (!port_owner_.empty()) return State::waiting;
    if (spawning_) return State::starting;
    if (!runs_.empty()) return State::draining;
    if (wish_ == Wish::failed) return State::failed;
    if (retries_.next()) return retries_.breaker_open() ? State::breaker_open : State::backoff;
    return State::stopped;
}

std::optional<TimePoint> Life::back_at() const {
    const State now = state();
    if (now == State::failed) return TimePoint::max();
    if (now == State::backoff || now == State::breaker_open) return retries_.next();
    return std::nullopt;
}

std::optional<TimePoint> Life::next_wakeup() const {
    Earliest first;
    first.add(retries_.next());
    first.add(runs_.next_wakeup());
    const Run* serving = runs_.serving();
    if (serving != nullptr && serving->phase() == Run::Phase::up && !replacing() && !options_.attach)
        first.add(recycle_.due_at(*serving));
    return first.at();
}

}  // namespace emprops::process
