#include "supervisor/process/life/restart_policy.h"

#include <algorithm>
#include <cmath>

namespace emprops::process {

RestartPolicy::RestartPolicy(const config::RestartSettings& settings, Random random)
    : settings_(settings), random_(std::move(random)) {}

RestartPolicy::Decision RestartPolicy::on_death(TimePoint now, Ms ready_for) {
    Counts& counts = counts_;
    if (ready_for >= settings_.backoff_reset && ready_for > Ms{0}) {
        counts.in_a_row = 0;
        if (counts.on_trial) {
            counts.on_trial = false;
            counts.deaths.clear();
        }
    }
    while (!counts.deaths.empty() && now - counts.deaths.front() > settings_.breaker_window)
        counts.deaths.pop_front();
    before_last_death_ = counts;
    counts.deaths.push_back(now);
    // The window can be long and the delay short: more than the breaker's number is never needed.
    if (counts.deaths.size() > std::max<std::size_t>(settings_.breaker_deaths, 32)) counts.deaths.pop_front();

    if (settings_.breaker_deaths > 0 && (counts.on_trial || counts.deaths.size() >= settings_.breaker_deaths))
        return open();
    return back_off(counts.in_a_row++);
}

RestartPolicy::Decision RestartPolicy::back_off(std::uint32_t step) const {
    double delay = static_cast<double>(settings_.backoff_initial.count()) * std::exp2(std::min(step, 30u));
    delay = std::min(delay, static_cast<double>(settings_.backoff_max.count()));
    delay *= 1 + settings_.backoff_jitter * (2 * random_() - 1);
    return {Ms{static_cast<Ms::rep>(delay)}, false};
}

RestartPolicy::Decision RestartPolicy::excuse_last_death() {
    counts_ = before_last_death_;
    return back_off(counts_.in_a_row);
}

RestartPolicy::Decision RestartPolicy::open() {
    if (settings_.breaker_deaths == 0) return {settings_.backoff_max, false};
    counts_.on_trial = true;
    return {settings_.breaker_trial, true};
}

void RestartPolicy::worked() {
    if (counts_.on_trial) reset();
}

void RestartPolicy::reset() {
    counts_ = {};
    before_last_death_ = {};
}

std::size_t RestartPolicy::recent_deaths(TimePoint now) const {
    return static_cast<std::size_t>(
        std::count_if(counts_.deaths.begin(), counts_.deaths.end(),
                      [&](TimePoint at) { return now - at <= settings_.breaker_window; }));
}

Ms RestartPolicy::recent_span(TimePoint now) const {
    for (const TimePoint at : counts_.deaths) {
        if (now - at <= settings_.breaker_window) return std::chrono::duration_cast<Ms>(now - at);
    }
    return Ms{0};
}

}  // namespace emprops::process
