#pragma once
// What the worker asks of a link: whoever gives us jobs and takes their outcomes. A link may be offered jobs
// and claim them one by one (the EmProps Hub, supervisor/hub), or fetch as many as there is room for; it may
// know us under one id or under one per place. The worker cannot tell. Event loop thread only.
//
// The link speaks through LinkCallbacks::on_event, synchronously and in order, from inside the calls below or
// from the event loop. A callback may call the link again: that is handled after what is under way.
//
// An assignment comes with a claim token: whatever the link needs to be known again as its holder. It is
// opaque to everybody else. The ledger keeps it, and adopt() returns it after a restart of the worker.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ipc/messages.h"
#include "supervisor/base/note.h"
#include "supervisor/jobs/link_view.h"
#include "supervisor/jobs/types.h"

namespace emprops::jobs {

// ---- what the link tells the worker ------------------------------------------------------------------------

/// A job of this type is about to be claimed, or was given to us unasked: reserve a place for it if there is
/// one, and answer with JobLink::place(). A link that fetches jobs looks at the room instead.
struct PlaceWanted {
    std::string job_id;
    std::string job_type;
    bool operator==(const PlaceWanted&) const = default;
};
/// How the other side treats a job that has not begun. `for_nothing`: it takes it back as it went, and asks for it
/// (ReturnWanted) when somebody else could begin it, so that jobs may be claimed ahead at any time. Told when it is
/// known, and when it changes.
struct TakesBack {
    bool for_nothing = false;
    bool operator==(const TakesBack&) const = default;
};
/// Somebody else could begin this job at once: give it back, not begun, if it has not begun.
struct ReturnWanted {
    std::string job_id;
    std::uint64_t number = 0;
    bool operator==(const ReturnWanted&) const = default;
};
/// Nothing comes of the claim: the place that was granted is free again.
struct PlaceReleased {
    std::string job_id;
    bool operator==(const PlaceReleased&) const = default;
};
/// This job is ours: write it to the ledger with its claim token, then hand it to the dispatcher. The link
/// keeps it ours from here on, until deliver() or undelivered().
struct Assigned {
    Assignment assignment;
    std::string claimed_as;  ///< the claim token
};
/// A job that runs here may be ours under one more claim (it is about to be claimed again, after it was taken
/// back): add the token to its ledger record. Nothing else changes. It comes before the claim is made: it may
/// be seen to have succeeded before its answer arrives.
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
/// Somebody cancelled the job: stop it, report nothing, remove its ledger record. The link forgot it.
struct JobCancelled {
    std::string job_id;
    std::uint64_t number = 0;
    std::string reason;
    bool operator==(const JobCancelled&) const = default;
};
/// The job was given to somebody else, or has ended without us: as JobCancelled. `reason` is one of the words
/// of NotDelivered.
struct JobWithdrawn {
    std::string job_id;
    std::uint64_t number = 0;
    std::string reason;
    bool operator==(const JobWithdrawn&) const = default;
};
/// The outcome has been taken: remove the ledger record.
struct Delivered {
    std::string job_id;
    std::uint64_t number = 0;
    bool operator==(const Delivered&) const = default;
};
/// The outcome must not be sent: remove the ledger record and tell the operator. `reason`: claimed_by_other,
/// completed, failed, cancelled, unknown, pending (a failure of a job that is already back in the queue),
/// unconfirmed (a failure that was sent before and of which nobody knows whether it arrived).
struct NotDelivered {
    std::string job_id;
    std::uint64_t number = 0;
    std::string reason;
    bool operator==(const NotDelivered&) const = default;
};
/// Our token was refused. `leave`: the process should exit with 69 (nothing was ever accepted, or nothing
/// runs any more and no outcome waits). Otherwise jobs go on and the link tries again now and then.
struct AuthRefused {
    bool leave = false;
    bool operator==(const AuthRefused&) const = default;
};

using LinkEvent =
    std::variant<PlaceWanted, PlaceReleased, TakesBack, ReturnWanted, Assigned, Readopted, JobConfirmed,
                 JobCancelled, JobWithdrawn, Delivered, NotDelivered, AuthRefused, Note>;

struct LinkCallbacks {
    std::function<void(LinkEvent)> on_event;
    /// What could be taken at this moment.
    std::function<Room()> room;
};

// ---- what the worker tells the link ------------------------------------------------------------------------

/// An assignment that an earlier process left in the ledger.
struct LedgerEntry {
    Assignment assignment;                ///< the payload is not looked at
    std::vector<std::string> claimed_as;  ///< its claim tokens
    std::optional<Outcome> outcome;       ///< set: it ended, the outcome waits for delivery
    bool resumable = false;               ///< without outcome: worth claiming again if it was taken back
    bool begun = true;                    ///< without outcome: false: it waits for its slot, as it did before
};

/// What is there for a job that may be claimed. `ahead`: no slot, but it would be prepared until there is one.
enum class Place { none, slot, ahead };

class JobLink {
  public:
    virtual ~JobLink() = default;

