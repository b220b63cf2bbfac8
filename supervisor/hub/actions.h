#pragma once
// What the Hub session wants done. Plain values in the order in which they must be carried out; the shell
// (hub_link) performs the connection ones and hands those about jobs to the worker.

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "supervisor/base/time.h"
#include "supervisor/jobs/job_link.h"

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

// ---- for the worker: what every link tells (jobs/job_link.h) -----------------------------------------------

using jobs::Assigned;
using jobs::AuthRefused;
using jobs::Delivered;
using jobs::JobCancelled;
using jobs::JobConfirmed;
using jobs::JobWithdrawn;
using jobs::NotDelivered;
using jobs::PlaceReleased;
using jobs::PlaceWanted;
using jobs::Readopted;
using jobs::ReturnWanted;
using jobs::TakesBack;

using Action =
    std::variant<Connect, Send, Disconnect, OpenWatch, SendWatch, CloseWatch, OpenBulk, SendBulk, CloseBulk,
                 PlaceWanted, PlaceReleased, TakesBack, ReturnWanted, Assigned, Readopted, JobConfirmed,
                 JobCancelled, JobWithdrawn, Delivered, NotDelivered, AuthRefused, Note>;
using Actions = std::vector<Action>;

}  // namespace emprops::hub
