#include "supervisor/process/pipes/write_queue.h"

#include <algorithm>

namespace emprops::process {

void WriteQueue::push(std::string line, bool job, TimePoint now) {
    if (lines_.empty()) waiting_since_ = now;
    bytes_ += line.size();
    lines_.push_back({std::move(line), job});
}

void WriteQueue::drop_jobs() {
    // The first line may be on its way in a write that is still outstanding, even when no byte is known to be
    // sent.
    for (std::size_t index = lines_.size(); index-- > 1;) {
        if (!lines_[index].job) continue;
        bytes_ -= lines_[index].text.size();
        lines_.erase(lines_.begin() + static_cast<std::ptrdiff_t>(index));
    }
}

void WriteQueue::clear() {
    lines_.clear();
    bytes_ = 0;
    sent_ = 0;
}

std::string_view WriteQueue::next() const {
    return lines_.empty() ? std::string_view{} : std::string_view(lines_.front().text).substr(sent_);
}

void WriteQueue::consume(std::size_t bytes, TimePoint now) {
    if (bytes == 0 || lines_.empty()) return;
    bytes = std::min(bytes, lines_.front().text.size() - sent_);
    waiting_since_ = now;
    sent_ += bytes;
    bytes_ -= bytes;
    if (sent_ < lines_.front().text.size()) return;
    lines_.pop_front();
    sent_ = 0;
}

}  // namespace emprops::process
