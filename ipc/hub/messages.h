#pragma once
// What is said to and by the EmProps Redis Hub (ipc/hub/PROTOCOL.md 2 and 3), as values; codec.h turns them
// into text and back. One struct per message, whoever says it; members have the Hub's names and defaults.
// Large JSON values (result, content, connector_details, a submitted payload) are JSON text that is never
// decoded, and only *views*: of the text that was decoded, or of what the sender holds.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ipc/messages.h"

namespace emprops::hub {

using ipc::Json;

/// What every message of a worker carries, and most of the Hub's to a worker.
struct Stamp {
    double timestamp = 0;  ///< seconds since the epoch
    std::string worker_id;
};

/// Status words. A message without status counts as "idle" at the Hub, so each of ours has one, or null.
inline constexpr const char* idle_status = "idle";
inline constexpr const char* busy_status = "busy";
inline constexpr const char* leaving_status = "leaving";

// ---- worker -> Hub

struct RegisterWorker {
    Stamp stamp;
    std::string capabilities = "null";   ///< JSON text of an object, or null; with_job_types() makes it
    std::vector<std::string> job_types;  ///< its supported_job_types, as they are read; not written
    std::string status = idle_status;
    bool subscribe_to_jobs = true;
};
struct WorkerHeartbeat {
    Stamp stamp;
    std::optional<std::string> status = idle_status;  ///< null leaves the Hub's idea of the worker alone
    double load = 0;                                  ///< not read by hubs
};
struct WorkerStatus {
    Stamp stamp;
    std::optional<std::string> status = idle_status;
    Json capabilities = nullptr;        ///< object, or null: not said
    Json connector_statuses = nullptr;  ///< likewise
    std::string message_id = {};        ///< set in what monitors get; there null is said
    /// To the local hub: types of which it takes one job to prepare, although no slot is free for them. Nullopt: not
    /// said, what was said before holds.
    std::optional<std::vector<std::string>> ahead_job_types = {};
    /// To the local hub: how many offers it answers together, at first one. Nullopt: not said, likewise.
    std::optional<int> offers_at_once = {};
    std::vector<std::string> declined_offers = {};  ///< to the local hub: of jobs that it has no place for
};
struct ClaimJob {
    Stamp stamp;
    std::string job_id;
    /// Ids that the worker had before (ours: each reconnect brings a new one) and under which it held this
    /// job. For the local hub, which lets a worker have its job again although it is busy.
    std::vector<std::string> earlier_worker_ids = {};
};
struct JobProgress {  // update_job_progress; clients get it as well
    Stamp stamp;
    std::string job_id;
    int progress = 0;  ///< -1..100
    std::string status = "processing";
    std::optional<std::string> message = {};
    std::string_view connector_details = "null";  ///< an object or null
    bool begun = true;  ///< for the local hub; false: the job waits for its slot at this worker
};
struct CompleteJob {  // clients get it as well
    Stamp stamp;
    std::string job_id;
    /// Decoded: an object, "{}" when it was missing or null. Encoded: the Hub loses results that are no
    /// non-empty objects, so those are wrapped into {"result": ...}.
    std::string_view result = "{}";
};
struct FailJob {
    Stamp stamp;
    std::string job_id;
    std::string error;            ///< "[code] message" from our workers, free text from others
    std::string error_code = {};  ///< from `error_code`, else out of `error`; empty: none
    bool retryable = true;        ///< an extra field of our workers
    bool begun = true;            ///< likewise; false: the job comes back as it went, nobody has tried it
};
struct ConnectorWsStatus {
    Stamp stamp;
    std::string connector_type;
    bool connected = false;
    std::string service_name = {};
    Json details = nullptr;    ///< object or null
    Json last_ping = nullptr;  ///< whatever it is
};
struct ServiceRequest {
    Stamp stamp;
    std::string job_id;
    std::string service = {};
    std::string request_type = {};
    std::string_view content = "{}";  ///< an object
};

using FromWorker = std::variant<RegisterWorker, WorkerHeartbeat, WorkerStatus, ClaimJob, JobProgress,
                                CompleteJob, FailJob, ConnectorWsStatus, ServiceRequest>;

// ---- client -> Hub

struct SubmitJob {
    std::string job_id;  ///< `message_id` on a WebSocket; empty: the Hub makes one
    std::string job_type = "unknown";
    std::int64_t priority = 0;
    std::string_view payload = "{}";  ///< an object
};
struct RequestJobStatus {
    std::string job_id;
};
struct SubscribeJob {
    std::string job_id;
};
struct SubscribeStats {};
struct RequestStats {};
struct CancelJob {  // some hubs say it to workers too
    std::string job_id;
    std::string reason = "Manually cancelled";
    double timestamp = 0;  ///< 0: left out
};
struct ForceRetryJob {
    std::string job_id;
};
struct StayAlive {};

using FromClient = std::variant<SubmitJob, RequestJobStatus, SubscribeJob, SubscribeStats, RequestStats,
                                CancelJob, ForceRetryJob, StayAlive>;

/// POST /api/jobs. `wait` and `timeout` belong to REST only.
struct RestSubmit {
    SubmitJob job;
    bool wait = false;
    double timeout_seconds = 300;
};

// ---- monitor -> Hub

struct Subscribe {
    std::vector<std::string> channels;  ///< message types; empty: everything
};
struct GetSystemStatus {};

using FromMonitor = std::variant<Subscribe, GetSystemStatus, StayAlive>;

// ---- Hub -> worker

struct Welcome {  // connection_established
    std::string message = {};
    double timestamp = 0;  ///< 0: left out, as to workers
    /// A job that has not begun goes back for nothing here, and is asked for (ReturnJob). The local hub says it.
    bool takes_jobs_back = false;
};
/// Somebody else would begin this job at once: fail_job with `begun: false` if it has not begun. The local hub says it.
struct ReturnJob {
    std::string job_id;
};
struct WorkerRegistered {
    Stamp stamp;
};
struct NotificationsSubscribed {  // job_notifications_subscribed
    Stamp stamp;
};
struct HeartbeatAck {  // worker_heartbeat_ack
    Stamp stamp;
};
/// job_available; its payload is not kept.
struct Offer {
    std::string job_id;
    std::string job_type;
    std::string bad = {};  ///< why it cannot be read (job_type is empty then); empty: it can
};
struct Assignment {  // job_assigned
    std::string job_id;
    std::string job_type = {};  ///< empty when missing
    std::int64_t priority = 0;
    std::optional<ipc::RawJson> params = {};  ///< nullopt: there, but no object, or unreadable
    std::string bad = {};                     ///< why it cannot be read; empty: it can
};
struct CompletedAck {  // job_completed_ack
    std::string job_id;
    Stamp stamp = {};
};
struct FailedAck {  // job_failed_ack
    std::string job_id;
    Stamp stamp = {};
    std::string error = {};
};
/// A piece of a message that is too long for one. Of an offer the first piece is decoded as an Offer, and the others
/// without their content: all that is wanted stands before the payload.
struct Chunk {
    std::string message_id;
    std::string message_hash;  ///< md5 of the whole, hexadecimal
    std::string original_type;
    std::string job_id;
    std::uint64_t chunk_id = 0;
    std::uint64_t total_chunks = 0;
    std::string content = {};
};
/// The Hub's errors carry their job id in the text only.
struct HubError {
    /// `server_trouble`: it could not do what some message of ours asked; its redis is away, most likely.
    enum class Kind {
        claim_failed,
        not_idle,
        fail_refused,
        not_found,
        bad_token,
        server_trouble,
        other
    } kind = Kind::other;
    std::string job_id = {};  ///< empty when the text names none
    std::string text = {};
};

// ---- Hub -> client and monitor

struct JobStatus {  // response_job_status
    std::string job_id;
    std::string status;
    std::string worker_id = {};  ///< empty: null
    std::optional<std::string> message = {};
    std::optional<int> progress = {};
    double started_at = 0;    ///< 0: null
    double completed_at = 0;  ///< 0: null
    std::string_view result = "null";
    double timestamp = 0;
};
struct JobAccepted {
    std::string job_id;
    std::size_t position = 0;  ///< 1: the next of its type; 0: not told
    double timestamp = 0;
};
/// The `fail_job` that clients and monitors get, for each attempt.
struct AttemptFailed {
    Stamp stamp;
    std::string job_id;
    std::string error;
    bool last = false;
    std::uint32_t attempts = 0;
};
struct SubscriptionConfirmed {
    std::string job_id;         ///< empty: the short form without job and monitor
    Json monitor_id = nullptr;  ///< a text or null
    Json channels = nullptr;
    double timestamp = 0;
};
struct MonitorAck {  // ack: the Hub acknowledges its own messages to monitors
    std::string message_id;
    std::string original_id;  ///< empty: null
    std::string original_type;
    double timestamp = 0;
};
struct StatsBroadcast {
    std::string message_id;
    const Json& stats;
    double timestamp = 0;
};
struct StayAliveResponse {
    double timestamp = 0;
};

// ---- what decoding comes to

/// A message to a hub that is not understood: the text and details of the `error` that answers it.
struct Refused {
    std::string error;
    Json details;  ///< object or null
};

struct Ignored {  // an acknowledgement, or a type that this version does not know
    std::string type;
    bool known = false;
};
struct BadFrame {
    std::string reason;
};

using HubFrame = std::variant<Welcome, Offer, Assignment, CompletedAck, FailedAck, CancelJob, ReturnJob,
                              JobStatus, Chunk, HubError, Ignored, BadFrame>;
using ClientFrame = std::variant<Welcome, JobAccepted, JobProgress, CompleteJob, AttemptFailed, JobStatus,
                                 HubError, Ignored, BadFrame>;

}  // namespace emprops::hub
