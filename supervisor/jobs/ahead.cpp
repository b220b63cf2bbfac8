#include "supervisor/jobs/ahead.h"

#include <set>

namespace emprops::jobs {

namespace {

/// What it says at its begin comes all at once, and tells nothing of its pace.
constexpr Ms shortest_measure{1'000};

}  // namespace

std::optional<TimePoint> probable_end(const ActiveJob& job) {
    const auto& first = job.run.first_mark;
    const auto& last = job.run.last_mark;
    if (job.state != JobState::running || job.run.released || !first || last->percent <= first->percent)
        return std::nullopt;
    const auto took = last->at - first->at;
    if (took < shortest_measure) return std::nullopt;
    return last->at + took * (100 - last->percent) / (last->percent - first->percent);
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
    for (const auto& [id, instance] : pool.instances()) {
        const bool allowed = rule_ == Rule::always || soon.contains(id);
        if (instance.ahead_allowed != allowed) pool.find(id)->ahead_allowed = allowed;
    }
}

}  // namespace emprops::jobs
