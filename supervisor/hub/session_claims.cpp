// Offers, claims and assignments: one claim at a time, a slot reserved with it, refusals remembered.

#include <algorithm>

#include "ipc/text/people.h"
#include "supervisor/hub/session_impl.h"

namespace emprops::hub {
namespace {

/// "Worker is not idle": our status and the Hub's idea crossed. One answer per second is enough.
constexpr Ms not_idle_gap{1000};
/// An offer that came during a claim is worth this long: the Hub makes it again anyway.
constexpr Ms deferred_offer_lifetime{10'000};
/// With a fixed id the Hub offers the same refused job first in every round: end that at the third.
constexpr int refusals_before_fail = 3;

}  // namespace

void Session::Impl::on_offer(TimePoint now, const Offer& offer) {
    ++counters.offers;
    if (stopped || refusals.contains(now, offer.job_id)) return;
    if (OutboxItem* item = find_outcome(offer.job_id)) {
        // The Hub took it back before our outcome arrived: the fence decides, not a second run.
        if (item->state == OutboxItem::State::sent && !item->on_its_way()) {
            item->state = OutboxItem::State::fencing;
            item->since = now;
            item->sent_before = true;
        }
        if (!watch_enabled()) release_unfenced(now, Ms(0));
        return;
    }
    if (claim) {
        if (claim->job_id != offer.job_id) {
            deferred_offer = offer;
            deferred_at = now;
        }
        return;
    }
    const auto job = running.find(offer.job_id);
    if (job != running.end()) {
        if (!job->second.recovered || job->second.resumable) claim_job(now, offer, true);
        return;
    }
    const bool hold = fence_pending() && now - welcomed_at < settings.fence_hold;
    if (hold) return;
    if (!offer.bad.empty()) {
        if (desk.shared_capacity()->draining) return;
        // Ignored, it would be offered to us first in every round; claimed, it can be failed with the reason.
        note(Note::Level::warn, "the offer of job " + offer.job_id + " cannot be read (" + offer.bad +
                                    "); claiming it to fail it");
    } else if (!desk.reserve(now, offer.job_id, offer.job_type)) {
        return;
    }
    claim_job(now, offer, false);
}

void Session::Impl::claim_job(TimePoint now, const Offer& offer, bool readopt) {
    claim = Claim{offer.job_id, offer.job_type, now, now, readopt, !readopt && !offer.bad.empty()};
    ++counters.claims;
    std::vector<std::string> earlier_ids;
    if (readopt) {
        RunningJob& job = running.at(offer.job_id);
        earlier_ids.assign(job.claimed_as.begin(), job.claimed_as.end());
        // Before the claim is sent: the client connection may show its success before job_assigned is read.
        if (job.claimed_as.insert(worker_id).second)
            out.push_back(Readopted{offer.job_id, job.number, worker_id});
    }
    send(encode_claim(stamp(), offer.job_id, earlier_ids));
}

void Session::Impl::reclaim(TimePoint now, const std::string& job_id) {
    if (claim || refusals.contains(now, job_id)) return;
    if (!announcer.told_idle()) {
        // The Hub gives jobs to idle workers only. A busy registration makes us idle there without an offer;
        // the status owed afterwards puts it right.
        say_status({announcer.told_types(), false});
    }
    announcer.owe_status(now);
    claim_job(now, Offer{job_id, running.at(job_id).job_type, {}}, true);
}

void Session::Impl::drop_claim(TimePoint now) {
    if (!claim) return;
    if (!claim->readopt && !claim->bad) desk.release(now, claim->job_id);
    claim.reset();
}

void Session::Impl::check_claim(TimePoint now) {
    if (!claim || now - claim->last_sign < settings.hub.claim_timeout) return;
    ++counters.claim_timeouts;
    note(Note::Level::warn, "the Hub did not answer the claim of job " + claim->job_id + " for " +
                                human_duration(settings.hub.claim_timeout) + "; going on without it");
    drop_claim(now);
    deferred_offer.reset();
    announcer.owe_status(now);
}

void Session::Impl::on_claim_failed(TimePoint now, const HubError& error) {
    ++counters.refusals;
    const int count = refusals.add(now, error.job_id);
    if (!claim || claim->job_id != error.job_id) return;  // of a claim given up before
    note(Note::Level::debug, "the Hub refused the claim of job " + error.job_id);
    const bool ours = claim->readopt;
    if (!ours && !claim->bad) withheld.claim_refused(now, error.job_id, claim->job_type);
    drop_claim(now);
    if (settings.exact_id && !ours && count >= refusals_before_fail) give_up_refused(now, error.job_id);
    if (deferred_offer && now - deferred_at < deferred_offer_lifetime) {
        const Offer next = *std::exchange(deferred_offer, std::nullopt);
        --counters.offers;  // the same offer, looked at again
        on_offer(now, next);
    }
}

void Session::Impl::give_up_refused(TimePoint now, const std::string& job_id) {
    // fail_job of a job that runs elsewhere would run it twice: look first, if we can.
    if (watch_enabled()) {
        probes[job_id] = now;
    } else {
        refuse_assignment(now, job_id, "", ipc::code::not_started, refused_for_ever());
    }
}

std::string Session::Impl::refused_for_ever() const {
    return "the Hub offers this job to " + worker_id +
           " again and again and refuses to give it; failed here so that others get it";
}

void Session::Impl::on_claim_not_idle(TimePoint now, const HubError& error) {
    ++counters.not_idle;
    // The error can belong to a repeated claim of a job that runs here: that job must not be disturbed.
    if (!claim || claim->job_id != error.job_id) return;
    drop_claim(now);
    announcer.owe_status(std::max(now, announcer.last_status() + not_idle_gap));
}

void Session::Impl::readopted(TimePoint now, const std::string& job_id, RunningJob& job) {
    if (job.claimed_as.insert(worker_id).second) out.push_back(Readopted{job_id, job.number, worker_id});
    note(Note::Level::info,
         "the Hub has assigned job " + job_id + ", which runs here, to us again; it runs on");
    ++counters.readoptions;
    confirm(now, job_id, job);
}

void Session::Impl::refuse_assignment(TimePoint now, const std::string& job_id, const std::string& job_type,
                                      const char* code, const std::string& why) {
    note(Note::Level::warn, "job " + job_id + " is given back to the Hub: " + why);
    ipc::JobError error;
    error.code = code;
    error.message = why;
    error.retryable = error.code != ipc::code::invalid_payload;
    const WithheldJob* known = withheld.find(job_id);
    const std::string type = known != nullptr && job_type.empty() ? known->job_type : job_type;
    if (lost_here(error)) withheld.failed_here(now, job_id, type, error.code);
    direct_failures.push_back(encode_fail(stamp(), job_id, error, error.code != ipc::code::not_started));
    announcer.owe_status(now);
}

void Session::Impl::on_assigned(TimePoint now, Assignment assignment) {
    const std::string job_id = assignment.job_id;
    const bool claimed = claim && claim->job_id == job_id;
    const TimePoint offered_at = claimed ? claim->offered_at : now;
    if (assignment.job_type.empty() && claimed) assignment.job_type = claim->job_type;
    announcer.owe_status(now);
    refusals.forget(job_id);
    withheld.forget(job_id);

    if (const auto job = running.find(job_id); job != running.end()) {
        if (claimed) drop_claim(now);
        return readopted(now, job_id, job->second);
    }
    if (OutboxItem* item = find_outcome(job_id)) {
        if (claimed) drop_claim(now);
        item->claimed_as.insert(worker_id);
        note(Note::Level::warn,
             "the Hub assigned job " + job_id + " again while its outcome is on the way; not run twice");
        return;
    }
    const bool reserved = claimed && !claim->readopt && !claim->bad;
    if (claimed) claim.reset();
    if (!assignment.params) {
        if (reserved) desk.release(now, job_id);
        return refuse_assignment(now, job_id, assignment.job_type, ipc::code::invalid_payload,
                                 assignment.bad.empty() ? "its payload is no JSON object"
                                                        : "its payload cannot be read: " + assignment.bad);
    }
    if (!reserved) {
        note(Note::Level::info,
             "the Hub assigned job " + job_id + " without a claim that was waiting for it");
        if (stopped || !desk.reserve(now, job_id, assignment.job_type))
            return refuse_assignment(now, job_id, assignment.job_type, ipc::code::not_started,
                                     "it was assigned without a claim, and no slot is free for job type \"" +
                                         assignment.job_type + "\"");
    }

    ++counters.assignments;
    counters.last_offer_to_assignment = std::chrono::duration_cast<Ms>(now - offered_at);
    counters.max_offer_to_assignment =
        std::max(counters.max_offer_to_assignment, counters.last_offer_to_assignment);

    RunningJob job;
    job.job_type = assignment.job_type;
    job.number = next_number++;
    job.claimed_as.insert(worker_id);
    job.assigned_at = job.last_progress = job.tokens_at = now;
    jobs::Assignment given;
    given.job_id = job_id;
    given.job_type = std::move(assignment.job_type);
    given.priority = assignment.priority;
    given.payload = std::move(*assignment.params);
    given.number = job.number;
    running.emplace(job_id, std::move(job));

    ipc::Progress started;
    started.job_id = job_id;
    started.progress = 0;
    started.status = "started";
    started.message = "Starting job";
    send(encode_progress(stamp(), started), true);
    out.push_back(Assigned{std::move(given), worker_id});
}

}  // namespace emprops::hub
