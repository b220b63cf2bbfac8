#include "supervisor/process/life/processes.h"

#include <algorithm>
#include <utility>

namespace emprops::process {

// ---- what becomes of them ---------------------------------------------------------------------------------

Run& Processes::add(std::uint64_t generation, TimePoint now, Actions& out) {
    RunRules rules{options_.name,
                   options_.log_name,
                   options_.readiness,
                   {options_.policy.start_timeout, {}},
                   options_.policy.stop};
    if (const auto* talks = std::get_if<SaysReady>(&rules.readiness))
        rules.limits.prepare = talks->prepare_timeout;
    // A person may sit in its debugger.
    if (options_.attach) {
        rules.readiness = SaysReady{};
        rules.limits = {};
    }
    Run& run = held_.emplace_back(Held{Role::candidate, Run(generation, std::move(rules), now)}).run;
    run.set_jobs(jobs_, now, out);
    return run;
}

bool Processes::make_way(StopReason reason, const std::string& text, bool overlapping, TimePoint now,
                         Actions& out) {
    overlapping = overlapping && !options_.alone();
    replacement_ = {reason, text, {}};
    if (Run* starting = candidate()) dismiss(*starting, reason, text, now, out);
    if (Run* old = serving(); old != nullptr && (!overlapping || old->phase() != Run::Phase::up)) {
        // Nobody waits for the recycling of what cannot leave while it still works.
        std::optional<TimePoint> deadline = now + options_.drain_timeout;
        if (!options_.told() && reason == StopReason::recycle) deadline.reset();
        old->leave(reason, text, deadline, now, out);
        retire(*old);
    }
    return overlapping || held_.empty();
}

void Processes::take_over(Run& candidate, bool pings, TimePoint now, Actions& out) {
    candidate.up(pings, now, out);
    replacement_.problem.clear();
    if (Run* old = serving()) {
        old->leave(replacement_.reason, replacement_.text, now + options_.drain_timeout, now, out);
        retire(*old);
    }
    set_role(candidate, Role::serving);
}

void Processes::candidate_failed(const std::string& how, Actions& out) {
    replacement_.problem = how;
    out.push_back(
        Note{Note::Level::error,
             "the new process of " + options_.name + " never became ready (" + how + "); the old one goes on",
             options_.log_name,
             {}});
}

void Processes::leave(const std::string& text, TimePoint now, Actions& out) {
    for (Run* run : {candidate(), serving()}) {
        if (run == nullptr) continue;
        run->leave(StopReason::requested, text, now + options_.drain_timeout, now, out);
        retire(*run);
    }
}

void Processes::dismiss(Run& run, StopReason reason, const std::string& text, TimePoint now, Actions& out) {
    run.stop(reason, text, now, out);
    retire(run);
}

void Processes::dismiss_all(StopReason reason, const std::string& text, TimePoint now, Actions& out) {
    for (Held& each : held_)
        dismiss(each.run, reason, text, now, out);
}

void Processes::jobs_running(int jobs, TimePoint now, Actions& out) {
    jobs_ = jobs;
    for (Held& each : held_)
        each.run.set_jobs(jobs, now, out);
}

void Processes::tick(const Observations& seen, TimePoint now, Actions& out) {
    for (Held& each : held_) {
        const auto& waiting = seen.stdin_backlog;
        const bool backlog =
            std::find(waiting.begin(), waiting.end(), each.run.generation()) != waiting.end();
        const auto stopped = seen.stopped.find(each.run.generation());
        each.run.set_stopped(stopped == seen.stopped.end() ? "" : stopped->second, out);
        each.run.tick(now, backlog, out);
    }
}

std::optional<Processes::Role> Processes::exited(std::uint64_t generation, DeathReport& report, TimePoint now,
                                                 Actions& out) {
    const auto found = std::find_if(held_.begin(), held_.end(),
                                    [&](const Held& each) { return each.run.generation() == generation; });
    if (found == held_.end()) return std::nullopt;
    found->run.exit_seen(out);
    found->run.fill(report, now);
    const Role role = found->role;
    held_.erase(found);
    return role;
}

// ---- who they are -----------------------------------------------------------------------------------------

Run* Processes::find(std::uint64_t generation) {
    for (Held& each : held_) {
        if (each.run.generation() == generation) return &each.run;
    }
    return nullptr;
}

const Run* Processes::current() const {
    if (const Run* run = foremost()) return run;
    return held_.empty() ? nullptr : &held_.back().run;
}

int Processes::retiring() const {
    return static_cast<int>(std::count_if(held_.begin(), held_.end(),
                                          [](const Held& each) { return each.role == Role::retiring; }));
}

std::optional<TimePoint> Processes::next_wakeup() const {
    Earliest first;
    for (const Held& each : held_)
        first.add(each.run.next_wakeup());
    return first.at();
}

std::string Processes::about_replacement() const {
    if (!replacement_.problem.empty())
        return "; its new process never became ready (" + replacement_.problem + "), so this old one goes on";
    return replacing() ? "; a new process is starting to take over (" + replacement_.text + ")" : "";
}

std::string Processes::about_retiring() const {
    const int count = retiring();
    return count == 0 ? "" : "; " + std::to_string(count) + " older process(es) still finish their jobs";
}

Run* Processes::with(Role role) {
    for (Held& each : held_) {
        if (each.role == role) return &each.run;
    }
    return nullptr;
}

void Processes::set_role(const Run& run, Role role) {
    for (Held& each : held_) {
        if (&each.run == &run) each.role = role;
    }
}

/// It neither serves nor will serve: what happens to it decides nothing any more. A process that cannot be told to
/// leave serves until it ends, and its end is judged like any other.
void Processes::retire(const Run& run) {
    if (options_.told()) set_role(run, Role::retiring);
}

}  // namespace emprops::process
