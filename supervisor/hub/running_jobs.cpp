#include "supervisor/hub/running_jobs.h"

#include <algorithm>
#include <utility>

namespace emprops::hub {
namespace {

/// Progress beyond this per job is coalesced: the newest wins.
constexpr double progress_burst = 20;
constexpr double progress_per_second = 10;
constexpr std::size_t most_taken = 4096;
/// The ledger answers within the same moment, unless its disk is in trouble.
constexpr Ms wait_for_outcome{100};

ipc::Progress started(const std::string& job_id) {
    ipc::Progress progress;
    progress.job_id = job_id;
    progress.progress = 0;
    progress.status = "started";
    progress.message = "Starting job";
    return progress;
}

}  // namespace

void RunningJobs::adopt(TimePoint now, const std::string& job_id, RunningJob job) {
    job.assigned_at = job.last_progress = job.tokens_at = job.unfenced_since = now;
    job.fenced = false;
    job.recovered = true;
    jobs_[job_id] = std::move(job);
}

void RunningJobs::begin(TimePoint now, const std::string& job_id, const std::string& job_type,
                        std::uint64_t number, bool waits) {
    RunningJob job;
    job.job_type = job_type;
    job.number = number;
    job.claimed_as.insert(wire_.worker_id());
    job.assigned_at = job.last_progress = job.tokens_at = now;
    job.waits = waits;
    jobs_.emplace(job_id, std::move(job));
    wire_.send(waits ? encode_keepalive(wire_.stamp(), job_id, true)
                     : encode_progress(wire_.stamp(), started(job_id)),
               true);
}

void RunningJobs::begun(const std::string& job_id, std::uint64_t number) {
    const auto job = jobs_.find(job_id);
    if (job == jobs_.end() || job->second.number != number) return;
    if (std::exchange(job->second.waits, false)) report(job_id, number, started(job_id));
}

std::optional<RunningJob> RunningJobs::end(const std::string& job_id, std::uint64_t number) {
    const auto job = jobs_.find(job_id);
    if (job == jobs_.end() || job->second.number != number) return std::nullopt;
    return std::move(jobs_.extract(job).mapped());
}

std::optional<RunningJob> RunningJobs::take_away(const std::string& job_id, const std::string& reason) {
    auto job = jobs_.extract(job_id);
    if (job.empty()) return std::nullopt;
    if (taken_.size() >= most_taken) taken_.erase(taken_.begin());
    taken_[job.mapped().number] = reason;
    return std::move(job.mapped());
}

std::optional<std::string> RunningJobs::taken(std::uint64_t number) {
    auto reason = taken_.extract(number);
    if (reason.empty()) return std::nullopt;
    return std::move(reason.mapped());
}

const RunningJob* RunningJobs::find(const std::string& job_id) const {
    const auto job = jobs_.find(job_id);
    return job == jobs_.end() ? nullptr : &job->second;
}

bool RunningJobs::unfenced() const {
    return std::any_of(jobs_.begin(), jobs_.end(), [](const auto& job) { return !job.second.fenced; });
}

std::vector<std::string> RunningJobs::add_claim(const std::string& job_id) {
    RunningJob& job = jobs_.at(job_id);
    std::vector<std::string> before(job.claimed_as.begin(), job.claimed_as.end());
    if (job.claimed_as.insert(wire_.worker_id()).second)
        wire_.act(Readopted{job_id, job.number, wire_.worker_id()});
    return before;
}

void RunningJobs::confirm(TimePoint now, const std::string& job_id) {
    RunningJob& job = jobs_.at(job_id);
    if (std::exchange(job.recovered, false)) wire_.act(JobConfirmed{job_id, job.number});
    if (std::exchange(job.fenced, true)) return;
    // Say so at once: the Hub may be about to give the job away.
    if (job.held_progress) {
        send_held_progress(now, job);
    } else {
        send_keepalive(now, job_id, job);
    }
}

void RunningJobs::report(const std::string& job_id, std::uint64_t number, const ipc::Progress& progress) {
    const auto job = jobs_.find(job_id);
    if (job == jobs_.end() || job->second.number != number) return;
    job->second.held_progress = progress;
    job->second.held_progress->job_id = job_id;
}

void RunningJobs::say_held(TimePoint now, const std::string& job_id) {
    if (const auto job = jobs_.find(job_id); job != jobs_.end()) send_held_progress(now, job->second);
}

void RunningJobs::send_held_progress(TimePoint now, RunningJob& job) {
    if (!job.held_progress || !wire_.usable() || !job.fenced) return;
    const std::chrono::duration<double> passed = now - job.tokens_at;
    job.progress_tokens =
        std::min(progress_burst, job.progress_tokens + std::max(0.0, passed.count()) * progress_per_second);
    job.tokens_at = now;
    if (job.progress_tokens < 1) return;
    job.progress_tokens -= 1;
    std::string frame = encode_progress(wire_.stamp(), *job.held_progress);
    if (frame.size() > settings_.hub.send_limit) {
        job.held_progress->details = nullptr;
        job.held_progress->message.clear();
        job.held_progress->status = "processing";
        frame = encode_progress(wire_.stamp(), *job.held_progress);
    }
    wire_.send(std::move(frame), true);
    job.held_progress.reset();
    job.last_progress = now;
}

void RunningJobs::send_keepalive(TimePoint now, const std::string& job_id, RunningJob& job) {
    wire_.send(encode_keepalive(wire_.stamp(), job_id, job.waits), true);
    job.last_progress = now;
}

void RunningJobs::keep_alive(TimePoint now, bool ending) {
    for (auto& [job_id, job] : jobs_) {
        // Not known to be ours: a sign of life harms nobody, but nothing else is said of it. What an earlier
        // process of ours left does not run, and is only asked about.
        const bool unknown = !job.fenced;
        if (unknown && (job.recovered || now - job.unfenced_since < settings_.running_patience)) continue;
        if (!ending) job.held_since.reset();
        if (ending && job.held_progress && !job.held_since) job.held_since = now;
        const bool waits = job.held_since && now - *job.held_since < wait_for_outcome;
        if (!unknown && !waits) send_held_progress(now, job);
        if (now - job.last_progress >= settings_.hub.keepalive_interval) send_keepalive(now, job_id, job);
    }
}

void RunningJobs::owe_signs() {
    for (auto& [job_id, job] : jobs_)
        job.last_progress -= settings_.hub.keepalive_interval;
}

void RunningJobs::on_welcomed(TimePoint now) {
    for (auto& [job_id, job] : jobs_)
        if (!job.fenced) job.unfenced_since = now;
}

void RunningJobs::on_disconnected(TimePoint now) {
    for (auto& [job_id, job] : jobs_) {
        job.fenced = false;
        job.unfenced_since = now;
    }
}

bool RunningJobs::release_unfenced(TimePoint now, Ms older_than) {
    bool any = false;
    for (auto& [job_id, job] : jobs_) {
        if (job.fenced || now - job.unfenced_since < older_than) continue;
        any = true;
        const bool recovered = job.recovered;
        confirm(now, job_id);
        job.recovered = recovered;  // still nobody has said so
    }
    return any;
}

std::optional<TimePoint> RunningJobs::next_wakeup() const {
    Earliest first;
    for (const auto& [job_id, job] : jobs_) {
        const TimePoint keep_alive_at = job.last_progress + settings_.hub.keepalive_interval;
        if (!job.fenced) {
            first.add(job.unfenced_since + settings_.fence_patience);
            if (!job.recovered)
                first.add(std::max(job.unfenced_since + settings_.running_patience, keep_alive_at));
            continue;
        }
        first.add(keep_alive_at);
        if (job.held_progress)
            first.add(
                std::max(job.tokens_at + Ms(100), job.held_since.value_or(job.tokens_at) + wait_for_outcome));
    }
    return first.at();
}

}  // namespace emprops::hub
