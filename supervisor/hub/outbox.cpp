#include "supervisor/hub/outbox.h"

#include <algorithm>
#include <utility>

namespace emprops::hub {
namespace {

/// How long an outcome waits for the answer to the question whether the Hub still wants it.
constexpr Ms ask_patience{250};

}  // namespace

void Outbox::add(TimePoint now, OutboxItem item) {
    item.queued_at = item.since = now;
    items_.push_back(std::move(item));
}

const OutboxItem* Outbox::find(const std::string& job_id) const {
    const auto found = std::find_if(items_.begin(), items_.end(),
                                    [&](const OutboxItem& item) { return item.job_id() == job_id; });
    return found == items_.end() ? nullptr : &*found;
}

OutboxItem* Outbox::item_of(const std::string& job_id) {
    return const_cast<OutboxItem*>(find(job_id));
}

const OutboxItem* Outbox::uploading() const {
    const auto found = std::find_if(items_.begin(), items_.end(), [](const OutboxItem& item) {
        return item.bulk && item.state == State::sent;
    });
    return found == items_.end() ? nullptr : &*found;
}

bool Outbox::bulk_wanted() const {
    return wire_.usable() && std::any_of(items_.begin(), items_.end(), [](const OutboxItem& item) {
               return item.bulk && item.state == State::ready;
           });
}

bool Outbox::unfenced() const {
    return std::any_of(items_.begin(), items_.end(),
                       [](const OutboxItem& item) { return item.state == State::fencing; });
}

bool Outbox::leaving(TimePoint now) const {
    if (!direct_failures_.empty()) return true;
    return room() && std::any_of(items_.begin(), items_.end(), [&](const OutboxItem& item) {
               return item.state == State::ready &&
                      bulk_.way(now, item, uploading() != nullptr) == BulkLane::Way::first;
           });
}

bool Outbox::stoppable(const OutboxItem& item) const {
    return item.state != State::sent || (item.bulk && wire_.bulk_backlog() > 0);
}

void Outbox::settle(const std::string& job_id, const char* not_delivered_reason) {
    const auto item = std::find_if(items_.begin(), items_.end(),
                                   [&](const OutboxItem& each) { return each.job_id() == job_id; });
    if (item == items_.end()) return;
    if (&*item == uploading()) bulk_.abort();
    if (not_delivered_reason == nullptr) {
        ++wire_.counters().delivered;
        wire_.act(Delivered{job_id, item->outcome.number});
    } else {
        ++wire_.counters().not_delivered[not_delivered_reason];
        wire_.note(Note::Level::warn, std::string("the ") + (item->completed() ? "result" : "failure") +
                                          " of job " + job_id + " is not reported: at the Hub the job is " +
                                          not_delivered_reason);
        wire_.act(NotDelivered{job_id, item->outcome.number, not_delivered_reason});
    }
    items_.erase(item);
}

// ---- what the Hub says

void Outbox::on_offered(TimePoint now, const std::string& job_id) {
    OutboxItem* item = item_of(job_id);
    if (item == nullptr || item->state != State::sent || item->on_its_way()) return;
    item->enter(State::fencing, now);
    item->sent_before = true;
}

void Outbox::add_claim(const std::string& job_id) {
    if (OutboxItem* item = item_of(job_id)) item->claimed_as.insert(wire_.worker_id());
}

void Outbox::on_ack(const std::string& job_id) {
    const OutboxItem* item = find(job_id);
    if (item != nullptr && (item->state == State::sent || item->sent_before)) settle(job_id);
}

std::optional<OutboxItem> Outbox::on_verdict(TimePoint now, const std::string& job_id,
                                             const std::string& verdict, const std::string& worker) {
    OutboxItem* item = item_of(job_id);
    if (item == nullptr) return std::nullopt;
    const bool asking = item->state == State::asking && item->asked;
    if (!asking && !item->asked_about()) return std::nullopt;
    if (asking && verdict == "unknown") {
        item->state = State::ready;  // a Hub that lost its redis takes it all the same
        return std::nullopt;
    }
    const bool ours = item->claimed_as.count(worker) != 0;
    if (!stoppable(*item)) {
        // All of it is under way, an acknowledgement may be too.
        if (verdict == "completed" && ours) settle(job_id);
        return std::nullopt;
    }
    if ((verdict == "claimed" && ours) || (verdict == "pending" && item->completed())) {
        if (item->state == State::fencing || item->state == State::asking) item->enter(State::ready, now);
        return std::nullopt;
    }
    if (verdict == "claimed") {
        settle(job_id, "claimed_by_other");
        return std::nullopt;
    }
    // Sent before, the acknowledgement was lost, and the Hub shows what it made of it. A job that it took
    // back while we were silent has no worker there until somebody claims it: its end is ours as well.
    const bool ended_by_us = ours || worker.empty();
    const bool arrived = item->sent_before && (item->completed() ? ended_by_us && verdict == "completed"
                                                                 : (ended_by_us && verdict == "failed") ||
                                                                       (ours && verdict == "pending"));
    std::optional<OutboxItem> put_back;
    if (arrived && verdict == "pending") put_back = *item;
    settle(job_id, arrived ? nullptr : verdict.c_str());
    return put_back;
}

std::vector<std::string> Outbox::on_trouble(TimePoint now, TimePoint again) {
    watch_writing(now);
    std::vector<std::string> waiting;
    for (auto& item : items_) {
        if (item.state != State::sent || !item.written) continue;
        waiting.push_back(item.job_id());
        if (!item.ask_at) item.ask_at = again;
    }
    return waiting;
}

// ---- connections

void Outbox::on_welcomed(TimePoint now) {
    for (auto& item : items_)
        if (item.state == State::fencing) item.since = now;
}

void Outbox::on_disconnected(TimePoint now, const std::optional<std::string>& reason) {
    const std::uint64_t written = wire_.written_bytes();
    for (auto& item : items_) {
        if (item.bulk && item.state == State::sent) continue;  // that connection goes on
        if (item.state == State::sent) {
            const std::uint64_t left = item.ends_at > written ? item.ends_at - written : 0;
            const bool cut = reason && !item.bulk && !item.written && left > 0;
            if (cut && left < item.upload.bytes())
                bulk_.count_cut(now, item, static_cast<std::size_t>(left), *reason);
            item.sent_before = true;
        }
        item.enter(State::fencing, now);
    }
    direct_failures_.clear();  // those assignments were never accepted
}

void Outbox::on_bulk_ack(TimePoint now, const std::string& job_id) {
    if (const OutboxItem* item = uploading(); item != nullptr && item->job_id() == job_id)
        bulk_.on_delivered(now, *item);
    on_ack(job_id);
}

void Outbox::on_bulk_disconnected(TimePoint now, const std::string& reason) {
    bulk_.on_ended(now, uploading(), reason);
}

// ---- questions

void Outbox::asked(const std::string& job_id) {
    if (OutboxItem* item = item_of(job_id)) item->asked = true;
}

void Outbox::forget_questions() {
    for (auto& item : items_)
        if (item.state == State::asking) item.state = State::ready;
}

// ---- the batch

/// The ack clock of an outcome runs from the moment when its frame was written, not from when it was queued:
/// on a slow line that can be minutes, and a second copy would only make it worse.
void Outbox::watch_writing(TimePoint now) {
    const std::size_t waiting = wire_.backlog();
    const std::uint64_t written = wire_.written_bytes();
    for (auto& item : items_) {
        if (item.state != State::sent || item.written) continue;
        item.written = item.bulk ? wire_.bulk_backlog() == 0 : waiting == 0 || written >= item.ends_at;
        if (!item.written) item.since = now;
        const std::size_t bytes = item.upload.bytes();
        if (!item.bulk && written + bytes <= item.ends_at) item.upload.begin(now, bytes);  // not its turn yet
    }
}

void Outbox::release_asked(TimePoint now) {
    for (auto& item : items_)
        if (item.state == State::asking && now - item.since >= ask_patience) item.enter(State::ready, now);
}

bool Outbox::release_unfenced(TimePoint now, Ms older_than, std::vector<std::string>& unconfirmed) {
    bool any = false;
    for (auto& item : items_) {
        if (item.state != State::fencing || now - item.since < older_than) continue;
        any = true;
        if (!item.completed() && item.sent_before) {
            unconfirmed.push_back(item.job_id());  // fail_job is not idempotent
        } else {
            item.state = State::ready;
        }
    }
    return any;
}

bool Outbox::overdue(TimePoint now, const OutboxItem& item) const {
    return item.state == State::sent && item.written &&
           (now - item.since >= bulk_.ack_patience(item) || (item.ask_at && now >= *item.ask_at));
}

void Outbox::flush(TimePoint now) {
    for (auto& frame : direct_failures_)
        wire_.send(std::move(frame));
    direct_failures_.clear();
    std::size_t waiting = wire_.backlog();
    for (auto& item : items_) {
        if (overdue(now, item)) {
            wire_.note(Note::Level::warn,
                       "the Hub has not acknowledged the outcome of job " + item.job_id() + "; asking it");
            item.enter(State::fencing, now);
            item.sent_before = true;
            item.ask_at.reset();
        }
        if (item.state != State::ready) continue;
        const BulkLane::Way way = bulk_.way(now, item, uploading() != nullptr);
        item.bulk = way != BulkLane::Way::first;
        if (way == BulkLane::Way::bulk) bulk_.send(now, item);
        if (item.bulk || waiting > 2 * settings_.hub.send_limit) continue;
        std::string frame = outcome_frame(wire_, settings_.hub.send_limit, item.outcome);
        const std::size_t size = frame.size();
        waiting += size;
        if (item.completed()) wire_.send(completed_progress_frame(wire_, item.job_id()));
        wire_.send(std::move(frame));
        item.sent(now, size);
        item.ends_at = wire_.given_bytes();
    }
}

/// A job is ours to the Hub until its result is there, and that may have to wait.
void Outbox::keep_alive(TimePoint now) {
    for (auto& item : items_) {
        if (item.state != State::ready && !item.on_its_way()) continue;
        if (now - item.last_sign < settings_.hub.keepalive_interval) continue;
        wire_.send(encode_keepalive(wire_.stamp(), item.job_id()), true);
        item.last_sign = now;
    }
}

void Outbox::owe_signs() {
    for (auto& item : items_)
        item.last_sign -= settings_.hub.keepalive_interval;
}

std::optional<TimePoint> Outbox::next_wakeup(TimePoint look_again, bool welcomed) const {
    Earliest first;
    const OutboxItem* upload = uploading();
    first.add(bulk_.next_wakeup(bulk_wanted(), upload != nullptr));
    if (upload != nullptr && !upload->written) first.add(look_again);
    if (!welcomed) return first.at();
    for (const auto& item : items_) {
        if (item.state == State::sent) {
            first.add(item.since + bulk_.ack_patience(item));
            first.add(item.ask_at);
        }
        if (item.state == State::asking) first.add(item.since + ask_patience);
        if (item.state == State::fencing) first.add(item.since + settings_.fence_patience);
        const bool unwritten =
            item.state == State::sent && !item.written && !item.bulk && wire_.backlog() > 0;
        if (item.state == State::ready || unwritten) first.add(look_again);
        if (item.on_its_way()) first.add(item.last_sign + settings_.hub.keepalive_interval);
    }
    return first.at();
}

}  // namespace emprops::hub
