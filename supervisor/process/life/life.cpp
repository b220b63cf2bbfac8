#include "supervisor/process/life/life.h"

#include <utility>

#include "ipc/text/people.h"

namespace emprops::process {

using Level = Note::Level;

Life::Life(LifeOptions options, Random random)
    : options_(std::move(options)),
      processes_(options_),
      retries_(options_.policy, std::move(random)),
      recycle_(options_) {}

void Life::configure(LifeOptions options) {
    options_ = std::move(options);
    retries_.configure(options_.policy);
    recycle_ = RecycleRule(options_);
}

// ---- wishes -----------------------------------------------------------------------------------------------

void Life::want(bool wanted, const std::string& text) {
    wanted_ = wanted;
    retries_.cancel();
    if (wanted) {
        retries_.forget_failures();
    } else {
        stop_text_ = text;
        gate_.forget_port();
    }
}

void Life::spawn(Actions& out) {
    if (gate_.closed()) return;
    retries_.cancel();
    gate_.open(options_.port_retry.has_value(), out);
}

Actions Life::start(TimePoint) {
    Actions out;
    if (gate_.closed()) return out;
    wanted_ = true;
    if (processes_.foremost() != nullptr || gate_.asked()) return out;
    want(true, {});
    // One that must be alone is started when the last old process has gone.
    if (!options_.alone() || processes_.empty()) spawn(out);
    return out;
}

Actions Life::restart(const std::string& text, TimePoint now, Overlapping overlapping) {
    Actions out;
    if (gate_.closed()) return out;
    want(true, {});
    replace(StopReason::restart, text, overlapping == Overlapping::yes, now, out);
    return out;
}

void Life::replace(StopReason reason, const std::string& text, bool overlapping, TimePoint now,
                   Actions& out) {
    if (!gate_.asked() && processes_.make_way(reason, text, overlapping, now, out)) spawn(out);
}

Actions Life::restart_asked(const std::string& text, TimePoint now) {
    Actions out;
    const Run* run = processes_.serving();
    if (run == nullptr || run->ending()) {
        say(Level::info, "is not restarted once more (" + text + "): it " + why(now), out);
        return out;
    }
    return stop_process(run->generation(), StopReason::asked, "its connector asked for a restart: " + text,
                        now);
}

Actions Life::stop(const std::string& text, TimePoint now) {
    Actions out;
    want(false, text);
    processes_.leave(text, now, out);
    return out;
}

Actions Life::shutdown(TimePoint now) {
    Actions out;
    gate_.close();
    want(false, "the worker ends");
    processes_.dismiss_all(StopReason::worker_leaving, stop_text_, now, out);
    return out;
}

Actions Life::stop_process(std::uint64_t generation, StopReason reason, const std::string& text,
                           TimePoint now) {
    return with(generation, [&](Run& run, Actions& out) { run.stop(reason, text, now, out); });
}

// ---- starting ---------------------------------------------------------------------------------------------

Actions Life::port_free(TimePoint) {
    Actions out;
    gate_.port_free(wanted_, out);
    return out;
}

Actions Life::port_taken(const std::string& owner, TimePoint now) {
    Actions out;
    gate_.answered();
    if (!wanted_) return out;
    retries_.plan_at(now + options_.port_retry.value_or(Ms{0}));
    if (gate_.port_taken(owner))
        say(Level::error,
            "is not started: " + owner +
                "; stop that process or give the service another port (service.port)",
            out);
    return out;
}

Actions Life::spawned(std::uint64_t generation, TimePoint now) {
    Actions out;
    gate_.answered();
    Run& run = processes_.add(generation, now, out);
    if (!wanted_)
        processes_.dismiss(run, StopReason::requested, stop_text_, now, out);
    else if (std::holds_alternative<IsAlive>(options_.readiness))
        processes_.take_over(run, false, now, out);
    return out;
}

Actions Life::spawn_failed(const std::string& text, TimePoint now) {
    Actions out;
    gate_.answered();
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
            processes_.take_over(run, features.ping, now, out);
    });
}

Actions Life::init_failed(std::uint64_t generation, bool retryable, const std::string& text, TimePoint now) {
    return with(generation, [&](Run& run, Actions& out) { run.init_failed(retryable, text, now, out); });
}

Actions Life::preparing(std::uint64_t generation, const ipc::Preparing& said, TimePoint now) {
    return with(generation, [&](Run& run, Actions& out) { run.preparing(said, now, out); });
}

Actions Life::refused(std::uint64_t generation, const std::string& text, TimePoint now) {
    return with(generation, [&](Run& run, Actions& out) { run.refused(text, now, out); });
}

// ---- running ----------------------------------------------------------------------------------------------

Actions Life::answered(std::uint64_t generation, const PageAnswer& answer, TimePoint now) {
    return with(generation, [&](Run& run, Actions& out) {
        run.answered(answer, now, out);
        if (run.ending() || !answer.healthy) return;
        if (!run.was_up()) processes_.take_over(run, false, now, out);
        check_recycle(0, now, out);
    });
}

void Life::job_given(std::uint64_t generation) {
    if (Run* run = processes_.find(generation)) run->job_given();
}

void Life::job_done(std::uint64_t generation) {
    if (const Run* run = processes_.serving(); run != nullptr && run->generation() == generation)
        retries_.worked();
}

Actions Life::job_ended(std::uint64_t generation, TimePoint now) {
    Actions out;
    if (Run* run = processes_.find(generation)) run->job_ended(now, out);
    check_recycle(0, now, out);
    return out;
}

Actions Life::jobs_running(int jobs, TimePoint now) {
    Actions out;
    processes_.jobs_running(jobs, now, out);
    check_recycle(0, now, out);
    return out;
}

