#pragma once
// Passes progress on at a bounded rate per job: the first at once, then the newest of each interval. Pure;
// owned by one connector process; knows only the jobs that the process holds, so it cannot grow.

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ipc/messages.h"
#include "supervisor/base/time.h"

namespace emprops::process {

class ProgressCoalescer {
  public:
    explicit ProgressCoalescer(Ms interval) : interval_(interval) {}

    /// Returns the progress if it may be passed on now; else it waits, in the place of an older one of its
    /// job.
    std::optional<ipc::Progress> offer(ipc::Progress progress, TimePoint now);
    /// What has waited long enough.
    std::vector<ipc::Progress> take_due(TimePoint now);
    /// The one that waits for this job, to be passed on before its result; forgets the job.
    std::optional<ipc::Progress> finish(const std::string& job_id);

    std::optional<TimePoint> next_due() const;
    /// How many were replaced by a newer one.
    std::uint64_t coalesced() const { return coalesced_; }

  private:
    struct Entry {
        TimePoint passed_at;
        std::optional<ipc::Progress> waiting;
    };
    Ms interval_;
    std::map<std::string, Entry> jobs_;
    std::uint64_t coalesced_ = 0;
};

}  // namespace emprops::process
