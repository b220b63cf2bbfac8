#include "connector-sdk/cpp/src/outgoing_queue.h"

#include <algorithm>
#include <utility>

#include "ipc/codec.h"

namespace emprops::sdk {

void OutgoingQueue::push(std::string line) {
    lines_.push_back({std::move(line), false});
}

void OutgoingQueue::push_droppable(std::string line) {
    if (line.size() > limits_.max_line_bytes || droppable_bytes_ + line.size() > limits_.droppable_bytes) {
        ++dropped_;
        return;
    }
    droppable_bytes_ += line.size();
    lines_.push_back({.text = std::move(line), .droppable = true});
}

void OutgoingQueue::progress(ipc::Progress progress, TimePoint now) {
    auto [found, fresh] = progress_.try_emplace(progress.job_id);
    JobProgress& entry = found->second;
    if (!fresh && (entry.queued || entry.waiting || now < entry.due)) {
        entry.waiting = std::move(progress);
        return;
    }
    // The first after a pause has a place in the line: it is not lost to one that comes a moment later.
    entry.queued = true;
    entry.due = now + limits_.progress_interval;
    lines_.push_back({.text = encode_progress(std::move(progress)), .progress_of = found->first});
}

void OutgoingQueue::finish(const std::string& job_id, std::string line) {
    const auto entry = progress_.find(job_id);
    if (entry != progress_.end()) {
        if (entry->second.waiting) push(encode_progress(std::move(*entry->second.waiting)));
        progress_.erase(entry);
    }
    push(std::move(line));
}

std::optional<std::string> OutgoingQueue::next(TimePoint now) {
    if (!lines_.empty()) {
        Line line = std::move(lines_.front());
        lines_.pop_front();
        if (line.droppable) droppable_bytes_ -= line.text.size();
        if (const auto entry = progress_.find(line.progress_of); entry != progress_.end())
            entry->second.queued = false;
        return std::move(line.text);
    }
    for (auto& [job_id, entry] : progress_) {
        if (!entry.waiting || entry.due > now) continue;
        entry.due = now + limits_.progress_interval;
        return encode_progress(*std::exchange(entry.waiting, std::nullopt));
    }
    return std::nullopt;
}

std::optional<TimePoint> OutgoingQueue::next_due() const {
    std::optional<TimePoint> earliest;
    for (const auto& [job_id, entry] : progress_)
        if (entry.waiting) earliest = earliest ? std::min(*earliest, entry.due) : entry.due;
    return earliest;
}

void OutgoingQueue::clear() {
    lines_.clear();
    progress_.clear();
    droppable_bytes_ = 0;
}

std::string OutgoingQueue::encode_progress(ipc::Progress progress) const {
    std::string line = ipc::encode(progress);
    if (line.size() <= limits_.max_line_bytes) return line;
    progress.details = nullptr;
    return ipc::encode(progress);
}

}  // namespace emprops::sdk
