#include "supervisor/hub/inquiry.h"

#include <algorithm>
#include <utility>

#include "ipc/text/utf8.h"

namespace emprops::hub {
namespace {

using State = OutboxItem::State;

/// A result on its way over the second connection is asked about from this age on.
constexpr Ms watch_uploads_after{1000};

/// The Hub writes the reason where it writes our progress, and the newer of both stands there.
std::string cancel_reason(const std::string& message) {
    constexpr std::string_view before = "Job cancelled: ";
    if (message.compare(0, before.size(), before) != 0) return "cancelled at the Hub";
    return "cancelled at the Hub: " + message.substr(before.size());
}

}  // namespace

Inquiry::Inquiry(const SessionSettings& settings, Wire& wire, Parts parts)
    : settings_(settings),
      wire_(wire),
      parts_(parts),
      fence_(settings, wire),
      cancels_(settings.watch_enabled(), wire) {}

// ---- the client connection ---------------------------------------------------------------------------------

void Inquiry::on_frame(TimePoint now, std::string_view text, const jobs::Capacity& capacity) {
    if (!fence_.open()) return;
    const HubFrame frame = decode_hub_frame(text);
    if (std::holds_alternative<Welcome>(frame)) {
        fence_.on_welcome();
    } else if (const auto* status = std::get_if<JobStatus>(&frame)) {
        if (const auto verdict = fence_.on_answer(*status)) on_verdict(now, *verdict, capacity);
    } else if (const auto* error = std::get_if<HubError>(&frame)) {
        if (error->kind == HubError::Kind::not_found) {
            const auto verdict = fence_.on_answer(JobStatus{error->job_id, "unknown"});
            on_verdict(now, *verdict, capacity);
        } else if (error->kind == HubError::Kind::server_trouble) {
            fence_.on_trouble(parts_.trouble.pause(now));
            wire_.note(Note::Level::debug,
                       "the Hub cannot tell the state of a job: " + text::shortened(error->text, 500));
        } else {
            wire_.note(Note::Level::warn,
                       "the Hub reports to our client connection: " + text::shortened(error->text, 500));
        }
    } else if (const auto* bad = std::get_if<BadFrame>(&frame)) {
        wire_.on_bad_frame("our client connection ", bad->reason);
    }
}

void Inquiry::on_disconnected(const std::string& reason) {
    if (fence_.closed()) return;
    fence_.on_disconnected(reason);
    cancels_.on_watch_ended();
    parts_.assignments.outbox().forget_questions();
}

void Inquiry::close() {
    fence_.close();
    cancels_.on_watch_ended();
}

// ---- answers -----------------------------------------------------------------------------------------------

void Inquiry::on_verdict(TimePoint now, const Verdict& verdict, const jobs::Capacity& capacity) {
    const std::string& job_id = verdict.job_id;
    Assignments& assignments = parts_.assignments;
    if (const auto reason = cancels_.confirmed(job_id, verdict.state))
        return take_away(now, job_id, "cancelled", *reason);
    if (parts_.claims.probed(job_id) && verdict.state == "pending")
        parts_.intake.refuse_for_ever(now, job_id);
    if (assignments.outbox().find(job_id) != nullptr) {
        const auto put_back = assignments.outbox().on_verdict(now, job_id, verdict.state, verdict.worker_id);
        if (put_back) assignments.on_put_back(now, *put_back);
    } else if (const RunningJob* job = assignments.running().find(job_id)) {
        // An answer to a question of before the assignment speaks of an earlier life of the job.
        if (verdict.asked_at && *verdict.asked_at >= job->assigned_at) on_running(now, verdict, *job);
    } else {
        on_withheld(now, verdict, capacity);
    }
}

void Inquiry::on_running(TimePoint now, const Verdict& verdict, const RunningJob& job) {
    const std::string& job_id = verdict.job_id;
    if (verdict.state == "claimed" && job.claimed_as.count(verdict.worker_id) != 0)
        return parts_.assignments.running().confirm(now, job_id);
    if (verdict.state == "claimed") return take_away(now, job_id, "claimed_by_other");
    if (verdict.state == "cancelled")
        return take_away(now, job_id, verdict.state, cancel_reason(verdict.message));
    if (verdict.state != "pending" || (job.recovered && !job.resumable))
        return take_away(now, job_id, verdict.state);
    parts_.intake.reclaim(now, job_id);
}

void Inquiry::on_withheld(TimePoint now, const Verdict& verdict, const jobs::Capacity& capacity) {
    const std::string& job_id = verdict.job_id;
    WithheldJobs& withheld = parts_.assignments.withheld();
    const WithheldJob* job = withheld.find(job_id);
    if (job == nullptr) return;
    if (verdict.state != "pending") return withheld.forget(job_id);
    const bool place = capacity.free_slots.count(job->job_type) != 0;
    switch (withheld.still_waits(now, job_id, settings_.exact_id, idle(capacity), place)) {
        case WithheldJobs::Step::claim:
            return parts_.claims.want_place(Offer{job_id, job->job_type, {}});
        case WithheldJobs::Step::tell:
            return wire_.note(Note::Level::warn, withheld_text(*job, wire_.worker_id(), settings_.exact_id));
        case WithheldJobs::Step::fresh_id:
            wire_.note(Note::Level::info,
                       withheld_sentence(*job, wire_.worker_id()) + "; connecting again under a fresh id");
            return parts_.connection.renew();
        case WithheldJobs::Step::none:
            break;
    }
}

void Inquiry::take_away(TimePoint now, const std::string& job_id, const std::string& reason,
                        const std::optional<std::string>& cancelled) {
    parts_.claims.forget_again(job_id);
    if (parts_.assignments.take_away(job_id, reason, cancelled)) parts_.presence.owe_status(now);
}

void Inquiry::cancel(TimePoint now, const std::string& job_id, const std::string& reason) {
    cancels_.add(now, job_id, reason);
    on_time(now);
}

void Inquiry::on_time(TimePoint now) {
    for (const auto& [job_id, reason] : cancels_.unconfirmed(now)) {
        wire_.note(Note::Level::warn,
                   "job " + job_id + " is cancelled here; the Hub " +
                       (settings_.watch_enabled() ? "has not confirmed it"
                                                  : "is not told (hub.cancel_watch is off)"));
        take_away(now, job_id, "cancelled", reason);
    }
}

// ---- questions ---------------------------------------------------------------------------------------------

bool Inquiry::idle(const jobs::Capacity& capacity) const {
    return wire_.usable() && !parts_.claims.outstanding() && parts_.assignments.none() && !capacity.draining;
}

/// The job to ask about now, if nothing else is to be done.
const WithheldJob* Inquiry::withheld_due(TimePoint now, const jobs::Capacity& capacity) const {
    const WithheldJobs& withheld = parts_.assignments.withheld();
    if (!withheld.any_due(now) || !idle(capacity)) return nullptr;
    return withheld.due(now, [&](const std::string& type) { return capacity.free_slots.count(type) != 0; });
}

bool Inquiry::wanted(TimePoint now, const jobs::Capacity& capacity) const {
    const Assignments& assignments = parts_.assignments;
    if (!settings_.watch_enabled() || !wire_.usable()) return false;
    if (assignments.unfenced() || !cancels_.empty() || !parts_.claims.probes().empty()) return true;
    if (withheld_due(now, capacity) != nullptr) return true;
    const auto& items = assignments.outbox().items();
    const auto& running = assignments.running().all();
    return std::any_of(items.begin(), items.end(),
                       [&](const OutboxItem& item) {
                           return item.on_its_way() && now - item.queued_at >= watch_uploads_after;
                       }) ||
           std::any_of(running.begin(), running.end(), [&](const auto& job) {
               return now - job.second.assigned_at >= settings_.watch_age();
           });
}

void Inquiry::steer(TimePoint now, const jobs::Capacity& capacity) {
    fence_.steer(now, wanted(now, capacity));
    if (fence_.open()) ask(now, capacity);
}

void Inquiry::ask(TimePoint now, const jobs::Capacity& capacity) {
    Outbox& outbox = parts_.assignments.outbox();
    for (const auto& item : outbox.items()) {
        if (item.asked_about()) fence_.ask(now, item.job_id());
        if (item.state != State::asking || item.asked) continue;
        outbox.asked(item.job_id());
        fence_.ask_at_once(now, item.job_id());
    }
    if (const WithheldJob* job = withheld_due(now, capacity)) fence_.ask(now, job->job_id);
    for (const auto& [job_id, job] : parts_.assignments.running().all())
        fence_.ask(now, job_id);
    for (const auto& [job_id, since] : parts_.claims.probes())
        fence_.ask(now, job_id);
    cancels_.tell();
    parts_.claims.expire_probes(now);
    fence_.forget_answered(now);
}

std::optional<TimePoint> Inquiry::next_wakeup(TimePoint last_batch, const jobs::Capacity& capacity) const {
    const auto& items = parts_.assignments.outbox().items();
    const auto& running = parts_.assignments.running().all();
    Earliest first;
    first.add(parts_.assignments.withheld().next_look(last_batch));
    if (!settings_.watch_enabled()) return first.at();
    if (fence_.closed()) {
        for (const auto& [job_id, job] : running)
            first.add(job.assigned_at + settings_.watch_age());
        for (const auto& item : items)
            if (item.on_its_way()) first.add(item.queued_at + watch_uploads_after);
        return first.at();
    }
    first.add(fence_.closes_at());
    if (!fence_.open()) return first.at();
    for (const auto& [job_id, job] : running)
        first.add(fence_.due(job_id));
    for (const auto& [job_id, since] : parts_.claims.probes())
        first.add(fence_.due(job_id));
    for (const auto& item : items)
        if (item.asked_about()) first.add(fence_.due(item.job_id()));
    if (const WithheldJob* job = withheld_due(last_batch, capacity)) first.add(fence_.due(job->job_id));
    return first.at();
}

}  // namespace emprops::hub
