#pragma once
// The worker's side of the Hub protocol as a pure machine: frames, connection events, outcomes and time go
// in, actions come out. It owns the conversation (registration, heartbeats, offers and claims, keep-alives,
// the outbox, fencing, cancel watch, reconnect); it knows no socket, no clock, no disk, no connector.
//
// Use: call any inputs, then take_actions(now) once; it asks the JobDesk for the capacity, decides what the
// Hub must be told, and returns everything in order. Outcomes given in one batch and the status that follows
// them leave in one batch of frames. Owner: HubLink. Event loop thread only. Nothing a Hub sends makes it
// fail.

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.h"
#include "ipc/messages.h"
#include "supervisor/base/time.h"
#include "supervisor/hub/actions.h"
#include "supervisor/hub/bulk_lane.h"
#include "supervisor/jobs/types.h"

namespace emprops::hub {

/// The session's window on the dispatcher; called synchronously from inside inputs and take_actions(). An
/// implementation must not call back into the session.
class JobDesk {
  public:
    virtual ~JobDesk() = default;
    /// Takes a slot for a job about to be claimed. False: nothing free for this type now.
    virtual bool reserve(TimePoint now, const std::string& job_id, const std::string& job_type) = 0;
    /// Gives back a slot whose claim was refused or not answered. (After Assigned the slot belongs to the job
    /// and the dispatcher frees it itself.)
    virtual void release(TimePoint now, const std::string& job_id) = 0;
    /// What could be taken at this moment; reservations count as taken.
    virtual jobs::Capacity capacity() const = 0;
    /// The same; the same object as long as nothing changes, if the desk can tell that.
    virtual std::shared_ptr<const jobs::Capacity> shared_capacity() const {
        return std::make_shared<const jobs::Capacity>(capacity());
    }
    /// A job has ended here and its outcome is on its way to deliver(): the slot that it freed is told
    /// together with it, once.
    virtual bool outcome_coming() const { return false; }
};

/// What the session cannot know by itself. The first three must be set.
struct Sources {
    std::function<double()> wall_seconds;    ///< seconds since the epoch, for `timestamp` fields only
    std::function<double()> random_unit;     ///< uniform in [0, 1), for jitter
    std::function<std::string()> random_id;  ///< 8 hex digits
    /// Bytes handed out as Send and not yet written to the worker connection; not set: always 0.
    std::function<std::size_t()> queued_bytes;
    /// The same of the connection for large results (SendBulk); both keep their last value after the end.
    std::function<std::size_t()> bulk_queued_bytes;
};

struct SessionSettings {
    std::string id_base;         ///< first part of our id at the Hub
    bool exact_id = false;       ///< the id is id_base alone, always
    bool watch_possible = true;  ///< a client URL could be derived from the Hub's URL
    bool bulk_possible = true;   ///< so could the URL of the connection for large results
    BulkPolicy bulk;             ///< when that one is used
    config::HubSettings hub;     ///< timeouts, limits; url, host and token are not looked at
    config::Duration heartbeat_interval = std::chrono::seconds(20);
    std::uint64_t first_number = 1;  ///< number of the first assignment: above every one in the ledger

