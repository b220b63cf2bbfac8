#include "supervisor/hub/session.h"

#include <algorithm>
#include <utility>

#include "ipc/overload.h"
#include "ipc/text/people.h"
#include "ipc/text/utf8.h"

namespace emprops::hub {
namespace {

/// How often a crowded connection is looked at again.
constexpr Ms crowded_look{200};
/// Where the Hub takes jobs back it also counts its offers: several may be claimed together.
constexpr std::size_t most_claims_at_once = 64;

/// How many offers there are places for.
int offers_at_once(const jobs::Capacity& capacity) {
    int most = 1;
    for (const auto& [type, slots] : capacity.free_slots)
        most = std::max(most, slots);
    return std::min(most, static_cast<int>(most_claims_at_once));
}

}  // namespace

Session::Session(SessionSettings settings, Sources sources)
    : settings_(std::move(settings)),
      wire_(std::move(sources), settings_.crowded_bytes),
      connection_(settings_, wire_),
      presence_(settings_, wire_),
      claims_(settings_, wire_),
      assignments_(settings_, wire_),
      intake_(settings_, wire_, claims_, assignments_, presence_),
      inquiry_(settings_, wire_, {connection_, presence_, claims_, intake_, assignments_, trouble_}),
      assembly_(settings_.hub.max_assembly_bytes, settings_.hub.assembly_timeout),
      room_{std::make_shared<const jobs::Capacity>(), false} {}

void Session::stop() {
    inquiry_.close();
    assignments_.outbox().close_bulk();
    connection_.stop();
}

// ---- the worker connection -------------------------------------------------------------------------------

void Session::on_connected(TimePoint now) {
    if (connection_.stopped()) return;
    connection_.on_connected(now);
    presence_.on_connected(now);
    assignments_.outbox().on_connected();
}

void Session::on_disconnected(TimePoint now, const std::string& reason) {
    if (connection_.stopped()) return;
    inquiry_.close();
    claims_.on_disconnected(!settings_.exact_id);
    assembly_.clear();
    assignments_.on_disconnected(now, connection_.connected() ? std::optional(reason) : std::nullopt,
                                 !settings_.exact_id);
    connection_.on_disconnected(now, reason, !nothing_left());
}

void Session::on_frame(TimePoint now, std::string_view text) {
    if (connection_.connected()) handle(now, decode_hub_frame(text));
}

void Session::handle(TimePoint now, HubFrame frame) {
    const bool understood = !std::holds_alternative<BadFrame>(frame);
    if (understood && !std::holds_alternative<HubError>(frame) && connection_.on_welcome(now))
        assignments_.on_welcomed(now);
    std::visit(Overload{[&](Welcome& welcome) { on_greeting(welcome.takes_jobs_back); },
                        [&](Offer& offer) {
                            ++wire_.counters().offers;
                            intake_.on_offer(now, offer, holds(now), room_.capacity->draining);
                        },
                        [&](Assignment& assignment) { intake_.on_assigned(now, std::move(assignment)); },
                        [&](CompletedAck& ack) { assignments_.outbox().on_ack(ack.job_id); },
                        [&](FailedAck& ack) { assignments_.on_failed_ack(now, ack.job_id); },
                        [&](CancelJob& cancel) { inquiry_.on_cancelled(now, cancel.job_id, cancel.reason); },
                        [&](ReturnJob& wanted) {
                            if (const RunningJob* job = assignments_.running().find(wanted.job_id))
                                wire_.act(ReturnWanted{wanted.job_id, job->number});
                        },
                        [&](JobStatus& status) {
                            wire_.note(Note::Level::debug,
                                       "the Hub sent the status of job " + status.job_id + " unasked");
                        },
                        [&](Chunk& chunk) { on_chunk(now, std::move(chunk)); },
                        [&](HubError& error) { on_error(now, error); },
                        [&](Ignored& ignored) {
                            if (!ignored.known)
                                wire_.note(Note::Level::debug, "the Hub sent a message of unknown type \"" +
                                                                   text::shortened(ignored.type, 80) +
                                                                   "\"; ignored");
                        },
                        [&](BadFrame& bad) { wire_.on_bad_frame("", bad.reason); }},
               frame);
}

void Session::on_greeting(bool takes_back) {
    if (takes_back_ == takes_back) return;
    takes_back_ = takes_back;
    claims_.set_at_once(takes_back ? most_claims_at_once : 1);
    wire_.act(TakesBack{takes_back});
}

void Session::on_chunk(TimePoint now, Chunk chunk) {
    // The assignment comes behind what is left of the offer.
    claims_.on_sign(now, chunk.job_id);
    if (chunk.original_type == "job_available") return;
    const std::string type = chunk.original_type;
    const std::string job_id = chunk.job_id;
    ChunkAssembly::Outcome outcome = assembly_.add(now, std::move(chunk));
    on_dropped(std::move(outcome.dropped));
    if (!outcome.message) return;
    HubFrame whole = decode_joined_frame(*outcome.message);
    if (std::holds_alternative<Chunk>(whole)) whole = BadFrame{"a chunked message inside a chunked message"};
    if (const auto* bad = std::get_if<BadFrame>(&whole)) whole = unreadable(type, job_id, bad->reason);
    handle(now, std::move(whole));
}

void Session::on_dropped(std::vector<std::string> sentences) {
    wire_.counters().dropped_assemblies += sentences.size();
    for (auto& sentence : sentences)
        wire_.note(Note::Level::warn, std::move(sentence));
}

void Session::on_error(TimePoint now, const HubError& error) {
    using Kind = HubError::Kind;
    if (!connection_.welcomed() && error.kind == Kind::bad_token)
        return connection_.on_token_refused(error.text);
    switch (error.kind) {
        case Kind::claim_failed:
            return intake_.on_claim_refused(now, error.job_id, holds(now), room_.capacity->draining);
        case Kind::not_idle:
            return intake_.on_claim_not_idle(now, error.job_id);
        case Kind::fail_refused:
            return assignments_.outbox().on_ack(
                error.job_id);  // retries used up: it has been told, that counts
        case Kind::server_trouble:
            return on_trouble(now, error);
        case Kind::not_found:
        case Kind::bad_token:
        case Kind::other:
            wire_.note(Note::Level::warn, "the Hub reports: " + text::shortened(error.text, 500));
    }
}

/// The error does not say which message it answers. What waits for an answer is asked about soon; what the
/// Hub missed is said again.
void Session::on_trouble(TimePoint now, const HubError& error) {
    const TimePoint again = trouble_.pause(now);
    std::string waiting;
    for (const auto& job_id : assignments_.outbox().on_trouble(now, again))
        waiting += (waiting.empty() ? "the outcome of job " : ", ") + job_id;
    for (const auto& [job_id, claim] : claims_.all_outstanding())
        add_item(waiting, "the claim of job " + job_id, " and ");
    claims_.drop();
    presence_.owe_status(again);
    if (!trouble_.tells(now, !waiting.empty())) return;
    wire_.note(Note::Level::warn, "the Hub reports: " + text::shortened(error.text, 500) +
                                      (waiting.empty() ? ""
                                                       : " (not answered: " + text::shortened(waiting, 500) +
                                                             "; asked again soon)"));
}

// ---- the connection for large results --------------------------------------------------------------------

void Session::on_bulk_frame(TimePoint now, std::string_view text) {
    const HubFrame frame = decode_hub_frame(text);
    if (std::holds_alternative<Welcome>(frame)) {
        assignments_.outbox().on_bulk_welcomed(now);
    } else if (const auto* ack = std::get_if<CompletedAck>(&frame)) {
        assignments_.outbox().on_bulk_ack(now, ack->job_id);
    } else if (const auto* error = std::get_if<HubError>(&frame)) {
        wire_.note(Note::Level::warn, "the Hub reports to our connection for large results: " +
                                          text::shortened(error->text, 500));
    } else if (const auto* bad = std::get_if<BadFrame>(&frame)) {
        wire_.on_bad_frame("our connection for large results ", bad->reason);
    }
}

void Session::on_bulk_disconnected(TimePoint now, const std::string& reason) {
    assignments_.outbox().on_bulk_disconnected(now, reason);
    assignments_.release_if_nobody_answers(now);
}

// ---- jobs --------------------------------------------------------------------------------------------------

void Session::deliver(TimePoint now, jobs::Outcome outcome) {
    const std::string job_id = outcome.job_id;
    if (!assignments_.deliver(now, std::move(outcome), inquiry_.answers())) return;
    claims_.forget_again(job_id);
    outcome_came_ = true;
}

void Session::undelivered(const std::string& job_id, std::uint64_t number) {
    if (assignments_.undelivered(job_id, number)) claims_.forget_again(job_id);
}

// ---- the batch ---------------------------------------------------------------------------------------------

void Session::on_time(TimePoint now) {
    on_dropped(assembly_.expire(now));
    if (wire_.usable()) intake_.on_time(now);
    inquiry_.on_time(now);
}

void Session::ran_again() {
    presence_.owe_heartbeat();
    assignments_.running().owe_signs();
    assignments_.outbox().owe_signs();
}

/// Outcomes and jobs of an earlier connection come first; for a while nothing new is taken beside them.
bool Session::holds(TimePoint now) const {
    const auto welcomed = connection_.welcomed_for(now);
    return assignments_.unfenced() && (!welcomed || *welcomed < settings_.fence_hold);
}

Announcer::Situation Session::situation(TimePoint now) const {
    Announcer::Situation situation;
    situation.capacity = room_.capacity.get();
    situation.shared = room_.capacity;
    situation.outcomes = assignments_.outbox().leaving(now);
    situation.claim = claims_.outstanding();
    situation.ending = ending();
    situation.hold = holds(now);
    situation.takes_back = takes_back_.value_or(false);
    return situation;
}

void Session::advance(TimePoint now, jobs::Room room) {
    room_ = std::move(room);
    last_batch_ = now;
    connection_.settle(now);
    assignments_.outbox().watch_writing(now);
    if (connection_.connected()) talk(now);
    outcome_came_ = false;
    inquiry_.steer(now, *room_.capacity);
    if (!connection_.stopped()) assignments_.outbox().steer_bulk(now);
    if (nothing_left()) connection_.leave_if_refused();
}

/// Outcomes leave between what must not be offered any more and what can be taken now.
void Session::talk(TimePoint now) {
    const std::size_t running = assignments_.running().size();
    if (!presence_.greeted()) presence_.greet(now, situation(now), running);
    if (connection_.welcomed() && presence_.greeted()) {
        assignments_.outbox().release_asked(now);
        assignments_.release_unfenced(now, settings_.watch_enabled() ? settings_.fence_patience : Ms(0));
        const Announcement told = presence_.withdraw(now, situation(now));
        assignments_.outbox().flush(now);
        assignments_.running().keep_alive(now, ending());
        presence_.announce(told, takes_back_.value_or(false), offers_at_once(*room_.capacity));
        assignments_.outbox().keep_alive(now);
    }
    presence_.heartbeat(now, situation(now), running);
    presence_.tell_connector_statuses(now);
}

std::optional<TimePoint> Session::next_wakeup() const {
    const TimePoint look_again = last_batch_ + crowded_look;
    const bool connected = connection_.connected();
    const bool talks = connected && presence_.greeted() && connection_.welcomed();
    Earliest first;
    first.add(assembly_.next_expiry());
    first.add(inquiry_.next_cancel());
    first.add(assignments_.outbox().next_wakeup(look_again, talks));
    if (connected) first.add(presence_.next_wakeup(look_again, talks, claims_.outstanding()));
    if (!talks) return first.at();
    first.add(claims_.next_wakeup());
    if (assignments_.unfenced() && !presence_.told_idle()) {
        const TimePoint hold_ends = connection_.welcomed_at() + settings_.fence_hold;
        if (hold_ends > last_batch_) first.add(hold_ends);
    }
    first.add(assignments_.running().next_wakeup());
    first.add(inquiry_.next_wakeup(last_batch_, *room_.capacity));
    return first.at();
}

// ---- for people --------------------------------------------------------------------------------------------

jobs::LinkMetrics Session::metrics(TimePoint now) const {
    jobs::LinkMetrics metrics = wire_.counters();
    metrics.running = assignments_.running().size();
    metrics.outbox_depth = assignments_.outbox().items().size();
    for (const auto& item : assignments_.outbox().items())
        metrics.outbox_oldest =
            std::max(metrics.outbox_oldest, std::chrono::duration_cast<Ms>(now - item.queued_at));
    return metrics;
}

jobs::LinkView Session::view() const {
    jobs::LinkView view;
    connection_.show(view);
    if (connection_.connected()) {
        view.told_idle = presence_.told_idle();
        view.told_types = presence_.told_types();
    }
    for (const auto& job : assignments_.withheld().waiting())
        view.withheld.push_back(
            {job.job_id, job.job_type, job.since, withheld_text(job, wire_.worker_id(), settings_.exact_id)});
    for (const auto& item : assignments_.outbox().items())
        view.outcomes.push_back({item.job_id(), item.job_type, item.completed(), item.queued_at});
    return view;
}

}  // namespace emprops::hub
