#pragma once
// Which jobs saw ComfyUI end while it ran them, over several attempts of a job: one that does it twice is not
// sent any more, but where others saw it too and none has ended well since, the machine is to blame.
// Thread-safe; one per connector.

#include <algorithm>
#include <map>
#include <mutex>
#include <string>

namespace emprops::comfyui {

class DeathBook {
  public:
    int of(const std::string& job) const {
        const std::lock_guard lock(mutex_);
        const auto at = jobs_.find(job);
        return at == jobs_.end() ? 0 : at->second.count;
    }
    /// Another job saw it, and no job has ended well since.
    bool others(const std::string& job) const {
        const std::lock_guard lock(mutex_);
        return std::any_of(jobs_.begin(), jobs_.end(),
                           [&](const auto& each) { return each.first != job && each.second.lately; });
    }
    void died(const std::string& job, int times) {
        if (times <= 0) return;
        const std::lock_guard lock(mutex_);
        if (jobs_.size() >= most && jobs_.count(job) == 0) {
            jobs_.erase(std::min_element(jobs_.begin(), jobs_.end(), [](const auto& a, const auto& b) {
                return a.second.used < b.second.used;
            }));
        }
        Entry& entry = jobs_[job];
        entry.count += times;
        entry.lately = true;
        entry.used = ++clock_;
    }
    void ended_well(const std::string& job) {
        const std::lock_guard lock(mutex_);
        jobs_.erase(job);
        for (auto& each : jobs_) {
            each.second.lately = false;
        }
    }

  private:
    static constexpr std::size_t most = 256;
    struct Entry {
        int count = 0;
        bool lately = false;
        unsigned long long used = 0;
    };
    mutable std::mutex mutex_;
    std::map<std::string, Entry> jobs_;
    unsigned long long clock_ = 0;
};

}  // namespace emprops::comfyui
