#pragma once
// What was written and is not known yet to survive a power cut, and when the next sync is due. Pure; part of Journal.

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "supervisor/base/time.h"
#include "supervisor/jobs/journal/task.h"

namespace emprops::jobs::journal {

class Unsynced {
  public:
    struct Entry {
        std::uint64_t sequence = 0, number = 0;
        std::string members;
    };

    explicit Unsynced(Ms interval) : interval_(interval) {}

    void wrote(TimePoint now, Entry entry, const std::shared_ptr<File>& segment);
    /// A file that the record names which is written next.
    void stored(const std::shared_ptr<File>& data) { data_.push_back(data); }

    /// The next sync, if it is due and none goes on; it goes on from then on, until succeeded() or failed().
    std::optional<SyncFiles> begin(TimePoint now);
    void succeeded();
    /// All that is not durable, oldest first; it is not waited for any more.
    std::vector<Entry> failed();
    std::optional<TimePoint> next_wakeup() const;

    /// What has this sequence number, or a smaller one, survives what it is to survive.
    std::uint64_t durable() const { return durable_; }
    bool empty() const { return waiting_.empty() && in_sync_.empty(); }

  private:
    const Ms interval_;
    std::vector<Entry> waiting_, in_sync_;
    std::vector<std::shared_ptr<File>> data_, segments_;  // of waiting_
    std::optional<TimePoint> due_;                        // of waiting_
    TimePoint last_{};                                    // when a sync began
    bool going_on_ = false;
    std::uint64_t durable_ = 0;
};

}  // namespace emprops::jobs::journal
