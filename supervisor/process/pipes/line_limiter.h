#pragma once
// So many lines in each second, the rest is counted. Pure; one per stream.

#include <cstdint>

#include "supervisor/base/time.h"

namespace emprops::process {

class LineLimiter {
  public:
    explicit LineLimiter(std::uint32_t lines_per_second) : limit_(lines_per_second) {}

    /// Whether this line may pass.
    bool allow(TimePoint now) {
        if (now - window_ >= std::chrono::seconds(1)) {
            window_ = now;
            used_ = 0;
        }
        if (used_ < limit_) {
            ++used_;
            return true;
        }
        ++dropped_;
        return false;
    }
    /// Lines that did not pass since the last call.
    std::uint64_t take_dropped() {
        const std::uint64_t dropped = dropped_;
        dropped_ = 0;
        return dropped;
    }

  private:
    std::uint32_t limit_;
    std::uint32_t used_ = 0;
    TimePoint window_{};
    std::uint64_t dropped_ = 0;
};

}  // namespace emprops::process
