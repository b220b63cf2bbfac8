#include "supervisor/jobs/limits.h"

namespace emprops::jobs {
namespace {

constexpr Ms begun_without_a_word{5'000};

/// Calls `consider(when, what)` for each clock that runs, in the order of Limit.
template <class Consider>
void each_limit(const ActiveJob& job, const Instance* runner, Consider consider) {
    if (job.waits()) {
        if (job.waiting.until) consider(*job.waiting.until, Limit::waited);
        return;
    }
    if (job.state == JobState::stopping) {
        if (job.stop.answer_until) consider(*job.stop.answer_until, Limit::ignores_cancel);
        return;
    }
    if (job.state != JobState::running || runner == nullptr) return;
    const auto& policy = runner->policy;
    if (runner->gives_back_at) consider(*runner->gives_back_at, Limit::service_away);
    if (runner->refusals.one_at_a_time() && !job.run.started)
        consider(job.run.given_at + begun_without_a_word, Limit::begun_silently);
    if (policy.job_timeout > config::off)
        consider(job.run.given_at + policy.job_timeout, Limit::ran_too_long);
    if (policy.no_progress_timeout > config::off)
        consider(job.run.last_sign + policy.no_progress_timeout, Limit::hung);
}

}  // namespace

std::optional<TimePoint> next_limit(const ActiveJob& job, const Instance* runner) {
    Earliest next;
    each_limit(job, runner, [&](TimePoint at, Limit) { next.add(at); });
    return next.at();
}

std::optional<Limit> limit_over(TimePoint now, const ActiveJob& job, const Instance* runner) {
    std::optional<Limit> over;
    each_limit(job, runner, [&](TimePoint at, Limit limit) {
        if (at <= now && !over) over = limit;
    });
    return over;
}

}  // namespace emprops::jobs
