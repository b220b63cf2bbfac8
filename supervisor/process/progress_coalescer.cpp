#include "supervisor/process/progress_coalescer.h"

namespace emprops::process {

std::optional<ipc::Progress> ProgressCoalescer::offer(ipc::Progress progress, TimePoint now) {
    const auto found = jobs_.find(progress.job_id);
    if (found == jobs_.end()) {
        jobs_[progress.job_id] = Entry{now, std::nullopt};
        return progress;
    }
    Entry& entry = found->second;
    if (now - entry.passed_at >= interval_) {
        if (entry.waiting) ++coalesced_;
        entry.waiting.reset();
        entry.passed_at = now;
        return progress;
    }
    if (entry.waiting) ++coalesced_;
    entry.waiting = std::move(progress);
    return std::nullopt;
}

std::vector<ipc::Progress> ProgressCoalescer::take_due(TimePoint now) {
    std::vector<ipc::Progress> due;
    for (auto& [job_id, entry] : jobs_) {
        if (!entry.waiting || now - entry.passed_at < interval_) continue;
        due.push_back(std::move(*entry.waiting));
        entry.waiting.reset();
        entry.passed_at = now;
    }
    return due;
}

std::optional<ipc::Progress> ProgressCoalescer::finish(const std::string& job_id) {
    const auto found = jobs_.find(job_id);
    if (found == jobs_.end()) return std::nullopt;
    std::optional<ipc::Progress> last = std::move(found->second.waiting);
    jobs_.erase(found);
    return last;
}

std::optional<TimePoint> ProgressCoalescer::next_due() const {
    std::optional<TimePoint> first;
    for (const auto& [job_id, entry] : jobs_) {
        if (entry.waiting && (!first || entry.passed_at + interval_ < *first))
            first = entry.passed_at + interval_;
    }
    return first;
}

}  // namespace emprops::process
