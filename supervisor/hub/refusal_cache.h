#pragma once
// Remembers for a while which jobs the Hub refused us, so that their offers are not answered: the Hub would
// refuse again, offer again, and starve everybody. Pure; bounded; owned by the session.

#include <cstddef>
#include <map>
#include <string>

#include "config/settings.h"
#include "supervisor/base/time.h"

namespace emprops::hub {

class RefusalCache {
  public:
    explicit RefusalCache(config::Duration memory, std::size_t max_jobs = 4096)
        : memory_(memory), max_jobs_(max_jobs) {}

    /// Notes a refusal; how many there have been for this job, this one included.
    int add(TimePoint now, const std::string& job_id);
    /// True while offers of this job should not be answered.
    bool contains(TimePoint now, const std::string& job_id) const;
    /// The job was ours after all, or is over: forget its refusals.
    void forget(const std::string& job_id) { jobs_.erase(job_id); }
    /// We have another id: what was refused to the old one may be given to it.
    void clear() { jobs_.clear(); }

  private:
    struct Refusal {
        TimePoint last;
        int count = 0;
    };
    void make_room(TimePoint now);

    config::Duration memory_;
    std::size_t max_jobs_;
    std::map<std::string, Refusal> jobs_;
};

}  // namespace emprops::hub
