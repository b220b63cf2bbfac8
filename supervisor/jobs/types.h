#pragma once
// The values that the Hub side (supervisor/hub), the dispatcher and the ledger exchange about jobs: offers,
// claims, assignments, outcomes, capacity. Nothing here knows of frames or connector lines.

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "ipc/messages.h"
#include "supervisor/base/time.h"

namespace emprops::jobs {

/// A job that the Hub has given to us. One job id can be assigned to this worker more than once in its life
/// (after the Hub took it away); `number` tells the assignments apart.
struct Assignment {
    std::string job_id;
    std::string job_type;
    std::int64_t priority = 0;
    ipc::RawJson payload;
    std::uint64_t number = 0;  ///< unique within this process and over the ledger's life
};

struct Completed {
    ipc::RawJson result;  ///< a non-empty object
};
/// A result whose files the worker delivers, as the connector said it.
struct Collected {
    ipc::RawJson result;  ///< with {"$file": n} where the entries of the files are to stand
    std::vector<ipc::ResultFile> files;
};
struct Failed {
    ipc::JobError error;
    /// False: no connector has begun the job here. It goes back to the Hub; a hub that can takes it for
    /// nothing (the EmProps Hub knows failures only).
    bool begun = true;
};

/// By which a job that comes back is known to be the same: its payload's length and CRC-32C.
struct PayloadMark {
    std::uint64_t bytes = 0;  ///< 0: not known
    std::uint32_t crc32c = 0;
    bool operator==(const PayloadMark&) const = default;
};
PayloadMark mark_of(const ipc::RawJson& payload);

/// How an assignment ended. Exactly one per assignment is ever made.
struct Outcome {
    std::string job_id;
    std::uint64_t number = 0;
    std::variant<Completed, Failed> value;
};

/// What the ledger keeps about an assignment besides the assignment itself.
struct AssignmentNote {
    std::vector<std::string> claimed_as;  ///< its claim tokens (job_link.h); at the EmProps Hub, our ids
    std::string connector;                ///< may be empty (no instance yet)
    int attempt = 1;                      ///< the attempt that is about to run
    bool with_payload = false;            ///< also keep the payload (the connector can resume)
    bool begun = true;                    ///< false: no connector was told to begin it
};

/// A job whose files are on their way: its result, and what supervisor/files notes of them.
struct DeliveryRecord {
    ipc::RawJson result;
    ipc::RawJson state;
};

/// What the ledger holds of an assignment that had not ended when an earlier worker process did.
struct UnfinishedRecord {
    Assignment assignment;  ///< payload "{}" unless note.with_payload
    AssignmentNote note;
    std::optional<DeliveryRecord>
        delivery{};  ///< its connector was done with it; its files are to be delivered
};

/// What the worker can take right now: a pure function of the ready, available instances.
struct Capacity {
    /// Advertised to the Hub: the types of all ready and available instances, sorted, unique. Also of those
    /// without a free slot: "busy" tells the Hub about slots, the list tells it about abilities.
    std::vector<std::string> job_types;
    /// Slots free and not reserved by a claim, per job type; only positive ones.
    std::map<std::string, int> free_slots;
    /// Types of which one job may be claimed, to be prepared, although none of their slots is free. At the EmProps
    /// Hub as long as a slot will probably be free soon.
    std::set<std::string> ahead;
    bool draining = false;  ///< nothing is claimed any more; job_types is empty then

    bool idle() const { return !free_slots.empty() && !draining; }
    bool operator==(const Capacity&) const = default;
};

/// What could be taken at this moment, for whoever brings jobs.
struct Room {
    /// Places that are reserved count as taken. The same object as long as nothing changes.
    std::shared_ptr<const Capacity> capacity;
    /// A job has ended here and its outcome is on its way to the link: the slot that it freed is told together
    /// with it, once.
    bool outcome_coming = false;
};

}  // namespace emprops::jobs
