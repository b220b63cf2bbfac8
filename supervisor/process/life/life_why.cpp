// Life: its state and what led to it, in words.

#include "ipc/text/people.h"
#include "supervisor/process/life/life.h"

namespace emprops::process {

namespace {

std::string count_of_jobs(const Run& run) {
    return std::to_string(run.jobs()) + " job(s)";
}

}  // namespace

std::string Life::why_up(const Run& run, TimePoint now) const {
    std::string text = !told()          ? "is healthy"
                       : run.jobs() > 0 ? "is running " + count_of_jobs(run)
                                        : "is ready";
    text += ", up for " + human_duration(between(run.spawned_at(), now));
    if (!replacement_.problem.empty())
        text +=
            "; its new process never became ready (" + replacement_.problem + "), so this old one goes on";
    else if (replacing())
        text += "; a new process is starting to take over (" + replacement_.text + ")";
    else
        text += retries_.the_one_before();
    if (!recycle_.limit_too_low().empty()) text += "; it " + recycle_.limit_too_low();
    if (leaving() > 0)
        text += "; " + std::to_string(leaving()) + " older process(es) still finish their jobs";
    return text;
}

std::string Life::why(TimePoint now) const {
    const Run* run = current();
    switch (state()) {
        case State::waiting:
            return "waits: " + port_owner_;
        case State::starting: {
            std::string text = "is starting";
            if (const Run* candidate = runs_.candidate()) {
                text += " for " + human_duration(between(candidate->spawned_at(), now));
                const std::string& miss = candidate->signs().last_miss();
                if (!miss.empty()) text += " (" + miss + ")";
            }
            return text + retries_.the_one_before();
        }
        case State::ready:
        case State::busy:
            return why_up(*run, now);
        case State::unhealthy:
            return "gives no healthy answer (" + std::to_string(run->signs().missed()) + " of " +
                   std::to_string(run->signs().misses_that_mean_hung()) +
                   " misses): " + run->signs().last_miss();
        case State::draining:
            if (run->phase() == Run::Phase::exited) return "has just ended";
            if (run->phase() != Run::Phase::leaving) return "is being stopped: " + run->stop_text();
            return (told() ? "finishes " + count_of_jobs(*run) + " and stops: "
                           : "is restarted when " + count_of_jobs(*run) + " have ended: ") +
                   run->stop_text();
        case State::backoff:
        case State::breaker_open:
            return retries_.why(now);
        case State::stopped:
            return "is stopped: " + (stop_text_.empty() ? "it was never started" : stop_text_);
        case State::failed:
            return "has failed: " + failed_text_ +
                   "; it is not started again until its settings change or an operator starts it";
    }
    return "";
}

}  // namespace emprops::process
