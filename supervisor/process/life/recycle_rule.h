#pragma once
// When a process that works is replaced by a fresh one: its number of jobs, its age, its memory, graphics memory.
// Memory counts only after a first job: a new process does not help when it needs that much when idle, or when
// others fill the device. Pure; owned by a Life.

#include <cstdint>
#include <optional>
#include <string>

#include "supervisor/process/life/options.h"
#include "supervisor/process/life/run.h"

namespace emprops::process {

class RecycleRule {
  public:
    explicit RecycleRule(const LifeOptions& options) : limits_(options.policy), max_vram_(options.max_vram) {}

    /// Why the process is due; empty: it is not. `rss_bytes`: of its tree; 0: not measured.
    std::string due(const Run& run, std::uint64_t rss_bytes, TimePoint now) const;
    /// Looks at what it needs before its first job. True: a limit is below that, and nobody was told yet.
    bool finds_limit_too_low(const Run& run, std::uint64_t rss_bytes);
    /// Completes "comfyui ...": which limit is too low; empty: none.
    const std::string& limit_too_low() const { return limit_too_low_; }
    /// The last try did not work: nothing is due before this.
    void put_off_until(TimePoint at) { not_before_ = at; }
    bool put_off(TimePoint now) const { return not_before_ && now < *not_before_; }
    /// When its age makes it due.
    std::optional<TimePoint> due_at(const Run& run) const;

  private:
    config::RecycleSettings limits_;
    config::Bytes max_vram_;
    std::optional<TimePoint> not_before_;
    std::string limit_too_low_;
};

}  // namespace emprops::process
