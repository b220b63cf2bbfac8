#pragma once
// What the Hub session wants done. Plain values in the order in which they must be carried out; the shell
// (hub_link) performs the connection ones, the worker's glue those about jobs.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "supervisor/base/note.h"
#include "supervisor/base/time.h"
#include "supervisor/jobs/types.h"

namespace emprops::hub {

// ---- for the shell: connections ------------------------------------------------------------------------

/// Open the worker connection under this id after this long. The Hub knows us by the id in the URL.
struct Connect {
    Ms after{0};
    std::string worker_id;
    bool operator==(const Connect&) const = default;
};
/// One text frame for the worker connection. Frames of one batch are written back to back.
struct Send {
    std::string text;
    /// A sign of life: it overtakes frames that wait and have not begun (large results on a slow line).
    bool urgent = false;
    bool operator==(const Send&) const = default;
};
/// Close the worker connection; on_disconnected follows.
struct Disconnect {
    std::string reason;
    bool operator==(const Disconnect&) const = default;
};
/// Open the client connection that answers questions about jobs (fencing, cancel) after this long.
struct OpenWatch {
    Ms after{0};
    std::string client_id;
    bool operator==(const OpenWatch&) const = default;
};
struct SendWatch {
    std::string text;
    bool operator==(const SendWatch&) const = default;
};
/// Close it (or give up opening it); no on_watch_disconnected is expected for it.
struct CloseWatch {
    bool operator==(const CloseWatch&) const = default;
};
/// Open the connection for large results under this id; see bulk_lane.h.
struct OpenBulk {
    std::string worker_id;
    bool operator==(const OpenBulk&) const = default;
};
struct SendBulk {
    std::string text;
    bool operator==(const SendBulk&) const = default;
};
/// End it at once, also in the middle of a frame (which the Hub then never sees); no on_bulk_disconnected is
/// expected for it.
struct CloseBulk {
    bool operator==(const CloseBulk&) const = default;
};

// ---- for the glue: jobs --------------------------------------------------------------------------------

/// The Hub has given us this job and its slot is reserved at the JobDesk: write it to the ledger with
/// `claimed_as`, then hand it to the dispatcher. Keep-alives run from here on, until deliver() or
/// undelivered().
struct Assigned {
    jobs::Assignment assignment;
    std::string claimed_as;
};
/// A job that runs here may be ours under one more id (it is about to be claimed again, after the Hub has
/// taken it back): add the id to its ledger record. Nothing else changes. It comes before the claim: the
/// client connection may tell of the claim's success before the worker connection does.
struct Readopted {
    std::string job_id;
    std::uint64_t number = 0;
    std::string claimed_as;
    bool operator==(const Readopted&) const = default;
};
/// A running job of an earlier process (adopt()) is still ours: resume it, or end it as `lost` with
/// deliver().
struct JobConfirmed {
    std::string job_id;
    std::uint64_t number = 0;
    bool operator==(const JobConfirmed&) const = default;
};
/// Somebody cancelled the job: stop it, report nothing, remove its ledger record. The session forgot it.
struct JobCancelled {
    std::string job_id;
    std::uint64_t number = 0;
    std::string reason;
    bool operator==(const JobCancelled&) const = default;
};
/// The Hub has given the job to somebody else, or knows its end: as JobCancelled. `reason` is one of the
/// words of NotDelivered.
struct JobWithdrawn {
    std::string job_id;
    std::uint64_t number = 0;
    std::string reason;
    bool operator==(const JobWithdrawn&) const = default;
};
/// The Hub has taken the outcome: remove the ledger record.
struct Delivered {
    std::string job_id;
    std::uint64_t number = 0;
    bool operator==(const Delivered&) const = default;
};
/// The outcome must not be sent (fencing): remove the ledger record and tell the operator. `reason`:
/// claimed_by_other, completed, failed, cancelled, unknown, pending (a failure of a job that is already back
/// in the queue), unconfirmed (a failure that was sent before and cannot be fenced).
struct NotDelivered {
    std::string job_id;
    std::uint64_t number = 0;
    std::string reason;
    bool operator==(const NotDelivered&) const = default;
};
/// The Hub refused our token. `leave`: the process should exit with 69 (nothing was ever accepted, or nothing
/// runs any more and the outbox is empty). Otherwise jobs go on and the session tries again every
/// bad_token_retry.
struct AuthRefused {
    bool first_connection = false;
    bool leave = false;
    bool operator==(const AuthRefused&) const = default;
};
using Action = std::variant<Connect, Send, Disconnect, OpenWatch, SendWatch, CloseWatch, OpenBulk, SendBulk,
                            CloseBulk, Assigned, Readopted, JobConfirmed, JobCancelled, JobWithdrawn,
                            Delivered, NotDelivered, AuthRefused, Note>;
using Actions = std::vector<Action>;

}  // namespace emprops::hub
