#include "supervisor/jobs/journal/unsynced.h"

#include <algorithm>
#include <iterator>

namespace emprops::jobs::journal {

void Unsynced::wrote(TimePoint now, Entry entry, const std::shared_ptr<File>& segment) {
    if (!due_) due_ = now + interval_;
    if (std::find(segments_.begin(), segments_.end(), segment) == segments_.end())
        segments_.push_back(segment);
    waiting_.push_back(std::move(entry));
}

std::optional<SyncFiles> Unsynced::begin(TimePoint now) {
    if (going_on_ || !due_ || now < *due_ || now < last_ + interval_) return {};
    going_on_ = true;
    last_ = now;
    due_.reset();
    in_sync_ = std::exchange(waiting_, {});
    SyncFiles task{std::exchange(data_, {}), false};
    task.names = !task.files.empty();
    task.files.insert(task.files.end(), segments_.begin(), segments_.end());
    segments_.clear();
    return task;
}

void Unsynced::succeeded() {
    going_on_ = false;
    if (!in_sync_.empty()) durable_ = std::max(durable_, in_sync_.back().sequence);
    in_sync_.clear();
}

std::vector<Unsynced::Entry> Unsynced::failed() {
    going_on_ = false;
    due_.reset();
    segments_.clear();
    std::vector<Entry> all = std::exchange(in_sync_, {});
    std::move(waiting_.begin(), waiting_.end(), std::back_inserter(all));
    waiting_.clear();
    return all;
}

std::optional<TimePoint> Unsynced::next_wakeup() const {
    if (going_on_ || !due_) return {};
    return std::max(*due_, last_ + interval_);
}

}  // namespace emprops::jobs::journal
