#include "supervisor/hub/connection.h"

#include <algorithm>
#include <utility>

#include "ipc/text/people.h"

namespace emprops::hub {
namespace {

/// A welcomed connection begins the back-off anew. Several in a row that did not live this long do not: two
/// workers with one id end each other's connection.
constexpr Ms good_connection{10'000};
constexpr int most_short_connections = 5;
/// While jobs run or outcomes wait no pause is longer than this: the Hub gives a job away after 30 s without
/// progress, and a result that waits is a client that waits.
constexpr Ms longest_pause_while_owing{5'000};

}  // namespace

Connection::Connection(const SessionSettings& settings, Wire& wire)
    : settings_(settings), wire_(wire), reconnects_(settings.hub.reconnect_min, settings.hub.reconnect_max) {}

void Connection::set(Link link) {
    link_ = link;
    wire_.set_usable(link == Link::connected && welcomed_);
}

void Connection::connect_after(TimePoint now, Ms delay) {
    // A new id for each connection: the Hub refuses the last failer of a job by id forever, and closes the
    // newer of two connections with one id when the older one ends.
    wire_.set_worker_id(settings_.exact_id ? settings_.id_base : settings_.id_base + "-" + wire_.random_id());
    set(Link::connecting);
    attempt_at_ = now + delay;
    wire_.act(Connect{delay, wire_.worker_id()});
}

void Connection::start(TimePoint now) {
    connect_after(now, Ms(0));
}

void Connection::stop() {
    stopped_ = true;
    if (connected()) {
        // The local hub gives what we still hold to others at once; the EmProps Hub takes it for "not idle".
        if (welcomed_) wire_.send(encode(WorkerStatus{wire_.stamp(), leaving_status}));
        wire_.act(Disconnect{"the worker leaves"});
    }
    set(Link::waiting);
}

void Connection::on_connected(TimePoint now) {
    welcomed_ = false;
    auth_refused_ = false;
    connected_at_ = now;
    set(Link::connected);
    wire_.on_connected();
}

bool Connection::on_welcome(TimePoint now) {
    if (welcomed_) return false;
    welcomed_ = true;
    welcomed_at_ = now;
    auth_refused_ = false;
    set(link_);
    if (ever_welcomed_) ++wire_.counters().reconnects;
    ever_welcomed_ = true;
    ++wire_.counters().connections;
    wire_.note(Note::Level::info, "connected to the Hub as " + wire_.worker_id());
    return true;
}

void Connection::on_token_refused(const std::string& text) {
    // The Hub accepts every handshake and refuses a token with an error as its first message.
    auth_refused_ = true;
    last_error_ = text;
    wire_.act(Disconnect{"the Hub refused the token"});
}

void Connection::on_disconnected(TimePoint now, const std::string& reason, bool owing) {
    const bool was_connected = connected();
    const bool was_welcomed = std::exchange(welcomed_, false);
    set(Link::waiting);
    if (was_connected && auth_refused_ && !was_welcomed) return on_refused(now, owing);
    if (std::exchange(renewing_, false)) return connect_after(now, Ms(0));
    last_error_ = reason;
    if (was_connected && was_welcomed) {
        short_connections_ = now - connected_at_ >= good_connection ? 0 : short_connections_ + 1;
        if (short_connections_ <= most_short_connections) reconnects_.reset();
    }
    Ms delay = reconnects_.next(wire_.random_unit());
    if (owing) delay = std::min(delay, longest_pause_while_owing);
    if (was_connected && was_welcomed && settings_.exact_id && conflict_.ended(now, reason))
        wire_.note(Note::Level::error, suspicion());
    wire_.note(Note::Level::warn,
               (was_connected ? "the connection to the Hub ended: " : "no connection to the Hub: ") + reason +
                   "; next attempt in " + human_duration(delay));
    connect_after(now, delay);
}

void Connection::settle(TimePoint now) {
    if (connected() && welcomed_) conflict_.lives(now, welcomed_at_);
}

std::string Connection::suspicion() const {
    const std::size_t ended = conflict_.likely();
    if (ended == 0) return {};
    return "the Hub has closed " + std::to_string(ended) + " connections under the id " + settings_.id_base +
           " one after the other: another worker probably uses this id, which is fixed (hub.url, that is REDIS_WS_URL, "
           "or worker.exact_id); give each worker one of its own";
}

void Connection::on_refused(TimePoint now, bool owing) {
    told_to_leave_ = !ever_welcomed_ || !owing;
    wire_.note(Note::Level::error, "the Hub refused our token (" + last_error_ +
                                       "); check WEBSOCKET_AUTH_TOKEN or hub.token" +
                                       (told_to_leave_ ? std::string()
                                                       : "; running jobs go on, next attempt in " +
                                                             human_duration(settings_.hub.bad_token_retry)));
    wire_.act(AuthRefused{told_to_leave_});
    if (!told_to_leave_) connect_after(now, settings_.hub.bad_token_retry);
}

void Connection::token_changed(TimePoint now) {
    if (!auth_refused_ || told_to_leave_ || stopped_) return;
    auth_refused_ = false;
    // The refused connection may still be ending; the attempt that follows from its end has the new token.
    if (link_ == Link::connecting) connect_after(now, Ms(0));
}

void Connection::renew() {
    renewing_ = true;
    ++wire_.counters().fresh_ids;
    wire_.act(Disconnect{"connecting again under a fresh id"});
    set(Link::waiting);
}

void Connection::leave_if_refused() {
    if (!auth_refused_ || !ever_welcomed_ || told_to_leave_ || welcomed_) return;
    told_to_leave_ = true;
    wire_.act(AuthRefused{true});
}

std::optional<Ms> Connection::welcomed_for(TimePoint now) const {
    if (!welcomed_) return std::nullopt;
    return std::chrono::duration_cast<Ms>(now - welcomed_at_);
}

void Connection::show(jobs::LinkView& view) const {
    view.link = link_;
    view.worker_id = wire_.worker_id();
    view.auth_refused = auth_refused_;
    view.last_error = last_error_;
    view.suspicion = suspicion();
    view.attempt_at = attempt_at_;
}

}  // namespace emprops::hub
