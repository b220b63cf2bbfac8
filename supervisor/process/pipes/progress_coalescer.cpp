#include "supervisor/process/pipes/progress_coalescer.h"

#include <utility>

namespace emprops::process {

bool ProgressCoalescer::offer(std::string_view job_id, std::string_view line, TimePoint now) {
    const auto found = jobs_.find(job_id);
    if (found == jobs_.end()) {
        jobs_.emplace(job_id, Entry{now, {}});
        return true;
    }
    Entry& entry = found->second;
    if (!entry.waiting.empty()) ++coalesced_;
    if (now - entry.passed_at >= interval_) {
        entry.waiting.clear();
        entry.passed_at = now;
        return true;
    }
    entry.waiting.assign(line);
    return false;
}

std::vector<std::string> ProgressCoalescer::take_due(TimePoint now) {
    std::vector<std::string> due;
    for (auto& [job_id, entry] : jobs_) {
        if (entry.waiting.empty() || now - entry.passed_at < interval_) continue;
        due.push_back(std::exchange(entry.waiting, {}));
        entry.passed_at = now;
    }
    return due;
}

std::optional<std::string> ProgressCoalescer::finish(std::string_view job_id) {
    const auto found = jobs_.find(job_id);
    if (found == jobs_.end()) return std::nullopt;
    std::string last = std::move(found->second.waiting);
    jobs_.erase(found);
    if (last.empty()) return std::nullopt;
    return last;
}

std::optional<TimePoint> ProgressCoalescer::next_due() const {
    std::optional<TimePoint> first;
    for (const auto& [job_id, entry] : jobs_) {
        if (!entry.waiting.empty() && (!first || entry.passed_at + interval_ < *first))
            first = entry.passed_at + interval_;
    }
    return first;
}

}  // namespace emprops::process
