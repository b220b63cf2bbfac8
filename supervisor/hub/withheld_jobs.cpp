#include "supervisor/hub/withheld_jobs.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

namespace emprops::hub {

bool lost_here(const ipc::JobError& error) {
    namespace code = ipc::code;
    static const std::set<std::string_view> losses = {code::lost,          code::crashed,
                                                      code::hung,          code::drained,
                                                      code::not_started,   code::service_unavailable,
                                                      code::protocol_error};
    return error.retryable && losses.count(error.code) != 0;
}

std::string withheld_sentence(const WithheldJob& job, const std::string& worker_id) {
    if (job.refused)
        return "job " + job.job_id + " waits at the Hub, which offers it to " + worker_id +
               " and refuses its claim";
    return "job " + job.job_id + ", which failed here (" + job.why +
           "), waits at the Hub, which never gives it to " + worker_id + " again";
}

std::string withheld_text(const WithheldJob& job, const std::string& worker_id, bool exact_id) {
    if (exact_id)
        return withheld_sentence(job, worker_id) +
               "; this worker's id is fixed (hub.url, that is REDIS_WS_URL, or worker.exact_id), so it "
               "cannot come back under another one: let it choose its id, or let another worker run the "
               "job";
    return withheld_sentence(job, worker_id) +
           "; it comes back here under a fresh id once this worker is idle, at most once a minute";
}

WithheldJobs::Step WithheldJobs::still_waits(TimePoint now, const std::string& job_id, bool exact_id,
                                             bool idle, bool place) {
    WithheldJob* job = find(job_id);
    if (job == nullptr) return Step::none;
    const bool news = !std::exchange(job->waits, true);
    if (exact_id) {
        job->look_at = now + renewal_gap;
        if (job->refused && idle && place) return Step::claim;
        return news ? Step::tell : Step::none;
    }
    if (renewed_at_ && now - *renewed_at_ < renewal_gap) {
        job->look_at = *renewed_at_ + renewal_gap;
        return Step::none;
    }
    if (!idle) return Step::none;  // looked at again when it is
    renewed_at_ = now;
    return Step::fresh_id;
}

void WithheldJobs::failed_here(TimePoint now, const std::string& job_id, const std::string& job_type,
                               const std::string& code) {
    add({job_id, job_type, code, now, now + patience, false, false});
}

void WithheldJobs::claim_refused(TimePoint now, const std::string& job_id, const std::string& job_type) {
    add({job_id, job_type, "claim refused", now, now + patience, true, false});
}

void WithheldJobs::add(WithheldJob job) {
    if (jobs_.size() >= most && jobs_.count(job.job_id) == 0)
        jobs_.erase(std::min_element(jobs_.begin(), jobs_.end(), [](const auto& a, const auto& b) {
            return a.second.since < b.second.since;
        }));
    std::string id = job.job_id;
    jobs_.insert_or_assign(std::move(id), std::move(job));
}

void WithheldJobs::forget(const std::string& job_id) {
    jobs_.erase(job_id);
}

const WithheldJob* WithheldJobs::due(TimePoint now,
                                     const std::function<bool(const std::string& type)>& fits) const {
    const WithheldJob* first = nullptr;
    for (const auto& [id, job] : jobs_)
        if (job.look_at <= now && (first == nullptr || job.look_at < first->look_at) && fits(job.job_type))
            first = &job;
    return first;
}

bool WithheldJobs::any_due(TimePoint now) const {
    return std::any_of(jobs_.begin(), jobs_.end(),
                       [&](const auto& each) { return each.second.look_at <= now; });
}

WithheldJob* WithheldJobs::find(const std::string& job_id) {
    const auto job = jobs_.find(job_id);
    return job == jobs_.end() ? nullptr : &job->second;
}

std::optional<TimePoint> WithheldJobs::next_look(TimePoint now) const {
    std::optional<TimePoint> next;
    for (const auto& [id, job] : jobs_)
        if (job.look_at > now && (!next || job.look_at < *next)) next = job.look_at;
    return next;
}

std::vector<WithheldJob> WithheldJobs::waiting() const {
    std::vector<WithheldJob> list;
    for (const auto& [id, job] : jobs_)
        if (job.waits) list.push_back(job);
    std::sort(list.begin(), list.end(), [](const auto& a, const auto& b) { return a.since < b.since; });
    return list;
}

}  // namespace emprops::hub
