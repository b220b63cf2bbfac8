#pragma once
// The Hub's messages: our side encoded, its side decoded. Pure functions. Field names are the Hub's. Payloads
// and results are never decoded: `params` comes out, `result` goes in byte for byte. Decoding never fails as
// a whole: what cannot be understood is a BadFrame, what is not for us an Ignored.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ipc/messages.h"

namespace emprops::hub {

// ---- worker -> Hub

/// What every message of ours carries.
struct Stamp {
    double timestamp = 0;  ///< seconds since the epoch
    std::string worker_id;
};

/// Status words. A message without status counts as "idle" at the Hub, so each of ours has one, or null.
inline constexpr const char* idle_status = "idle";
inline constexpr const char* busy_status = "busy";
inline constexpr const char* leaving_status = "leaving";

/// `capabilities` gets `supported_job_types` added.
std::string encode_register(const Stamp& stamp, const ipc::Json& capabilities,
                            const std::vector<std::string>& job_types, std::string_view status);
/// Without `status`: null, which leaves the Hub's idea of us alone.
std::string encode_heartbeat(const Stamp& stamp, std::optional<std::string_view> status, double load);
std::string encode_status(const Stamp& stamp, std::string_view status);
/// The full form, which monitors read: before every fifth heartbeat.
std::string encode_full_status(const Stamp& stamp, std::string_view status, const ipc::Json& capabilities,
                               const std::vector<std::string>& job_types,
                               const ipc::Json& connector_statuses);
/// `earlier_ids`: ids under which we held this job before, for the local hub, which lets a worker have its
/// job again although it is busy; the EmProps Hub ignores members it does not know.
std::string encode_claim(const Stamp& stamp, std::string_view job_id,
                         const std::vector<std::string>& earlier_ids = {});
std::string encode_progress(const Stamp& stamp, const ipc::Progress& progress);
/// Progress -1 with status "heartbeat": keeps the Hub from giving the job away after 30 s.
std::string encode_keepalive(const Stamp& stamp, std::string_view job_id);
/// The Hub loses results that are no non-empty objects: those are wrapped into {"result": ...}.
std::string encode_complete(const Stamp& stamp, std::string_view job_id, const ipc::RawJson& result);
/// `error` is "[code] message", short and safe; `error_code`, `retryable` and `begun` (only when false: the
/// job goes back as it came) are for the local hub, the EmProps Hub ignores them.
std::string encode_fail(const Stamp& stamp, std::string_view job_id, const ipc::JobError& error,
                        bool begun = true);
std::string encode_connector_status(const Stamp& stamp, std::string_view connector,
                                    const ipc::Status& status);
std::string encode_service_request(const Stamp& stamp, const ipc::ServiceRequest& request);
/// The form that `connector_statuses` holds per service.
ipc::Json connector_status_object(std::string_view connector, const ipc::Status& status);

// ---- client -> Hub

std::string encode_request_job_status(std::string_view job_id);
std::string encode_cancel_job(std::string_view job_id, std::string_view reason);

// ---- Hub -> worker and client

struct Welcome {};  // connection_established
struct Offer {      // job_available; its payload is not kept
    std::string job_id;
    std::string job_type;
    std::string bad;  ///< why it cannot be read (job_type is empty then); empty: it can
};
struct Assignment {  // job_assigned
    std::string job_id;
    std::string job_type;  // empty when missing
    std::int64_t priority = 0;
    std::optional<ipc::RawJson> params;  // nullopt: there, but no object, or unreadable
    std::string bad;                     // why it cannot be read; empty: it can
};
struct CompletedAck {
    std::string job_id;
};
struct FailedAck {
    std::string job_id;
};
struct CancelJob {  // only from hubs that tell workers about cancels
    std::string job_id;
    std::string reason;
};
struct JobStatus {  // response_job_status
    std::string job_id;
    std::string status;
    std::string worker_id;
    std::string message;
};
struct Chunk {
    std::string message_id;
    std::string message_hash;  // md5, hexadecimal
    std::string original_type;
    std::string job_id;
    std::uint64_t chunk_id = 0;
    std::uint64_t total_chunks = 0;
    std::string content;
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
    std::string job_id;  // empty when the text names none
    std::string text;
};
struct Ignored {  // an acknowledgement, or a type that this version does not know
    std::string type;
    bool known = false;
};
struct BadFrame {
    std::string reason;
};

using HubFrame = std::variant<Welcome, Offer, Assignment, CompletedAck, FailedAck, CancelJob, JobStatus,
                              Chunk, HubError, Ignored, BadFrame>;

/// An offer or an assignment that cannot be read as a whole (nested too deep, say) but whose type and job id
/// were seen is an Offer or Assignment with `bad` set, not a BadFrame: somebody must end that job.
HubFrame decode_hub_frame(std::string_view text);
/// What a message of this type and job that cannot be read comes to.
HubFrame unreadable(const std::string& type, const std::string& job_id, const std::string& reason);
HubError classify_error(std::string text);

}  // namespace emprops::hub
