#include "supervisor/process/restart_policy.h"

#include <algorithm>
#include <cmath>

namespace emprops::process {

RestartPolicy::RestartPolicy(const config::SupervisionSettings& settings, Random random)
    : settings_(settings), random_(std::move(random)) {}

RestartPolicy::Decision RestartPolicy::on_death(TimePoint now, Ms ready_for) {
    if (ready_for >= settings_.backoff_reset && ready_for > Ms{0}) {
        in_a_row_ = 0;
        if (on_trial_) {
            on_trial_ = false;
            deaths_.clear();
        }
    }
    while (!deaths_.empty() && now - deaths_.front() > settings_.breaker_window)
        deaths_.pop_front();
    deaths_.push_back(now);
    // The window can be long and the delay short: more than the breaker's number is never needed.
    if (deaths_.size() > std::max<std::size_t>(settings_.breaker_deaths, 32)) deaths_.pop_front();

    if (settings_.breaker_deaths > 0 && (on_trial_ || deaths_.size() >= settings_.breaker_deaths)) {
        on_trial_ = true;
        return {settings_.breaker_trial, true};
    }
    double delay =
        static_cast<double>(settings_.backoff_initial.count()) * std::exp2(std::min(in_a_row_, 30u));
    delay = std::min(delay, static_cast<double>(settings_.backoff_max.count()));
    ++in_a_row_;
    delay *= 1 + settings_.backoff_jitter * (2 * random_() - 1);
    return {Ms{static_cast<Ms::rep>(delay)}, false};
}

void RestartPolicy::reset() {
    deaths_.clear();
    in_a_row_ = 0;
    on_trial_ = false;
}

std::size_t RestartPolicy::recent_deaths(TimePoint now) const {
    return static_cast<std::size_t>(std::count_if(
        deaths_.begin(), deaths_.end(), [&](TimePoint at) { return now - at <= settings_.breaker_window; }));
}

Ms RestartPolicy::recent_span(TimePoint now) const {
    for (const TimePoint at : deaths_) {
        if (now - at <= settings_.breaker_window) return std::chrono::duration_cast<Ms>(now - at);
    }
    return Ms{0};
}

}  // namespace emprops::process
