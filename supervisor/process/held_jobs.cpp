#include "supervisor/process/held_jobs.h"

#include <algorithm>
#include <utility>

namespace emprops::process {

bool HeldJobs::add(const std::string& job_id, const std::string& work_dir, bool prepared) {
    const auto [job, fresh] = jobs_.try_emplace(job_id);
    if (!fresh) return false;
    job->second.work_dir = work_dir;
    job->second.prepared = prepared;
    return true;
}

bool HeldJobs::begin(std::string_view job_id) {
    Job* job = find(job_id);
    return job != nullptr && std::exchange(job->prepared, false);
}

HeldJobs::Job* HeldJobs::find(std::string_view job_id) {
    const auto found = jobs_.find(job_id);
    return found == jobs_.end() ? nullptr : &found->second;
}

void HeldJobs::remove(std::string_view job_id) {
    if (const auto found = jobs_.find(job_id); found != jobs_.end()) jobs_.erase(found);
}

bool HeldJobs::unanswered(std::string_view job_id) {
    Job* job = find(job_id);
    return job != nullptr && !std::exchange(job->unanswered, true) && !job->prepared;
}

bool HeldJobs::runs(std::string_view job_id) const {
    const auto found = jobs_.find(job_id);
    return found != jobs_.end() && found->second.runs();
}

int HeldJobs::running() const {
    return static_cast<int>(
        std::count_if(jobs_.begin(), jobs_.end(), [](const auto& each) { return each.second.runs(); }));
}

std::vector<std::string> HeldJobs::ids(bool others) const {
    std::vector<std::string> ids;
    for (const auto& [job_id, job] : jobs_) {
        if (job.runs() != others) ids.push_back(job_id);
    }
    return ids;
}

bool HeldJobs::said(std::string_view job_id, bool ends) {
    Job* job = find(job_id);
    if (job == nullptr || job->ended) return false;
    job->ended = ends;
    return true;
}

void HeldJobs::has_files(std::string_view job_id) {
    if (Job* job = find(job_id)) job->files = true;
}

bool HeldJobs::keeps_folder(std::string_view job_id) const {
    const auto found = jobs_.find(job_id);
    return found != jobs_.end() && found->second.files;
}

bool HeldJobs::requested(std::string_view job_id) {
    Job* job = find(job_id);
    return job != nullptr && !std::exchange(job->requested, true);
}

void HeldJobs::awaits_service(std::string_view job_id) {
    if (Job* job = find(job_id)) job->accepted = false;
}

bool HeldJobs::accepted(std::string_view job_id) {
    Job* job = find(job_id);
    return job != nullptr && !std::exchange(job->accepted, true);
}

void HeldJobs::progressed(std::string_view job_id, int percent, bool fraction) {
    Job* job = find(job_id);
    if (job == nullptr) return;
    job->fractions = job->fractions || fraction;
    job->most_percent = std::max(job->most_percent, percent);
}

bool HeldJobs::counts_in_fractions(std::string_view job_id) const {
    const auto found = jobs_.find(job_id);
    return found != jobs_.end() && found->second.fractions && found->second.most_percent <= 1;
}

std::string HeldJobs::work_dir(std::string_view job_id) const {
    const auto found = jobs_.find(job_id);
    return found == jobs_.end() ? "" : found->second.work_dir;
}

bool HeldJobs::failed_here(std::string_view job_id) {
    Job* job = find(job_id);
    return job != nullptr && !job->ended && !std::exchange(job->failed_here, true);
}

}  // namespace emprops::process
