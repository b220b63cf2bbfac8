#include "supervisor/hub/intake.h"

#include <utility>

namespace emprops::hub {

void Intake::on_offer(TimePoint now, const Offer& offer, bool holds, bool draining) {
    if (!claims_.hears(now, offer.job_id)) return;
    if (assignments_.outbox().find(offer.job_id) != nullptr) {
        // The Hub took it back before our outcome arrived: the fence decides, not a second run.
        assignments_.outbox().on_offered(now, offer.job_id);
        return assignments_.release_if_nobody_answers(now);
    }
    if (claims_.defers(now, offer)) return;
    if (const RunningJob* job = assignments_.running().find(offer.job_id)) {
        if (!job->recovered || job->resumable) claim_again(now, offer.job_id);
        return;
    }
    if (holds) return;
    if (offer.bad.empty()) return claims_.want_place(offer);
    if (draining) return;
    // Ignored, it would be offered to us first in every round; claimed, it can be failed with the reason.
    wire_.note(Note::Level::warn, "the offer of job " + offer.job_id + " cannot be read (" + offer.bad +
                                      "); claiming it to fail it");
    claims_.claim(now, offer, jobs::Place::none);
}

void Intake::on_place(TimePoint now, const std::string& job_id, jobs::Place place) {
    const bool granted = place != jobs::Place::none;
    auto wish = claims_.take_wish(job_id);
    if (!wish) {  // the connection has ended meanwhile
        if (granted) wire_.act(PlaceReleased{job_id});
    } else if (const auto* offer = std::get_if<Offer>(&*wish)) {
        if (granted) return claims_.claim(now, *offer, place);
        // Where offers are counted this one stands until it is claimed or declined.
        if (claims_.at_once() > 1) presence_.decline(now, job_id);
    } else if (auto& assignment = std::get<Assignment>(*wish); granted) {
        assignments_.begin(now, std::move(assignment), now, place);
    } else {
        refuse(now, job_id, assignment.job_type, ipc::code::not_started,
               "it was assigned without a claim, and no slot is free for job type \"" + assignment.job_type +
                   "\"");
    }
}

void Intake::on_claim_refused(TimePoint now, const std::string& job_id, bool holds, bool draining) {
    const Claims::Refused refused = claims_.on_refused(now, job_id);
    if (refused.withheld) assignments_.withheld().claim_refused(now, job_id, refused.job_type);
    if (refused.for_ever) {
        // fail_job of a job that runs elsewhere would run it twice: look first, if we can.
        if (settings_.watch_enabled()) {
            claims_.probe(now, job_id);
        } else {
            refuse_for_ever(now, job_id);
        }
    }
    if (refused.next) on_offer(now, *refused.next, holds, draining);
}

void Intake::on_claim_not_idle(TimePoint now, const std::string& job_id) {
    ++wire_.counters().not_idle;
    // The error can belong to a repeated claim of a job that runs here: that job must not be disturbed.
    if (!claims_.is_outstanding(job_id)) return;
    claims_.drop(job_id);
    presence_.owe_status_after_crossing(now);
}

void Intake::on_time(TimePoint now) {
    if (claims_.check(now)) presence_.owe_status(now);
}

void Intake::claim_again(TimePoint now, const std::string& job_id) {
    // Before the claim is sent: the client connection may show its success before job_assigned is read.
    const auto earlier_ids = assignments_.running().add_claim(job_id);
    claims_.claim_again(now, job_id, assignments_.running().find(job_id)->job_type, earlier_ids);
}

void Intake::reclaim(TimePoint now, const std::string& job_id) {
    if (claims_.outstanding() || !claims_.hears(now, job_id)) return;
    presence_.seem_idle();
    presence_.owe_status(now);
    claim_again(now, job_id);
}

void Intake::on_assigned(TimePoint now, Assignment assignment) {
    const std::string job_id = assignment.job_id;
    const auto claim = claims_.on_assigned(job_id);
    if (assignment.job_type.empty() && claim) assignment.job_type = claim->job_type;
    presence_.owe_status(now);
    assignments_.withheld().forget(job_id);
    const bool runs = assignments_.running().find(job_id) != nullptr;
    const bool ended = assignments_.outbox().find(job_id) != nullptr;
    if (claim && claim->has_place() && !runs && !ended && assignment.params)
        return assignments_.begin(now, std::move(assignment), claim->offered_at, claim->place);
    if (claim) claims_.release(*claim);

    if (runs) {
        assignments_.running().add_claim(job_id);
        wire_.note(Note::Level::info,
                   "the Hub has assigned job " + job_id + ", which runs here, to us again; it runs on");
        ++wire_.counters().readoptions;
        assignments_.running().confirm(now, job_id);
    } else if (ended) {
        assignments_.outbox().add_claim(job_id);
        wire_.note(Note::Level::warn, "the Hub assigned job " + job_id +
                                          " again while its outcome is on the way; not run twice");
    } else if (!assignment.params) {
        refuse(now, job_id, assignment.job_type, ipc::code::invalid_payload,
               assignment.bad.empty() ? "its payload is no JSON object"
                                      : "its payload cannot be read: " + assignment.bad);
    } else {
        wire_.note(Note::Level::info,
                   "the Hub assigned job " + job_id + " without a claim that was waiting for it");
        claims_.want_place(std::move(assignment));
    }
}

void Intake::refuse(TimePoint now, const std::string& job_id, const std::string& job_type, const char* code,
                    const std::string& why) {
    assignments_.refuse(now, job_id, job_type, code, why);
    presence_.owe_status(now);
}

void Intake::refuse_for_ever(TimePoint now, const std::string& job_id) {
    refuse(now, job_id, "", ipc::code::not_started,
           "the Hub offers this job to " + wire_.worker_id() +
               " again and again and refuses to give it; failed here so that others get it");
}

}  // namespace emprops::hub
