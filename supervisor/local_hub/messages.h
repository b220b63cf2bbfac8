#pragma once
// Messages of the Hub's protocol (ipc/hub/PROTOCOL.md 2 and 3) <-> text. Pure. Payloads, results and
// other large values are JSON text that is spliced byte for byte. Field defaults, lax types and error texts
// are the Hub's, because its workers and clients depend on them.

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "supervisor/local_hub/types.h"

namespace emprops::local_hub {

using Json = nlohmann::json;

// ---- worker -> hub

struct RegisterWorker {
    Json capabilities;  ///< object or null
    bool subscribe_to_jobs = true;
    std::string status = "idle";
    std::vector<std::string> job_types;  ///< capabilities.supported_job_types
};
struct WorkerHeartbeat {
    std::optional<std::string> status = "idle";  ///< explicit null: leaves the status alone
};
struct WorkerStatus {
    std::optional<std::string> status = "idle";
    Json capabilities;
    Json connector_statuses;
};
struct ClaimJob {
    std::string job_id;
    /// Ids that the worker had before (ours: each reconnect brings a new one) and under which it held this
    /// job.
    std::vector<std::string> earlier_worker_ids;
};
struct JobProgress {
    std::string job_id;
    std::string worker_id;
    int progress = 0;  ///< -1..100
    std::string status = "processing";
    std::optional<std::string> message;
    std::string connector_details = "null";  ///< JSON text
};
struct CompleteJob {
    std::string job_id;
    std::string worker_id;
    std::string result;  ///< JSON text of an object; "{}" when it was missing or null
};
struct FailJob {
    std::string job_id;
    std::string worker_id;
    std::string error;       ///< "[code] message" from our workers, free text from others
    std::string error_code;  ///< from `error_code`, else out of `error`; empty: none
    bool retryable = true;   ///< an extra field of our workers
    bool begun = true;       ///< likewise; false: the job comes back as it went, nobody has tried it
};
struct ConnectorWsStatus {
    Json fields;
};
struct ServiceRequest {
    Json fields;
    std::string content = "{}";  ///< JSON text
};

using FromWorker = std::variant<RegisterWorker, WorkerHeartbeat, WorkerStatus, ClaimJob, JobProgress,
                                CompleteJob, FailJob, ConnectorWsStatus, ServiceRequest>;

// ---- client -> hub

struct SubmitJob {
    std::string job_id;  ///< from `message_id`; empty: the hub makes one
    std::string job_type = "unknown";
    std::int64_t priority = 0;
    std::string payload = "{}";  ///< JSON text of an object
};
struct RequestJobStatus {
    std::string job_id;
};
struct SubscribeJob {
    std::string job_id;
};
struct SubscribeStats {};
struct RequestStats {};
struct CancelJob {
    std::string job_id;
    std::string reason = "Manually cancelled";
};
struct ForceRetryJob {
    std::string job_id;
};
struct StayAlive {};

using FromClient = std::variant<SubmitJob, RequestJobStatus, SubscribeJob, SubscribeStats, RequestStats,
                                CancelJob, ForceRetryJob, StayAlive>;

// ---- monitor -> hub

struct Subscribe {
    std::vector<std::string> channels;  ///< message types; empty: everything
};
struct GetSystemStatus {};

using FromMonitor = std::variant<Subscribe, GetSystemStatus, StayAlive>;

/// A message that is not understood: the text and details of the `error` that answers it.
struct Refused {
    std::string error;
    Json details;  ///< object or null
};

using DecodedFromWorker = std::variant<FromWorker, Refused>;
using DecodedFromClient = std::variant<FromClient, Refused>;
using DecodedFromMonitor = std::variant<FromMonitor, Refused>;

DecodedFromWorker decode_from_worker(std::string_view text);
DecodedFromClient decode_from_client(std::string_view text);
DecodedFromMonitor decode_from_monitor(std::string_view text);

/// POST /api/jobs. `wait` and `timeout` belong to REST only.
struct RestSubmit {
    SubmitJob job;
    bool wait = false;
    double timeout_seconds = 300;
};
/// On failure the list of FastAPI-like problems for the 422 answer.
std::variant<RestSubmit, Json> decode_rest_submit(std::string_view body);

// ---- hub -> anybody

std::string error_text(std::string_view error, double timestamp, const Json& details = nullptr);
/// `{"type":...,"timestamp":...,` + the members of `fields` + `}`; `raw_key`: `raw_value` is spliced last.
std::string message_text(std::string_view type, double timestamp, const Json& fields,
                         std::string_view raw_key = {}, std::string_view raw_value = {});
/// The Hub's response_job_status. `status` may differ from the job's ("processing" at an assignment).
/// `result` is JSON text; empty: null.
std::string job_status_text(const Job& job, std::string_view status, double timestamp,
                            const std::optional<std::string>& message, std::string_view result = {});
/// The same message with `"key":"value"` added at its end: how the Hub marks what it forwards to monitors.
std::string with_member(std::string object, std::string_view key, const Json& value);

/// True for a JSON text of an object without members.
bool is_empty_object(std::string_view json);

}  // namespace emprops::local_hub