    /// While outcomes and jobs of an earlier connection are not fenced, nothing new is claimed, but no longer
    /// than this.
    config::Duration fence_hold = std::chrono::seconds(10);
    /// Outcomes that could not be fenced for this long on a working link are sent by the rules without fence:
    /// completed ones, and failures that were never sent before.
    config::Duration fence_patience = std::chrono::seconds(60);
    /// Running jobs that could not be fenced for this long are kept alive without knowing whether they are
    /// ours: the Hub gives a job away after 30 s without progress, the outage before included. Their outcomes
    /// still wait for the fence.
    config::Duration running_patience = std::chrono::seconds(12);
    /// An outcome without an ack for this long after it was written is fenced and sent again if the Hub still
    /// waits for it.
    config::Duration ack_timeout = std::chrono::seconds(30);
    /// What a connector says of itself (`capabilities` of all together, `details` of one status) takes at
    /// most this of our messages to the Hub.
    std::size_t self_description_limit = 64 * 1024;
    /// While more than this waits to be written, what monitors alone read is held back or dropped.
    std::size_t crowded_bytes = std::size_t{1} << 20;
    /// The client connection is kept this long after it was last needed.
    config::Duration watch_linger = std::chrono::seconds(10);
};

/// An assignment that an earlier process left in the ledger.
struct LedgerEntry {
    jobs::Assignment assignment;  ///< the payload is not looked at
    std::vector<std::string> claimed_as;
    std::optional<jobs::Outcome> outcome;  ///< set: it ended, the outcome waits for delivery
    bool resumable = false;                ///< without outcome: worth claiming again if the Hub took it back
};

/// Counters since the start and current values, for the control API.
struct SessionMetrics {
    std::uint64_t connections = 0;  ///< times the Hub welcomed us
    std::uint64_t reconnects = 0;   ///< of these, all but the first
    std::uint64_t offers = 0;
    std::uint64_t claims = 0;
    std::uint64_t refusals = 0;        ///< "Failed to claim"
    std::uint64_t not_idle = 0;        ///< "Worker is not idle"
    std::uint64_t claim_timeouts = 0;  ///< claims that were not answered
    std::uint64_t assignments = 0;
    std::uint64_t fresh_ids = 0;    ///< reconnects for a job that the Hub kept from our id
    std::uint64_t readoptions = 0;  ///< jobs the Hub had taken back and that were claimed again
    std::uint64_t delivered = 0;
    std::map<std::string, std::uint64_t> not_delivered;  ///< by reason, running jobs taken from us included
    std::uint64_t bad_frames = 0;                        ///< frames of the Hub that could not be understood
    std::uint64_t dropped_assemblies = 0;                ///< chunked messages given up
    std::size_t running = 0;
    std::size_t outbox_depth = 0;
    Ms outbox_oldest{0};  ///< age of the oldest undelivered outcome
    Ms last_offer_to_assignment{0};
    Ms max_offer_to_assignment{0};
};

/// The link as an operator sees it.
struct SessionView {
    /// A job that the Hub keeps from our id.
    struct Withheld {
        std::string job_id;
        std::string job_type;
        TimePoint since;
        std::string text;  ///< a sentence: what, why, what follows
    };
    /// An outcome that the Hub has not taken yet.
    struct Outcome {
        std::string job_id;
        std::string job_type;
        bool completed = false;
        TimePoint since;
    };
    enum class Link { waiting, connecting, connected } link = Link::waiting;
    std::string worker_id;  ///< our id at the Hub on this connection
    bool auth_refused = false;
    bool told_idle = false;               ///< what the Hub was told last
    std::vector<std::string> told_types;  ///< what it was told that we can do
    std::string last_error;               ///< why the last connection ended
    TimePoint attempt_at{};               ///< not connected: when the next attempt begins, or began
    std::vector<Withheld> withheld;       ///< jobs that wait at the Hub and are not given to our id
    std::vector<Outcome> outcomes;
};

class Session {
  public:
    /// `desk` must outlive the session.
    Session(SessionSettings settings, JobDesk& desk, Sources sources);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    // ---- before start
    void adopt(TimePoint now, LedgerEntry entry);
    /// Asks for the first connection.
    void start(TimePoint now);
    /// Leaves: both connections are closed, nothing is connected again. Outcomes not delivered stay in the
    /// ledger.
    void stop(TimePoint now);

    // ---- from the worker connection
    void on_connected(TimePoint now);
    void on_frame(TimePoint now, std::string_view text);
    /// The connection ended or could not be made; `reason` is a sentence for a person.
    void on_disconnected(TimePoint now, const std::string& reason);

    // ---- from the client connection (OpenWatch)
    void on_watch_connected(TimePoint now);
    void on_watch_frame(TimePoint now, std::string_view text);
    void on_watch_disconnected(TimePoint now, const std::string& reason);

    // ---- from the connection for large results (OpenBulk)
    void on_bulk_frame(TimePoint now, std::string_view text);
    void on_bulk_disconnected(TimePoint now, const std::string& reason);

    // ---- from time
    void on_time(TimePoint now);
    /// When on_time wants to be called next; never in the past of the last input. nullopt: not needed.
    std::optional<TimePoint> next_wakeup() const;

    // ---- from the worker
    /// The `capabilities` of register_worker, without supported_job_types: the fixed part merged with each
    /// connector's keys (see merge_capabilities). Sent with the next registration, which follows if it
    /// changed.
    void set_capabilities(TimePoint now, ipc::Json capabilities);
    /// State of a connector's outside service, for monitors. `connector` is the configured name. Of a flood
    /// the newest is sent, once a second.
    void set_connector_status(TimePoint now, const std::string& connector, const ipc::Status& status);
    void forget_connector_status(TimePoint now, const std::string& connector);
    void report_progress(TimePoint now, const std::string& job_id, std::uint64_t number,
                         const ipc::Progress& progress);
    void service_request(TimePoint now, const ipc::ServiceRequest& request);
    /// The outcome of an assignment; it is durable already. Ends with Delivered or NotDelivered, sometime.
    void deliver(TimePoint now, jobs::Outcome outcome);
    /// The assignment ended here without anything to report: its keep-alives stop.
    void undelivered(TimePoint now, const std::string& job_id, std::uint64_t number);
    /// The operator cancels a job: the Hub is told first (as a client), then JobCancelled follows; after 3 s
    /// also without the Hub's answer.
    void cancel(TimePoint now, const std::string& job_id, const std::string& reason);

    /// The next connection has another token: one that was refused is not waited for any longer.
    void token_changed(TimePoint now);

    // ---- out
    Actions take_actions(TimePoint now);
    SessionMetrics metrics(TimePoint now) const;
    SessionView view() const;
    /// Nothing runs here and no outcome waits.
    bool nothing_left() const;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

/// The `capabilities` that the Hub's monitors know: those of the machine, then each connector's keys with the
/// prefix "<connector>_".
ipc::Json merge_capabilities(ipc::Json machine,
                             const std::vector<std::pair<std::string, ipc::Json>>& connectors);

}  // namespace emprops::hub