void Life::pong(std::uint64_t generation, std::uint64_t id) {
    if (Run* run = processes_.find(generation)) run->pong(id);
}

Actions Life::tick(const Observations& seen, TimePoint now) {
    Actions out;
    processes_.tick(seen, now, out);
    check_recycle(seen.rss_bytes, now, out);
    if (retries_.due(now)) spawn(out);
    return out;
}

bool Life::may_recycle(TimePoint now) const {
    const Run* run = processes_.serving();
    return goes_on() && run != nullptr && run->phase() == Run::Phase::up && !replacing() && !gate_.asked() &&
           !options_.attach && !recycle_.put_off(now);
}

Actions Life::recycle(std::uint64_t generation, const std::string& text, TimePoint now) {
    Actions out;
    if (!may_recycle(now) || processes_.serving()->generation() != generation) return out;
    say(Level::info, "is replaced: " + text, out);
    replace(StopReason::recycle, text, true, now, out);
    return out;
}

void Life::check_recycle(std::uint64_t rss_bytes, TimePoint now, Actions& out) {
    if (!may_recycle(now)) return;
    const Run& run = *processes_.serving();
    if (recycle_.finds_limit_too_low(run, rss_bytes)) say(Level::warn, recycle_.limit_too_low(), out);
    const std::string text = recycle_.due(run, rss_bytes, now);
    if (text.empty()) return;
    const std::string when = !options_.told() && run.jobs() > 0
                                 ? " when " + std::to_string(run.jobs()) + " job(s) have ended"
                                 : "";
    say(Level::info, "is recycled" + when + ": " + text, out);
    replace(StopReason::recycle, text, true, now, out);
}

// ---- ending -----------------------------------------------------------------------------------------------

void Life::expect_exit(std::uint64_t generation, const std::string& why, TimePoint now) {
    if (Run* run = processes_.find(generation)) run->expect_exit(why, now);
}

Actions Life::exit_seen(std::uint64_t generation, TimePoint) {
    return with(generation, [&](Run& run, Actions& out) { run.exit_seen(out); });
}

Actions Life::exited(std::uint64_t generation, DeathReport& report, TimePoint now) {
    Actions out;
    const auto role = processes_.exited(generation, report, now, out);
    if (role == Processes::Role::candidate)
        candidate_gone(report, now, out);
    else if (role == Processes::Role::serving)
        serving_gone(report, now, out);
    else if (role && goes_on() && gone() && !retries_.next())
        spawn(out);
    return out;
}

void Life::candidate_gone(const DeathReport& report, TimePoint now, Actions& out) {
    if (processes_.serving() == nullptr) {
        serving_gone(report, now, out);
        return;
    }
    retries_.remember(report);
    processes_.candidate_failed(report.summary(), out);
    recycle_.put_off_until(now + options_.policy.breaker_trial);
}

void Life::serving_gone(const DeathReport& report, TimePoint now, Actions& out) {
    const bool next_is_there = processes_.candidate() != nullptr || gate_.asked();
    if (planned(report.stopped_for)) {
        if (goes_on() && !next_is_there) spawn(out);
    } else if (next_is_there) {
        retries_.count(report, now);
    } else {
        after_death(report, now, out);
    }
}

void Life::after_death(const DeathReport& report, TimePoint now, Actions& out) {
    retries_.remember(report);
    if (!goes_on()) return;
    // An attached connector ends with its debugger's session: the next one is waited for.
    const bool session_ended = options_.attach && (report.start_error.empty() || report.pid != 0);
    if (session_ended && !Retries::is_final(report)) return spawn(out);
    retries_.plan(report, now);
    const bool waits = !retries_.failed() && !retries_.breaker_open();
    say(waits ? Level::warn : Level::error, why(now), out);
}

Actions Life::judged(int pid, ServiceVerdict verdict, const std::string& text, TimePoint now) {
    Actions out;
    const bool waits = goes_on() && gone() && gate_.port_owner().empty();
    if (retries_.judge(pid, verdict, text, waits, now))
        say(retries_.breaker_open() ? Level::error : Level::info, why(now), out);
    return out;
}

// ---- what is ----------------------------------------------------------------------------------------------

State Life::state() const {
    if (const Run* run = processes_.foremost()) return run->state();
    if (!gate_.port_owner().empty()) return State::waiting;
    if (gate_.asked()) return State::starting;
    if (!processes_.empty()) return State::draining;
    if (retries_.failed()) return State::failed;
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
    first.add(processes_.next_wakeup());
    const Run* serving = processes_.serving();
    if (serving != nullptr && serving->phase() == Run::Phase::up && !replacing() && !options_.attach)
        first.add(recycle_.due_at(*serving));
    return first.at();
}

std::string Life::remarks() const {
    const std::string replacement = processes_.about_replacement();
    std::string text = replacement.empty() ? retries_.the_one_before() : replacement;
    if (!recycle_.limit_too_low().empty()) text += "; it " + recycle_.limit_too_low();
    return text + processes_.about_retiring();
}

std::string Life::why(TimePoint now) const {
    const Run* run = processes_.current();
    switch (state()) {
        case State::waiting:
            return "waits: " + gate_.port_owner();
        case State::starting:
            run = processes_.foremost();
            return (run != nullptr ? run->why(now) : "is starting") + retries_.the_one_before();
        case State::ready:
        case State::busy:
            return run->why(now) + remarks();
        case State::unhealthy:
        case State::draining:
            return run->why(now);
        case State::backoff:
        case State::breaker_open:
        case State::failed:
            return retries_.why(now);
        case State::stopped:
            return "is stopped: " + (stop_text_.empty() ? "it was never started" : stop_text_);
    }
    return "";
}

}  // namespace emprops::process