    /// What the ledger holds of an earlier process; before start().
    virtual void adopt(LedgerEntry entry) = 0;
    virtual void start() = 0;
    /// Sends what is queued, ends within 2 s and calls `done`. Nothing is taken any more. What could not be
    /// delivered stays in the ledger.
    virtual void stop(std::function<void()> done) = 0;

    /// We did not run for a while (a paused container): the other side may be about to give up on us.
    virtual void ran_again() {}
    /// What room() says has changed (an instance became ready, died, a slot was freed, draining began).
    virtual void room_changed() = 0;
    /// The answer to PlaceWanted.
    virtual void place(const std::string& /*job_id*/, Place /*place*/) {}
    /// A job whose place was ahead has begun. Until then it waits for its slot, which the other side is told.
    virtual void begun(const std::string& /*job_id*/, std::uint64_t /*number*/) {}
    /// Keeps the job ours, as far as the link has not done it.
    virtual void report_progress(const std::string& job_id, std::uint64_t number,
                                 const ipc::Progress& progress) = 0;
    /// How the assignment ended; it is durable already. Delivered or NotDelivered follows, sometime. A failure
    /// that has not begun (Failed::begun) goes back for nothing where that is possible: as it came, with no
    /// attempt counted.
    virtual void deliver(Outcome outcome) = 0;
    /// It ended without anything to report: nothing keeps it ours any more.
    virtual void undelivered(const std::string& job_id, std::uint64_t number) = 0;
    /// An operator cancels a job: the other side is told first if that can be, then JobCancelled follows.
    virtual void cancel(const std::string& job_id, const std::string& reason) = 0;
    /// For the next connections; one that exists is not touched. If the old one was refused, at once.
    virtual void set_token(const std::string& /*token*/) {}

    // For whoever watches the worker from the other side, where there is such a thing.
    /// What this machine and its connectors say of themselves.
    virtual void set_capabilities(ipc::Json /*capabilities*/) {}
    virtual void set_connector_status(const std::string& /*connector*/, const ipc::Status& /*status*/) {}
    virtual void forget_connector_status(const std::string& /*connector*/) {}
    virtual void service_request(const ipc::ServiceRequest& /*request*/) {}

    // For people here.
    virtual LinkMetrics metrics() const = 0;
    virtual LinkView view() const = 0;
    /// Nothing of ours runs and no outcome waits.
    virtual bool nothing_left() const = 0;
    /// The other side's address, without the token.
    virtual std::string address() const = 0;
};

/// Makes the worker's link; `first_number`: of its first assignment, above every one in the ledger.
using LinkFactory = std::function<std::unique_ptr<JobLink>(std::uint64_t first_number, LinkCallbacks)>;

}  // namespace emprops::jobs
