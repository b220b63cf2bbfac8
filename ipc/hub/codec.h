#pragma once
// The Hub's messages <-> text, for whoever speaks: worker, hub, client, monitor. Pure functions.
// A hub reads with the Hub's own rules (lax numbers, defaults, a wrong type makes a message invalid, its
// error texts), because workers and clients depend on them. Worker and client take whatever a Hub sends: what
// cannot be understood is a BadFrame, what is not for them an Ignored, and no member's type is an offence
// where something can be done without it.

#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ipc/hub/messages.h"

namespace emprops::hub {

// ---- worker -> Hub

std::string encode(const RegisterWorker& message);
std::string encode(const WorkerHeartbeat& message);
std::string encode(const WorkerStatus& message);
std::string encode(const ClaimJob& message);
std::string encode(const JobProgress& message);
std::string encode(const CompleteJob& message);
/// Both texts are made short and safe.
std::string encode(const FailJob& message);
std::string encode(const ConnectorWsStatus& message);
std::string encode(const ServiceRequest& message);

/// `capabilities` (JSON text: an object or null) with supported_job_types. They can be large and are said with each
/// change of the types, so nothing of them is decoded.
std::string with_job_types(std::string_view capabilities, const std::vector<std::string>& job_types);

// What a connector says, in the words of the Hub.
std::string encode_progress(const Stamp& stamp, const ipc::Progress& progress);
/// Progress -1 with status "heartbeat": keeps the Hub from giving the job away after 30 s.
/// `waits`: the job has not begun, and says so.
std::string encode_keepalive(const Stamp& stamp, std::string_view job_id, bool waits = false);
/// The error is "[code] message".
std::string encode_fail(const Stamp& stamp, std::string_view job_id, const ipc::JobError& error,
                        bool begun = true);
std::string encode_connector_status(const Stamp& stamp, std::string_view connector,
                                    const ipc::Status& status);
std::string encode_service_request(const Stamp& stamp, const ipc::ServiceRequest& request);
/// The form that `connector_statuses` holds per service.
Json connector_status_object(std::string_view connector, const ipc::Status& status);

// ---- client and monitor -> Hub

std::string encode(const SubmitJob& message);
std::string encode(const RequestJobStatus& message);
std::string encode(const CancelJob& message);

// ---- Hub -> worker, client, monitor

std::string encode(const Welcome& message);
std::string encode(const ReturnJob& message);
std::string encode(const WorkerRegistered& message);
std::string encode(const NotificationsSubscribed& message);
std::string encode(const HeartbeatAck& message);
/// job_available.
std::string encode_offer(double timestamp, std::string_view job_id, std::string_view job_type,
                         std::int64_t priority, std::string_view payload);
/// job_assigned.
std::string encode_assignment(const Stamp& stamp, std::string_view job_id, std::string_view job_type,
                              std::int64_t priority, std::string_view payload);
std::string encode(const CompletedAck& message);
std::string encode(const FailedAck& message);
std::string encode(const Chunk& message);
std::string encode(const JobStatus& message);
std::string encode(const JobAccepted& message);
std::string encode(const AttemptFailed& message);
std::string encode(const SubscriptionConfirmed& message);
std::string encode(const MonitorAck& message);
std::string encode(const StatsBroadcast& message);
std::string encode(const StayAliveResponse& message);
std::string encode_error(std::string_view error, double timestamp, const Json& details = nullptr);
/// The short form of some places: without time and details.
std::string encode_error(std::string_view error);
/// A message with `client_id` at its end: how the Hub marks what it forwards to monitors.
std::string with_client_id(std::string message, std::string_view client_id);

// ---- what a hub reads

std::variant<FromWorker, Refused> decode_from_worker(std::string_view text);
std::variant<FromClient, Refused> decode_from_client(std::string_view text);
std::variant<FromMonitor, Refused> decode_from_monitor(std::string_view text);
/// On failure the list of FastAPI-like problems for the 422 answer.
std::variant<RestSubmit, Json> decode_rest_submit(std::string_view body);
/// True for a JSON text of an object without members.
bool is_empty_object(std::string_view json);

// ---- what a worker and a client read

/// An offer or an assignment that cannot be read as a whole (nested too deep, say) but whose type and job id
/// were seen is an Offer or Assignment with `bad` set, not a BadFrame: somebody must end that job.
HubFrame decode_hub_frame(std::string_view text);
/// The same of a message that was put together from pieces: an assignment takes its payload out of `joined`, which
/// holds nothing of use afterwards, instead of copying it.
HubFrame decode_joined_frame(std::string& joined);
/// What a message of this type and job that cannot be read comes to.
HubFrame unreadable(const std::string& type, const std::string& job_id, const std::string& reason);
ClientFrame decode_client_frame(std::string_view text);

}  // namespace emprops::hub
