#include "supervisor/hub/bulk_sender.h"

#include <algorithm>
#include <utility>

#include "ipc/text/people.h"
#include "supervisor/hub/pacing.h"

namespace emprops::hub {

BulkLane::Way BulkSender::way(TimePoint now, const OutboxItem& item, bool taken) const {
    // A failure is bound to its connection (the Hub remembers who failed), and is small. What is larger than
    // the Hub takes becomes one.
    const std::size_t size = item.size();
    if (size > settings_.hub.send_limit) return BulkLane::Way::first;
    return lane_.way(now, size, taken);
}

void BulkSender::send(TimePoint now, OutboxItem& item) {
    std::string frame = outcome_frame(wire_, settings_.hub.send_limit, item.outcome);
    if (!item.completed()) {  // by a few bytes too large after all
        item.bulk = false;
        return;
    }
    wire_.note(Note::Level::debug, "the result of job " + item.job_id() + ", " + human_bytes(frame.size()) +
                                       ", leaves over a connection of its own");
    wire_.send(completed_progress_frame(wire_, item.job_id()));
    item.sent(now, frame.size());
    wire_.act(SendBulk{std::move(frame)});
}

void BulkSender::steer(TimePoint now, bool wanted, bool taken) {
    switch (lane_.steer(now, wanted, taken)) {
        case BulkLane::Step::open:
            wire_.act(OpenBulk{lane_.next_id(wire_.worker_id())});
            break;
        case BulkLane::Step::close:
            wire_.act(CloseBulk{});
            break;
        case BulkLane::Step::refused:
            wire_.act(CloseBulk{});
            note_refused("no welcome within " + human_duration(lane_.policy().open_patience));
            break;
        case BulkLane::Step::none:
            break;
    }
}

void BulkSender::note_refused(const std::string& why) {
    wire_.note(Note::Level::warn, "no second connection to the Hub for large results (" + why +
                                      "); they leave over the first one, where heartbeats and progress wait "
                                      "behind them");
}

void BulkSender::close() {
    if (lane_.state() == BulkLane::State::closed) return;
    lane_.closed();
    wire_.act(CloseBulk{});
}

void BulkSender::abort() {
    if (wire_.bulk_backlog() > 0) close();
}

void BulkSender::on_delivered(TimePoint now, const OutboxItem& item) {
    lane_.on_delivered(now);
    const Ms took = item.upload.lasted(now);
    if (took < lane_.policy().slow_after) return;
    wire_.note(Note::Level::info, "the result of job " + item.job_id() + " took " + human_duration(took) +
                                      ": " + human_bytes(item.upload.bytes()) + " at " +
                                      human_rate(item.upload.rate(now, 0)));
}

void BulkSender::on_ended(TimePoint now, OutboxItem* item, const std::string& reason) {
    const std::size_t left = wire_.bulk_backlog();
    const bool cut = item != nullptr && !item->written && left > 0;
    if (lane_.on_ended(now, cut)) note_refused(reason);
    if (item == nullptr) return;
    if (cut) {
        wire_.note(Note::Level::warn, "the connection to the Hub for large results ended: " + reason + "; " +
                                          human_bytes(left) + " of the result of job " + item->job_id() +
                                          " had not left, it is sent again");
        count_cut(now, *item, left, reason);
    } else {
        item->sent_before = true;  // perhaps: the acknowledgement did not come
    }
    item->enter(OutboxItem::State::fencing, now);
}

void BulkSender::count_cut(TimePoint now, OutboxItem& item, std::size_t left, const std::string& reason) {
    if (const auto slow = item.upload.cut(now, left, lane_.policy()))
        wire_.note(Note::Level::error, "job " + item.job_id() + ": " + *slow + " (" + reason +
                                           "); it is tried again. Let the connector store large outputs "
                                           "elsewhere and return their address, or use a faster line");
}

Ms BulkSender::ack_patience(const OutboxItem& item) const {
    const Ms patience = settings_.ack_timeout;
    return item.bulk ? std::max(patience, item.upload.longest(lane_.policy())) : patience;
}

}  // namespace emprops::hub
