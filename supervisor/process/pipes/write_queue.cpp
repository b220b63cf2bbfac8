#include "supervisor/process/pipes/write_queue.h"

#include <algorithm>

namespace emprops::process {

void WriteQueue::push(ipc::SharedLine line, bool job, TimePoint now) {
    if (lines_.empty()) waiting_since_ = now;
    bytes_ += line.size();
    lines_.push_back({std::move(line), job});
}

void WriteQueue::drop_jobs() {
    const std::size_t begun = sent_ > 0 ? 1 : 0;
    for (std::size_t index = lines_.size(); index-- > begun;) {
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

std::vector<std::string_view> WriteQueue::next(std::size_t most_bytes) const {
    std::vector<std::string_view> batch;
    std::size_t bytes = 0;
    std::size_t sent = sent_;
    for (const Line& line : lines_) {
        if (bytes >= most_bytes) break;
        for (std::string_view part : line.text.parts()) {
            const std::size_t behind = std::min(sent, part.size());
            sent -= behind;
            part.remove_prefix(behind);
            if (part.empty()) continue;
            batch.push_back(part);
            bytes += part.size();
        }
    }
    return batch;
}

void WriteQueue::consume(std::size_t bytes, TimePoint now) {
    if (bytes == 0) return;
    waiting_since_ = now;
    while (bytes > 0 && !lines_.empty()) {
        const std::size_t taken = std::min(bytes, lines_.front().text.size() - sent_);
        bytes -= taken;
        bytes_ -= taken;
        sent_ += taken;
        if (sent_ < lines_.front().text.size()) return;
        lines_.pop_front();
        sent_ = 0;
    }
}

}  // namespace emprops::process
