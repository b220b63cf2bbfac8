// Large results on a connection of their own (bulk_lane.h decides). While one is on its way, its job is kept
// alive over the first connection and asked about over the client connection; if it is no longer ours, the
// upload is cut off before the Hub has the whole message.

#include <algorithm>

#include "ipc/text/people.h"
#include "supervisor/hub/pacing.h"
#include "supervisor/hub/session_impl.h"

namespace emprops::hub {
namespace {

using State = OutboxItem::State;

std::size_t size_of(const OutboxItem& item) {
    const auto* completed = std::get_if<jobs::Completed>(&item.outcome.value);
    return completed == nullptr ? 0 : completed->result.text.size();
}

}  // namespace

OutboxItem* Session::Impl::uploading() {
    const auto found = std::find_if(outbox.begin(), outbox.end(), [](const OutboxItem& item) {
        return item.bulk && item.state == State::sent;
    });
    return found == outbox.end() ? nullptr : &*found;
}

bool Session::Impl::bulk_wanted() const {
    return usable() && std::any_of(outbox.begin(), outbox.end(), [](const OutboxItem& item) {
               return item.bulk && item.state == State::ready;
           });
}

BulkLane::Way Session::Impl::way_of(TimePoint now, const OutboxItem& item) const {
    // A failure is bound to its connection (the Hub remembers who failed), and is small. What is larger than
    // the Hub takes becomes one.
    const std::size_t size = size_of(item);
    if (size > settings.hub.send_limit) return BulkLane::Way::first;
    return bulk.way(now, size, uploading() != nullptr);
}

void Session::Impl::flush_bulk(TimePoint now, OutboxItem& item) {
    std::string frame = outcome_frame(item);
    if (!item.completed()) {  // by a few bytes too large after all
        item.bulk = false;
        return;
    }
    note(Note::Level::debug, "the result of job " + item.outcome.job_id + ", " + human_bytes(frame.size()) +
                                 ", leaves over a connection of its own");
    say_completed(item);
    item.state = State::sent;
    item.since = now;
    item.written = false;
    item.upload.begin(now, frame.size());
    out.push_back(SendBulk{std::move(frame)});
}

void Session::Impl::steer_bulk(TimePoint now) {
    if (stopped) return;
    switch (bulk.steer(now, bulk_wanted(), uploading() != nullptr)) {
        case BulkLane::Step::open:
            out.push_back(OpenBulk{bulk.next_id(worker_id)});
            break;
        case BulkLane::Step::close:
            out.push_back(CloseBulk{});
            break;
        case BulkLane::Step::refused:
            out.push_back(CloseBulk{});
            bulk_refused("no welcome within " + human_duration(bulk.policy().open_patience));
            break;
        case BulkLane::Step::none:
            break;
    }
}

void Session::Impl::bulk_refused(const std::string& why) {
    note(Note::Level::warn,
         "no second connection to the Hub for large results (" + why +
             "); they leave over the first one, where heartbeats and progress wait behind them");
}

void Session::Impl::close_bulk() {
    if (bulk.state() == BulkLane::State::closed) return;
    bulk.closed();
    out.push_back(CloseBulk{});
}

/// The Hub cannot have it yet.
bool Session::Impl::stoppable(const OutboxItem& item) const {
    return item.state != State::sent || (item.bulk && bulk_backlog() > 0);
}

Ms Session::Impl::ack_patience(const OutboxItem& item) const {
    const Ms patience = settings.ack_timeout;
    return item.bulk ? std::max(patience, item.upload.longest(bulk.policy())) : patience;
}

/// The job is no longer ours: the Hub must not get the rest.
void Session::Impl::abort_upload(const OutboxItem& item) {
    if (&item == uploading() && bulk_backlog() > 0) close_bulk();
}

void Session::on_bulk_frame(TimePoint now, std::string_view text) {
    Impl& s = *impl_;
    const HubFrame frame = decode_hub_frame(text);
    if (std::holds_alternative<Welcome>(frame)) {
        s.bulk.on_welcomed(now);
    } else if (const auto* ack = std::get_if<CompletedAck>(&frame)) {
        if (const OutboxItem* item = s.find_outcome(ack->job_id); item != nullptr && item == s.uploading()) {
            s.bulk.on_delivered(now);
            const Ms took = item->upload.lasted(now);
            if (took >= s.bulk.policy().slow_after)
                s.note(Note::Level::info, "the result of job " + ack->job_id + " took " +
                                              human_duration(took) + ": " +
                                              human_bytes(item->upload.bytes()) + " at " +
                                              human_rate(item->upload.rate(now, 0)));
        }
        s.on_ack(ack->job_id);
    } else if (const auto* error = std::get_if<HubError>(&frame)) {
        s.note(Note::Level::warn,
               "the Hub reports to our connection for large results: " + error->text.substr(0, 500));
    } else if (const auto* bad = std::get_if<BadFrame>(&frame)) {
        ++s.counters.bad_frames;
        s.note(
            Note::Level::warn,
            "the Hub sent our connection for large results something that is not understood: " + bad->reason);
    }
}

void Session::on_bulk_disconnected(TimePoint now, const std::string& reason) {
    Impl& s = *impl_;
    OutboxItem* item = s.uploading();
    const std::size_t left = s.bulk_backlog();
    const bool cut = item != nullptr && !item->written && left > 0;
    if (s.bulk.on_ended(now, cut)) s.bulk_refused(reason);
    if (item == nullptr) return;
    if (cut) {
        s.note(Note::Level::warn, "the connection to the Hub for large results ended: " + reason + "; " +
                                      human_bytes(left) + " of the result of job " + item->outcome.job_id +
                                      " had not left, it is sent again");
        s.count_cut(now, *item, left, reason);
    } else {
        item->sent_before = true;  // perhaps: the acknowledgement did not come
    }
    item->state = State::fencing;
    item->since = now;
    if (s.usable() && !s.watch_enabled()) s.release_unfenced(now, Ms(0));
}

void Session::Impl::count_cut(TimePoint now, OutboxItem& item, std::size_t left, const std::string& reason) {
    if (const auto slow = item.upload.cut(now, left, bulk.policy()))
        note(Note::Level::error,
             "job " + item.outcome.job_id + ": " + *slow + " (" + reason +
                 "); it is tried again. Let the connector store large outputs elsewhere and return "
                 "their address, or use a faster line");
}

/// The first connection has ended: results that were being written there.
void Session::Impl::count_cuts_of_first(TimePoint now, const std::string& reason) {
    const std::size_t waiting = backlog();
    const std::uint64_t written = performed_bytes > waiting ? performed_bytes - waiting : 0;
    for (auto& item : outbox) {
        if (item.bulk || item.state != State::sent || item.written || written >= item.ends_at) continue;
        const std::uint64_t left = item.ends_at - written;
        if (left < item.upload.bytes()) count_cut(now, item, static_cast<std::size_t>(left), reason);
    }
}

std::optional<TimePoint> Session::Impl::bulk_wakeup() const {
    return bulk.next_wakeup(bulk_wanted(), uploading() != nullptr);
}

}  // namespace emprops::hub
