#pragma once
// Large results on a connection of their own; bulk_lane.h decides when it is opened and what it carries.
// Pure; owned by the outbox. While a result is on its way there, its job is kept alive over the first
// connection and asked about over the client connection; if the job is no longer ours, the upload is cut off
// before the Hub has the whole message.

#include <optional>
#include <string>

#include "supervisor/base/time.h"
#include "supervisor/hub/bulk_lane.h"
#include "supervisor/hub/outcome.h"
#include "supervisor/hub/session_settings.h"
#include "supervisor/hub/wire.h"

namespace emprops::hub {

class BulkSender {
  public:
    /// Both must outlive the sender.
    BulkSender(const SessionSettings& settings, Wire& wire)
        : settings_(settings), wire_(wire), lane_(settings.bulk, settings.bulk_possible) {}

    /// How this outcome leaves now. `taken`: another one is on its way over the second connection.
    BulkLane::Way way(TimePoint now, const OutboxItem& item, bool taken) const;
    void send(TimePoint now, OutboxItem& item);
    /// Opens and closes the connection. `wanted`: a result waits for it; `taken`: one is on its way.
    void steer(TimePoint now, bool wanted, bool taken);
    void close();
    /// The job of the result on its way is no longer ours: the Hub must not get the rest.
    void abort();

    void on_worker_connected() { lane_.on_reconnected(); }
    void on_welcomed(TimePoint now) { lane_.on_welcomed(now); }
    void on_delivered(TimePoint now, const OutboxItem& item);
    /// It ended; `item`: the result that was on its way, or none.
    void on_ended(TimePoint now, OutboxItem* item, const std::string& reason);
    /// A connection ended when `left` bytes of this result had not left.
    void count_cut(TimePoint now, OutboxItem& item, std::size_t left, const std::string& reason);

    /// How long the acknowledgement may take: what was written may wait in buffers on the way.
    Ms ack_patience(const OutboxItem& item) const;
    std::optional<TimePoint> next_wakeup(bool wanted, bool taken) const {
        return lane_.next_wakeup(wanted, taken);
    }

  private:
    void note_refused(const std::string& why);

    const SessionSettings& settings_;
    Wire& wire_;
    BulkLane lane_;
};

}  // namespace emprops::hub
