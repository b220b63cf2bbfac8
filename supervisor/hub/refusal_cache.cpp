#include "supervisor/hub/refusal_cache.h"

#include <algorithm>

namespace emprops::hub {

namespace {
/// Counts outlive the silence, because the third refusal comes after two silences.
constexpr config::Duration count_lifetime = std::chrono::minutes(10);
}  // namespace

int RefusalCache::add(TimePoint now, const std::string& job_id) {
    if (jobs_.size() >= max_jobs_ && jobs_.count(job_id) == 0) make_room(now);
    Refusal& refusal = jobs_[job_id];
    if (refusal.count > 0 && now - refusal.last >= count_lifetime) refusal.count = 0;
    refusal.last = now;
    return ++refusal.count;
}

bool RefusalCache::contains(TimePoint now, const std::string& job_id) const {
    const auto it = jobs_.find(job_id);
    return it != jobs_.end() && now - it->second.last < memory_;
}

void RefusalCache::make_room(TimePoint now) {
    std::erase_if(jobs_, [&](const auto& job) { return now - job.second.last >= count_lifetime; });
    if (jobs_.size() < max_jobs_) return;
    jobs_.erase(std::min_element(jobs_.begin(), jobs_.end(),
                                 [](const auto& a, const auto& b) { return a.second.last < b.second.last; }));
}

}  // namespace emprops::hub
