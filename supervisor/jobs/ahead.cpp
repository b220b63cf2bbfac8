#include "supervisor/jobs/ahead.h"

#include <set>

namespace emprops::jobs {

std::optional<TimePoint> probable_end(const ActiveJob& job) {
    if (job.state != JobState::running || !job.run.percent_at || job.run.percent <= 0) return std::nullopt;
    const auto took = *job.run.percent_at - job.run.given_at;
    return *job.run.percent_at + took * (100 - job.run.percent) / job.run.percent;
}

void Ahead::mark(TimePoint now, const JobBook& book, Pool& pool) {
    std::set<process::InstanceId> soon;
    Earliest next;
    if (rule_ == Rule::soon) {
        for (const auto& [number, job] : book.all()) {
            const auto end = probable_end(job);
            if (!end) continue;
            const TimePoint from = *end - within_;
            const TimePoint until = *end + within_;  // later the estimate is known to be wrong
            if (now < from)
                next.add(from);
            else if (now < until) {
                soon.insert(*job.instance);
                next.add(until);
            }
        }
    }
    next_ = next.at();
    for (const auto& [id, instance] : pool.instances())
        pool.find(id)->ahead_allowed = rule_ == Rule::always || soon.contains(id);
}

}  // namespace emprops::jobs
