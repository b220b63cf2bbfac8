#include "supervisor/hub/session.h"

#include <algorithm>

#include "supervisor/hub/session_impl.h"

namespace emprops::hub {
namespace {

/// A connection that lived this long was a good one: the back-off begins anew.
constexpr Ms good_connection{10'000};
/// The full worker_status goes out before every fifth heartbeat, as the Python worker does.
constexpr unsigned full_status_every = 5;

template <class... F>
struct Overloaded : F... {
    using F::operator()...;
};
template <class... F>
Overloaded(F...) -> Overloaded<F...>;

void earlier(std::optional<TimePoint>& first, TimePoint at) {
    if (!first || at < *first) first = at;
}

}  // namespace

Session::Impl::Impl(SessionSettings settings_in, JobDesk& desk_in, Sources sources_in)
    : settings(std::move(settings_in)),
      desk(desk_in),
      sources(std::move(sources_in)),
      reconnects(settings.hub.reconnect_min, settings.hub.reconnect_max),
      refusals(settings.hub.refusal_memory),
      assembly(settings.hub.max_assembly_bytes, settings.hub.assembly_timeout),
      next_number(settings.first_number),
      watch_reconnects(settings.hub.reconnect_min, std::min<Ms>(settings.hub.reconnect_max, Ms(10'000))) {}

void Session::Impl::note(const char* level, std::string text) {
    out.push_back(Note{level, std::move(text)});
}
void Session::Impl::send(std::string frame) {
    out.push_back(Send{std::move(frame)});
}

void Session::Impl::connect_after(Ms delay) {
    // A new id for each connection: the Hub refuses the last failer of a job by id for ever, and closes the
    // newer of two connections with one id when the older one ends.
    worker_id = settings.exact_id ? settings.id_base : settings.id_base + "-" + sources.random_id();
    link = SessionView::Link::connecting;
    out.push_back(Connect{delay, worker_id});
}

Announcer::Situation Session::Impl::situation(TimePoint now, const jobs::Capacity& capacity) const {
    Announcer::Situation situation;
    situation.capacity = &capacity;
    situation.outcomes = outcomes_ready();
    situation.claim = claim.has_value();
    situation.hold = fence_pending() && (!welcomed || now - welcomed_at < settings.fence_hold);
    return situation;
}

void Session::Impl::greet(TimePoint now, const jobs::Capacity& capacity) {
    greeted = true;
    const auto registration = announcer.on_connected(now, situation(now, capacity));
    say_status(registration);
    heartbeats = 0;
    heartbeat(now, capacity);
    for (const auto& [connector, status] : connector_statuses)
        send(encode_connector_status(stamp(), connector, status));
}

void Session::Impl::say_status(const Announcement::Registration& registration) {
    send(encode_register(stamp(), capabilities, registration.job_types,
                         registration.idle ? idle_status : busy_status));
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
    if (heartbeats % full_status_every == 0 && !claim) {
        ipc::Json statuses = ipc::Json::object();
        for (const auto& [connector, state] : connector_statuses)
            statuses[state.service.empty() ? connector : state.service] =
                connector_status_object(connector, state);
        send(encode_full_status(stamp(), *status, capabilities, announcer.told_types(), statuses));
        status.reset();  // said already; twice would make the Hub scan its queue twice
    }
    send(encode_heartbeat(stamp(), status, load));
}

void Session::Impl::welcome(TimePoint now) {
    if (welcomed) return;
    welcomed = true;
    welcomed_at = now;
    auth_refused = false;
    if (ever_welcomed) ++counters.reconnects;
    ever_welcomed = true;
    ++counters.connections;
    note("info", "connected to the Hub as " + worker_id);
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
        Overloaded{[&](Welcome&) {}, [&](Offer& offer) { on_offer(now, offer); },
                   [&](Assignment& assignment) { on_assigned(now, std::move(assignment)); },
                   [&](CompletedAck& ack) { on_ack(ack.job_id); },
                   [&](FailedAck& ack) { on_ack(ack.job_id); },
                   [&](CancelJob& cancel) { take_away(now, cancel.job_id, "cancelled", cancel.reason); },
                   [&](JobStatus& status) {
                       note("debug", "the Hub sent the status of job " + status.job_id + " unasked");
                   },
                   [&](Chunk& chunk) { on_chunk(now, std::move(chunk)); },
                   [&](HubError& error) { on_error(now, error); },
                   [&](Ignored& ignored) {
                       if (!ignored.known)
                           note("debug", "the Hub sent a message of unknown type \"" +
                                             ignored.type.substr(0, 80) + "\"; ignored");
                   },
                   [&](BadFrame& bad) {
                       ++counters.bad_frames;
                       note("warn", "the Hub sent something that is not understood: " + bad.reason);
                   }},
        frame);
}

void Session::Impl::on_error(TimePoint now, const HubError& error) {
    using Kind = HubError::Kind;
    if (!welcomed) {
        // The Hub accepts every handshake and refuses a token with an error as its first message.
        auth_refused = true;
        last_error = error.text;
        if (error.kind == Kind::bad_token) out.push_back(Disconnect{"the Hub refused the token"});
        return;
    }
    switch (error.kind) {
        case Kind::claim_failed:
            return on_claim_failed(now, error);
        case Kind::not_idle:
            return on_claim_not_idle(now, error);
        case Kind::fail_refused:
            return on_ack(error.job_id);  // retries used up: it has been told, that counts
        case Kind::not_found:
        case Kind::bad_token:
        case Kind::other:
            note("warn", "the Hub reports: " + error.text.substr(0, 500));
    }
}

void Session::Impl::on_chunk(TimePoint now, Chunk chunk) {
    if (claim && chunk.job_id == claim->job_id && chunk.original_type == "job_assigned")
        claim->last_sign = now;
    if (chunk.original_type == "job_available" &&
        (refusals.contains(now, chunk.job_id) || find_outcome(chunk.job_id) != nullptr))
        return;  // it would not be answered: spare the memory
    ChunkAssembly::Outcome outcome = assembly.add(now, std::move(chunk));
    for (auto& dropped : outcome.dropped) {
        ++counters.dropped_assemblies;
        note("warn", std::move(dropped));
    }
    if (!outcome.message) return;
    HubFrame whole = decode_hub_frame(*outcome.message);
    if (std::holds_alternative<Chunk>(whole)) whole = BadFrame{"a chunked message inside a chunked message"};
    handle(now, std::move(whole));
}

// ---- inputs ---------------------------------------------------------------------------------------------

Session::Session(SessionSettings settings, JobDesk& desk, Sources sources)
    : impl_(std::make_unique<Impl>(std::move(settings), desk, std::move(sources))) {}
Session::~Session() = default;

void Session::start(TimePoint) {
    impl_->started = true;
    impl_->connect_after(Ms(0));
}

void Session::stop(TimePoint) {
    Impl& s = *impl_;
    s.stopped = true;
    s.close_watch();
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
    s.fence_everything(now);
    if (refused) {
        s.note("error",
               "the Hub refused our token (" + s.last_error + "); check WEBSOCKET_AUTH_TOKEN or hub.token");
        const bool leave = !s.ever_welcomed || nothing_left();
        s.told_to_leave = leave;
        s.out.push_back(AuthRefused{!s.ever_welcomed, leave});
        if (!leave) s.connect_after(s.settings.hub.bad_token_retry);
        return;
    }
    s.last_error = reason;
    if (was_connected && s.welcomed && now - s.connected_at >= good_connection) s.reconnects.reset();
    s.welcomed = false;
    const Ms delay = s.reconnects.next(s.sources.random_unit());
    s.note("warn", (was_connected ? "the connection to the Hub ended: " : "no connection to the Hub: ") +
                       reason + "; next attempt in " + human_duration(delay));
    s.connect_after(delay);
}

void Session::set_capabilities(TimePoint, ipc::Json capabilities) {
    if (capabilities == impl_->capabilities) return;
    impl_->capabilities = std::move(capabilities);
    if (impl_->greeted) impl_->announcer.owe_registration();
}

void Session::set_connector_status(TimePoint, const std::string& connector, const ipc::Status& status) {
    impl_->connector_statuses[connector] = status;
    if (impl_->link == SessionView::Link::connected && impl_->greeted)
        impl_->send(encode_connector_status(impl_->stamp(), connector, status));
}

void Session::forget_connector_status(TimePoint, const std::string& connector) {
    impl_->connector_statuses.erase(connector);
}

void Session::service_request(TimePoint, const ipc::ServiceRequest& request) {
    if (!impl_->usable()) return;  // for monitors only: nothing is lost
    std::string frame = encode_service_request(impl_->stamp(), request);
    if (frame.size() > impl_->settings.hub.send_limit) {
        impl_->note("warn",
                    "a service_request of job " + request.job_id + " is larger than the Hub takes; not sent");
        return;
    }
    impl_->send(std::move(frame));
}

void Session::on_time(TimePoint now) {
    Impl& s = *impl_;
    for (auto& dropped : s.assembly.expire(now)) {
        ++s.counters.dropped_assemblies;
        s.note("warn", std::move(dropped));
    }
    if (s.usable()) s.check_claim(now);
    s.check_cancels(now);
}

// ---- the batch ------------------------------------------------------------------------------------------

Actions Session::take_actions(TimePoint now) {
    Impl& s = *impl_;
    s.last_batch = now;
    if (s.link == SessionView::Link::connected) {
        const jobs::Capacity capacity = s.desk.capacity();
        if (!s.greeted) s.greet(now, capacity);
        if (s.welcomed) {
            s.release_unfenced(now, s.watch_enabled() ? s.settings.fence_patience : Ms(0));
            const Announcement told = s.announcer.decide(now, s.situation(now, capacity));
            if (told.withdraw) s.say_status(*told.withdraw);
            s.flush_ready(now);
            if (told.registration) s.say_status(*told.registration);
            if (told.status) s.send(encode_status(s.stamp(), *told.status ? idle_status : busy_status));
            s.keep_alive(now);
        }
        if (now >= s.next_heartbeat) s.heartbeat(now, capacity);
    }
    s.steer_watch(now);
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
    if (s.link != SessionView::Link::connected) return first;
    earlier(first, s.next_heartbeat);
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
            continue;
        }
        earlier(first, job.last_progress + s.settings.hub.keepalive_interval);
        if (job.held_progress) earlier(first, job.tokens_at + Ms(100));
    }
    for (const auto& item : s.outbox) {
        if (item.state == OutboxItem::State::sent) earlier(first, item.since + s.settings.ack_timeout);
        if (item.state == OutboxItem::State::fencing) earlier(first, item.since + s.settings.fence_patience);
    }
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
    return view;
}

bool Session::nothing_left() const {
    return impl_->running.empty() && impl_->outbox.empty();
}

ipc::Json merge_capabilities(const std::string& version,
                             const std::vector<std::pair<std::string, ipc::Json>>& connectors) {
    // cpu and memory are constants of the Python worker that monitors display.
    ipc::Json merged = {{"version", version}, {"cpu", true}, {"memory", "16GB"}};
    for (const auto& [connector, capabilities] : connectors) {
        if (!capabilities.is_object()) continue;
        for (const auto& [key, value] : capabilities.items())
            merged[connector + "_" + key] = value;
    }
    return merged;
}

}  // namespace emprops::hub
