#include "supervisor/local_hub/job_queue.h"

#include <iterator>

namespace emprops::local_hub {

void JobQueue::add(const Job& job) {
    if (!lines_[job.type][job.priority].emplace(job.sequence, job.id).second) return;
    ++size_;
    if (job.priority > 0) ++with_priority_;
}

void JobQueue::remove(const Job& job) {
    const auto line = lines_.find(job.type);
    if (line == lines_.end()) return;
    const auto bucket = line->second.find(job.priority);
    if (bucket == line->second.end() || bucket->second.erase(job.sequence) == 0) return;
    --size_;
    if (job.priority > 0) --with_priority_;
    if (bucket->second.empty()) line->second.erase(bucket);
    if (line->second.empty()) lines_.erase(line);
}

std::optional<std::string> JobQueue::first(
    const std::set<std::string>& types, const std::function<bool(const std::string& job_id)>& accept) const {
    std::optional<std::string> best;
    std::int64_t best_priority = 0;
    std::uint64_t best_sequence = 0;
    const auto beats = [&](std::int64_t priority, std::uint64_t sequence) {
        return !best || priority > best_priority || (priority == best_priority && sequence < best_sequence);
    };
    const auto look_through = [&](const Line& line) {
        for (const auto& [priority, bucket] : line) {
            for (const auto& [sequence, id] : bucket) {
                if (!beats(priority, sequence)) return;
                if (!accept(id)) continue;
                best = id;
                best_priority = priority;
                best_sequence = sequence;
                return;
            }
        }
    };
    // The shorter list is walked: a worker may name many types, and a queue may hold many.
    if (lines_.size() < types.size()) {
        for (const auto& [type, line] : lines_)
            if (types.contains(type)) look_through(line);
        return best;
    }
    for (const auto& type : types) {
        if (const auto line = lines_.find(type); line != lines_.end()) look_through(line->second);
    }
    return best;
}

std::size_t JobQueue::ahead_of(const Job& job) const {
    const auto line = lines_.find(job.type);
    if (line == lines_.end()) return 0;
    std::size_t ahead = 0;
    for (const auto& [priority, bucket] : line->second) {
        if (priority > job.priority) {
            ahead += bucket.size();
            continue;
        }
        if (priority < job.priority || bucket.empty()) break;
        if (job.sequence >= bucket.rbegin()->first) {  // the newest: the usual question, right after a submit
            return ahead + bucket.size() - (job.sequence == bucket.rbegin()->first ? 1 : 0);
        }
        return ahead +
               static_cast<std::size_t>(std::distance(bucket.begin(), bucket.lower_bound(job.sequence)));
    }
    return ahead;
}

}  // namespace emprops::local_hub
