#pragma once
// Passes progress on at a bounded rate per job: the first at once, then the newest of each interval. Holds
// lines, not messages: most of a flood is never decoded. Pure; owned by one connector process; knows only the
// jobs that the process holds, so it cannot grow.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "supervisor/base/time.h"

namespace emprops::process {

class ProgressCoalescer {
  public:
    explicit ProgressCoalescer(Ms interval) : interval_(interval) {}

    /// Whether this line may be passed on now; else it waits, in the place of an older one of its job.
    bool offer(std::string_view job_id, std::string_view line, TimePoint now);
    /// The lines that have waited long enough.
    std::vector<std::string> take_due(TimePoint now);
    /// The one that waits for this job, to be passed on before its result; forgets the job.
    std::optional<std::string> finish(std::string_view job_id);

    std::optional<TimePoint> next_due() const;
    /// How many were replaced by a newer one.
    std::uint64_t coalesced() const { return coalesced_; }

  private:
    struct Entry {
        TimePoint passed_at;
        std::string waiting;  // empty: none
    };
    Ms interval_;
    std::map<std::string, Entry, std::less<>> jobs_;
    std::uint64_t coalesced_ = 0;
};

}  // namespace emprops::process
