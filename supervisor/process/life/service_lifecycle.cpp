#include "supervisor/process/life/service_lifecycle.h"
#include "ipc/text/people.h"

#include <algorithm>
#include <csignal>

#include "ipc/text/people.h"

namespace emprops::process {

namespace {

constexpr int service_exit_configuration = 78;  // EX_CONFIG of sysexits
/// How often a port that somebody else has is looked at: at least and at most this far apart.
constexpr Ms port_retry_min{2000};
constexpr Ms port_retry_max{5000};
constexpr Ms service_stuck_report_interval{60'000};

using Level = action::Say::Level;

Ms between(TimePoint from, TimePoint to) {
    return std::max(Ms{0}, std::chrono::duration_cast<Ms>(to - from));
}

}  // namespace

const char* to_string(ServiceState state) {
    switch (state) {
        case ServiceState::waiting:
            return "waiting";
        case ServiceState::starting:
            return "starting";
        case ServiceState::healthy:
            return "healthy";
        case ServiceState::unhealthy:
            return "unhealthy";
        case ServiceState::stopping:
            return "stopping";
        case ServiceState::backoff:
            return "backoff";
        case ServiceState::breaker_open:
            return "breaker_open";
        case ServiceState::stopped:
            return "stopped";
        case ServiceState::failed:
            return "failed";
    }
    return "";
}

ServiceLifecycle::ServiceLifecycle(ServiceOptions options, Random random)
    : options_(std::move(options)), policy_(options_.settings.supervision, std::move(random)) {}

void ServiceLifecycle::configure(ServiceOptions options) {
    options_ = std::move(options);
    policy_.set_settings(options_.settings.supervision);
    policy_.reset();
    before_jobs_text_.clear();
}

// ---- wishes -----------------------------------------------------------------------------------------------

void ServiceLifecycle::begin(ServiceActions& out) {
    if (leaving_for_good_ || run_ || starting_) return;
    next_attempt_.reset();
    breaker_open_ = false;
    accusation_.clear();
    starting_ = true;
    leave_.reset();
    if (!options_.check_port) port_owner_.clear();
    if (options_.check_port)
        out.push_back(action::CheckPort{});
    else
        out.push_back(action::Spawn{});
}

ServiceActions ServiceLifecycle::start(TimePoint) {
    ServiceActions out;
    if (leaving_for_good_) return out;
    wish_ = Wish::run;
    if (run_ || starting_) return out;  // what is being stopped is started again when it has ended
    policy_.reset();
    begin(out);
    return out;
}

ServiceActions ServiceLifecycle::restart(const std::string& text, TimePoint now) {
    ServiceActions out;
    if (leaving_for_good_) return out;
    wish_ = Wish::run;
    policy_.reset();
    if (run_)
        leave({StopReason::restart, text, now + options_.drain_timeout}, now, out);
    else
        begin(out);
    return out;
}

ServiceActions ServiceLifecycle::restart_asked(const std::string& text, TimePoint now) {
    ServiceActions out;
    if (!run_ || !run_->healthy_at || run_->ladder || run_->exited) {
        out.push_back(action::Say{
            Level::info, options_.name + " is not restarted once more (" + text + "): it " + why(now)});
        return out;
    }
    end(StopReason::asked, "its connector asked for a restart: " + text, now, out);
    return out;
}

ServiceActions ServiceLifecycle::stop(const std::string& text, TimePoint now) {
    ServiceActions out;
    wish_ = Wish::stopped;
    stop_text_ = text;
    next_attempt_.reset();
    port_owner_.clear();
    leave_.reset();
    if (run_) end(StopReason::requested, text, now, out);
    return out;
}

ServiceActions ServiceLifecycle::shutdown(TimePoint now) {
    leaving_for_good_ = true;
    ServiceActions out = stop("the worker ends", now);
    if (run_ && run_->reason == StopReason::requested) run_->reason = StopReason::worker_leaving;
    return out;
}

void ServiceLifecycle::leave(ServiceLeave wanted, TimePoint now, ServiceActions& out) {
    if (!run_ || run_->ladder || run_->exited) return;
    if (jobs_ == 0 || !run_->healthy_at) {
        end(wanted.reason, wanted.text, now, out);
        return;
    }
    // Of two reasons the one with a deadline counts: an operator waits for it.
    if (!leave_ || !leave_->deadline) leave_ = std::move(wanted);
}

void ServiceLifecycle::end(StopReason reason, const std::string& text, TimePoint now, ServiceActions& out) {
    if (!run_ || run_->ladder || run_->exited) return;
    leave_.reset();
    run_->reason = reason;
    run_->text = text;
    out.push_back(
        action::Say{planned_end(reason) ? Level::info : Level::warn, options_.name + " is stopped: " + text});
    // The first step of the ladder, telling it to leave, has no meaning here and no time.
    config::StopLadder policy = options_.settings.supervision.stop;
    policy.shutdown_grace = Ms{0};
    run_->ladder.emplace(policy, now);
    climb(now, out);
}

void ServiceLifecycle::climb(TimePoint now, ServiceActions& out) {
    while (run_->ladder->advance(now)) {
        if (run_->ladder->step() == LadderRun::Step::terminate) {
            out.push_back(action::SignalGroup{run_->generation, SIGTERM});
        } else {
            out.push_back(action::SignalGroup{run_->generation, SIGKILL});
            if (run_->ladder->step() == LadderRun::Step::stuck) {
                if (!run_->stuck_since) run_->stuck_since = now;
                if (!run_->stuck_said || now - *run_->stuck_said >= service_stuck_report_interval) {
                    run_->stuck_said = now;
                    out.push_back(action::ReportStuck{run_->generation});
                }
            }
        }
    }
}

// ---- what happened ----------------------------------------------------------------------------------------

ServiceActions ServiceLifecycle::port_free(TimePoint) {
    ServiceActions out;
    port_owner_.clear();
    if (wish_ == Wish::run)
        out.push_back(action::Spawn{});
    else
        starting_ = false;
    return out;
}

ServiceActions ServiceLifecycle::port_taken(const std::string& owner, TimePoint now) {
    ServiceActions out;
    starting_ = false;
    if (wish_ != Wish::run) return out;
    next_attempt_ = now + std::clamp(options_.settings.health_interval, port_retry_min, port_retry_max);
    if (owner == port_owner_) return out;
    port_owner_ = owner;
    out.push_back(
        action::Say{Level::error, options_.name + " is not started: " + owner +
                                      "; stop that process or give the service another port (service.port)"});
    return out;
}

ServiceActions ServiceLifecycle::spawned(std::uint64_t generation, TimePoint now) {
    ServiceActions out;
    starting_ = false;
    run_.emplace();
    run_->generation = generation;
    run_->spawned_at = now;
    if (wish_ != Wish::run) {
        end(StopReason::requested, stop_text_, now, out);
    } else if (options_.probe) {
        run_->next_probe = now + options_.settings.health_interval;
    } else {
        become_healthy(now, out);
    }
    return out;
}

ServiceActions ServiceLifecycle::spawn_failed(const std::string& text, TimePoint now) {
    ServiceActions out;
    starting_ = false;
    DeathReport report;
    report.start_error = text;
    after_death(report, Ms{0}, now, out);
    return out;
}

void ServiceLifecycle::become_healthy(TimePoint now, ServiceActions& out) {
    run_->healthy_at = now;
    out.push_back(action::Say{
        Level::info,
        options_.name + " is healthy" +
            (options_.probe ? " after " + human_duration(between(run_->spawned_at, now)) : std::string())});
}

ServiceActions ServiceLifecycle::probed(std::uint64_t generation, const ServiceHealth& health,
                                        TimePoint now) {
    ServiceActions out;
    if (!run_ || run_->generation != generation || run_->exited) return out;
    run_->next_probe = now + options_.settings.health_interval;
    if (run_->ladder) return out;
    if (health.healthy) {
        if (run_->missed > 0) {
            out.push_back(action::Say{Level::info, options_.name + " answers again after " +
                                                       std::to_string(run_->missed) + " misses"});
        }
        run_->missed = 0;
        run_->last_miss.clear();
        run_->vram_used = health.vram_used;
        if (!run_->healthy_at) become_healthy(now, out);
        check_recycle(0, now, out);
        return out;
    }
    run_->last_miss = health.text;
    if (!run_->healthy_at) return out;  // start_timeout watches this
    if (++run_->missed >= options_.settings.health_missed) {
        end(StopReason::hung,
            "no healthy answer to " + std::to_string(run_->missed) + " questions in a row: " + health.text,
            now, out);
    } else if (run_->missed == 1) {
        out.push_back(action::Say{Level::warn, options_.name + " gave no healthy answer: " + health.text});
    }
    return out;
}

void ServiceLifecycle::exit_seen(std::uint64_t generation) {
    if (run_ && run_->generation == generation) run_->exited = true;
}

ServiceActions ServiceLifecycle::exited(std::uint64_t generation, DeathReport& report, TimePoint now) {
    ServiceActions out;
    if (!run_ || run_->generation != generation) return out;
    report.stopped_for = run_->reason;
    report.stop_text = run_->text;
    report.was_ready = run_->healthy_at.has_value();
    const Ms healthy_for = run_->healthy_at ? between(*run_->healthy_at, now) : Ms{0};
    report.ready_for = healthy_for;
    run_.reset();
    leave_.reset();
    if (!planned_end(report.stopped_for))
        after_death(report, healthy_for, now, out);
    else if (wish_ == Wish::run)
        begin(out);
    return out;
}

void ServiceLifecycle::after_death(const DeathReport& report, Ms healthy_for, TimePoint now,
                                   ServiceActions& out) {
    last_death_ = report;
    if (wish_ != Wish::run) return;
    if (report.exit_code == service_exit_configuration) {
        wish_ = Wish::failed;
        failed_text_ = "its configuration is wrong (exit code 78)";
        out.push_back(action::Say{Level::error, options_.name + " " + why(now)});
        return;
    }
    const RestartPolicy::Decision decision = policy_.on_death(now, healthy_for);
    next_attempt_ = now + decision.delay;
    breaker_open_ = decision.breaker_open;
    out.push_back(action::Say{breaker_open_ ? Level::error : Level::warn, options_.name + " " + why(now)});
}

ServiceActions ServiceLifecycle::judged(int pid, ServiceVerdict verdict, const std::string& text,
                                        TimePoint now) {
    ServiceActions out;
    if (!last_death_ || last_death_->pid != pid) return out;
    const RestartPolicy::Decision decision =
        verdict == ServiceVerdict::job ? policy_.excuse_last_death() : policy_.open();
    // Stopped meanwhile, failed, or started again already: then only the count is another one.
    if (wish_ != Wish::run || !next_attempt_ || run_ || starting_ || !port_owner_.empty()) return out;
    const bool was_open = breaker_open_;
    breaker_open_ = decision.breaker_open;
    next_attempt_ =
        breaker_open_ || was_open ? now + decision.delay : std::min(*next_attempt_, now + decision.delay);
    if (verdict == ServiceVerdict::machine) accusation_ = text;
    if (breaker_open_ || was_open)
        out.push_back(
            action::Say{breaker_open_ ? Level::error : Level::info, options_.name + " " + why(now)});
    return out;
}

void ServiceLifecycle::job_given() {
    if (run_) ++run_->jobs_given;
}

ServiceActions ServiceLifecycle::jobs_running(int jobs, TimePoint now) {
    ServiceActions out;
    if (jobs == jobs_) return out;
    jobs_ = jobs;
    if (jobs_ == 0 && leave_) {
        const ServiceLeave due = *leave_;
        end(due.reason, due.text, now, out);
    }
    check_recycle(0, now, out);
    return out;
}

ServiceActions ServiceLifecycle::tick(std::uint64_t rss_bytes, TimePoint now) {
    ServiceActions out;
    if (next_attempt_ && now >= *next_attempt_) begin(out);
    if (!run_ || run_->exited) return out;
    if (run_->ladder) {
        climb(now, out);
        return out;
    }
    const Ms start_timeout = options_.settings.supervision.start_timeout;
    if (!run_->healthy_at && now >= run_->spawned_at + start_timeout) {
        end(StopReason::start_timeout,
            "no healthy answer within " + human_duration(start_timeout) + " (start_timeout)" +
                (run_->last_miss.empty() ? "" : ": " + run_->last_miss),
            now, out);
        return out;
    }
    if (leave_ && leave_->deadline && now >= *leave_->deadline) {
        const ServiceLeave due = *leave_;
        end(due.reason, due.text + "; the running jobs did not end in time", now, out);
        return out;
    }
    if (run_->next_probe && now >= *run_->next_probe) {
        run_->next_probe.reset();
        out.push_back(action::Probe{run_->generation});
    }
    check_recycle(rss_bytes, now, out);
    return out;
}

void ServiceLifecycle::check_recycle(std::uint64_t rss_bytes, TimePoint now, ServiceActions& out) {
    if (wish_ != Wish::run || !run_ || !run_->healthy_at || leave_ || run_->ladder || run_->exited) return;
    const config::SupervisionSettings& limits = options_.settings.supervision;
    const config::Bytes max_vram = options_.settings.max_vram;
    // A new process does not help when it needs that much before its first job, or others fill the device.
    const bool worked = run_->jobs_given > 0;
    if (!worked) note_needs_before_jobs(rss_bytes, out);
    std::string text;
    if (limits.max_jobs > 0 && run_->jobs_given >= limits.max_jobs) {
        text = "it has had " + std::to_string(run_->jobs_given) + " jobs (max_jobs)";
    } else if (limits.max_age > Ms{0} && now - *run_->healthy_at >= limits.max_age) {
        text = "it has served for " + human_duration(limits.max_age) + " (max_age)";
    } else if (worked && limits.max_rss > 0 && rss_bytes > limits.max_rss) {
        text = "it uses " + std::to_string(rss_bytes >> 20) + " MiB of memory (max_rss)";
    } else if (worked && max_vram > 0 && run_->vram_used.value_or(0) > max_vram) {
        text = std::to_string(*run_->vram_used >> 20) + " MiB of graphics memory are in use (max_vram)";
    }
    if (text.empty()) return;
    if (jobs_ > 0) {
        out.push_back(action::Say{Level::info, options_.name + " is recycled when " + std::to_string(jobs_) +
                                                   " job(s) have ended: " + text});
    }
    leave({StopReason::recycle, text, std::nullopt}, now, out);
}

/// Said once: the limit is below what it needs anyway, so that it is recycled after every job.
void ServiceLifecycle::note_needs_before_jobs(std::uint64_t rss_bytes, ServiceActions& out) {
    if (!before_jobs_text_.empty()) return;
    const std::uint64_t max_rss = options_.settings.supervision.max_rss;
    const std::uint64_t max_vram = options_.settings.max_vram;
    if (max_rss > 0 && rss_bytes > max_rss) {
        before_jobs_text_ = rss_before_jobs_text(rss_bytes, max_rss);
    } else if (max_vram > 0 && run_->vram_used.value_or(0) > max_vram) {
        before_jobs_text_ = "sees " + human_bytes(*run_->vram_used) +
                            " of graphics memory in use before its first job and max_vram is " +
                            human_bytes(max_vram) +
                            ": it would be recycled after every job; raise max_vram, or see who uses it";
    } else {
        return;
    }
    out.push_back(action::Say{Level::warn, options_.name + " " + before_jobs_text_});
}

// ---- what is ----------------------------------------------------------------------------------------------

ServiceState ServiceLifecycle::state() const {
    if (run_) {
        if (leave_ || run_->ladder || run_->exited) return ServiceState::stopping;
        if (!run_->healthy_at) return ServiceState::starting;
        return run_->missed > 0 ? ServiceState::unhealthy : ServiceState::healthy;
    }
    if (wish_ == Wish::failed) return ServiceState::failed;
    if (wish_ == Wish::stopped) return ServiceState::stopped;
    if (!port_owner_.empty()) return ServiceState::waiting;
    if (starting_) return ServiceState::starting;
    if (next_attempt_) return breaker_open_ ? ServiceState::breaker_open : ServiceState::backoff;
    return ServiceState::stopped;
}

std::optional<TimePoint> ServiceLifecycle::back_at() const {
    const ServiceState now = state();
    if (now == ServiceState::failed) return TimePoint::max();
    if (now == ServiceState::backoff || now == ServiceState::breaker_open) return next_attempt_;
    return std::nullopt;
}

std::optional<TimePoint> ServiceLifecycle::next_wakeup() const {
    std::optional<TimePoint> first = next_attempt_;
    const auto consider = [&](std::optional<TimePoint> at) {
        if (at && (!first || *at < *first)) first = at;
    };
    if (!run_ || run_->exited) return first;
    if (run_->ladder) {
        consider(run_->ladder->deadline());
        return first;
    }
    consider(run_->next_probe);
    if (!run_->healthy_at) consider(run_->spawned_at + options_.settings.supervision.start_timeout);
    if (leave_) consider(leave_->deadline);
    if (!leave_ && run_->healthy_at && options_.settings.supervision.max_age > Ms{0})
        consider(*run_->healthy_at + options_.settings.supervision.max_age);
    return first;
}

std::string ServiceLifecycle::death_chain(TimePoint now) const {
    if (!last_death_) return "";
    const std::size_t deaths = policy_.recent_deaths(now);
    if (deaths <= 1) return last_death_->summary();
    return std::to_string(deaths) + " deaths in the last " + human_duration(policy_.recent_span(now)) +
           ", the last one " + last_death_->summary();
}

std::string ServiceLifecycle::why(TimePoint now) const {
    const auto wait = [&] { return human_duration(next_attempt_ ? between(now, *next_attempt_) : Ms{0}); };
    const std::string before = last_death_ ? "; the one before " + last_death_->summary() : "";
    switch (state()) {
        case ServiceState::waiting:
            return "waits: " + port_owner_;
        case ServiceState::starting:
            if (!run_) return "is starting" + before;
            return "is starting for " + human_duration(between(run_->spawned_at, now)) +
                   (run_->last_miss.empty() ? "" : " (" + run_->last_miss + ")") + before;
        case ServiceState::healthy:
            return "is healthy, up for " + human_duration(between(run_->spawned_at, now)) + before +
                   (before_jobs_text_.empty() ? "" : "; it " + before_jobs_text_);
        case ServiceState::unhealthy:
            return "gives no healthy answer (" + std::to_string(run_->missed) + " of " +
                   std::to_string(options_.settings.health_missed) + " misses): " + run_->last_miss;
        case ServiceState::stopping:
            if (leave_)
                return "is restarted when " + std::to_string(jobs_) + " job(s) have ended: " + leave_->text;
            if (!run_->ladder) return "has just ended";
            return "is being stopped: " + run_->text;
        case ServiceState::backoff:
            return "waits " + wait() + " to restart: " + death_chain(now);
        case ServiceState::breaker_open:
            return "is tried again in " + wait() +
                   " only (breaker open): " + (accusation_.empty() ? "" : accusation_ + "; ") +
                   death_chain(now);
        case ServiceState::stopped:
            return "is stopped" + (stop_text_.empty() ? "" : ": " + stop_text_);
        case ServiceState::failed:
            return "has failed: " + failed_text_ +
                   "; it is not started again until its settings change or an operator starts it";
    }
    return "";
}

}  // namespace emprops::process
