#include "supervisor/hub/session.h"

#include <algorithm>

#include "ipc/overload.h"
#include "ipc/text/people.h"
#include "ipc/text/utf8.h"
#include "supervisor/hub/session_impl.h"

namespace emprops::hub {
namespace {

/// A welcomed connection begins the back-off anew. Several in a row that did not live this long do not: two
/// workers with one id end each other's connection.
constexpr Ms good_connection{10'000};
constexpr int most_short_connections = 5;
/// How long the first registration waits for the first job type.
constexpr Ms greet_patience{300};
/// The full worker_status goes out before every fifth heartbeat, as the Python worker does.
constexpr unsigned full_status_every = 5;
/// While jobs run or outcomes wait no pause is longer than this: the Hub gives a job away after 30 s without
/// progress, and a result that waits is a client that waits.
constexpr Ms longest_pause_while_owing{5'000};
/// The Hub is told of one connector's state at most this often.
constexpr Ms status_gap{1000};
/// Below this many waiting bytes a heartbeat need not overtake them: they are written soon.
constexpr std::size_t small_backlog = 64 * 1024;
/// How often a crowded connection is looked at again.
constexpr Ms crowded_look{200};
/// With a fixed id the Hub offers a job that it refuses us first in every round, and nothing else: the
/// refusals that lead to its fail_job must come soon, for until then nobody is served.
constexpr Ms exact_id_refusal_memory{2'000};
/// Names and sentences of connectors in messages to monitors.
constexpr std::size_t most_text_bytes = 1000;

void cut_text(std::string& text) {
    text.resize(text::cut(text, most_text_bytes).size());
}

std::size_t encoded_size(const ipc::Json& value) {
    return value.dump(-1, ' ', false, ipc::Json::error_handler_t::replace).size();
}

/// Drops the largest members until the rest fits; returns their names.
std::string drop_largest(ipc::Json& object, std::size_t limit) {
    std::map<std::string, std::size_t> sizes;
    std::size_t total = 0;
    for (const auto& [key, value] : object.items())
        total += sizes[key] = key.size() + encoded_size(value);
    std::string dropped;
    while (total > limit && !sizes.empty()) {
        const auto largest = std::max_element(
            sizes.begin(), sizes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
        total -= largest->second;
        dropped += (dropped.empty() ? "" : ", ") + largest->first.substr(0, 80);
        object.erase(largest->first);
        sizes.erase(largest);
    }
    return dropped;
}

void earlier(std::optional<TimePoint>& first, TimePoint at) {
    if (!first || at < *first) first = at;
}

}  // namespace

Session::Impl::Impl(SessionSettings settings_in, JobDesk& desk_in, Sources sources_in)
    : settings(std::move(settings_in)),
      desk(desk_in),
      sources(std::move(sources_in)),
      reconnects(settings.hub.reconnect_min, settings.hub.reconnect_max),
      refusals(settings.exact_id ? std::min<Ms>(settings.hub.refusal_memory, exact_id_refusal_memory)
                                 : settings.hub.refusal_memory),
      assembly(settings.hub.max_assembly_bytes, settings.hub.assembly_timeout),
      next_number(settings.first_number),
      bulk(settings.bulk, settings.bulk_possible),
      watch_reconnects(settings.hub.reconnect_min, std::min<Ms>(settings.hub.reconnect_max, Ms(10'000))) {}

void Session::Impl::note(Note::Level level, std::string text) {
    out.push_back(Note{level, std::move(text), {}, {}});
}
void Session::Impl::send(std::string frame, bool urgent) {
    given_bytes += frame.size();
    out.push_back(Send{std::move(frame), urgent});
}

void Session::Impl::connect_after(TimePoint now, Ms delay) {
    // A new id for each connection: the Hub refuses the last failer of a job by id forever, and closes the
    // newer of two connections with one id when the older one ends.
    worker_id = settings.exact_id ? settings.id_base : settings.id_base + "-" + sources.random_id();
    if (!settings.exact_id) {
        withheld.clear();
        refusals.clear();
    }
    link = SessionView::Link::connecting;
    attempt_at = now + delay;
    out.push_back(Connect{delay, worker_id});
}

Announcer::Situation Session::Impl::situation(TimePoint now, const jobs::Capacity& capacity,
                                              std::shared_ptr<const jobs::Capacity> shared) const {
    Announcer::Situation situation;
    situation.capacity = &capacity;
    situation.shared = std::move(shared);
    situation.outcomes = outcomes_ready();
    situation.claim = claim.has_value();
    situation.ending = desk.outcome_coming() && !outcome_came;
    situation.hold = fence_pending() && (!welcomed || now - welcomed_at < settings.fence_hold);
    return situation;
}

/// One registration per connection: connectors that are starting with us are waited for, for a moment.
bool Session::Impl::greets_now(TimePoint now, const jobs::Capacity& capacity) const {
    return ever_greeted || !capacity.job_types.empty() || capacity.draining ||
           now - connected_at >= greet_patience;
}

void Session::Impl::greet(TimePoint now, const jobs::Capacity& capacity) {
    greeted = ever_greeted = true;
    const auto registration = announcer.on_connected(now, situation(now, capacity));
    say_status(registration);
    heartbeats = 0;
    heartbeat(now, capacity);
    for (auto& [connector, known] : connector_statuses)
        known.owed = true;
}

void Session::Impl::say_status(const Announcement::Registration& registration) {
    send(encode_register(stamp(), capabilities, registration.job_types,
                         registration.idle ? idle_status : busy_status));
}

/// Monitors read it; without the details when it would be more than the Hub takes.
std::string Session::Impl::full_status_frame(std::string_view status) const {
    const auto encode = [&](bool with_details) {
        ipc::Json statuses = ipc::Json::object();
        for (const auto& [connector, known] : connector_statuses) {
            auto object = connector_status_object(connector, known.status);
            if (!with_details) object["details"] = ipc::Json::object();
            const std::string service = object["service"];
            statuses[service] = std::move(object);
        }
        return encode_full_status(stamp(), status, capabilities, announcer.told_types(), statuses);
    };
    std::string frame = encode(true);
    return frame.size() <= settings.hub.send_limit ? frame : encode(false);
}

void Session::Impl::tell_connector_statuses(TimePoint now) {
    if (!greeted || crowded()) return;
    for (auto& [connector, known] : connector_statuses) {
        if (!known.owed || (known.sent_at != TimePoint{} && now - known.sent_at < status_gap)) continue;
        known.owed = false;
        known.sent_at = now;
        send(encode_connector_status(stamp(), connector, known.status));
    }
}

void Session::Impl::heartbeat(TimePoint now, const jobs::Capacity& capacity) {
    next_heartbeat = now + settings.heartbeat_interval;
    ++heartbeats;
    int free = 0;
    for (const auto& [type, slots] : capacity.free_slots)
        free = std::max(free, slots);
    const auto busy = static_cast<double>(running.size());
    const double load = running.empty() ? 0.0 : busy / (busy + free);
    std::optional<std::string_view> status = announcer.told_idle() ? idle_status : busy_status;
    if (claim) status.reset();  // while a claim is outstanding nothing says idle
    const bool overtakes = backlog() > small_backlog;
    if (overtakes) {
        status.reset();  // what it passes may say otherwise, and must have the last word
    } else if (heartbeats % full_status_every == 0 && !claim) {
        send(full_status_frame(*status));
        status.reset();  // said already; twice would make the Hub scan its queue twice
        // The Hub keeps no connector's state: a monitor that came later learns it now.
        for (auto& [connector, known] : connector_statuses)
            known.owed = true;
    }
    send(encode_heartbeat(stamp(), status, load), overtakes);
}

void Session::Impl::welcome(TimePoint now) {
    if (welcomed) return;
    welcomed = true;
    welcomed_at = now;
    auth_refused = false;
    if (ever_welcomed) ++counters.reconnects;
    ever_welcomed = true;
    ++counters.connections;
    note(Note::Level::info, "connected to the Hub as " + worker_id);
    for (auto& [job_id, job] : running)
        if (!job.fenced) job.unfenced_since = now;
    for (auto& item : outbox)
        if (item.state == OutboxItem::State::fencing) item.since = now;
    if (!watch_enabled()) release_unfenced(now, Ms(0));
}

void Session::Impl::handle(TimePoint now, HubFrame frame) {
    const bool understood = !std::holds_alternative<BadFrame>(frame);
    if (understood && !std::holds_alternative<HubError>(frame)) welcome(now);
    std::visit(
        Overload{[&](Welcome&) {}, [&](Offer& offer) { on_offer(now, offer); },
                 [&](Assignment& assignment) { on_assigned(now, std::move(assignment)); },
                 [&](CompletedAck& ack) { on_ack(ack.job_id); },
                 [&](FailedAck& ack) { on_failed_ack(now, ack.job_id); },
                 [&](CancelJob& cancel) { take_away(now, cancel.job_id, "cancelled", cancel.reason); },
                 [&](JobStatus& status) {
                     note(Note::Level::debug, "the Hub sent the status of job " + status.job_id + " unasked");
                 },
                 [&](Chunk& chunk) { on_chunk(now, std::move(chunk)); },
                 [&](HubError& error) { on_error(now, error); },
                 [&](Ignored& ignored) {
                     if (!ignored.known)
                         note(Note::Level::debug, "the Hub sent a message of unknown type \"" +
                                                      ignored.type.substr(0, 80) + "\"; ignored");
                 },
                 [&](BadFrame& bad) {
                     ++counters.bad_frames;
                     note(Note::Level::warn, "the Hub sent something that is not understood: " + bad.reason);
                 }},
        frame);
}

void Session::Impl::on_chunk(TimePoint now, Chunk chunk) {
    if (claim && chunk.job_id == claim->job_id && chunk.original_type == "job_assigned")
        claim->last_sign = now;
    if (chunk.original_type == "job_available" &&
        (refusals.contains(now, chunk.job_id) || find_outcome(chunk.job_id) != nullptr))
        return;  // it would not be answered: spare the memory
    const std::string type = chunk.original_type;
    const std::string job_id = chunk.job_id;
    ChunkAssembly::Outcome outcome = assembly.add(now, std::move(chunk));
    for (auto& dropped : outcome.dropped) {
        ++counters.dropped_assemblies;
        note(Note::Level::warn, std::move(dropped));
    }
    if (!outcome.message) return;
    HubFrame whole = decode_hub_frame(*outcome.message);
    if (std::holds_alternative<Chunk>(whole)) whole = BadFrame{"a chunked message inside a chunked message"};
    if (const auto* bad = std::get_if<BadFrame>(&whole)) whole = unreadable(type, job_id, bad->reason);
    handle(now, std::move(whole));
}

// ---- inputs ---------------------------------------------------------------------------------------------

Session::Session(SessionSettings settings, JobDesk& desk, Sources sources)
    : impl_(std::make_unique<Impl>(std::move(settings), desk, std::move(sources))) {}
Session::~Session() = default;

void Session::start(TimePoint now) {
    impl_->started = true;
    impl_->connect_after(now, Ms(0));
}

void Session::stop(TimePoint) {
    Impl& s = *impl_;
    s.stopped = true;
    s.close_watch();
    s.close_bulk();
    if (s.link == SessionView::Link::connected) {
        // The local hub gives what we still hold to others at once; the EmProps Hub takes it for "not idle".
        if (s.welcomed) s.send(encode_status(s.stamp(), leaving_status));
        s.out.push_back(Disconnect{"the worker leaves"});
    }
    s.link = SessionView::Link::waiting;
}

void Session::on_connected(TimePoint now) {
    if (impl_->stopped) return;
    impl_->link = SessionView::Link::connected;
    impl_->connected_at = now;
    impl_->given_bytes = impl_->performed_bytes = 0;
    impl_->bulk.on_reconnected();
    impl_->greeted = false;
    impl_->welcomed = false;
    impl_->auth_refused = false;
}

void Session::on_frame(TimePoint now, std::string_view text) {
    if (impl_->link != SessionView::Link::connected) return;
    impl_->handle(now, decode_hub_frame(text));
}

void Session::on_disconnected(TimePoint now, const std::string& reason) {
    Impl& s = *impl_;
    if (s.stopped) return;
    const bool was_connected = s.link == SessionView::Link::connected;
    const bool refused = was_connected && s.auth_refused && !s.welcomed;
    s.link = SessionView::Link::waiting;
    s.close_watch();
    s.drop_claim(now);
    s.deferred_offer.reset();
    s.assembly.clear();
    if (was_connected) s.count_cuts_of_first(now, reason);
    s.fence_everything(now);
    if (refused) {
        const bool leave = !s.ever_welcomed || nothing_left();
        s.note(Note::Level::error, "the Hub refused our token (" + s.last_error +
                                       "); check WEBSOCKET_AUTH_TOKEN or hub.token" +
                                       (leave ? std::string()
                                              : "; running jobs go on, next attempt in " +
                                                    human_duration(s.settings.hub.bad_token_retry)));
        s.told_to_leave = leave;
        s.out.push_back(AuthRefused{!s.ever_welcomed, leave});
        if (!leave) s.connect_after(now, s.settings.hub.bad_token_retry);
        return;
    }
    if (std::exchange(s.renewing, false)) {
        s.welcomed = false;
        return s.connect_after(now, Ms(0));
    }
    s.last_error = reason;
    if (was_connected && s.welcomed) {
        s.short_connections = now - s.connected_at >= good_connection ? 0 : s.short_connections + 1;
        if (s.short_connections <= most_short_connections) s.reconnects.reset();
    }
    s.welcomed = false;
    Ms delay = s.reconnects.next(s.sources.random_unit());
    if (!nothing_left()) delay = std::min(delay, longest_pause_while_owing);
    s.note(Note::Level::warn,
           (was_connected ? "the connection to the Hub ended: " : "no connection to the Hub: ") + reason +
               "; next attempt in " + human_duration(delay));
    s.connect_after(now, delay);
}

void Session::token_changed(TimePoint now) {
    Impl& s = *impl_;
    if (!s.auth_refused || s.told_to_leave || s.stopped) return;
    s.auth_refused = false;
    // The refused connection may still be ending; the attempt that follows from its end has the new token.
    if (s.link == SessionView::Link::connecting) s.connect_after(now, Ms(0));
}

void Session::set_capabilities(TimePoint now, ipc::Json capabilities) {
    Impl& s = *impl_;
    std::string dropped = drop_largest(capabilities, s.settings.self_description_limit);
    if (dropped != s.dropped_capabilities && !dropped.empty())
        s.note(Note::Level::warn, "the connectors' capabilities are more than " +
                                      std::to_string(s.settings.self_description_limit) +
                                      " bytes; the Hub is not told of: " + dropped +
                                      "; let the connector shorten them");
    s.dropped_capabilities = std::move(dropped);
    if (capabilities == s.capabilities) return;
    s.capabilities = std::move(capabilities);
    if (s.greeted) s.announcer.owe_registration(now);
}

void Session::set_connector_status(TimePoint, const std::string& connector, const ipc::Status& status) {
    Impl& s = *impl_;
    auto& known = s.connector_statuses[connector];
    const bool was_cut = std::exchange(known.cut, false);
    known.status = status;
    known.owed = true;
    cut_text(known.status.service);
    cut_text(known.status.reason);
    const std::size_t size = encoded_size(status.details);
    if (size <= s.settings.self_description_limit) return;
    known.status.details = nullptr;
    known.cut = true;
    if (!was_cut)
        s.note(Note::Level::warn,
               "the details in the status of connector " + connector + " are " + std::to_string(size) +
                   " bytes, more than " + std::to_string(s.settings.self_description_limit) +
                   "; the Hub is told the status without them; let the connector shorten them");
}

void Session::forget_connector_status(TimePoint, const std::string& connector) {
    impl_->connector_statuses.erase(connector);
}

void Session::service_request(TimePoint, const ipc::ServiceRequest& request) {
    if (!impl_->usable()) return;  // for monitors only: nothing is lost
    if (impl_->crowded())
        return impl_->note(Note::Level::debug, "a service_request of job " + request.job_id +
                                                   " is dropped: too much waits to be sent to the Hub");
    std::string frame = encode_service_request(impl_->stamp(), request);
    if (frame.size() > impl_->settings.hub.send_limit) {
        impl_->note(Note::Level::warn,
                    "a service_request of job " + request.job_id + " is larger than the Hub takes; not sent");
        return;
    }
    impl_->send(std::move(frame));
}

void Session::on_time(TimePoint now) {
    Impl& s = *impl_;
    for (auto& dropped : s.assembly.expire(now)) {
        ++s.counters.dropped_assemblies;
        s.note(Note::Level::warn, std::move(dropped));
    }
    if (s.usable()) s.check_claim(now);
    s.check_cancels(now);
}

// ---- the batch ------------------------------------------------------------------------------------------

Actions Session::take_actions(TimePoint now) {
    Impl& s = *impl_;
    s.last_batch = now;
    s.watch_writing(now);
    if (s.link == SessionView::Link::connected) {
        const auto shared = s.desk.shared_capacity();
        const jobs::Capacity& capacity = *shared;
        if (!s.greeted && s.greets_now(now, capacity)) s.greet(now, capacity);
        if (s.welcomed && s.greeted) {
            s.release_asked(now);
            s.release_unfenced(now, s.watch_enabled() ? s.settings.fence_patience : Ms(0));
            const Announcement told = s.announcer.decide(now, s.situation(now, capacity, shared));
            if (told.withdraw) s.say_status(*told.withdraw);
            s.flush_ready(now);
            if (told.registration) s.say_status(*told.registration);
            if (told.status) s.send(encode_status(s.stamp(), *told.status ? idle_status : busy_status));
            s.keep_alive(now);
        }
        if (s.greeted && now >= s.next_heartbeat) s.heartbeat(now, capacity);
        s.tell_connector_statuses(now);
    }
    s.outcome_came = false;
    s.performed_bytes = s.given_bytes;
    s.steer_watch(now);
    s.steer_bulk(now);
    if (s.auth_refused && s.ever_welcomed && !s.told_to_leave && !s.welcomed && nothing_left()) {
        s.told_to_leave = true;
        s.out.push_back(AuthRefused{false, true});
    }
    return std::exchange(s.out, {});
}

std::optional<TimePoint> Session::next_wakeup() const {
    const Impl& s = *impl_;
    std::optional<TimePoint> first = s.assembly.next_expiry();
    for (const auto& [job_id, cancel] : s.cancels)
        if (!cancel.reported) earlier(first, cancel.since + Ms(3000));
    const TimePoint look_again = s.last_batch + crowded_look;
    if (const auto at = s.bulk_wakeup()) earlier(first, *at);
    if (const OutboxItem* item = s.uploading(); item != nullptr && !item->written) earlier(first, look_again);
    if (s.link != SessionView::Link::connected) return first;
    if (!s.greeted) {
        earlier(first, s.connected_at + greet_patience);
        return first;
    }
    earlier(first, s.next_heartbeat);
    for (const auto& [connector, known] : s.connector_statuses)
        if (known.owed) earlier(first, std::max(known.sent_at + status_gap, look_again));
    if (!s.welcomed) return first;
    if (s.claim) {
        earlier(first, s.claim->last_sign + s.settings.hub.claim_timeout);
    } else if (const auto at = s.announcer.next_wakeup()) {
        earlier(first, *at);
    }
    if (s.fence_pending() && !s.announcer.told_idle()) {
        const TimePoint hold_ends = s.welcomed_at + s.settings.fence_hold;
        if (hold_ends > s.last_batch) earlier(first, hold_ends);
    }
    for (const auto& [job_id, job] : s.running) {
        if (!job.fenced) {
            earlier(first, job.unfenced_since + s.settings.fence_patience);
            if (!job.recovered)
                earlier(first, std::max(job.unfenced_since + s.settings.running_patience,
                                        job.last_progress + s.settings.hub.keepalive_interval));
            continue;
        }
        earlier(first, job.last_progress + s.settings.hub.keepalive_interval);
        if (job.held_progress) earlier(first, job.tokens_at + Ms(100));
    }
    for (const auto& item : s.outbox) {
        if (item.state == OutboxItem::State::sent) {
            earlier(first, item.since + s.ack_patience(item));
            if (item.ask_at) earlier(first, *item.ask_at);
        }
        if (item.state == OutboxItem::State::asking) earlier(first, item.since + ask_patience);
        if (item.state == OutboxItem::State::fencing) earlier(first, item.since + s.settings.fence_patience);
        const bool unwritten =
            item.state == OutboxItem::State::sent && !item.written && !item.bulk && s.backlog() > 0;
        if (item.state == OutboxItem::State::ready || unwritten) earlier(first, look_again);
        if (item.on_its_way()) earlier(first, item.last_sign + s.settings.hub.keepalive_interval);
    }
    if (const auto at = s.withheld.next_look(s.last_batch)) earlier(first, *at);
    if (const auto at = s.watch_wakeup()) earlier(first, *at);
    return first;
}

SessionMetrics Session::metrics(TimePoint now) const {
    SessionMetrics metrics = impl_->counters;
    metrics.running = impl_->running.size();
    metrics.outbox_depth = impl_->outbox.size();
    for (const auto& item : impl_->outbox)
        metrics.outbox_oldest =
            std::max(metrics.outbox_oldest, std::chrono::duration_cast<Ms>(now - item.queued_at));
    return metrics;
}

SessionView Session::view() const {
    SessionView view;
    view.link = impl_->link;
    view.worker_id = impl_->worker_id;
    view.auth_refused = impl_->auth_refused;
    if (impl_->link == SessionView::Link::connected) {
        view.told_idle = impl_->announcer.told_idle();
        view.told_types = impl_->announcer.told_types();
    }
    view.last_error = impl_->last_error;
    view.attempt_at = impl_->attempt_at;
    for (const auto& job : impl_->withheld.waiting())
        view.withheld.push_back({job.job_id, job.job_type, job.since, impl_->withheld_text(job)});
    for (const auto& item : impl_->outbox)
        view.outcomes.push_back({item.outcome.job_id, item.job_type, item.completed(), item.queued_at});
    return view;
}

bool Session::nothing_left() const {
    return impl_->running.empty() && impl_->outbox.empty();
}

ipc::Json merge_capabilities(ipc::Json merged,
                             const std::vector<std::pair<std::string, ipc::Json>>& connectors) {
    for (const auto& [connector, capabilities] : connectors) {
        if (!capabilities.is_object()) continue;
        for (const auto& [key, value] : capabilities.items())
            merged[connector + "_" + key] = value;
    }
    return merged;
}

}  // namespace emprops::hub
