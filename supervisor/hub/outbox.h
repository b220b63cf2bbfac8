#pragma once
// Outcomes until the Hub has them: fencing -> asking -> ready -> sent -> acknowledged. An outcome is sent at
// once only on the connection on which its job is known to be ours; else the answer to a question decides
// first (fence.h). Large ones leave over a connection of their own (bulk_sender.h). Pure; owned by the
// session.

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "supervisor/base/time.h"
#include "supervisor/hub/bulk_sender.h"
#include "supervisor/hub/outcome.h"
#include "supervisor/hub/session_settings.h"
#include "supervisor/hub/wire.h"

namespace emprops::hub {

class Outbox {
  public:
    using State = OutboxItem::State;

    /// Both must outlive the outbox.
    Outbox(const SessionSettings& settings, Wire& wire)
        : settings_(settings), wire_(wire), bulk_(settings, wire) {}

    void add(TimePoint now, OutboxItem item);
    /// A fail_job of an assignment that was never accepted: leaves with the next batch.
    void fail_directly(std::string frame) { direct_failures_.push_back(std::move(frame)); }

    const OutboxItem* find(const std::string& job_id) const;
    const std::deque<OutboxItem>& items() const { return items_; }
    bool empty() const { return items_.empty(); }
    /// Some wait for the fence.
    bool unfenced() const;
    /// Some leave with this batch.
    bool leaving(TimePoint now) const;
    /// Ends it: delivered, or not to be delivered for this reason (a word of NotDelivered).
    void settle(const std::string& job_id, const char* not_delivered_reason = nullptr);
    /// The Hub has no part of it that matters: it can still be kept from it.
    bool stoppable(const OutboxItem& item) const;

    // ---- what the Hub says

    /// It offers the job although its outcome is here: the fence decides, not a second run.
    void on_offered(TimePoint now, const std::string& job_id);
    /// It gave the job to us once more, under our present id.
    void add_claim(const std::string& job_id);
    void on_ack(const std::string& job_id);
    /// What the job is at the Hub, in answer to a question. The failure, if the Hub has it and has put the job
    /// back into its queue.
    std::optional<OutboxItem> on_verdict(TimePoint now, const std::string& job_id, const std::string& verdict,
                                         const std::string& worker);
    /// It could not do what a message asked: those that are not acknowledged are asked about at `again`.
    /// Their job ids.
    std::vector<std::string> on_trouble(TimePoint now, TimePoint again);

    // ---- connections

    void on_connected() { bulk_.on_worker_connected(); }
    void on_welcomed(TimePoint now);
    /// `reason`: why it ended; nullopt: it could not be made.
    void on_disconnected(TimePoint now, const std::optional<std::string>& reason);
    void on_bulk_welcomed(TimePoint now) { bulk_.on_welcomed(now); }
    void on_bulk_ack(TimePoint now, const std::string& job_id);
    void on_bulk_disconnected(TimePoint now, const std::string& reason);
    void close_bulk() { bulk_.close(); }
    void steer_bulk(TimePoint now) { bulk_.steer(now, bulk_wanted(), uploading() != nullptr); }

    // ---- questions

    /// The question about this one leaves.
    void asked(const std::string& job_id);
    /// Nobody answers now: what waited for an answer for a moment leaves.
    void forget_questions();

    // ---- the batch, in this order

    void watch_writing(TimePoint now);
    /// Nobody answered in time whether they are still wanted: they leave.
    void release_asked(TimePoint now);
    /// Those that could not be fenced for this long leave, but for failures that may have arrived already:
    /// they are added to `unconfirmed`, to be settled. True: there were any.
    bool release_unfenced(TimePoint now, Ms older_than, std::vector<std::string>& unconfirmed);
    void flush(TimePoint now);
    void keep_alive(TimePoint now);
    /// One is due for every job now.
    void owe_signs();

    std::optional<TimePoint> next_wakeup(TimePoint look_again, bool welcomed) const;

  private:
    OutboxItem* item_of(const std::string& job_id);
    const OutboxItem* uploading() const;
    OutboxItem* uploading() { return const_cast<OutboxItem*>(std::as_const(*this).uploading()); }
    bool bulk_wanted() const;
    bool room() const { return wire_.backlog() <= 2 * settings_.hub.send_limit; }
    bool overdue(TimePoint now, const OutboxItem& item) const;

    const SessionSettings& settings_;
    Wire& wire_;
    BulkSender bulk_;
    std::deque<OutboxItem> items_;
    std::vector<std::string> direct_failures_;
};

}  // namespace emprops::hub
