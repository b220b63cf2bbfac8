#include "supervisor/jobs/job_history.h"

#include <algorithm>

namespace emprops::jobs {

JobHistory::Entry& JobHistory::touch(const std::string& job_id) {
    if (const auto it = index_.find(job_id); it != index_.end()) {
        entries_.splice(entries_.begin(), entries_, it->second);
        return entries_.front();
    }
    if (entries_.size() >= capacity_) {
        index_.erase(entries_.back().job_id);
        entries_.pop_back();
    }
    entries_.push_front(Entry{job_id, 0, false, false, {}});
    index_[job_id] = entries_.begin();
    return entries_.front();
}

int JobHistory::begin_attempt(const std::string& job_id) {
    return ++touch(job_id).attempts;
}

void JobHistory::undo_attempt(const std::string& job_id) {
    Entry& entry = touch(job_id);
    entry.attempts = std::max(0, entry.attempts - 1);
}

void JobHistory::attempts_at_least(const std::string& job_id, int attempts) {
    Entry& entry = touch(job_id);
    entry.attempts = std::max(entry.attempts, attempts);
}

std::uint32_t JobHistory::add_death(const std::string& job_id, const std::string& how, std::uint32_t limit,
                                    const std::string& service) {
    Entry& entry = touch(job_id);
    ++entry.deaths.deaths;
    if (entry.deaths.deaths == 1) entry.deaths.service = service;
    if (entry.deaths.service != service) entry.deaths.service.clear();
    entry.deaths.last_death = how;
    entry.is_poison = limit > 0 && entry.deaths.deaths >= limit;
    return entry.deaths.deaths;
}

void JobHistory::forgive(const std::string& job_id) {
    const auto it = index_.find(job_id);
    if (it == index_.end()) return;
    it->second->deaths = {};
    it->second->is_poison = false;
}

void JobHistory::run_alone(const std::string& job_id) {
    touch(job_id).alone = true;
}

bool JobHistory::runs_alone(const std::string& job_id) const {
    const auto it = index_.find(job_id);
    return it != index_.end() && it->second->alone;
}

const JobHistory::Poison* JobHistory::poison(const std::string& job_id) const {
    const auto it = index_.find(job_id);
    return it != index_.end() && it->second->is_poison ? &it->second->deaths : nullptr;
}

std::size_t JobHistory::poisoned() const {
    return static_cast<std::size_t>(
        std::count_if(entries_.begin(), entries_.end(), [](const Entry& entry) { return entry.is_poison; }));
}

void JobHistory::forget(const std::string& job_id) {
    const auto it = index_.find(job_id);
    if (it == index_.end()) return;
    entries_.erase(it->second);
    index_.erase(it);
}

}  // namespace emprops::jobs
