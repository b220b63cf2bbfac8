#include "supervisor/jobs/blame.h"
#include "ipc/text/values.h"

#include <algorithm>

namespace emprops::jobs {

namespace {

/// Failed jobs whose words are kept until the next death. More than any service has at a time.
constexpr std::size_t max_over = 64;
/// Different jobs that are named for an accused machine.
constexpr std::size_t max_killers = 8;

}  // namespace

void Blame::Docket::forget(const std::string& job_id) {
    sent.erase(job_id);
    sent_before.erase(job_id);
    begun.erase(job_id);
    std::erase(over, job_id);
}

void Blame::sent(const Victim& service, const std::string& job_id) {
    Docket& docket = dockets_[service];
    docket.tells_sent = true;
    docket.sent.insert(job_id);
    docket.begun.erase(job_id);  // sent once more: it is not begun yet
    std::erase(docket.over, job_id);
}

void Blame::begun(const Victim& service, const std::string& job_id) {
    Docket& docket = dockets_[service];
    // Before a service_request, `accepted` only says that the connector has taken the job.
    if (!docket.sent.contains(job_id) && !docket.sent_before.contains(job_id)) return;
    docket.begun.insert(job_id);
    std::erase(docket.over, job_id);
}

void Blame::given(const Victim& service, const std::string& job_id) {
    if (const auto found = dockets_.find(service); found != dockets_.end()) found->second.forget(job_id);
}

void Blame::ended(const Victim& victim, const std::string& job_id, bool completed) {
    const auto found = dockets_.find(victim);
    if (found == dockets_.end()) return;
    Docket& docket = found->second;
    if (completed) {
        docket.forget(job_id);
        docket.killers.clear();
        docket.accused = false;
    } else if (docket.sent.contains(job_id) || docket.sent_before.contains(job_id) ||
               docket.begun.contains(job_id)) {
        std::erase(docket.over, job_id);
        docket.over.push_back(job_id);
        if (docket.over.size() > max_over) docket.forget(std::string(docket.over.front()));
    }
}

Verdict Blame::service_died(const Victim& service, const std::vector<std::string>& held, bool served) {
    Docket& docket = dockets_[service];
    const auto those_of = [&](const std::set<std::string>& said) {
        std::vector<std::string> jobs;
        std::copy_if(held.begin(), held.end(), std::back_inserter(jobs),
                     [&](const std::string& job_id) { return said.contains(job_id); });
        return jobs;
    };
    std::vector<std::string> candidates = those_of(docket.begun);
    if (candidates.empty()) candidates = those_of(docket.sent);
    // Not every connector says that it sends a job to the service again. A service that never was healthy got no job.
    if (candidates.empty() && served) candidates = those_of(docket.sent_before);
    if (candidates.empty() && served && !docket.tells_sent) candidates = held;
    docket.sent_before.merge(docket.sent);
    std::erase_if(docket.sent_before,
                  [&](const std::string& job_id) { return !text::has_item(held, job_id); });
    docket.sent.clear();
    docket.begun.clear();
    docket.over.clear();
    return judge(service, candidates);
}

Verdict Blame::judge(const Victim& victim, const std::vector<std::string>& candidates) {
    if (candidates.empty()) return {};
    if (candidates.size() > 1) return {Verdict::Kind::unclear, candidates};
    Docket& docket = dockets_[victim];
    const std::string& job_id = candidates.front();
    std::erase(docket.killers, job_id);
    docket.killers.push_back(job_id);
    if (docket.killers.size() > max_killers) docket.killers.erase(docket.killers.begin());
    if (docket.killers.size() == 1) return {Verdict::Kind::job, docket.killers};
    docket.accused = true;
    return {Verdict::Kind::machine, docket.killers};
}

void Blame::trial_went_well(const Victim& victim) {
    const auto found = dockets_.find(victim);
    if (found == dockets_.end() || !found->second.accused) return;
    found->second.killers.clear();
    found->second.accused = false;
}

}  // namespace emprops::jobs
