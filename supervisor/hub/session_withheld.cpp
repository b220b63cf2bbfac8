// Jobs that the Hub keeps from our id (withheld_jobs.h): asked about when nothing else is to be done here,
// and cured by connecting again under a fresh id.

#include <utility>

#include "supervisor/hub/session_impl.h"

namespace emprops::hub {
namespace {

/// A fresh id costs the Hub a connection and a registration.
constexpr Ms renewal_gap{60'000};

std::string sentence(const WithheldJob& job, const std::string& worker_id) {
    if (job.refused)
        return "job " + job.job_id + " waits at the Hub, which offers it to " + worker_id +
               " and refuses its claim";
    return "job " + job.job_id + ", which failed here (" + job.why +
           "), waits at the Hub, which never gives it to " + worker_id + " again";
}

}  // namespace

/// The job to ask about now, if nothing else is to be done.
const WithheldJob* Session::Impl::withheld_due(TimePoint now) const {
    if (!withheld.any_due(now) || !withheld_idle()) return nullptr;
    const auto capacity = desk.shared_capacity();
    return withheld.due(now, [&](const std::string& type) { return capacity->free_slots.count(type) != 0; });
}

void Session::Impl::on_withheld_status(TimePoint now, const std::string& job_id, const std::string& verdict) {
    WithheldJob* job = withheld.find(job_id);
    if (job == nullptr) return;
    if (verdict != "pending") return withheld.forget(job_id);
    const bool news = !std::exchange(job->waits, true);
    if (settings.exact_id) {
        job->look_at = now + renewal_gap;
        if (job->refused && withheld_idle() && desk.reserve(now, job_id, job->job_type)) {
            // Not by its offer: the Hub makes that one with a heartbeat only. The third refusal ends it.
            const Offer again{job_id, job->job_type, {}};
            return claim_job(now, again, false);
        }
        if (news) note(Note::Level::warn, withheld_text(*job));
        return;
    }
    if (renewed_at && now - *renewed_at < renewal_gap) {
        job->look_at = *renewed_at + renewal_gap;
        return;
    }
    if (!withheld_idle()) return;  // looked at again when it is
    renewed_at = now;
    renewing = true;
    ++counters.fresh_ids;
    note(Note::Level::info, sentence(*job, worker_id) + "; connecting again under a fresh id");
    out.push_back(Disconnect{"connecting again under a fresh id"});
    link = SessionView::Link::waiting;
}

bool Session::Impl::withheld_idle() const {
    return usable() && !stopped && !claim && running.empty() && outbox.empty() &&
           !desk.shared_capacity()->draining;
}

std::string Session::Impl::withheld_text(const WithheldJob& job) const {
    std::string text = sentence(job, worker_id);
    if (settings.exact_id)
        text +=
            "; this worker's id is fixed (hub.url, that is REDIS_WS_URL, or worker.exact_id), so it cannot "
            "come back "
            "under another one: let it choose its id, or let another worker run the job";
    else
        text += "; it comes back here under a fresh id once this worker is idle, at most once a minute";
    return text;
}

}  // namespace emprops::hub
